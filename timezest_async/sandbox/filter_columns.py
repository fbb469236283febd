"""What the sandbox lets filters ask, and which part of a record answers.

The table is the sandbox's own and owes nothing to ``timezest_async.tql``, so that the two can check
each other. It follows the vendor's page on scheduling requests ("Supported TQL Attributes") and,
beyond that page, what published clients observed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias, cast

from attrs import frozen

Json: TypeAlias = dict[str, Any]

_EQUALITY: Final = frozenset({"EQ", "NOT_EQ"})
_MEMBERSHIP: Final = _EQUALITY | {"IN", "NOT_IN"}
_TEXT: Final = _MEMBERSHIP | {"LIKE", "NOT_LIKE"}
_ORDER: Final = _EQUALITY | {"LT", "LTE", "GT", "GTE"}

OPERATORS: Final[Mapping[str, frozenset[str]]] = {
    "string": _TEXT,
    "ticket": _TEXT,
    "id": _EQUALITY,
    "text_id": _EQUALITY,
    "reference": _MEMBERSHIP,
    "timestamp": _ORDER,
    "number": _ORDER,
    "boolean": _EQUALITY,
}
"""The operators of each kind. A ``ticket`` is a string whose EQ overlooks a leading ``#``; a
``text_id`` is an id that need not be a number."""


@frozen
class Attribute:
    """One filterable attribute.

    Attributes:
        kind: A key of ``OPERATORS``.
        many: Whether a record may have several values of it at once.
    """

    kind: str
    many: bool = False


_STRING: Final = Attribute("string")
_TIMESTAMP: Final = Attribute("timestamp")
_BOOLEAN: Final = Attribute("boolean")
_PSA_ID: Final = Attribute("id", many=True)
_TEXT_ID: Final = Attribute("text_id", many=True)
_TICKET: Final = Attribute("ticket", many=True)
_MEMBER: Final = Attribute("reference", many=True)

ATTRIBUTES: Final[Mapping[str, Mapping[str, Attribute]]] = {
    "scheduling_request": {
        "autotask_company_id": _PSA_ID,
        "autotask_contact_id": _PSA_ID,
        "autotask_ticket_number": _TICKET,
        "connectwise_psa_company_id": _PSA_ID,
        "connectwise_psa_contact_id": _PSA_ID,
        "connectwise_psa_ticket_number": _TICKET,
        "connectwise_psa_project_ticket_number": _TICKET,
        "connectwise_psa_service_ticket_number": _TICKET,
        "halo_psa_client_id": _PSA_ID,
        "halo_psa_user_id": _PSA_ID,
        "halo_psa_ticket_number": _TICKET,
        "service_now_task_number": _TICKET,
        "service_now_task_id": _TEXT_ID,
        "service_now_contact_id": _TEXT_ID,
        "agent": _MEMBER,
        "team": _MEMBER,
        "appointment_type_id": Attribute("reference"),
        "end_user_name": _STRING,
        "end_user_email": _STRING,
        "status": _STRING,
        "selected_start_time": _TIMESTAMP,
        "scheduled_at": _TIMESTAMP,
        "created_at": _TIMESTAMP,
    },
    "agent": {
        "name": _STRING,
        "email": _STRING,
        "role": _STRING,
        "url_slug": _STRING,
        "schedulable": _BOOLEAN,
        "two_factor_enabled": _BOOLEAN,
        "created_at": _TIMESTAMP,
    },
    "team": {"internal_name": _STRING, "external_name": _STRING, "url_slug": _STRING},
    "resource": {"internal_name": _STRING, "external_name": _STRING, "url_slug": _STRING},
    "appointment_type": {
        "internal_name": _STRING,
        "external_name": _STRING,
        "url_slug": _STRING,
        "duration_mins": Attribute("number"),
    },
}

_FROM_ENTITIES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "autotask/company": (("autotask_company_id", "id"),),
    "autotask/contact": (("autotask_contact_id", "id"),),
    "autotask/ticket": (("autotask_ticket_number", "number"),),
    "connectwise_psa/company": (("connectwise_psa_company_id", "id"),),
    "connectwise_psa/contact": (("connectwise_psa_contact_id", "id"),),
    "connectwise_psa/project_ticket": (
        ("connectwise_psa_project_ticket_number", "number"),
        ("connectwise_psa_ticket_number", "number"),
    ),
    "connectwise_psa/service_ticket": (
        ("connectwise_psa_service_ticket_number", "number"),
        ("connectwise_psa_ticket_number", "number"),
    ),
    "halo_psa/client": (("halo_psa_client_id", "id"),),
    "halo_psa/user": (("halo_psa_user_id", "id"),),
    "halo_psa/ticket": (("halo_psa_ticket_number", "number"),),
    "service_now/task": (("service_now_task_number", "number"), ("service_now_task_id", "id")),
    "service_now/contact": (("service_now_contact_id", "id"),),
}

COLUMNS: Final[tuple[str, ...]] = tuple(
    sorted({name for table in ATTRIBUTES.values() for name in table} - {"created_at"})
)
"""The columns that hold attributes, beside ``created_at``, which orders the lists too."""

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "timestamp": (int, float),
    "number": (int, float),
    "boolean": (bool,),
}
_SCALARS: Final[Mapping[str, tuple[tuple[str, tuple[type, ...]], ...]]] = {
    entity: tuple(
        (name, _TYPES.get(attribute.kind, (str,)))
        for name, attribute in table.items()
        if not attribute.many and name != "created_at"
    )
    for entity, table in ATTRIBUTES.items()
}
_encode: Final = json.JSONEncoder().encode


def column_values(entity: str, record: Mapping[str, Any]) -> tuple[Any, ...]:
    """Read what filters may ask out of a record.

    Args:
        entity: What the record is: ``"scheduling_request"``, ``"agent"``, ``"team"`` or
            ``"appointment_type"``.
        record: The record in the service's shape.

    Returns:
        One value for each of ``COLUMNS``: text, a number, None, or for the many-valued attributes a
        JSON array of texts (None where the record has none).
    """
    values: Json = {}
    for name, accepted in _SCALARS[entity]:
        value = record.get(name)
        if isinstance(value, accepted) and (bool in accepted or not isinstance(value, bool)):
            values[name] = storable(value) if isinstance(value, str) else value
    if entity == "agent":
        # `resource.internal_name` also matches an agent's name.
        values["internal_name"] = values.get("name")
    elif entity == "scheduling_request":
        for name, texts in _gather(record).items():
            values[name] = f"[{','.join(map(_encode, texts))}]"
    return tuple(map(values.get, COLUMNS))


def storable(text: str) -> str:
    """Replace what UTF-8 cannot say (lone surrogates), which JSON escapes can smuggle in."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _gather(record: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in _mappings(record.get("associated_entities")):
        for name, member in _FROM_ENTITIES.get(item.get("type", ""), ()):
            _collect(found, name, item.get(member))
    for item in _mappings(record.get("resources")):
        kind = item.get("object") or item.get("type")
        if kind in {"agent", "team"}:
            _collect(found, kind, item.get("id"))
    for item in _mappings(record.get("scheduled_agents")):
        if (item.get("object") or item.get("type")) == "agent":
            _collect(found, "agent", item.get("id"))
    return found


def _collect(found: dict[str, list[str]], name: str, value: object) -> None:
    if isinstance(value, str | int) and not isinstance(value, bool):
        found.setdefault(name, []).append(storable(str(value)))


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list | tuple):
        for item in cast("Iterable[Any]", value):
            if isinstance(item, dict):
                yield cast("Json", item)
