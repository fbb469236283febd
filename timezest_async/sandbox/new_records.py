"""What the service accepts as a new scheduling request, and what it makes of it.

The rules are the reference page's: "Create a Scheduling Request" and "How TimeZest retrieves end user
details". Of the 422 texts only the one on resource ids is the vendor's.
"""

from __future__ import annotations

import json
import re
import secrets
import string
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, time
from typing import Any, Final, cast

from timezest_async.sandbox.filter_columns import Json
from timezest_async.sandbox.record_store import Store, contact_key
from timezest_async.sandbox.routes import PAGES

_BASE62: Final = string.digits + string.ascii_letters
_PEOPLE: Final = frozenset(
    {"connectwise_psa/contact", "autotask/contact", "halo_psa/user", "service_now/contact"}
)
_TICKETS: Final = frozenset(
    {
        "connectwise_psa/service_ticket",
        "connectwise_psa/project_ticket",
        "autotask/ticket",
        "halo_psa/ticket",
        "service_now/task",
    }
)
_PREFIXES: Final = {
    "scheduling_request": "sreq",
    "agent": "agnt",
    "team": "team",
    "appointment_type": "apty",
}
_WINDOW: Final = ("duration_mins", "earliest_date", "earliest_time", "latest_date", "latest_time")
_BOUNDS: Final[Mapping[str, tuple[type[date | time], str, re.Pattern[str]]]] = {
    "date": (date, "YYYY-MM-DD", re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")),
    "time": (time, "HH:MM or HH:MM:SS", re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")),
}
_DEFAULTS: Final[Mapping[str, Json]] = {
    "scheduling_request": {
        "status": "new",
        "associated_entities": [],
        "resources": [],
        "scheduled_agents": [],
    },
    "agent": {
        "name": "Alex Morgan",
        "email": "alex.morgan@example.com",
        "role": "user",
        "schedulable": True,
        "two_factor_enabled": False,
        "url_slug": None,
    },
    "team": {
        "internal_name": "Service Desk",
        "external_name": None,
        "team_type": "timezest/team",
        "url_slug": None,
    },
    "appointment_type": {
        "internal_name": "Remote Support",
        "external_name": None,
        "duration_mins": 30,
        "url_slug": None,
    },
}


class RefusedError(ValueError):
    """The service would answer 422 with this text."""


def fresh_id(entity: str) -> str:
    """Make up an id in the service's style, such as ``sreq_p4fvlg5FUuKSviNNemZzAO``."""
    return f"{_PREFIXES[entity]}_{''.join(secrets.choice(_BASE62) for _ in range(22))}"


def complete(record: Mapping[str, Any], now: int) -> tuple[str, Json]:
    """Fill in what a record must have.

    Args:
        record: A record in the service's shape; ``object`` says what it is, by default a scheduling
            request.
        now: Epoch seconds, for ``created_at``.

    Returns:
        The entity and a new record. A scheduling request gets only what the service always sends;
        agents, teams and appointment types get all their fields.

    Raises:
        ValueError: There are no such objects, or the id is not text.
    """
    entity = record.get("object", "scheduling_request")
    if entity not in _DEFAULTS:
        raise ValueError(f"object is {entity!r}: the sandbox knows {', '.join(_DEFAULTS)}")
    completed: Json = {
        "object": entity,
        **{name: [] if value == [] else value for name, value in _DEFAULTS[entity].items()},
        "created_at": now,
        **record,
    }
    completed = {"id": record["id"] if "id" in record else fresh_id(entity), **completed}
    if not isinstance(completed["id"], str) or not completed["id"]:
        raise ValueError(f"an id is text that is not empty, not {completed['id']!r}")
    if entity != "scheduling_request":
        completed.setdefault("updated_at", completed["created_at"])
    return entity, completed


def new_request(store: Store, parameters: Mapping[str, Any], now: int, origin: str) -> Json:
    """Make the scheduling request that a create asks for; it is not stored yet.

    Args:
        store: Where agents, teams, appointment types and PSA contacts are looked up.
        parameters: The body of the request.
        now: Epoch seconds.
        origin: Scheme, host and port, for the scheduling URL.

    Raises:
        RefusedError: Something is missing or not what the service takes.
    """
    appointment_type_id = parameters.get("appointment_type_id")
    if not isinstance(appointment_type_id, str) or not appointment_type_id:
        raise RefusedError("The appointment type ID parameter is required.")
    if store.get("appointment_type", appointment_type_id) is None and store.count("appointment_type"):
        raise RefusedError(f"There is no appointment type with the ID {appointment_type_id!r}.")
    trigger_mode = parameters.get("trigger_mode")
    if trigger_mode not in ("pod", "generate_url"):
        raise RefusedError("The trigger mode parameter must be pod or generate_url.")
    resources = _resources(store, parameters.get("resource_ids"))
    entities = _entities(parameters.get("associated_entities"))
    name, email = _end_user(store, entities, parameters)
    window = _window(parameters)
    return {
        "id": fresh_id("scheduling_request"),
        "object": "scheduling_request",
        "appointment_type_id": appointment_type_id,
        "end_user_email": email,
        "end_user_name": name,
        "associated_entities": entities,
        "resources": resources,
        "scheduled_agents": [],
        "scheduled_at": None,
        "scheduling_url": f"{origin}{PAGES}{fresh_id('scheduling_request')[5:25]}",
        "selected_start_time": None,
        "selected_time_zone": None,
        "status": "sent" if trigger_mode == "pod" else "new",
        "created_at": now,
        "updated_at": now,
        **window,
    }


def _resources(store: Store, ids: Any) -> list[Json]:
    if not isinstance(ids, list):
        raise RefusedError("The resource IDs parameter must be an array.")
    if not ids:
        raise RefusedError("The resource IDs parameter must name at least one agent or team.")
    found: list[Json] = []
    for resource_id in cast("list[object]", ids):
        body = store.get("resource", resource_id) if isinstance(resource_id, str) else None
        if body is None:
            raise RefusedError(f"There is no resource with the ID {resource_id!r}.")
        record = json.loads(body)
        name = record.get("name") or record.get("external_name") or record.get("internal_name")
        found.append({"type": record["object"], "id": resource_id, "name": name})
    return found


def _entities(value: object) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise RefusedError("The associated entities parameter must be an array.")
    entities = cast("list[Json]", value)
    for item in entities:
        named = isinstance(cast("object", item), dict) and isinstance(item.get("type"), str)
        if not named or (item.get("id") is None and item.get("number") is None):
            raise RefusedError("An associated entity needs a type, and an ID or a number.")
    return entities


def _window(parameters: Mapping[str, Any]) -> Json:
    """Check the duration and the window in which the end user may choose; what is not set is null."""
    window = {name: parameters.get(name) for name in _WINDOW}
    minutes = window["duration_mins"]
    if minutes is not None and (isinstance(minutes, bool) or not isinstance(minutes, int) or minutes < 1):
        raise RefusedError("The duration mins parameter must be a whole number of minutes.")
    first, begin, last, end = (_bound(name, window[name]) for name in _WINDOW[1:])
    if isinstance(first, date) and isinstance(last, date) and first > last:
        raise RefusedError("The earliest date parameter must not be after the latest date parameter.")
    several_days = first is not None and last is not None and first != last
    if not several_days and isinstance(begin, time) and isinstance(end, time) and begin >= end:
        raise RefusedError("The earliest time parameter must be before the latest time parameter.")
    return window


def _bound(name: str, value: object) -> date | time | None:
    if value is None:
        return None
    kind, form, spelling = _BOUNDS[name[-4:]]
    if isinstance(value, str) and spelling.fullmatch(value):
        with suppress(ValueError):
            return kind.fromisoformat(value)
    raise RefusedError(f"The {name.replace('_', ' ')} parameter must be written as {form}.")


def _end_user(store: Store, entities: list[Json], parameters: Mapping[str, Any]) -> tuple[str, str]:
    sources: list[tuple[object, object]] = []
    for types in (_PEOPLE, _TICKETS):
        for item in entities:
            if item["type"] in types:
                sources += [
                    contact
                    for member in ("id", "number")
                    if item.get(member) is not None
                    and (contact := store.contact(item["type"], contact_key(**{member: item[member]})))
                ]
    sources.append((parameters.get("end_user_name"), parameters.get("end_user_email")))
    names, emails = ([text for text in column if _is_said(text)] for column in zip(*sources, strict=True))
    if not names:
        raise RefusedError("The end user name is required: give it, or an entity that has it.")
    if not emails:
        raise RefusedError("The end user email is required: give it, or an entity that has it.")
    return str(names[0]), str(emails[0])


def _is_said(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
