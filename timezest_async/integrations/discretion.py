"""What of records and errors may be shown to somebody who need not know persons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from timezest_async import tql
from timezest_async.errors import (
    BudgetExhaustedError,
    ConfigurationError,
    ConnectionFailedError,
    FilterError,
    IntentBusyError,
    InvalidRequestError,
    KeyReusedError,
    MultipleFoundError,
    RequestTimeoutError,
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
    "two_factor_enabled",
}
_NAMES_OF_RESOURCES: Final = {"internal_name", "external_name"}
"""Of teams, and in the list of resources of agents as well."""
_ITEMS: Final = ("resources", "scheduled_agents", "associated_entities")
_TIMES: Final = ("created_at", "updated_at", "scheduled_at", "selected_start_time")
_OURS: Final = (
    BudgetExhaustedError,
    ConfigurationError,
    ConnectionFailedError,
    FilterError,
    IntentBusyError,
    InvalidRequestError,
    KeyReusedError,
    MultipleFoundError,
    RequestTimeoutError,
)
"""Errors whose words are ours; those of others may have texts of the service in them."""


@attrs.frozen(kw_only=True)
class Discretion:
    """What may be shown.

    Attributes:
        personal: Whether what is about persons is: names, addresses, URLs to book with, and unknown fields,
            which may be any of these.
    """

    personal: bool

    def show(self, record: Record[Any]) -> dict[str, Any]:
        """Show a record, with times as text (UTC)."""
        wire: dict[str, Any] = record.to_dict()
        if not self.personal:
            known = set(record.field_names) - _PERSONAL
            wire = {name: value for name, value in wire.items() if name in known}
            for name in _ITEMS:
                if wire.get(name):
                    wire[name] = [_bare(one) for one in wire[name]]
        times = (name for name in _TIMES if wire.get(name))
        return wire | {name: datetime.fromtimestamp(wire[name], UTC).isoformat() for name in times}

    def say(self, error: TimeZestError) -> str:
        """Say what went wrong, without the service's own words where they may be personal."""
        if self.personal or isinstance(error, _OURS):
            return f"{type(error).__name__}: {error}"
        status = getattr(error, "status", None)
        answered = "" if status is None else f"the service's status was {status}; "
        summary = (type(error).__doc__ or "").partition("\n")[0]
        return f"{type(error).__name__}: {answered}{summary}"

    def check(self, expression: tql.Expression[Any], entity: str) -> None:
        """Check a filter: whether one finds a record tells what the record holds, bit by bit.

        Raises:
            FilterError: It asks for what is not shown.
        """
        personal = _PERSONAL | _NAMES_OF_RESOURCES if entity == "resource" else _PERSONAL
        for leaf in tql.leaves(expression):
            if not self.personal and isinstance(leaf, tql.Predicate) and leaf.attribute.name in personal:
                raise FilterError(
                    f"{leaf.attribute.name} is personal, and this server was started without --show-personal:"
                    " filter by something else, such as the status or a ticket's number"
                )


def _bare(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("id", "type", "object", "number") if name in item}
