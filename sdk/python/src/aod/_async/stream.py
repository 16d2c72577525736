"""Reading events."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from aod._async.transport import AsyncTransport
from aod.clock import asleep
from aod.errors import AodConnectionError, AodError
from aod.event import AsyncEvents, StreamEvent
from aod.follower import Follower
from aod.patience import Patience, final


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


async def follow(calls: AsyncTransport, path: str, since: int | None, patience: Patience) -> AsyncEvents:
    """Yields each event of a session once, over as many connections as it takes."""
    follower = Follower(since)
    failures = 0
    while True:
        broken: AodError | None = None
        events = calls.events(path, follower.last)
        try:
            async for event in events:
                if not follower.new(event):
                    continue
                failures = 0
                yield event
                if event.ends:
                    return
        except AodError as error:
            broken = error
        finally:
            await events.aclose()
        if final(broken):
            raise broken  # type: ignore[misc]
        if failures >= patience.reconnects:
            raise broken or AodConnectionError("GET", path, "the stream ended before the session did")
        await asleep(patience.pause(failures))
        failures += 1
