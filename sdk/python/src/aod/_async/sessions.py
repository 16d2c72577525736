"""The calls that are about sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from aod._async.stream import AsyncStream, follow
from aod._async.transport import AsyncTransport
from aod.call import ID, Call, Resources, get, make
from aod.event import FINAL
from aod.models import (
    Deleted,
    Session,
    SessionCreated,
    SessionPrompted,
    SessionStatus,
    SessionTerminated,
    Turn,
)
from aod.patience import Patience
from aod.result import AsyncOnEvent, Rows, RunResult, atell


class AsyncSessions:
    """Agents at work."""

    def __init__(self, calls: AsyncTransport) -> None:
        self._calls = calls

    async def create(
        self,
        *,
        agent_id: ID,
        prompt: str,
        environment_id: ID | None = None,
        timeout: int | None = None,
        resources: Resources | None = None,
        secret_env_vars: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> SessionCreated:
        """Starts a session of an agent with its first prompt, and returns at once.

        `timeout` is for the turn, in seconds. The same `idempotency_key` starts the same session,
        also in another process.
        """
        call = make(
            "/sessions",
            idempotency_key,
            agent_id=agent_id,
            prompt=prompt,
            environment_id=environment_id,
            timeout=timeout,
            resources=resources,
            secret_env_vars=secret_env_vars,
        )
        return await self._calls.ask(SessionCreated, call)

    async def list(
        self, *, status: SessionStatus | Sequence[SessionStatus] | None = None, agent_id: ID | None = None
    ) -> list[Session]:
        """All sessions, the newest first; those of some status or of one agent if asked for."""
        return [session async for session in self.iterate(status=status, agent_id=agent_id)]

    def iterate(
        self,
        *,
        status: SessionStatus | Sequence[SessionStatus] | None = None,
        agent_id: ID | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Session]:
        """Yields what `list` returns, asking for `limit` at a time."""
        call = get("/sessions", status=status, agent_id=None if agent_id is None else str(agent_id))
        return self._calls.pages(Session, call, limit)

    async def get(self, session_id: ID) -> Session:
        """The session as it is now."""
        return await self._calls.ask(Session, get(f"/sessions/{session_id}"))

    async def prompt(
        self, session_id: ID, *, prompt: str, timeout: int | None = None, idempotency_key: str | None = None
    ) -> SessionPrompted:
        """Starts the next turn of a session that has completed the last one, and returns at once."""
        call = make(f"/sessions/{session_id}/prompt", idempotency_key, prompt=prompt, timeout=timeout)
        return await self._calls.ask(SessionPrompted, call)

    async def turns(self, session_id: ID) -> Rows[Turn]:
        """The turns of a session, the first one first."""
        return await self._calls.rows(Turn, get(f"/sessions/{session_id}/turns"))

    async def terminate(self, session_id: ID) -> SessionTerminated:
        """Ends a session for good. What runs is killed and its Sprite destroyed."""
        return await self._calls.ask(SessionTerminated, Call("POST", f"/sessions/{session_id}/terminate"))

    async def delete(self, session_id: ID) -> None:
        """Removes a session that has ended, with everything that it said."""
        await self._calls.ask(Deleted, Call("DELETE", f"/sessions/{session_id}/delete"))

    def stream(self, session_id: ID, *, since: int | None = None) -> AsyncStream:
        """One connection to what a session says, from the beginning or after the row `since`.

        It is made when the first event is asked for, and ends when it breaks: `follow` does not.
        """
        return AsyncStream(self._calls.events(f"/sessions/{session_id}/stream", since))

    def follow(self, session_id: ID, *, since: int | None = None) -> AsyncStream:
        """Each event of a session once and in order, whatever happens to connections, up to its end."""
        return AsyncStream(follow(self._calls, f"/sessions/{session_id}/stream", since, self._calls.patience))

    def stream_resumable(
        self,
        session_id: ID,
        *,
        since: int | None = None,
        max_retries: int = 3,
        initial_backoff: float = 1.0,
        backoff_multiplier: float = 2.0,
        max_backoff: float = 30.0,
    ) -> AsyncStream:
        """Like `follow`, under its older name, with a patience of its own."""
        patience = Patience(
            reconnects=max_retries, first_pause=initial_backoff, growth=backoff_multiplier, last_pause=max_backoff
        )
        return AsyncStream(follow(self._calls, f"/sessions/{session_id}/stream", since, patience))

    async def run(
        self,
        *,
        agent_id: ID,
        prompt: str,
        environment_id: ID | None = None,
        timeout: int | None = None,
        resources: Resources | None = None,
        secret_env_vars: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        on_event: AsyncOnEvent | None = None,
        collect_events: bool = True,
    ) -> RunResult:
        """Starts a session as `create` does and waits for its end as `wait` does."""
        ack = await self.create(
            agent_id=agent_id,
            prompt=prompt,
            environment_id=environment_id,
            timeout=timeout,
            resources=resources,
            secret_env_vars=secret_env_vars,
            idempotency_key=idempotency_key,
        )
        return await self.wait(ack.id, on_event=on_event, collect_events=collect_events)

    async def wait(
        self,
        session_id: ID,
        *,
        since: int | None = None,
        on_event: AsyncOnEvent | None = None,
        collect_events: bool = True,
    ) -> RunResult:
        """Follows a session to its end, tells `on_event` each event, and returns the session and its events.

        It goes on over long silences, after which `follow` ends with an event `stale`.
        """
        path = f"/sessions/{session_id}/stream"
        events = []
        async with AsyncStream(follow(self._calls, path, since, self._calls.patience, FINAL)) as stream:
            async for event in stream:
                await atell(on_event, event)
                if collect_events:
                    events.append(event)
        return RunResult(session=await self.get(session_id), events=events)

    wait_for_completion = wait
