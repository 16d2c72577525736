"""The calls that are about agents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from aod._async.transport import AsyncTransport
from aod.call import ID, JSON, Call, McpServers, Query, Skills, get, make, put
from aod.models import Agent, AgentVersion
from aod.result import Rows


class AsyncAgents:
    """Saved, versioned configurations."""

    def __init__(self, calls: AsyncTransport) -> None:
        self._calls = calls

    async def create(
        self,
        *,
        name: str,
        model: str | None = None,
        runtime: str | None = None,
        provider: str | None = None,
        system: str | None = None,
        description: str | None = None,
        environment_id: ID | None = None,
        skills: Skills | None = None,
        mcp_servers: McpServers | None = None,
        metadata: JSON | None = None,
        idempotency_key: str | None = None,
    ) -> Agent:
        """Creates an agent.

        `model` is `provider/model_id`; a bare id will do if the runtime serves one provider only.
        The same `idempotency_key` makes the same agent, also in another process.
        """
        call = make(
            "/agents",
            idempotency_key,
            name=name,
            model=model,
            runtime=runtime,
            provider=provider,
            system=system,
            description=description,
            environment_id=environment_id,
            skills=skills,
            mcp_servers=mcp_servers,
            metadata=metadata,
        )
        return await self._calls.ask(Agent, call)

    async def list(self, *, metadata: Mapping[str, str] | None = None) -> list[Agent]:
        """All agents that are not archived, the newest first; with `metadata`, those that have these values."""
        return [agent async for agent in self.iterate(metadata=metadata)]

    def iterate(self, *, metadata: Mapping[str, str] | None = None, limit: int | None = None) -> AsyncIterator[Agent]:
        """Yields what `list` returns, asking for `limit` at a time."""
        query: Query = [(f"metadata[{name}]", value) for name, value in (metadata or {}).items()]
        return self._calls.pages(Agent, Call("GET", "/agents", query), limit)

    async def get(self, agent_id: ID) -> Agent:
        """The agent as it is now, archived or not."""
        return await self._calls.ask(Agent, get(f"/agents/{agent_id}"))

    async def update(
        self,
        agent_id: ID,
        *,
        version: int,
        name: str | None = None,
        model: str | None = None,
        runtime: str | None = None,
        provider: str | None = None,
        system: str | None = None,
        description: str | None = None,
        environment_id: ID | None = None,
        skills: Skills | None = None,
        mcp_servers: McpServers | None = None,
        metadata: JSON | None = None,
    ) -> Agent:
        """Changes what is given of an agent, if `version` is its present one.

        An empty `environment_id` detaches the environment. Lists replace the old one; `metadata` is
        merged key by key, and an empty string removes its key.
        """
        call = put(
            f"/agents/{agent_id}",
            version=version,
            name=name,
            model=model,
            runtime=runtime,
            provider=provider,
            system=system,
            description=description,
            environment_id=environment_id,
            skills=skills,
            mcp_servers=mcp_servers,
            metadata=metadata,
        )
        return await self._calls.ask(Agent, call)

    async def archive(self, agent_id: ID) -> Agent:
        """Hides an agent for good: it takes neither updates nor new sessions."""
        return await self._calls.ask(Agent, Call("POST", f"/agents/{agent_id}/archive"))

    async def versions(self, agent_id: ID) -> Rows[AgentVersion]:
        """Every version that an agent has had, the newest first."""
        return await self._calls.rows(AgentVersion, get(f"/agents/{agent_id}/versions"))
