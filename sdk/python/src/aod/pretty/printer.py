"""The printer."""

import json
from collections.abc import Callable
from typing import Protocol

from aod.event import StreamEvent
from aod.pretty.fields import Line, text
from aod.pretty.runtimes.claude import Claude
from aod.pretty.runtimes.codex import Codex
from aod.pretty.runtimes.gemini import Gemini
from aod.pretty.runtimes.opencode import Opencode
from aod.pretty.sheet import Sheet

LINE_LIMIT = 16 << 20
"""How long a line of a runtime may be that is taken for JSON."""


class Format(Protocol):
    """Knows the JSON lines of a runtime."""

    def show(self, sheet: Sheet, line: Line) -> None:
        """Renders a line."""


FORMATS: dict[str, Callable[[], Format]] = {"claude": Claude, "codex": Codex, "gemini": Gemini, "opencode": Opencode}


class Printer:
    """Renders the standard output of one runtime. What a runtime prints that has no JSON lines is only cleaned."""

    def __init__(self, runtime: str) -> None:
        self._sheet = Sheet()
        self._format = FORMATS[runtime]() if runtime in FORMATS else None
        self._line = ""

    def consume(self, event: StreamEvent) -> str:
        """What is to be shown with an event: nothing, if it is no standard output."""
        data = event.extra.get("data")
        if event.type != "output" or event.extra.get("stream") != "stdout" or not isinstance(data, str):
            return ""
        return self.feed(data)

    def feed(self, chunk: str) -> str:
        """What is to be shown with a piece of standard output: the lines that are complete."""
        if self._format is None:
            self._sheet.text(chunk)
            return self._sheet.take()
        *lines, rest = chunk.split("\n")
        for line in lines:
            self._end(self._line + line)
            self._line = ""
        self._line += rest
        if len(self._line) > LINE_LIMIT:
            self._end(self._line)
            self._line = ""
        return self._sheet.take()

    def flush(self) -> str:
        """What is left of a last line."""
        line, self._line = self._line, ""
        self._end(line)
        self._sheet.begin()
        return self._sheet.take()

    def _end(self, line: str) -> None:
        line = line.removesuffix("\r")
        if not line.strip():
            return
        fields = parsed(line)
        if fields is None or self._format is None:
            self._sheet.say(line)
        else:
            self._format.show(self._sheet, fields)


def parsed(line: str) -> Line | None:
    """A line that is one of a runtime's."""
    if not line.startswith("{"):
        return None
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) and text(fields, "type") else None
