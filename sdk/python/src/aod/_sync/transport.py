"""How calls are sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import httpx
import pydantic

from aod.call import Call, Query, get
from aod.clock import sleep
from aod.errors import AodConnectionError, UnexpectedAnswerError, refusal
from aod.event import Events, Frames
from aod.patience import Patience, mended
from aod.result import Page

ANSWER_LIMIT = 256 << 20
SILENCE = 60.0  # seconds after which a stream is dead: a server says something every 15
PAGE_SIZE = 100

Answer = TypeVar("Answer")


class Transport:
    """Sends calls over HTTP, again if need be, and reads their answers."""

    def __init__(self, http: httpx.Client, patience: Patience) -> None:
        self.http = http
        self.patience = patience

    def ask(self, kind: type[Answer], call: Call) -> Answer:
        """Makes a call and returns its answer."""
        request, body = self._answered(call)
        try:
            return pydantic.TypeAdapter(kind).validate_json(body)
        except pydantic.ValidationError as unfit:
            reason = f"the answer is not one of this API: {unfit.errors(include_input=False)[0]['msg']}"
            raise UnexpectedAnswerError(request.method, str(request.url), reason) from None

    def rows(self, kind: type[Answer], call: Call) -> list[Answer]:
        """Makes a call and returns the rows of its answer."""
        return (self.ask(Page[kind], call)).data  # type: ignore[valid-type]

    def pages(self, kind: type[Answer], call: Call, limit: int | None) -> Iterator[Answer]:
        """Yields the rows of a list, asking for one page after another."""
        size: Query = [*call.query, ("limit", PAGE_SIZE if limit is None else limit)]
        cursor: Query = []
        while True:
            page = self.ask(Page[kind], Call(call.method, call.path, size + cursor))  # type: ignore[valid-type]
            for row in page.data:
                yield row
            if page.next_cursor is None:
                return
            cursor = [("cursor", page.next_cursor)]

    def events(self, path: str, since: int | None) -> Events:
        """Yields what one connection to a stream says."""
        call = get(path, since=since)
        call.headers["Accept"] = "text/event-stream"
        if since is not None:
            call.headers["Last-Event-ID"] = str(since)
        request = self._request(call)
        request.extensions["timeout"] = {**request.extensions["timeout"], "read": SILENCE}
        try:
            response = self.http.send(request, stream=True)
            try:
                if response.status_code != 200:
                    body = self._body(response)
                    raise refusal(response.status_code, body, request.method, str(request.url), response.headers)
                if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
                    raise ValueError("the answer is no stream of events")
                frames = Frames()
                for piece in response.iter_bytes():
                    for event in frames.feed(piece):
                        yield event
            finally:
                response.close()
        except httpx.RequestError as broken:
            raise AodConnectionError(request.method, str(request.url), told(broken)) from broken
        except ValueError as unfit:
            raise UnexpectedAnswerError(request.method, str(request.url), str(unfit)) from unfit

    def _answered(self, call: Call) -> tuple[httpx.Request, bytes]:
        request = self._request(call)
        url = str(request.url)
        made = 0
        while True:
            again = made < self.patience.retries
            retry_after = None
            try:
                response = self.http.send(request, stream=True)
                try:
                    body = self._body(response)
                finally:
                    response.close()
            except httpx.RequestError as broken:
                if not again or not mended(broken, safe=call.safe):
                    raise AodConnectionError(request.method, url, told(broken)) from broken
            else:
                if response.is_success:
                    return request, body
                if not again or not self.patience.again(response.status_code, safe=call.safe):
                    raise refusal(response.status_code, body, request.method, url, response.headers)
                retry_after = response.headers.get("Retry-After")
            sleep(self.patience.pause(made, retry_after))
            made += 1

    def _request(self, call: Call) -> httpx.Request:
        return self.http.build_request(
            call.method, call.path, params=call.query or None, json=call.body, headers=call.headers
        )

    def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > ANSWER_LIMIT:
                reason = f"the answer is larger than {ANSWER_LIMIT >> 20} MiB: ask for fewer rows with a limit"
                raise UnexpectedAnswerError(response.request.method, str(response.request.url), reason)
        return bytes(body)


def told(broken: Exception) -> str:
    """What broke, in words."""
    return str(broken) or type(broken).__name__
