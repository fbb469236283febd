"""What a transport is made with, checked once, and the API key, which nothing shows."""

from __future__ import annotations

import base64
import inspect
import ipaddress
import re
import ssl
from typing import Final

import attrs
import yarl

from timezest_async.errors import ConfigurationError
from timezest_async.redaction import Secret
from timezest_async.transport.hooks import EVENTS, Hooks

DEFAULT_BASE_URL: Final = "https://api.timezest.com/v1"
"""The service's documented address."""
_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{1,63}\Z")


@attrs.frozen
class Settings:
    """The checked arguments of a transport that every attempt needs."""

    base_url: yarl.URL
    authorization: Secret
    key: Secret
    timeout: float
    deadline: float | None
    max_attempts: int
    proxy: yarl.URL | None
    proxy_authorization: Secret | None
    ssl: ssl.SSLContext | bool
    trust_env: bool
    max_body_bytes: int
    hooks: Hooks | None


def check_base_url(base_url: object) -> yarl.URL:
    """Return the base URL without its trailing slash, or raise ConfigurationError."""
    example = "such as 'https://api.timezest.com/v1'"
    if not isinstance(base_url, str | yarl.URL):
        kind, base_url = type(base_url).__name__, None
        raise ConfigurationError(f"base_url is {kind}: give text, {example}.")
    # A traceback with locals is not to show what somebody put into it, such as user:password.
    text = base_url = Secret(base_url)
    try:
        url = yarl.URL(text)
        problem = _url_problem(url, text)
    except ValueError:
        # The parser's own message may repeat it too.
        url, problem = yarl.URL(), "it cannot be read"
    if problem is not None:
        url = yarl.URL()
        raise ConfigurationError(
            f"base_url cannot be used: {problem}. Give the service's address, {example}."
        )
    return url.with_path(url.raw_path.rstrip("/"), encoded=True) if url.raw_path != "/" else url.origin()


def _url_problem(url: yarl.URL, text: str) -> str | None:
    if text != text.strip() or any(character.isspace() for character in text):
        return "it contains white space"
    if url.scheme not in {"http", "https"}:
        return f"its scheme is {url.scheme!r} where http or https is needed"
    if not url.host:
        return "it names no host"
    if url.user is not None or url.password is not None:
        return "it carries a user name or password, where the API key is the only credential"
    if "?" in text or "#" in text:
        return "it has a query or a fragment"
    return _host_problem(url)


def _host_problem(url: yarl.URL) -> str | None:
    """Say why nothing can be sent to a URL's host; the resolver and aiohttp would say it much later."""
    if url.port == 0:
        return "there is no port 0"
    host = url.raw_host or ""
    if ":" in host:  # yarl has checked all of an IPv6 address
        return None
    labels = host.removesuffix(".").split(".")
    if len(host) > 254 or not all(map(_LABEL.match, labels)):
        return (
            "its host is not a name that DNS can know (labels of 1 to 63 letters, digits, '-' and '_',"
            " separated by '.', 253 characters in all)"
        )
    # A last label that is a number makes it an address: of these only the full form is sent anywhere.
    if labels[-1].isdigit() or re.match(r"0[xX][0-9A-Fa-f]*\Z", labels[-1]):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return "its host is not a full IPv4 address, such as 127.0.0.1"
    return None


def check_proxy(proxy: object) -> tuple[yarl.URL | None, Secret | None]:
    """Return the proxy's URL without its credentials, and those as a header's value."""
    if proxy is None:
        return None, None
    try:
        url = yarl.URL(str(proxy)) if isinstance(proxy, str | yarl.URL) else yarl.URL()
    except ValueError:
        url = yarl.URL()
    if url.scheme not in {"http", "https"} or not url.host or _host_problem(url):
        # A traceback with locals is not to show its password either.
        url = yarl.URL()
        raise ConfigurationError(
            "proxy is no proxy's URL: give one such as 'http://user:password@proxy:3128'."
        )
    if url.user is None and url.password is None:
        return url, None
    credentials = f"{url.user or ''}:{url.password or ''}".encode()
    return url.with_user(None), Secret("Basic " + base64.b64encode(credentials).decode("ascii"))


def check_ssl(value: object) -> ssl.SSLContext | bool:
    """Return what aiohttp takes as ``ssl``; None means the system's certificates."""
    if value is None:
        return True
    if isinstance(value, ssl.SSLContext | bool):
        return value
    raise ConfigurationError(
        f"ssl is {type(value).__name__}: give an ssl.SSLContext, such as"
        " ssl.create_default_context(cafile='company-ca.pem'), or nothing."
    )


def check_limiter(limiter: object) -> None:
    """Refuse what cannot be a rate limiter."""
    if isinstance(limiter, type):
        raise ConfigurationError(f"rate_limiter is the class {limiter.__name__}: give an object of it.")
    if limiter is not None and not callable(getattr(limiter, "acquire", None)):
        raise ConfigurationError(f"rate_limiter is {type(limiter).__name__}: give a RateLimiter.")


def check_hooks(hooks: object) -> None:
    """Refuse what cannot hear all events, at once and as they come."""
    if hooks is None:
        return
    if isinstance(hooks, type):
        raise ConfigurationError(f"hooks is the class {hooks.__name__}: give an object of it.")
    for event in EVENTS:
        hear = getattr(hooks, event, None)
        if not callable(hear):
            raise ConfigurationError(
                f"hooks is {type(hooks).__name__}: give an object with {', '.join(EVENTS)}."
            )
        if inspect.iscoroutinefunction(hear):
            raise ConfigurationError(
                f"hooks: {event} of {type(hooks).__name__} is a coroutine, which nobody would await:"
                " write 'def'."
            )
