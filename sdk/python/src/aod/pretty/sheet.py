"""What printers write on."""

import json
from dataclasses import dataclass
from typing import Any

from aod.pretty.clean import Cleaner

NAMES = (
    *("command", "cmd", "file_path", "filePath", "path", "notebook_path"),
    *("pattern", "url", "query", "description", "name", "prompt"),
)
"""What tools call what they are asked, in the order of what says most."""


@dataclass
class Ending:
    """What a runtime says of a turn at its end."""

    failure: str = ""
    took_ms: float = 0
    turns: int = 0
    cost: float = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def __str__(self) -> str:
        said = []
        if self.took_ms > 0:
            said.append(f"{self.took_ms / 1000:.1f}s")
        if self.turns > 0:
            said.append(f"{self.turns} {plural('turn', self.turns)}")
        if self.cost > 0:
            said.append(f"${self.cost:.4f}")
        if self.tokens_in + self.tokens_out > 0:
            said.append(f"{self.tokens_in} tokens in, {self.tokens_out} out")
        ended = f"✗ Failed: {brief(self.failure, 140)}" if self.failure else "✓ Done"
        return f"{ended} · {', '.join(said)}" if said else ended


class Sheet:
    """Collects what is to be shown, until it is taken."""

    def __init__(self) -> None:
        self._cleaner = Cleaner()
        self._shown: list[str] = []
        self._inside = False  # a line has begun

    def take(self) -> str:
        """What is shown since it was last taken."""
        shown, self._shown = "".join(self._shown), []
        return shown

    def text(self, text: str) -> None:
        """Writes a piece of a text."""
        if text:
            self._shown.append(self._cleaner.clean(text))
            self._inside = not text.endswith("\n")

    def begin(self) -> None:
        """Ends the line that has begun, if one has."""
        if self._inside:
            self.text("\n")

    def say(self, text: str) -> None:
        """Writes a text that begins and ends its lines."""
        self.begin()
        text = text.rstrip("\n")
        if text:
            self.text(text + "\n")

    def note(self, sign: str, text: str) -> None:
        """Writes what is no text of the model, on one line."""
        self.say(f"{sign} {brief(text, 200)}")

    def tool(self, indent: str, name: str, given: Any) -> None:
        """Notes the use of a tool: its name and what of its input says most."""
        self.note(f"{indent}→", f"{name}  {detail(given)}".strip())

    def failed(self, indent: str, said: str) -> None:
        """Notes that a tool went wrong, and how its words begin."""
        self.note(f"{indent}  ✗", brief(said, 140))

    def finish(self, ending: Ending) -> None:
        """Writes how a turn has ended."""
        self.say(str(ending))


def brief(text: str, limit: int) -> str:
    """The text on one line, cut if it is longer than that many characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def plural(word: str, n: int) -> str:
    """The word for so many."""
    return word if n == 1 else word + "s"


def detail(given: Any) -> str:
    """What says most of a tool's input."""
    if not isinstance(given, dict) or not given:
        return ""
    for name in NAMES:
        text = given.get(name)
        if isinstance(text, str) and text.strip():
            return brief(text, 140)
    return brief(json.dumps(given, ensure_ascii=False, separators=(",", ":")), 140)
