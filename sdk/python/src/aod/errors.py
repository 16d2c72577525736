"""What goes wrong with calls.

`AodError` is all of it: `AodHTTPError` and its kinds are answers that refuse a call,
`AodConnectionError` is no answer at all.
"""

import json
from typing import Any

import httpx

SAID_LIMIT = 200


class AodError(Exception):
    """Anything that goes wrong with a call."""


class AodConnectionError(AodError, httpx.TransportError):
    """No whole answer came, also after all retries. Whether the call was done is not known."""

    def __init__(self, method: str, url: str, reason: str) -> None:
        super().__init__(f"{method} {url}: {reason}")
        self.method = method
        self.url = url


class UnexpectedAnswerError(AodError):
    """An answer is not one of this API: something else answers, or a server newer than this package."""

    def __init__(self, method: str, url: str, reason: str) -> None:
        super().__init__(f"{method} {url}: {reason}")
        self.method = method
        self.url = url


class AodHTTPError(AodError):
    """An answer that refuses a call.

    `detail` is the server's reason: a sentence, or for one kind of 422 a list that says what
    is wrong with each field. `request_id` is how the server's log calls the request.
    """

    def __init__(self, status_code: int, detail: Any, method: str, url: str, request_id: str | None = None) -> None:
        super().__init__(f"{method} {url} -> {status_code}: {said(detail)}")
        self.status_code = status_code
        self.detail = detail
        self.method = method
        self.url = url
        self.request_id = request_id


class AuthError(AodHTTPError):
    """401, 403: there is no token, or it is not good."""


class NotFoundError(AodHTTPError):
    """404: there is no such row of this user's."""


class ConflictError(AodHTTPError):
    """409: the present state does not allow it."""


class ValidationError(AodHTTPError):
    """422: the body is not what the call takes."""


class RateLimitError(AodHTTPError):
    """429: `active` sessions are active, of `limit` that may be."""

    def __init__(
        self,
        status_code: int,
        detail: Any,
        method: str,
        url: str,
        request_id: str | None = None,
        *,
        limit: int | None = None,
        active: int | None = None,
    ) -> None:
        super().__init__(status_code, detail, method, url, request_id)
        self.limit = limit
        self.active = active


class ServerError(AodHTTPError):
    """500 and above: the server, or what is before it, has failed."""


KINDS: dict[int, type[AodHTTPError]] = {
    401: AuthError,
    403: AuthError,
    404: NotFoundError,
    409: ConflictError,
    422: ValidationError,
}


def refusal(status_code: int, body: bytes, method: str, url: str, headers: httpx.Headers) -> AodHTTPError:
    """The error that an answer is which refuses a call."""
    detail: Any
    try:
        detail = json.loads(body)
    except ValueError:
        detail = body.decode(errors="replace") or None
    answer = detail if isinstance(detail, dict) else {}
    detail = answer.get("detail", detail)
    if 300 <= status_code < 400 and "Location" in headers:
        detail = f"the server is at {headers['Location']}"
    refused = (status_code, detail, method, url, headers.get("X-Request-Id"))
    if status_code == 429:
        return RateLimitError(*refused, limit=answer.get("limit"), active=answer.get("active"))
    return (ServerError if status_code >= 500 else KINDS.get(status_code, AodHTTPError))(*refused)


def said(detail: Any) -> str:
    """A detail as people read it."""
    if isinstance(detail, list):
        return "; ".join(_problem(entry) for entry in detail)
    if not isinstance(detail, str):
        return json.dumps(detail)
    return detail if len(detail) <= SAID_LIMIT or "<" not in detail[:10] else detail[:SAID_LIMIT] + "…"


def _problem(entry: Any) -> str:
    if not isinstance(entry, dict) or "msg" not in entry:
        return str(entry)
    reason = str(entry["msg"]).removeprefix("Value error, ")
    place = ".".join(str(step) for step in entry.get("loc", ()))
    return f"{place}: {reason}" if place else reason
