"""A program for aod-sdk 0.1.0: every call that it has, sync and async, and what each says when it is refused."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import aod
from aod.pretty.claude import ClaudeFormatter

NOBODY = "00000000-0000-4000-8000-000000000000"


def refused(kind: type[aod.AodHTTPError], detail: str, call: Callable[[], object]) -> aod.AodHTTPError:
    try:
        call()
    except aod.AodHTTPError as error:
        assert type(error) is kind, error
        assert isinstance(error, aod.AodError)
        assert detail in str(error.detail), error
        assert str(error).startswith(f"{error.method} {error.url} -> {error.status_code}: "), error
        assert detail in str(error), error
        return error
    raise AssertionError(f"not refused: {detail}")


def said(events: Iterator[aod.StreamEvent], turn: int) -> str:
    seen = list(events)
    assert seen[0].type == "start", seen
    assert seen[-1].type == "exit", seen
    assert seen[-1].extra["code"] == 0, seen
    return "".join(e.extra["data"] for e in seen if e.type == "output" and e.extra["turn"] == turn)


def agents(client: aod.Client) -> str:
    agent = client.agents.create(
        name="first",
        runtime="shell",
        model="local/bash",
        system="be brief",
        description="d",
        skills=[{"name": "notes", "description": "d", "content": "c"}],
        mcp_servers=[{"name": "t", "url": "https://mcp.example.com"}],
        metadata={"team": "x"},
    )
    assert (agent.type, agent.version, agent.runtime, agent.metadata) == ("agent", 1, "shell", {"team": "x"})
    assert (agent.mcp_servers[0].type, agent.mcp_servers[0].url) == ("url", "https://mcp.example.com")
    changed = client.agents.update(agent.id, version=1, name="second")
    assert (changed.name, changed.version, changed.system) == ("second", 2, "be brief")
    refused(
        aod.ConflictError,
        "Version mismatch: expected 2, got 1",
        lambda: client.agents.update(agent.id, version=1, name="x"),
    )
    assert client.agents.get(str(agent.id)) == changed
    assert [a.id for a in client.agents.list()] == [agent.id]
    assert [(v.version, v.name) for v in client.agents.versions(agent.id)] == [(2, "second"), (1, "first")]
    other = client.agents.create(name="other", runtime="claude", model="anthropic/claude-sonnet-4-6")
    assert client.agents.archive(other.id).archived_at is not None
    refused(aod.ConflictError, "Agent is already archived", lambda: client.agents.archive(other.id))
    return str(agent.id)


def environments(client: aod.Client) -> str:
    env = client.environments.create(
        name="env",
        packages={"apt": []},
        env_vars={"WORD": "hello"},
        setup_script="true",
        networking={"type": "limited", "allowed_hosts": ["pypi.org"]},
    )
    assert (env.networking.type, env.networking.allowed_hosts) == ("limited", ["pypi.org"])
    env = client.environments.update(env.id, version=1, networking={"type": "unrestricted"})
    assert (env.version, env.networking.type) == (2, "unrestricted")
    assert client.environments.get(env.id).name == "env"
    assert [e.name for e in client.environments.list()] == ["env"]
    assert [v.version for v in client.environments.versions(env.id)] == [2, 1]
    spare = client.environments.create(name="spare")
    assert client.environments.archive(spare.id).archived_at is not None
    assert client.environments.delete(spare.id) is None
    refused(aod.NotFoundError, "Environment not found", lambda: client.environments.get(spare.id))
    return str(env.id)


def sessions(client: aod.Client, agent: str, env: str) -> None:
    ack = client.sessions.create(agent_id=agent, prompt="echo $WORD; echo kept > note", environment_id=env, timeout=120)
    assert (ack.status, ack.current_turn, str(ack.environment_id)) == ("pending", 1, env)
    with client.sessions.stream(ack.id) as events:
        assert said(events, 1) == "hello\n"
    session = client.sessions.get(ack.id)
    assert (session.status, session.exit_code, session.turn_count, session.runtime) == ("completed", 0, 1, "shell")
    with client.sessions.stream(ack.id) as events:
        last = max(event.id or 0 for event in events)
    again = client.sessions.prompt(ack.id, prompt="cat note", timeout=120)
    assert (again.status, again.current_turn) == ("pending", 2)
    with client.sessions.stream(ack.id, since=last) as events:
        assert said(events, again.current_turn) == "kept\n"
    turns = [(t.turn_number, t.status, t.prompt) for t in client.sessions.turns(ack.id)]
    assert turns == [(1, "completed", "echo $WORD; echo kept > note"), (2, "completed", "cat note")], turns
    assert [s.id for s in client.sessions.list()] == [session.id]
    refused(aod.ConflictError, "existing sessions", lambda: client.environments.delete(env))
    assert client.sessions.terminate(ack.id).status == "terminated"
    refused(aod.ConflictError, "terminated", lambda: client.sessions.prompt(ack.id, prompt="true"))
    assert client.sessions.delete(ack.id) is None
    refused(aod.NotFoundError, "Session not found", lambda: client.sessions.get(ack.id))


def errors(client: aod.Client, agent: str) -> None:
    error = refused(aod.NotFoundError, "Agent not found", lambda: client.agents.get(NOBODY))
    assert (error.status_code, error.method) == (404, "GET")
    assert error.url.endswith(f"/agents/{NOBODY}")
    refused(
        aod.AodHTTPError, "Unknown runtime: cobol", lambda: client.agents.create(name="x", runtime="cobol", model="x/y")
    )
    refused(
        aod.ValidationError, "cannot serve", lambda: client.agents.create(name="x", runtime="claude", model="openai/o3")
    )
    with aod.Client(token="aod_nobody") as stranger:
        refused(aod.AuthError, "Invalid API key", stranger.agents.list)
    with client.sessions.stream(NOBODY) as events:
        refused(aod.NotFoundError, "Session not found", lambda: next(events))
    running = [client.sessions.create(agent_id=agent, prompt="sleep 600").id for _ in range(2)]
    error = refused(
        aod.RateLimitError, "limit reached (2/2)", lambda: client.sessions.create(agent_id=agent, prompt="true")
    )
    assert isinstance(error, aod.RateLimitError)
    assert (error.limit, error.active) == (2, 2)
    for session in running:
        client.sessions.terminate(session)


async def again() -> None:
    async with aod.AsyncClient() as client:
        assert (await client.health())["status"] == "ok"
        agent = await client.agents.create(name="async", runtime="shell", model="local/bash")
        agent = await client.agents.update(agent.id, version=1, description="d")
        assert (await client.agents.get(agent.id)).description == "d"
        assert agent.id in [a.id for a in await client.agents.list()]
        assert len(await client.agents.versions(agent.id)) == 2
        env = await client.environments.create(name="async")
        env = await client.environments.update(env.id, version=1, setup_script="true")
        assert (await client.environments.get(env.id)).version == 2
        assert env.id in [e.id for e in await client.environments.list()]
        assert len(await client.environments.versions(env.id)) == 2
        ack = await client.sessions.create(agent_id=agent.id, prompt="echo one")
        async with client.sessions.stream(ack.id) as events:
            assert said(iter([event async for event in events]), 1) == "one\n"
        await client.sessions.prompt(ack.id, prompt="echo two")
        async with client.sessions.stream(ack.id, since=0) as events:
            assert said(iter([event async for event in events]), 2) == "two\n"
        assert len(await client.sessions.turns(ack.id)) == 2
        assert (await client.sessions.get(ack.id)).status == "completed"
        assert ack.id in [s.id for s in await client.sessions.list()]
        assert (await client.sessions.terminate(ack.id)).status == "terminated"
        await client.sessions.delete(ack.id)
        assert (await client.agents.archive(agent.id)).archived_at is not None
        assert (await client.environments.archive(env.id)).archived_at is not None
        await client.environments.delete(env.id)


def main() -> None:
    with aod.Client() as client:
        assert client.health()["status"] == "ok"
        agent, env = agents(client), environments(client)
        sessions(client, agent, env)
        errors(client, agent)
    asyncio.run(again())
    formatter = ClaudeFormatter()
    for transcript in sorted(Path(sys.argv[1]).glob("*.jsonl")):
        for line in [*formatter.feed(transcript.read_text()), *formatter.flush()]:
            print(line)


if __name__ == "__main__":
    main()
