from __future__ import annotations

import contextlib
import json
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest
import yarl
from hypothesis import given, settings, strategies as st
from multidict import CIMultiDict

from tests import support
from timezest_async import __name__ as package, errors
from timezest_async._version import __version__
from timezest_async.redaction import Secret
from timezest_async.serialization.json_parsing import MAX_DEPTH
from timezest_async.transport.messages import Request, Response, build_request, decipher, retry_after

KEY = "k3y-that-must-not-show"
BASE = yarl.URL("https://api.timezest.com/v1")


def build(target: str | yarl.URL = "/scheduling_requests", **what: Any) -> Request:
    return build_request("GET", BASE, target, route="/x", authorization=Secret(f"Bearer {KEY}"), **what)


def response(status: int, body: bytes | str = b"", flaw: Any = None, **headers: str) -> Response:
    raw = body.encode() if isinstance(body, str) else body
    return Response(
        status, CIMultiDict({name.replace("_", "-"): text for name, text in headers.items()}), raw, flaw
    )


def refused(given_answer: Response, cls: type[Exception]) -> Any:
    with pytest.raises(cls) as caught:
        decipher(build(), given_answer, key=KEY)
    assert type(caught.value) is cls
    return caught.value


# Building


def test_a_get_carries_what_the_service_needs() -> None:
    request = build(params={"filter": "a~EQ~b"})
    assert str(request.url) == "https://api.timezest.com/v1/scheduling_requests?filter=a~EQ~b"
    assert dict(request.headers) == {
        "Accept": "application/json",
        "Authorization": f"Bearer {KEY}",
        "User-Agent": f"timezest-async/{__version__}",
    }
    assert request.body is None
    assert KEY not in repr(request)
    assert package == "timezest_async"


def test_a_post_carries_json() -> None:
    payload = {"name": "Zoë \ud800", "ids": ["a"], "none": None}
    request = build_request(
        "POST", BASE, "/scheduling_requests", route="/x", authorization=Secret("Bearer k"), payload=payload
    )
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body or b"") == payload


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}, b"x"])
def test_what_is_not_json_is_refused_before_anything_is_sent(value: object) -> None:
    with pytest.raises(errors.InvalidRequestError, match="JSON"):
        build_request("POST", BASE, "/x", route="/x", authorization=Secret("k"), payload={"a": value})


@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1))
@settings(max_examples=support.examples(1000))
def test_any_parameter_arrives_as_it_was_given(params: dict[str, str]) -> None:
    params = {name.encode("utf-8", "ignore").decode(): text for name, text in params.items()}
    url = yarl.URL(str(build(params=params).url), encoded=True)
    assert dict(url.query) == params


@pytest.mark.parametrize("query", ["filter=a%7EEQ%7Eb%2Cc", "x=%e4%BD%a0", "a=b+c", "%", "a=1;b=2", ""])
def test_an_absolute_url_is_sent_as_it_is(query: str) -> None:
    text = f"https://api.timezest.com/v1/scheduling_requests?{query}"
    assert str(build(yarl.URL(text, encoded=True)).url) == text.rstrip("?")


@pytest.mark.parametrize(
    "text",
    [
        "http://api.timezest.com/v1/x",
        "https://api.timezest.com:8443/v1/x",
        "https://evil.example/v1/x",
        "https://api.timezest.com.evil.example/x",
        "https://api.timezest.com@evil.example/x",
        "https://user:pw@api.timezest.com/v1/x",
        "//api.timezest.com/x",
        "/v1/x",
        "file:///etc/passwd",
        "mailto:a@example.com",
    ],
)
def test_the_key_never_goes_to_another_origin(text: str) -> None:
    with pytest.raises(errors.PaginationError, match="nothing was sent"):
        build(yarl.URL(text, encoded=True))


@pytest.mark.parametrize("text", ["https://API.timezest.com/v1/x", "https://api.timezest.com:443/v1/x"])
def test_the_same_origin_spelt_otherwise_is_the_same(text: str) -> None:
    assert build(yarl.URL(text, encoded=True)).url.path == "/v1/x"


# Statuses


@pytest.mark.parametrize(
    ("status", "cls", "retryable"),
    [
        (400, errors.BadRequestError, False),
        (401, errors.AuthenticationError, False),
        (402, errors.APIStatusError, False),
        (403, errors.PermissionDeniedError, False),
        (404, errors.NotFoundError, False),
        (405, errors.APIStatusError, False),
        (408, errors.APIStatusError, True),
        (422, errors.ValidationError, False),
        (429, errors.RateLimitedError, True),
        (499, errors.APIStatusError, False),
        (500, errors.ServerError, True),
        (501, errors.ServerError, False),
        (502, errors.ServerError, True),
        (503, errors.ServerError, True),
        (504, errors.ServerError, True),
        *((status, errors.ServerError, True) for status in (520, 521, 522, 523, 524, 529, 530)),
        (525, errors.ServerError, False),
        (599, errors.ServerError, False),
        (302, errors.UnexpectedResponseError, False),
        (304, errors.UnexpectedResponseError, False),
        (199, errors.UnexpectedResponseError, False),
        (600, errors.UnexpectedResponseError, False),
    ],
)
def test_the_status_alone_classifies(
    status: int, cls: type[errors.TimeZestError], *, retryable: bool
) -> None:
    error = refused(response(status, '{"error": "Unauthorized."}'), cls)
    assert error.status == status
    assert error.retryable is retryable


def test_an_error_says_what_was_asked() -> None:
    error = refused(response(429, '{"error": "Slow down"}', Retry_After="7"), errors.RateLimitedError)
    assert (error.request_method, error.request_path) == ("GET", "/v1/scheduling_requests")
    assert error.retry_after == 7.0
    assert str(error) == "429 for GET /v1/scheduling_requests: Slow down"


@pytest.mark.parametrize(
    ("body", "message", "details"),
    [
        ('{"error": "No valid API key"}', "No valid API key", None),
        ('{"message": "Invalid", "errors": {"name": ["is too long"]}}', "Invalid", {"name": ["is too long"]}),
        (
            '{"errors": {"name": ["is too long", "is odd"]}}',
            "name: is too long; is odd",
            {"name": ["is too long", "is odd"]},
        ),
        ('{"errors": ["a", "b"]}', "a; b", ["a", "b"]),
        ('{"error": {"message": "Nested", "code": 3}}', "Nested", None),
        ('["a", {"message": "b"}]', "a; b", ["a", {"message": "b"}]),
        ('"bare"', "bare", None),
        ('{"error": null, "message": "second"}', "second", None),
        ('{"error": ""}', "Bad Request", None),
        ("[]", "Bad Request", []),
        ("{}", "Bad Request", None),
        ("null", "Bad Request", None),
        ("17", "Bad Request", None),
        ("", "Bad Request", None),
        ("  \n", "Bad Request", None),
        ("plain  text\n", "plain text", None),
        ("<html><head><title>502 Bad Gateway</title></head><body>x</body></html>", "502 Bad Gateway", None),
        ("<p>No <b>such</b>\n page</p><script>alert(1)</script>", "No such page", None),
        ("{not json", "{not json", None),
        (b"\xff\xfe\x00", "\ufffd\ufffd\x00", None),
    ],
)
def test_every_shape_of_an_error_yields_its_message(body: str | bytes, message: str, details: Any) -> None:
    error = refused(response(400, body), errors.BadRequestError)
    assert error.message == message
    assert error.errors == details


def test_what_an_error_says_is_capped() -> None:
    error = refused(
        response(422, json.dumps({"message": "m" * 100_000, "errors": ["e" * 50] * 10_000})),
        errors.ValidationError,
    )
    assert len(error.message) == 500
    assert len(error.errors) <= 4001
    deep = "[" * 50_000
    assert len(refused(response(400, deep), errors.BadRequestError).message) == 500
    assert refused(response(400, "[" * 200 + "]" * 200), errors.BadRequestError).message == "Bad Request"


@given(
    st.sampled_from([200, 302, 400, 404, 500, 503]),
    st.binary(),
    st.sampled_from([None, "truncated", "too large"]),
)
@settings(max_examples=support.examples(2000))
def test_no_answer_leads_to_anything_but_our_errors(status: int, body: bytes, flaw: Any) -> None:
    with contextlib.suppress(errors.TimeZestError):
        decipher(build(), response(status, body, flaw), key=KEY)


@pytest.mark.parametrize("status", [200, 302, 400, 422, 500, 700])
@pytest.mark.parametrize(
    "body",
    [f"key {KEY} is bad", json.dumps({"error": f"Bearer {KEY}", "errors": [KEY]}), f"<title>{KEY}</title>"],
)
def test_a_key_repeated_by_the_service_is_redacted(status: int, body: str) -> None:
    try:
        decipher(build(), response(status, body, Location=f"https://x.example/{KEY}"), key=KEY)
    except errors.TimeZestError as error:
        assert KEY not in f"{error} {error!r} {vars(error)}"  # noqa: PT017 - a good body raises nothing


@pytest.mark.parametrize("status", [200, 400, 422, 500])
@pytest.mark.parametrize(
    "body",
    [
        rb'{"error": "no ab\/cd"}',
        rb'{"error": "no \u0061b/cd", "errors": {"ab\/c\u0064": ["ab/\u0063d is bad"]}}',
        rb'["ab\/cd',
        rb'{"errors": ["ab\u002fcd", "' + b"x" * 5000 + rb' ab\/cd"]}',
    ],
)
def test_a_key_repeated_as_json_escapes_is_redacted_too(status: int, body: bytes) -> None:
    key = "ab/cd"
    try:
        decipher(build(), response(status, body), key=key)
    except errors.TimeZestError as error:
        shown = f"{error} {error!r} {vars(error)}"
        assert key not in shown
        assert r"ab\/cd" not in shown.replace("\\\\", "\\")


# Good answers


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        (b'{"a": [1, 2.5, null, true, "\xc3\xa9"]}', {"a": [1, 2.5, None, True, "é"]}),
        (b'{"half an emoji": "\\ud83d"}', {"half an emoji": "\ud83d"}),
        (b"\xef\xbb\xbf[]", []),
        (b" 12345678901234567890123 ", 12345678901234567890123),
    ],
)
def test_json_is_read(body: bytes, payload: Any) -> None:
    assert decipher(build(), response(200, body), key=KEY) == payload
    assert decipher(build(), response(201, body), key=KEY) == payload


@pytest.mark.parametrize(
    ("body", "flaw", "said", "retryable"),
    [
        ("<html>Maintenance</html>", None, "Maintenance", True),
        ("", None, "an empty body", True),
        ("   ", None, "an empty body", True),
        ('{"data": [', None, '{"data": [', True),
        ('{"data": []}', "truncated", "broke off after 12 bytes", True),
        ('{"data": []}', "too large", "more than 12 bytes", False),
        ("NaN", None, "NaN", True),
        ('{"a": Infinity}', None, "Infinity", True),
        (b'"\xff"', None, "JSON", True),
        ("[" * 100_000, None, "nested too deeply", True),
    ],
)
def test_a_2xx_without_whole_json_is_no_answer(
    body: str | bytes, flaw: Any, said: str, *, retryable: bool
) -> None:
    error = refused(response(200, body, flaw, Content_Type="text/html"), errors.UnexpectedResponseError)
    assert said in str(error)
    assert len(str(error)) < 1000
    assert error.status == 200
    assert error.retryable is retryable
    assert error.body_start == (body if isinstance(body, str) else body.decode("utf-8", "replace"))[:500]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://login.example/secret?token=1", "https://login.example."),
        ("/login", "https://api.timezest.com."),
        ("//other.example:8080/x", "https://other.example:8080."),
        ("http://user:pw@h.example/x", "http://h.example."),
        ("", "302 (Found), which says neither what it returns nor where to"),
        ("http://[broken", "no URL"),
        ("mailto:a@example.com", "no absolute URL"),
    ],
)
def test_a_redirect_names_only_the_origin(location: str, said: str) -> None:
    error = refused(response(302, "", Location=location), errors.UnexpectedResponseError)
    assert said in str(error)
    assert "token" not in str(error)
    assert "pw" not in str(error)


@pytest.mark.parametrize(("status", "phrase"), [(304, "Not Modified"), (300, "Multiple Choices")])
def test_a_3xx_that_leads_nowhere_is_called_no_redirect(status: int, phrase: str) -> None:
    error = refused(response(status), errors.UnexpectedResponseError)
    assert f"{status} ({phrase})" in str(error)
    assert "redirect" not in str(error)


# Retry-After


NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("120", 120.0),
        ("9" * 400, 1e9),
        ("-1", None),
        ("+1", None),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        ("1.2.3", None),
        (".", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        ("Wed, 01 Jul 2026 12:00:30 GMT", 30.0),
        ("Wednesday, 01-Jul-26 12:00:30 GMT", 30.0),
        ("Wed Jul  1 12:00:30 2026", 30.0),
        ("Wed, 01 Jul 2026 14:00:30 +0200", 30.0),
        ("Wed, 01 Jul 2026 11:59:00 GMT", 0.0),
        ("Wed, 99 Jul 2026 11:59:00 GMT", None),
        ("Wed, 01 Jul 99999 11:59:00 GMT", None),
        ("2026-07-01T12:00:30Z", None),
    ],
)
def test_retry_after_in_every_form(text: str, seconds: float | None) -> None:
    assert retry_after(CIMultiDict({"retry-after": text}), now=NOW) == seconds


def test_a_date_is_measured_by_the_services_own_clock() -> None:
    headers = CIMultiDict(
        {"Retry-After": "Wed, 01 Jul 2026 12:00:30 GMT", "Date": "Wed, 01 Jul 2026 12:00:20 GMT"}
    )
    assert retry_after(headers, now=NOW) == 10.0
    assert retry_after(CIMultiDict({"Date": "Wed, 01 Jul 2026 12:00:20 GMT"})) is None


@given(st.text())
@settings(max_examples=support.examples(2000))
def test_any_retry_after_is_nonsense_or_not_negative(text: str) -> None:
    seconds = retry_after({"Retry-After": text, "Date": text}, now=NOW)
    assert seconds is None or seconds >= 0.0


@pytest.mark.parametrize(("depth", "is_refused"), [(MAX_DEPTH, False), (MAX_DEPTH + 1, True), (900, True)])
@pytest.mark.parametrize("status", [200, 422])
def test_json_is_nested_only_so_deep(*, depth: int, is_refused: bool, status: int) -> None:
    inner = '{"error":' * (depth // 2) + "[" * (depth - depth // 2)
    body = inner + '"' + "[" * 500 + '"' + "]" * (depth - depth // 2) + "}" * (depth // 2)
    if status == 422:
        assert str(refused(response(status, body), errors.ValidationError))
    elif is_refused:
        error = refused(response(status, body), errors.UnexpectedResponseError)
        assert "nested too deeply" in str(error)
    else:
        assert decipher(build(), response(status, body), key=KEY)


@pytest.mark.timeout(10)
def test_details_in_details_are_looked_at_once() -> None:
    for name in ("errors", "error", "x"):
        body = f'{{"{name}":' * 150 + "5" + "}" * 150
        assert refused(response(422, body), errors.ValidationError).message == HTTPStatus(422).phrase


@pytest.mark.parametrize("piece", ["<", "<script ", "<style>", "<title", "<a ", "</script", "<title>"])
@pytest.mark.timeout(10)
def test_any_markup_is_read_in_little_time(piece: str) -> None:
    started = time.process_time()
    refused(response(400, piece * (60_000 // len(piece))), errors.BadRequestError)
    assert time.process_time() - started < 0.5
