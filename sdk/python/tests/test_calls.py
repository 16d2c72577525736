"""What is sent, and what comes of what is answered."""

import ssl
from pathlib import Path
from uuid import UUID

import httpx
import pydantic
import pytest
from service import ACK, AGENT, FAST, SESSION, Service, in_async, ok

import aod
from aod import AsyncClient, Client, Patience


def test_what_is_none_is_not_sent() -> None:
    service = Service(ok(AGENT, 201))
    with service.client() as client:
        client.agents.create(
            name="a",
            runtime="claude",
            model="m",
            environment_id=UUID(AGENT["id"]),
            skills=[
                aod.InlineSkill(name="n", description="d", content="c"),
                aod.GithubSkill(source="o/r", description="d"),
                {"name": None, "own": 1},
            ],
            mcp_servers=[
                aod.McpServerUrl(name="t", url="u"),
                aod.McpServerStdio(name="s", command="c", args=["-y"]),
            ],
            metadata={"n": None},
        )
    assert service.body() == {
        "name": "a",
        "runtime": "claude",
        "model": "m",
        "environment_id": AGENT["id"],
        "skills": [
            {"name": "n", "description": "d", "content": "c"},
            {"type": "github", "source": "o/r", "description": "d"},
            {"name": None, "own": 1},
        ],
        "mcp_servers": [
            {"type": "url", "name": "t", "url": "u"},
            {"type": "stdio", "name": "s", "command": "c", "args": ["-y"]},
        ],
        "metadata": {"n": None},
    }
    request = service.requests[0]
    assert request.headers["Authorization"] == "Bearer t"
    assert request.headers["User-Agent"].startswith("aod-python/")
    assert UUID(request.headers["Idempotency-Key"])


def test_a_key_of_the_callers_is_sent() -> None:
    service = Service(ok(ACK, 202))
    with service.client() as client:
        client.sessions.create(agent_id=AGENT["id"], prompt="p", idempotency_key="order-4711")
        client.sessions.prompt(ACK["id"], prompt="p", idempotency_key="order-4712")
    assert [r.headers["Idempotency-Key"] for r in service.requests] == ["order-4711", "order-4712"]


def test_calls_without_a_body_have_none() -> None:
    service = Service(ok(AGENT))
    with service.client() as client:
        client.agents.archive(AGENT["id"])
    request = service.requests[0]
    assert request.content == b""
    assert "Content-Type" not in request.headers
    assert "Idempotency-Key" not in request.headers


def test_an_answer_may_have_more_fields() -> None:
    with Service(ok({**AGENT, "newer": 1})).client() as client:
        assert client.agents.get("x").name == "a"


def test_what_no_retry_mends_is_not_made_again() -> None:
    certificate = httpx.ConnectError("bad certificate")
    certificate.__cause__ = ssl.SSLCertVerificationError("bad certificate")
    for broken in (certificate, httpx.UnsupportedProtocol("gopher"), httpx.DecodingError("bad gzip")):
        service = Service(broken, ok(AGENT))
        with service.client() as client, pytest.raises(aod.AodConnectionError) as caught:
            client.agents.get("x")
        assert len(service.requests) == 1
        assert isinstance(caught.value, httpx.TransportError)
        assert (caught.value.method, caught.value.url) == ("GET", "http://aod.test/agents/x")


def test_what_was_not_sent_is_sent_again() -> None:
    service = Service(httpx.ConnectError("refused"), httpx.ConnectTimeout(""), ok(AGENT))
    with service.client() as client:
        client.agents.archive("x")
    assert len(service.requests) == 3


def test_tries_end() -> None:
    service = Service(httpx.ReadTimeout(""))
    client = service.client(Patience(retries=2, first_pause=0, last_pause=0))
    with client, pytest.raises(aod.AodConnectionError, match="ReadTimeout"):
        client.agents.get("x")
    assert len(service.requests) == 3


def test_pauses_double_and_the_server_may_ask_for_another() -> None:
    patience = Patience(first_pause=1, last_pause=30)
    for made, longest in enumerate([1, 2, 4, 8, 16, 30, 30]):
        assert longest / 2 <= patience.pause(made) <= longest
    assert patience.pause(1000) <= 30
    assert 4.5 <= Patience(first_pause=1, growth=3, last_pause=30).pause(2) <= 9
    assert patience.pause(0, "7") == 7
    assert patience.pause(0, "86400") == 60
    assert patience.pause(0, "Wed, 21 Oct 2026 07:28:00 GMT") <= 1


def test_too_large_an_answer_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aod._sync.transport.ANSWER_LIMIT", 100)
    with Service(ok(AGENT)).client() as client, pytest.raises(aod.UnexpectedAnswerError, match="larger than"):
        client.agents.get("x")


def test_lists_and_pages() -> None:
    second = {**AGENT, "name": "b"}
    service = Service(
        ok({"data": [AGENT], "has_more": True, "next_cursor": "c"}), ok({"data": [second], "next_cursor": None})
    )
    with service.client() as client:
        assert [agent.name for agent in client.agents.list(metadata={"team": "x"})] == ["a", "b"]
        assert [dict(r.url.params) for r in service.requests] == [
            {"metadata[team]": "x", "limit": "100"},
            {"metadata[team]": "x", "limit": "100", "cursor": "c"},
        ]
        first = next(client.agents.iterate(limit=1))
    assert first.name == "b"
    assert service.requests[-1].url.params["limit"] == "1"


def test_sessions_are_filtered() -> None:
    service = Service(ok({"data": [SESSION]}))
    with service.client() as client:
        client.sessions.list(status=["failed", "terminated"], agent_id=UUID(AGENT["id"]))
        client.sessions.list(status="failed")
    assert service.requests[0].url.params.get_list("status") == ["failed", "terminated"]
    assert service.requests[0].url.params["agent_id"] == AGENT["id"]
    assert service.requests[1].url.params.get_list("status") == ["failed"]


def test_the_async_client_does_the_same() -> None:
    service = Service(httpx.ReadError(""), ok(AGENT), ok({"data": [AGENT], "next_cursor": None}), ok({"status": "ok"}))

    async def work() -> None:
        async with service.async_client() as client:
            assert (await client.agents.get("x")).name == "a"
            assert [agent.name async for agent in client.agents.iterate()] == ["a"]
            assert await client.health() == {"status": "ok"}

    in_async(work)


def test_a_client_is_told_where_and_who(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AOD_API_URL", "AOD_API_TOKEN", "AOD_API_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match=r"token=\.\.\., or set AOD_API_TOKEN"):
            kind()
        for url in ("ftp://x", "http://", "http://user:secret@x", "http://x?y=1", "nonsense", "http://[::1"):
            with pytest.raises(ValueError, match="not of the form https://host") as caught:
                kind(base_url=url, token="t")
            assert "secret" not in str(caught.value)
        with pytest.raises(ValueError, match="characters that no token has") as caught:
            kind(token="t\nX-Injected: 1")
        assert "Injected" not in str(caught.value)

    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return ok({"status": "ok"})

    (tmp_path / "token").write_text("from-a-file\n")
    monkeypatch.setenv("AOD_API_TOKEN_FILE", str(tmp_path / "token"))
    Client(transport=httpx.MockTransport(answer)).health()
    monkeypatch.setenv("AOD_API_TOKEN", "from-a-variable")
    with pytest.raises(ValueError, match="both set"):
        Client()
    monkeypatch.delenv("AOD_API_TOKEN_FILE")
    monkeypatch.setenv("AOD_API_URL", "https://aod.test/prefix/")
    Client(transport=httpx.MockTransport(answer)).health()
    assert [(str(r.url), r.headers["Authorization"]) for r in seen] == [
        ("http://localhost:8777/health", "Bearer from-a-file"),
        ("https://aod.test/prefix/health", "Bearer from-a-variable"),
    ]


def test_inputs_that_cannot_be_are_told_at_once() -> None:
    for wrong in (
        lambda: aod.InlineSkill(name="No Slug", description="d", content="c"),
        lambda: aod.InlineSkill(name="n", description="d" * 1025, content="c"),
        lambda: aod.InlineSkill(name="n", description="d", content="ö" * 32_769),
        lambda: aod.InlineSkill(name="n", description="d", content="x SKILL_EOF"),
        lambda: aod.GithubSkill(source="no-repository", description="d"),
        lambda: aod.GithubRepoResource(url="https://gitlab.com/o/r"),
        lambda: aod.GithubRepoResource(url="https://github.com/o/r/x"),
        lambda: aod.GithubRepoResource(url="https://github.com/o/r", mount_path="relative"),
        lambda: aod.GithubRepoResource(url="https://github.com/o/r", mount_path="/home/sprite//"),
        lambda: aod.GithubRepoResource(url="https://github.com/o/r", mount_path="/"),
    ):
        with pytest.raises(pydantic.ValidationError):
            wrong()
    good = aod.GithubRepoResource(url="https://github.com/o/r.git", mount_path="/w", authorization_token="s")
    assert good.type == "github_repository"
    assert good.url == "https://github.com/o/r.git"


def test_patience_is_not_shared_by_accident() -> None:
    assert FAST.retries == 3
    with pytest.raises(AttributeError):
        FAST.retries = 4  # type: ignore[misc]
