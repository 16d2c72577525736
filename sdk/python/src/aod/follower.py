"""What has been shown of a session, so that nothing of it is shown twice."""

from dataclasses import dataclass

from aod.event import StreamEvent


@dataclass
class Follower:
    """Remembers what it was told of a session over all connections."""

    last: int | None = None  # row
    turn: int = 0
    started: bool = False

    def new(self, event: StreamEvent) -> bool:
        """Says whether the event has not been before, and remembers it."""
        if event.type == "start":
            old, self.started = self.started, True
            return not old
        if event.type == "turn_start":
            if event.extra.get("turn") == self.turn:
                return False
            self.turn = event.extra.get("turn", 0)
        elif event.stored and event.id is not None:
            if self.last is not None and event.id <= self.last:
                return False
            self.last = event.id
        return True
