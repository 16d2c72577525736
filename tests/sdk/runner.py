"""Makes the calls of a scenario with the Python SDK, as README.md tells runners to: `runner.py sync` or `async`."""

import asyncio
import inspect
import json
import re
import sys
from collections.abc import Awaitable
from typing import Any

from pydantic import BaseModel

import aod

REFERENCE = re.compile(r"\$\{([a-z_.]+)\}")
KINDS = {
    aod.AuthError: "auth",
    aod.NotFoundError: "not_found",
    aod.ConflictError: "conflict",
    aod.ValidationError: "validation",
    aod.RateLimitError: "rate_limit",
    aod.ServerError: "server",
    aod.AodHTTPError: "http",
    aod.AodConnectionError: "connection",
}
Loop = asyncio.Runner | None


def client(settings: dict[str, Any], loop: Loop) -> Any:
    """The client that a scenario asks for."""
    patience = aod.Patience(
        first_pause=0.001,
        last_pause=0.005,
        **{name: settings[name] for name in ("retries", "reconnects", "wait_for_quota") if name in settings},
    )
    kind = aod.AsyncClient if loop else aod.Client
    return kind(token=settings.get("token"), timeout=settings.get("timeout"), patience=patience)


def call(api: Any, loop: Loop, name: str, given: dict[str, Any]) -> Any:
    """What comes of a call."""
    noun, _, verb = name.rpartition(".")
    resource = getattr(api, noun) if noun else api
    if verb in ("stream", "follow"):
        until = given.pop("until", None)
        return settled(loop, read(getattr(resource, verb)(given.pop("id"), **given), until))
    if verb == "list" and "limit" in given:
        return settled(loop, collected(resource.iterate(**given)))
    identified = [given.pop("id")] if "id" in given else []
    return settled(loop, getattr(resource, verb)(*identified, **given))


async def read(stream: Any, until: str | None) -> list[aod.StreamEvent]:
    """The events of a stream, up to the first of that type."""
    events: list[aod.StreamEvent] = []
    if isinstance(stream, aod.AsyncStream):
        async with stream as coming:
            async for event in coming:
                events.append(event)
                if event.type == until:
                    break
        return events
    with stream as come:
        for event in come:
            events.append(event)
            if event.type == until:
                break
    return events


async def collected(rows: Any) -> list[Any]:
    """The rows of a list."""
    return [row async for row in rows] if hasattr(rows, "__aiter__") else list(rows)


def settled(loop: Loop, value: Any) -> Any:
    """The value, which may have to be waited for."""
    if not inspect.isawaitable(value):
        return value
    return loop.run(waited(value)) if loop else asyncio.run(waited(value))


async def waited(value: Awaitable[Any]) -> Any:
    """Waits for a value."""
    return await value


def plain(value: Any) -> Any:
    """A result as it was sent."""
    if isinstance(value, aod.StreamEvent):
        number = {} if value.id is None else {"id": value.id}
        return {"type": value.type, **number, **value.extra}
    if isinstance(value, aod.RunResult):
        return {"session": plain(value.session), "events": plain(value.events)}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [plain(one) for one in value] if isinstance(value, list) else value


def failure(error: aod.AodError) -> dict[str, Any]:
    """An error as README.md describes it."""
    told: dict[str, Any] = {"kind": KINDS.get(type(error), type(error).__name__), "detail": str(error)}
    for name in ("status_code", "detail", "method", "url", "limit", "active"):
        if getattr(error, name, None) is not None:
            told[name] = getattr(error, name)
    return told


def referred(value: Any, results: dict[str, Any]) -> Any:
    """The value with results in the place of ${name.field}."""

    def found(match: re.Match[str]) -> str:
        fields: Any = results
        for step in match[1].split("."):
            fields = fields[step]
        return str(fields)

    return json.loads(REFERENCE.sub(found, json.dumps(value)))


def main() -> None:
    """Makes all the calls of the scenario on standard input."""
    scenario = json.load(sys.stdin)
    loop = asyncio.Runner() if sys.argv[1] == "async" else None
    api = client(scenario["client"] or {}, loop)
    results: dict[str, Any] = {}
    for step in scenario["steps"]:
        outcome: dict[str, Any]
        try:
            given = referred(step.get("with", {}), results)
            outcome = {"result": plain(call(api, loop, step["call"], given))}
        except aod.AodError as error:
            outcome = {"error": failure(error)}
        except (KeyError, TypeError) as missing:  # an earlier step has failed
            outcome = {"error": {"kind": "runner", "detail": f"{type(missing).__name__}: {missing}"}}
        results[step.get("as", "")] = outcome.get("result")
        print(json.dumps(outcome), flush=True)
    settled(loop, api.aclose() if loop else api.close())


if __name__ == "__main__":
    main()
