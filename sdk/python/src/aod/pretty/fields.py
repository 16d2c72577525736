"""Reads lines of which nothing is sure."""

from typing import Any

Line = dict[str, Any]


def text(value: Any, *path: str) -> str:
    """The text at that path, empty if there is none."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def number(value: Any, *path: str) -> float:
    """The number at that path, 0 if there is none."""
    found = at(value, *path)
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else 0


def whole(value: Any, *path: str) -> int:
    """The whole number at that path, 0 if there is none."""
    return int(number(value, *path))


def objects(value: Any, *path: str) -> list[Line]:
    """The objects of the list at that path."""
    found = at(value, *path)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def count(value: Any, *path: str) -> int:
    """How many entries the list at that path has."""
    found = at(value, *path)
    return len(found) if isinstance(found, list) else 0


def at(value: Any, *path: str) -> Any:
    """What is at that path, if anything."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
