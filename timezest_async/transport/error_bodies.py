"""What bodies say: JSON, and the several shapes of an error."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, cast

from timezest_async.redaction import redact, redact_json
from timezest_async.serialization.json_parsing import NotJSONError, parse_json

MAX_MESSAGE = 500
"""Characters of an error's message that are kept."""
MAX_DETAILS = 4_000
"""Characters of JSON up to which an error's ``errors`` are kept as they came."""
_ENOUGH = 8_000
"""Bytes or characters of which, the API key redacted, enough is left to fill a message."""

_TELLING = ("error", "message", "detail", "title", "errors")
"""Members that say what is wrong, the one that says it best first."""


def body_excerpt(body: bytes, key: str) -> str:
    """Return the first 500 characters of a body as text, the API key redacted."""
    return redact(body[:_ENOUGH].decode("utf-8", "replace"), key)[:MAX_MESSAGE]


def error_details(body: bytes, key: str) -> tuple[str, Any]:
    """Find an error's message and details in any shape that is known to occur.

    Those are ``{"error": …}`` with text or an object, ``{"message": …, "errors": …}``, lists of
    either, a bare text in JSON, HTML, plain text, and nothing.

    Returns:
        The message, ``""`` where there is none; and the details as they came, or None.
    """
    try:
        # Bytes that are no text are to cost no more than themselves.
        parsed = parse_json(body.decode("utf-8", "replace").encode())
    except NotJSONError:
        return _plain_text(redact(body[:20_000].decode("utf-8", "replace"), key)), None
    details: Any = None
    if isinstance(parsed, dict):
        details = cast("dict[str, Any]", parsed).get("errors")
    elif isinstance(parsed, list):
        details = cast("Sequence[Any]", parsed)
    # JSON can hold half an emoji, which could be neither printed nor logged.
    message = _message(parsed)[:_ENOUGH].encode("utf-8", "replace").decode()
    return redact(message, key)[:MAX_MESSAGE], _capped(details, key)


def _message(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        items = cast("Sequence[Any]", value)
        return "; ".join(filter(None, map(_message, items[:10])))
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        for name in _TELLING:
            if found := _message(members.get(name)):
                return found
        # Rails names the fields: under "errors", each with a list of what is wrong with it.
        # What was looked at is passed over: twice at each level would take for ever.
        others = [(name, part) for name, part in members.items() if name not in _TELLING]
        pairs = ((name, _message(part)) for name, part in others[:10])
        return "; ".join(f"{name}: {part}" for name, part in pairs if part)
    return ""


def _capped(details: Any, key: str) -> Any:
    if details is None:
        return None
    try:
        details = redact_json(details, key)
        text = json.dumps(details)
    except (ValueError, RecursionError):
        return None
    return details if len(text) <= MAX_DETAILS else text[:MAX_DETAILS] + "…"


def _plain_text(text: str) -> str:
    """Return what a person would read of HTML or plain text, in one line."""
    if "<" in text:
        title = re.search(r"<title[^<>]*>([^<]*)", text, re.IGNORECASE)
        if title and title[1].strip():
            text = title[1]
        else:
            text = re.sub(r"(?is)<(script|style)\b.*?(?:</\1>|\Z)|<[^<>]*>", " ", text)
    return " ".join(text.split())[:MAX_MESSAGE]
