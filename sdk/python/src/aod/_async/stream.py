"""Reading events."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from aod._async.transport import AsyncTransport
from aod.clock import asleep, now
from aod.errors import AodConnectionError, AodError
from aod.event import ENDS, AsyncEvents, StreamEvent
from aod.follower import Follower
from aod.patience import Patience, final

STEADY = 30.0  # seconds after which a connection was a good one, whatever it said


class AsyncStream:
    """Events, one after another. Leave its context to close the connection."""

    def __init__(self, events: AsyncEvents) -> None:
        self._events = events

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        return await self._events.__anext__()

    async def aclose(self) -> None:
        """Closes the connection."""
        await self._events.aclose()


async def follow(
    calls: AsyncTransport, path: str, since: int | None, patience: Patience, ends: frozenset[str] = ENDS
) -> AsyncEvents:
    """Yields each event of a session once, up to one of those that end it, over as many connections as it takes."""
    follower = Follower(since)
    failures = 0
    while True:
        broken: AodError | None = None
        opened = now()
        events = calls.events(path, follower.last)
        try:
            async for event in events:
                if not follower.new(event) or (event.ends and event.type not in ends):
                    continue
                failures = 0
                yield event
                if event.ends:
                    return
        except AodError as error:
            broken = error
        finally:
            await events.aclose()
        if now() - opened > STEADY:
            failures = 0
        if broken is not None and final(broken):
            raise broken
        if failures >= patience.reconnects:
            raise broken or AodConnectionError("GET", path, "the stream ended before the session did")
        await asleep(patience.pause(failures))
        failures += 1
