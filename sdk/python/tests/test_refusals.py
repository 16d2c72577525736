"""What the server refuses, and what is no answer of it."""

import httpx
import pytest
from service import Service, ok

import aod


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, aod.AodHTTPError),
        (401, aod.AuthError),
        (403, aod.AuthError),
        (404, aod.NotFoundError),
        (405, aod.AodHTTPError),
        (409, aod.ConflictError),
        (422, aod.ValidationError),
        (429, aod.RateLimitError),
        (500, aod.ServerError),
        (599, aod.ServerError),
    ],
)
def test_a_refusal_is_of_its_kind(status: int, kind: type[aod.AodHTTPError]) -> None:
    service = Service(ok({"detail": "no", "limit": 3, "active": 2}, status, **{"X-Request-Id": "r"}))
    with service.client() as client, pytest.raises(aod.AodHTTPError) as caught:
        client.agents.get("x")
    error = caught.value
    assert type(error) is kind
    assert isinstance(error, aod.AodError)
    assert (error.status_code, error.detail, error.method, error.url) == (
        status,
        "no",
        "GET",
        "http://aod.test/agents/x",
    )
    assert str(error) == f"GET http://aod.test/agents/x -> {status}: no"
    assert error.request_id == "r"
    if isinstance(error, aod.RateLimitError):
        assert (error.limit, error.active) == (3, 2)


@pytest.mark.parametrize(
    ("answer", "detail", "text"),
    [
        (httpx.Response(400, text="no JSON"), "no JSON", "no JSON"),
        (httpx.Response(400), None, "null"),
        (httpx.Response(400, json={"other": 1}), {"other": 1}, '{"other": 1}'),
        (httpx.Response(429, json={"detail": "full"}), "full", "full"),
        (
            httpx.Response(302, headers={"Location": "https://x"}),
            "the server is at https://x",
            "the server is at https://x",
        ),
        (
            httpx.Response(
                422, json={"detail": [{"loc": ["skills", 0], "msg": "Value error, no"}, {"loc": [], "msg": "all"}]}
            ),
            [{"loc": ["skills", 0], "msg": "Value error, no"}, {"loc": [], "msg": "all"}],
            "skills.0: no; all",
        ),
    ],
)
def test_a_detail_is_what_was_sent_and_reads_well(answer: httpx.Response, detail: object, text: str) -> None:
    with Service(answer).client() as client, pytest.raises(aod.AodHTTPError) as caught:
        client.agents.get("x")
    assert caught.value.detail == detail
    assert str(caught.value).endswith(f" -> {answer.status_code}: {text}")


def test_another_programs_answer_is_told() -> None:
    for answer in (httpx.Response(200, text="<html>welcome</html>"), ok({"id": "x", "secret": "s3cret"})):
        with Service(answer).client() as client, pytest.raises(aod.UnexpectedAnswerError) as caught:
            client.agents.get("x")
        assert "the answer is not one of this API" in str(caught.value)
        assert "s3cret" not in str(caught.value)
