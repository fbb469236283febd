from __future__ import annotations

import copy
import pickle
import ssl
import traceback
from typing import Any

import pytest

from timezest_async.budget import RateLimiter
from timezest_async.errors import ConfigurationError
from timezest_async.redaction import Secret
from timezest_async.transport import Hooks, RequestEvent, Transport

KEY = "k3y-that-must-not-show"
URL = "https://api.timezest.com/v1"


class Asynchronous(Hooks):
    async def on_wait(self, event: RequestEvent) -> None:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride] # the mistake
        del event


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("api_key", "", "empty"),
        ("api_key", "  ", "empty"),
        ("api_key", None, "missing"),
        ("api_key", 7, "not text but int"),
        ("api_key", b"abc", "not text but bytes"),
        ("api_key", f"{KEY}\n", "begins or ends with white space"),
        ("api_key", f" {KEY}", "begins or ends with white space"),
        ("api_key", f"Bearer {KEY}", "without 'Bearer'"),
        ("api_key", f"{KEY}\r\nX-Injected: 1", "white space"),
        ("api_key", f"{KEY}é", "visible ASCII"),
        ("api_key", f"{KEY}\u4f60", "visible ASCII"),
        ("api_key", f"{KEY}\x00", "visible ASCII"),
        ("base_url", "", "scheme"),
        ("base_url", "api.timezest.com/v1", "scheme"),
        ("base_url", "ftp://api.timezest.com", "scheme is 'ftp'"),
        ("base_url", "https://", "cannot be used"),
        ("base_url", "https:///v1", "cannot be used"),
        ("base_url", "https://api.timezest.com/v1?a=b", "query"),
        ("base_url", "https://api.timezest.com/v1?", "query"),
        ("base_url", "https://api.timezest.com/v1#x", "query or a fragment"),
        ("base_url", "https://user:hunter2@api.timezest.com", "only credential"),
        ("base_url", "https://api.timezest.com/v 1", "white space"),
        ("base_url", "https://api.timezest.com:port/", "cannot be read"),
        ("base_url", "https://[broken/", "cannot be read"),
        ("base_url", None, "give text"),
        ("timeout", 0, "above 0"),
        ("timeout", -1, "above 0"),
        ("timeout", True, "above 0"),
        ("timeout", "30", "above 0"),
        ("timeout", float("nan"), "above 0"),
        ("timeout", float("inf"), "above 0"),
        ("timeout", None, "above 0"),
        ("deadline", 0, "above 0"),
        ("deadline", False, "above 0"),
        ("max_attempts", 0, "1 or more"),
        ("max_attempts", 1.0, "1 or more"),
        ("max_attempts", True, "1 or more"),
        ("max_body_bytes", 0, "1 or more"),
        ("base_url", b"https://api.timezest.com", "base_url is bytes"),
        ("rate_limiter", 180, "give a RateLimiter"),
        ("rate_limiter", RateLimiter, "is the class RateLimiter: give an object"),
        ("hooks", Hooks, "is the class Hooks: give an object"),
        ("hooks", Asynchronous(), "hooks: on_wait of Asynchronous is a coroutine"),
        ("hooks", object(), "give an object with on_request"),
        ("session", "session", "give an aiohttp.ClientSession"),
        ("proxy", "proxy:3128", "give one such as"),
        ("proxy", "socks5://proxy:1080", "give one such as"),
        ("proxy", "http://[", "give one such as"),
        ("proxy", 3128, "give one such as"),
        ("ssl", "ca.pem", "give an ssl.SSLContext"),
        ("trust_env", "yes", "give True or False"),
    ],
)
def test_unfit_arguments_are_refused_with_advice_and_without_secrets(
    name: str, value: Any, said: str
) -> None:
    arguments: dict[str, Any] = {"api_key": KEY, "base_url": URL, name: value}
    with pytest.raises(ConfigurationError) as caught:
        Transport(**arguments)
    assert said in str(caught.value)
    assert name in str(caught.value) or name == "api_key"
    assert KEY not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    # The first frame is this test's own, which holds the key on purpose.
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[1:]
    if name != "api_key":
        assert KEY not in repr([frame.locals for frame in frames])


UNSENDABLE = [
    "127.1:9", "127.1", "1", "0", "0x7f.1", "0x7f000001", "256.1.1.1", "1.2.3", "1.2.3.4.5", "1.2.3.4.",
    "127.0.0.01", "com.123", ".", "..", ".a", "a..b", "a b", "a%20b", "a%00b", "%", "*.com", "a,b", "a;b",
    "(a)", "a'b", "a!b", "a~b", "a|b", "a^b", "a`b", "a<b", 'a"b', "a{b", "a&b", "a=b", "a+b", "a$b", "a\\b",
    "x" * 64 + ".com", "x" * 256, ("x" * 60 + ".") * 5 + "com", "é" * 60 + ".de", "\u200b.com", "\ud800",
    "a:0", "a:65536", "a:99999", "a:-1", "a:x", "[::1", "[]", "[1.2.3.4]",
]  # fmt: skip
SENDABLE = [
    "localhost", "LOCALHOST:80", "127.0.0.1:9", "0.0.0.0", "[::1]:8787", "[fe80::1%25eth0]",
    "[::ffff:1.2.3.4]",
    "a", "a.", "my_service", "a-b.c-d", "123.com", "1e3", "x" * 63 + ".com", "münchen.de", "☃.net", "a:65535",
]  # fmt: skip


@pytest.mark.parametrize("argument", ["base_url", "proxy"])
@pytest.mark.parametrize("host", UNSENDABLE)
def test_hosts_that_nothing_can_be_sent_to_are_refused(host: str, argument: str) -> None:
    with pytest.raises(ConfigurationError, match=argument):
        Transport(**{"api_key": KEY, "base_url": URL, argument: f"http://{host}/v1"})


@pytest.mark.parametrize("argument", ["base_url", "proxy"])
@pytest.mark.parametrize("host", SENDABLE)
def test_hosts_that_may_exist_are_not(host: str, argument: str) -> None:
    Transport(**{"api_key": KEY, "base_url": URL, argument: f"http://{host}/v1"})


@pytest.mark.parametrize("key", [f"{KEY}\n", f"Bearer {KEY}", f"{KEY}é"])
def test_not_even_a_traceback_with_locals_shows_a_refused_key(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Transport(api_key=key, base_url=URL)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[1:]
    assert frames
    assert KEY not in repr([frame.locals for frame in frames])


@pytest.mark.parametrize("address", ["https://u:hunter2@h/v1", "ftp://u:hunter2@h", "https://u:hunter2@[h"])
def test_nor_does_it_show_the_credentials_of_a_refused_base_url(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        # As the client gives it.
        Transport(api_key=KEY, base_url=Secret(address))
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[1:]
    assert frames
    assert "hunter2" not in repr([frame.locals for frame in frames])


@pytest.mark.parametrize(
    ("base_url", "kept"),
    [
        ("https://api.timezest.com/v1", "https://api.timezest.com/v1"),
        ("https://api.timezest.com/v1/", "https://api.timezest.com/v1"),
        ("https://api.timezest.com/", "https://api.timezest.com"),
        ("https://api.timezest.com", "https://api.timezest.com"),
        ("http://127.0.0.1:8787//", "http://127.0.0.1:8787"),
        ("http://[::1]:8787/a%2Fb/", "http://[::1]:8787/a%2Fb"),
    ],
)
def test_the_base_url_loses_its_slash_and_nothing_else(base_url: str, kept: str) -> None:
    assert str(Transport(api_key=KEY, base_url=base_url).base_url).rstrip("/") == kept


def test_it_is_made_outside_a_loop_with_what_it_is_given() -> None:
    limiter = RateLimiter(10, 1.0)
    transport = Transport(
        api_key=KEY,
        base_url=URL,
        rate_limiter=limiter,
        ssl=ssl.create_default_context(),
        proxy="http://user:hunter2@proxy:3128",
        deadline=9,
    )
    assert transport.limiter is limiter
    assert not transport.closed
    for text in (repr(transport), repr(vars(transport)), repr(transport._settings)):
        assert KEY not in text
        assert "hunter2" not in text
    assert Transport(api_key=KEY, base_url=URL).limiter.available == 180


@pytest.mark.parametrize("do", [pickle.dumps, copy.copy, copy.deepcopy])
def test_neither_it_nor_its_key_is_pickled_or_copied(do: Any) -> None:
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        do(Transport(api_key=KEY, base_url=URL))
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        do(Secret(KEY))
