"""A service that answers as it is told, for clients that are sync or async."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx

from aod import AsyncClient, Client, Patience

Answer = Callable[[httpx.Request], httpx.Response]
FAST = Patience(first_pause=0.0001, last_pause=0.0002)

AGENT: dict[str, Any] = {
    "id": "6d1f3c52-3f0e-4a52-9a55-2b1d5c1f7f10",
    "type": "agent",
    "name": "a",
    "description": None,
    "system": None,
    "model": "local/bash",
    "runtime": "shell",
    "provider": "local",
    "environment_id": None,
    "skills": [],
    "mcp_servers": [],
    "metadata": {},
    "version": 1,
    "created_at": "2026-04-17T14:00:00.000000+00:00",
    "updated_at": "2026-04-17T14:00:00.000000+00:00",
    "archived_at": None,
}
SESSION: dict[str, Any] = {
    "id": "9b2c1b0e-8a53-4f0e-a1a7-2f7c6f3e5d90",
    "agent_id": AGENT["id"],
    "environment_id": None,
    "runtime": "shell",
    "provider": "local",
    "status": "completed",
    "exit_code": 0,
    "created_at": "2026-04-17T14:00:00.000000+00:00",
    "updated_at": "2026-04-17T14:00:00.000000+00:00",
    "resources": [],
    "turn_count": 1,
    "current_turn": 1,
}
ACK = {
    "id": SESSION["id"],
    "status": "pending",
    "stream_url": "/s",
    "environment_id": None,
    "resources": [],
    "current_turn": 1,
}


class Service:
    """Answers one request after another, the last answer again and again, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception | Answer) -> None:
        self.answers = answers
        self.requests: list[httpx.Request] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def client(self, patience: Patience = FAST) -> Client:
        return Client(
            base_url="http://aod.test", token="t", transport=httpx.MockTransport(self.answer), patience=patience
        )

    def async_client(self, patience: Patience = FAST) -> AsyncClient:
        transport = httpx.MockTransport(self.answer)
        return AsyncClient(base_url="http://aod.test", token="t", transport=transport, patience=patience)

    def body(self, n: int = -1) -> Any:
        return json.loads(self.requests[n].content)


def ok(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers=headers)


def frames(*events: dict[str, Any]) -> httpx.Response:
    return stream_of("".join(f"data: {json.dumps(event)}\n\n" for event in events))


def stream_of(text: str) -> httpx.Response:
    return httpx.Response(200, content=text.encode(), headers={"Content-Type": "text/event-stream"})


def in_async(work: Callable[[], Any]) -> Any:
    """Waits for what a coroutine function does."""
    return asyncio.run(work())
