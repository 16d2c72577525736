"""Reading events."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from aod._sync.transport import Transport
from aod.clock import now, sleep
from aod.errors import AodConnectionError, AodError
from aod.event import ENDS, Events, StreamEvent
from aod.follower import Follower
from aod.patience import Patience, final

STEADY = 30.0  # seconds after which a connection was a good one, whatever it said


class Stream:
    """Events, one after another. Leave its context to close the connection."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamEvent:
        return self._events.__next__()

    def close(self) -> None:
        """Closes the connection."""
        self._events.close()


def follow(calls: Transport, path: str, since: int | None, patience: Patience, ends: frozenset[str] = ENDS) -> Events:
    """Yields each event of a session once, up to one of those that end it, over as many connections as it takes."""
    follower = Follower(since)
    failures = 0
    while True:
        broken: AodError | None = None
        opened = now()
        events = calls.events(path, follower.last)
        try:
            for event in events:
                if not follower.new(event) or (event.ends and event.type not in ends):
                    continue
                failures = 0
                yield event
                if event.ends:
                    return
        except AodError as error:
            broken = error
        finally:
            events.close()
        if now() - opened > STEADY:
            failures = 0
        if broken is not None and final(broken):
            raise broken
        if failures >= patience.reconnects:
            raise broken or AodConnectionError("GET", path, "the stream ended before the session did")
        sleep(patience.pause(failures))
        failures += 1
