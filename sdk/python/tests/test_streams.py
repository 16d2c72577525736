"""Events, read once and followed."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from service import ACK, SESSION, Service, frames, in_async, ok, stream_of

import aod
from aod import Patience, StreamEvent
from aod.event import EVENT_LIMIT, Frames

START = {"type": "start", "runtime": "shell", "provider": "local", "session_id": "s"}
EXIT = {"type": "exit", "id": 3, "code": 0}


def turn(row: int, n: int) -> dict[str, Any]:
    return {"type": "turn_start", "id": row, "turn": n}


def output(row: int, n: int = 1) -> dict[str, Any]:
    return {"type": "output", "id": row, "stream": "stdout", "data": f"<{row}>", "turn": n}


class Cut(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body whose connection breaks."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __iter__(self) -> Iterator[bytes]:
        yield self.text.encode()
        raise httpx.ReadError("connection reset")

    async def __aiter__(self) -> Any:
        yield self.text.encode()
        raise httpx.ReadError("connection reset")


def cut(*events: dict[str, Any], after: str = "") -> Any:
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + after
    return lambda _: httpx.Response(200, stream=Cut(text), headers={"Content-Type": "text/event-stream"})


def short(event: StreamEvent) -> str:
    return f"{event.type} {event.id or 0} {event.extra.get('data', event.extra.get('turn', ''))}".strip()


def broken_ways() -> Service:
    return Service(
        cut(START, turn(1, 1), output(1)),
        httpx.Response(502, text="<html>"),
        cut(START, turn(2, 1)),  # before the row that it announces
        frames(START, turn(2, 1), output(1), output(2), turn(3, 2)),  # a row too many, and a clean end
        httpx.ConnectError("refused"),
        cut(START, turn(3, 2), after='id: 3\ndata: {"type": "outp'),
        cut(START, turn(3, 2), after="id: 3\n"),
        httpx.Response(429, json={"detail": "later"}),
        frames(START, turn(3, 2), output(3, 2), EXIT, output(4, 2)),
    )


WHOLE = ["start 0", "turn_start 1 1", "output 1 <1>", "output 2 <2>", "turn_start 3 2", "output 3 <3>", "exit 3"]
CAME_BACK_AFTER = [None, "1", "1", "1", "2", "2", "2", "2", "2"]


def test_follow_shows_each_event_once() -> None:
    service = broken_ways()
    with service.client() as client:
        assert [short(event) for event in client.sessions.follow("s")] == WHOLE
    assert [r.headers.get("Last-Event-ID") for r in service.requests] == CAME_BACK_AFTER


def test_async_follow_shows_each_event_once() -> None:
    service = broken_ways()

    async def work() -> list[str]:
        async with service.async_client() as client:
            return [short(event) async for event in client.sessions.follow("s")]

    assert in_async(work) == WHOLE
    assert [r.headers.get("Last-Event-ID") for r in service.requests] == CAME_BACK_AFTER


def test_follow_goes_on_while_something_new_comes() -> None:
    service = Service(*[frames(START, output(row)) for row in range(1, 31)], frames(START, EXIT))
    with service.client(Patience(reconnects=1, first_pause=0, last_pause=0)) as client:
        assert len(list(client.sessions.follow("s"))) == 32


def test_follow_gives_up_on_what_never_comes() -> None:
    service = Service(frames(START, turn(1, 1), output(1)), frames(START))
    seen: list[StreamEvent] = []
    client = service.client(Patience(reconnects=4, first_pause=0, last_pause=0))
    with client, pytest.raises(aod.AodConnectionError, match="the stream ended before the session did"):
        seen.extend(client.sessions.follow("s"))
    assert len(seen) == 3
    assert len(service.requests) == 5


def test_follow_ends_with_a_refusal() -> None:
    service = Service(frames(START), httpx.Response(404, json={"detail": "Session not found"}))
    with service.client() as client, pytest.raises(aod.NotFoundError):
        list(client.sessions.follow("s"))
    assert len(service.requests) == 2


def test_the_older_name_has_a_patience_of_its_own() -> None:
    service = Service(frames(START))
    with service.client() as client, pytest.raises(aod.AodConnectionError):
        list(client.sessions.stream_resumable("s", since=7, max_retries=1, initial_backoff=0, max_backoff=0))
    assert [r.headers["Last-Event-ID"] for r in service.requests] == ["7", "7"]


def test_a_cursor_is_sent_in_both_ways_also_zero() -> None:
    service = Service(frames(START, EXIT))
    with service.client() as client:
        for since in (None, 0, 5):
            with client.sessions.stream("s", since=since) as events:
                assert [event.type for event in events] == ["start", "exit"]
    assert [(r.headers.get("Last-Event-ID"), r.url.params.get("since")) for r in service.requests] == [
        (None, None),
        ("0", "0"),
        ("5", "5"),
    ]
    assert service.requests[0].headers["Accept"] == "text/event-stream"


def test_a_refused_stream_raises_with_the_first_event() -> None:
    client = Service(httpx.Response(404, json={"detail": "Session not found"})).client()
    with client, client.sessions.stream("s") as events, pytest.raises(aod.NotFoundError):
        next(events)


def test_a_stream_that_breaks_says_so_and_one_that_ends_ends() -> None:
    with Service(frames(START), cut(START, output(1))).client() as client:
        with client.sessions.stream("s") as events:
            assert [event.type for event in events] == ["start"]
        with client.sessions.stream("s") as events, pytest.raises(aod.AodConnectionError, match="connection reset"):
            list(events)


def test_a_silent_stream_is_dead_after_a_minute_whatever_the_timeout_of_calls() -> None:
    service = Service(frames(START, EXIT))
    with aod.Client(
        base_url="http://aod.test", token="t", timeout=1, transport=httpx.MockTransport(service.answer)
    ) as client:
        list(client.sessions.stream("s"))
    assert service.requests[0].extensions["timeout"] == {"connect": 1, "read": 60, "write": 1, "pool": 1}


def test_what_is_no_event_is_told() -> None:
    for text in ("data: {]\n\n", "data: 7\n\n", 'data: {"type": 7}\n\n'):
        with Service(stream_of(text)).client() as client, pytest.raises(aod.UnexpectedAnswerError):
            list(client.sessions.stream("s"))
    service = Service(httpx.Response(200, text="<html>welcome</html>"))
    with service.client() as client, pytest.raises(aod.UnexpectedAnswerError, match="no stream of events"):
        list(client.sessions.follow("s"))
    assert len(service.requests) == 1


def test_frames_are_read_however_they_are_cut() -> None:
    text = (
        ': heartbeat\r\n\r\nid: 1\r\ndata: {"type": "output", "id": 1, "data": "\\u0085\\u2028 ö"}\r\n\r\n'
        'event: x\nretry: 5\n\ndata:{"type":\ndata: "exit", "id": 1, "code": 0}\n\n\ndata: {"late": 1}\n'
    ).encode()
    for size in (1, 2, 5, len(text)):
        reader = Frames()
        events = [e for i in range(0, len(text), size) for e in reader.feed(text[i : i + size])]
        assert events == [
            StreamEvent(type="output", id=1, extra={"data": "\u0085\u2028 ö"}),
            StreamEvent(type="exit", id=1, extra={"code": 0}),
        ]


@pytest.mark.parametrize("piece", [b"x" * 1000, b"data: " + b"x" * 1000 + b"\n"])
def test_too_large_an_event_is_not_read(piece: bytes) -> None:
    reader = Frames()
    for _ in range(EVENT_LIMIT // 1010):
        assert reader.feed(piece) == []
    with pytest.raises(ValueError, match="larger than"):
        reader.feed(piece * 50)


def test_events_of_another_type_come_through() -> None:
    with Service(frames({"type": "newer", "id": 1, "x": 2}, {"data": "d"}, EXIT)).client() as client:
        newer, untyped, last = client.sessions.stream("s")
    assert (newer.type, newer.id, newer.extra) == ("newer", 1, {"x": 2})
    assert (untyped.type, untyped.id, untyped.extra) == ("output", None, {"data": "d"})
    assert last.ends
    assert not newer.ends


def test_run_starts_follows_and_tells() -> None:
    service = Service(ok(ACK, 202), frames(START, turn(1, 1), output(1), EXIT), ok(SESSION))
    told: list[str] = []
    with service.client() as client:
        result = client.sessions.run(
            agent_id="a", prompt="p", timeout=60, on_event=lambda event: told.append(event.type)
        )
    assert told == ["start", "turn_start", "output", "exit"]
    assert [event.type for event in result.events] == told
    assert result.session.status == "completed"
    assert service.body(0) == {"agent_id": "a", "prompt": "p", "timeout": 60}


def test_async_run_waits_for_who_is_told() -> None:
    told: list[str] = []

    async def tell(event: StreamEvent) -> None:
        told.append(event.type)

    async def work() -> aod.RunResult:
        service = Service(ok(ACK, 202), frames(START, EXIT), ok(SESSION))
        async with service.async_client() as client:
            return await client.sessions.run(agent_id="a", prompt="p", on_event=tell, collect_events=False)

    result = in_async(work)
    assert told == ["start", "exit"]
    assert result.events == []


def test_wait_goes_on_after_a_long_silence() -> None:
    stale = {"type": "stale", "id": 1, "message": "No output for 600s"}
    service = Service(frames(START, output(1), stale), frames(START, output(2), EXIT), ok(SESSION))
    with service.client() as client:
        result = client.sessions.wait_for_completion("s", since=0)
        assert [short(event) for event in result.events] == ["start 0", "output 1 <1>", "output 2 <2>", "exit 3"]
    assert [r.headers.get("Last-Event-ID") for r in service.requests] == ["0", "1", None]
    with Service(frames(START, stale)).client() as client:
        assert [event.type for event in client.sessions.follow("s")] == ["start", "stale"]


def test_a_connection_that_lasted_does_not_count_as_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(0, 10_000, 40))
    monkeypatch.setattr("aod._sync.stream.now", lambda: next(seconds))
    service = Service(*[frames(START)] * 20, frames(START, EXIT))
    with service.client(Patience(reconnects=1, first_pause=0, last_pause=0)) as client:
        assert [event.type for event in client.sessions.follow("s")] == ["start", "exit"]
