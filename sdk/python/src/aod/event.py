"""The events of a session's stream."""

import json
from collections.abc import AsyncGenerator, Generator
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, Field

StreamEventType: TypeAlias = Literal["start", "stage", "turn_start", "output", "exit", "error", "terminated", "stale"]
"""What events are at present."""

ENDS = frozenset({"exit", "error", "terminated", "stale"})
FINAL = ENDS - {"stale"}
EVENT_LIMIT = 1 << 20


class StreamEvent(BaseModel):
    """One event: what it is, the id of its row, and in `extra` whatever else it says.

    | type | extra |
    |---|---|
    | `start` | `runtime`, `provider`, `session_id` |
    | `stage` | `stage`, `state`, `duration_ms`, `message`, `cached` |
    | `turn_start` | `turn` |
    | `output` | `stream`, `data`, `turn` |
    | `exit` | `code` |
    | `error`, `terminated`, `stale` | `message` |
    """

    type: str
    id: int | None = None
    extra: dict[str, Any] = Field(default_factory=dict)

    @property
    def ends(self) -> bool:
        """Whether the event is the last of its stream."""
        return self.type in ENDS

    @property
    def stored(self) -> bool:
        """Whether the event is a row of the log, and not one that each connection is told anew."""
        return self.type in ("stage", "output")


AsyncEvents = AsyncGenerator[StreamEvent, None]
Events = Generator[StreamEvent, None, None]


class Frames:
    """Reads the events of a stream that comes in pieces."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[StreamEvent]:
        """The events that are complete with this piece."""
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        events = [event for line in lines if (event := self._line(line.removesuffix(b"\r"))) is not None]
        if len(self._rest) + sum(map(len, self._data)) > EVENT_LIMIT:
            raise ValueError(f"an event is larger than {EVENT_LIMIT} bytes")
        return events

    def _line(self, line: bytes) -> StreamEvent | None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].strip())
        if line or not self._data:
            return None
        text, self._data = b"\n".join(self._data), []
        fields = json.loads(text)
        if not isinstance(fields, dict):
            raise ValueError("an event is no object")
        return StreamEvent(type=fields.pop("type", "output"), id=fields.pop("id", None), extra=fields)
