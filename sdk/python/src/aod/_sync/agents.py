"""The calls that are about agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aod._sync.transport import Transport
from aod.call import ID, JSON, Call, McpServers, Query, Skills, get, make, put
from aod.models import Agent, AgentVersion
from aod.result import Rows


class Agents:
    """Saved, versioned configurations."""

    def __init__(self, calls: Transport) -> None:
        self._calls = calls

    def create(
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
        return self._calls.ask(Agent, call)

    def list(self, *, metadata: Mapping[str, str] | None = None) -> list[Agent]:
        """All agents that are not archived, the newest first; with `metadata`, those that have these values."""
        return [agent for agent in self.iterate(metadata=metadata)]

    def iterate(self, *, metadata: Mapping[str, str] | None = None, limit: int | None = None) -> Iterator[Agent]:
        """Yields what `list` returns, asking for `limit` at a time."""
        query: Query = [(f"metadata[{name}]", value) for name, value in (metadata or {}).items()]
        return self._calls.pages(Agent, Call("GET", "/agents", query), limit)

    def get(self, agent_id: ID) -> Agent:
        """The agent as it is now, archived or not."""
        return self._calls.ask(Agent, get(f"/agents/{agent_id}"))

    def update(
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
        return self._calls.ask(Agent, call)

    def archive(self, agent_id: ID) -> Agent:
        """Hides an agent for good: it takes neither updates nor new sessions."""
        return self._calls.ask(Agent, Call("POST", f"/agents/{agent_id}/archive"))

    def versions(self, agent_id: ID) -> Rows[AgentVersion]:
        """Every version that an agent has had, the newest first."""
        return self._calls.rows(AgentVersion, get(f"/agents/{agent_id}/versions"))
