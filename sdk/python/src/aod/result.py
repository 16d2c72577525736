"""What calls result in that the API document has no name for."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Generic, TypeAlias, TypeVar

from pydantic import BaseModel, Field

from aod.event import StreamEvent
from aod.models import Session, SessionCreated, SessionPrompted, SessionTerminated

SessionAck: TypeAlias = SessionCreated | SessionPrompted | SessionTerminated
"""What a session answers to what is asked of it."""

OnEvent: TypeAlias = Callable[[StreamEvent], object]
AsyncOnEvent: TypeAlias = Callable[[StreamEvent], object | Awaitable[object]]

Row = TypeVar("Row")


Rows: TypeAlias = list[Row]
"""A list, also in a class that has a method of this name."""


class RunResult(BaseModel):
    """A session that has ended, and the events up to there."""

    session: Session
    events: list[StreamEvent] = Field(default_factory=list)


class Page(BaseModel, Generic[Row]):
    """A part of a list, and where the next one begins."""

    data: list[Row]
    next_cursor: str | None = None


def tell(on_event: OnEvent | None, event: StreamEvent) -> None:
    """Tells an event to who wants to know."""
    if on_event is not None:
        on_event(event)


async def atell(on_event: AsyncOnEvent | None, event: StreamEvent) -> None:
    """Tells an event to who wants to know, and waits if that takes time."""
    if on_event is not None:
        answer = on_event(event)
        if inspect.isawaitable(answer):
            await answer
