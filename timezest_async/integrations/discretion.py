"""What of records and errors may be shown to somebody who need not know persons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from timezest_async.errors import (
    BudgetExhaustedError,
    ConfigurationError,
    FilterError,
    IntentBusyError,
    InvalidRequestError,
    KeyReusedError,
    TimeZestError,
)
from timezest_async.models import Record

_PERSONAL: Final = {
    "scheduling_url",
    "end_user_name",
    "end_user_email",
    "guests_list",
    "name",
    "email",
    "url_slug",
}
_ITEMS: Final = ("resources", "scheduled_agents", "associated_entities")
_TIMES: Final = ("created_at", "updated_at", "scheduled_at", "selected_start_time")
_OURS: Final = (
    BudgetExhaustedError,
    ConfigurationError,
    FilterError,
    IntentBusyError,
    InvalidRequestError,
    KeyReusedError,
)
"""Errors whose words are ours; those of others may have texts of the service in them."""


def show(record: Record[Any], *, personal: bool) -> dict[str, Any]:
    """Show a record, with times as text (UTC).

    Args:
        record: The record.
        personal: Whether what is about persons is shown: names, addresses, URLs to book with, and unknown
            fields, which may be any of these.
    """
    wire: dict[str, Any] = record.to_dict()
    if not personal:
        known = set(record.field_names) - _PERSONAL
        wire = {name: value for name, value in wire.items() if name in known}
        for name in _ITEMS:
            if wire.get(name):
                wire[name] = [_bare(one) for one in wire[name]]
    times = (name for name in _TIMES if wire.get(name))
    return wire | {name: datetime.fromtimestamp(wire[name], UTC).isoformat() for name in times}


def say(error: TimeZestError, *, personal: bool) -> str:
    """Say what went wrong; of the service's own words, without ``personal``, the status alone."""
    status = getattr(error, "status", None) or "none"
    words = str(error) if personal or isinstance(error, _OURS) else f"the service's status was {status}"
    return f"{type(error).__name__}: {words}"


def _bare(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("id", "type", "object", "number") if name in item}
