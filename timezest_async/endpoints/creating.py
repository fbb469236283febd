"""What a create sends, and why the service would refuse it.

The rules are those of the vendor's page "Create a Scheduling Request" and its section "How TimeZest
retrieves end user details".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from typing import Any, Final, cast

from timezest_async import tql
from timezest_async.endpoints.choice_windows import ChoiceWindow
from timezest_async.endpoints.lists import check_id
from timezest_async.errors import InvalidRequestError
from timezest_async.models import (
    CONTACT_TYPES,
    TICKET_TYPES,
    AssociatedEntity,
    EntityType,
    SchedulingRequest,
    TriggerMode,
)
from timezest_async.serialization.converter import structure
from timezest_async.serialization.readers import StructureError
from timezest_async.tql import scheduling_request as F
from timezest_async.tql.values import id_type_of


def creation_parameters(
    *,
    appointment_type_id: str,
    trigger_mode: TriggerMode | str,
    resource_ids: Sequence[str],
    associated_entities: Sequence[AssociatedEntity | Mapping[str, Any]] = (),
    end_user_name: str | None = None,
    end_user_email: str | None = None,
    end_user_company: str | None = None,
    duration_mins: int | None = None,
    earliest_date: date | None = None,
    earliest_time: time | None = None,
    latest_date: date | None = None,
    latest_time: time | None = None,
) -> dict[str, Any]:
    """Check the arguments of a create, and give the JSON to send: only what is given.

    Raises:
        InvalidRequestError: The service would refuse them.
    """
    entities = [_entity(entity) for entity in _items(associated_entities, "associated_entities")]
    resources = [
        _id(resource, "each of resource_ids", "agnt_", "team_")
        for resource in _items(resource_ids, "resource_ids")
    ]
    if not resources:
        raise InvalidRequestError(
            "resource_ids takes at least one id of an agent or team: who is to keep the appointment?"
        )
    parameters: dict[str, Any] = {
        "appointment_type_id": _id(appointment_type_id, "appointment_type_id", "apty_"),
        "trigger_mode": _trigger_mode(trigger_mode).value,
        "resource_ids": resources,
    }
    if entities:
        parameters["associated_entities"] = [entity.to_dict() for entity in entities]
    fields = {
        "end_user_name": end_user_name,
        "end_user_email": end_user_email,
        "end_user_company": end_user_company,
    }
    parameters |= {name: _text(value, name) for name, value in fields.items() if value is not None}
    _check_end_user(parameters, entities)
    window = ChoiceWindow(duration_mins, earliest_date, earliest_time, latest_date, latest_time)
    return parameters | window.parameters()


def _check_end_user(parameters: Mapping[str, Any], entities: Sequence[AssociatedEntity]) -> None:
    """Check that the service can find the end user: from an entity, else from the fields."""
    if any(entity.type in CONTACT_TYPES | TICKET_TYPES for entity in entities):
        return
    missing = [name for name in ("end_user_name", "end_user_email") if name not in parameters]
    if missing:
        have = f"{entities[0].type} supplies none" if entities else "there is no associated entity"
        raise InvalidRequestError(
            f"{' and '.join(missing)} must be given: {have}, and the service takes the end user "
            "from a contact, from a ticket's contact, or from these fields"
        )


def _entity(value: object) -> AssociatedEntity:
    if not isinstance(value, AssociatedEntity):
        try:
            value = structure(value, AssociatedEntity)
        except StructureError as error:
            reason = str(error)
            raise InvalidRequestError(
                f"each of associated_entities is an AssociatedEntity, such as "
                f'AssociatedEntity.connectwise_psa_service_ticket(number="#1234"), or its JSON: {reason}'
            ) from None
    _text(value.type, "the type of an associated entity")
    for name, text in (("number", value.number), ("id", value.id)):
        if isinstance(text, str):
            _text(text, f"the {name} of {value.type}")
    return value.check_identity()


def _items(values: object, name: str) -> list[object]:
    """Check for a list: the service answers "must be an array" to anything else."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InvalidRequestError(f"{name} takes a list, not {values!r:.100}")
    return list(cast("Iterable[object]", values))


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequestError(f"{name} takes text that is not empty, not {value!r:.100}")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise InvalidRequestError(f"{name} has a control character or a lone surrogate in it: {value!r:.100}")
    return str(value)


def _id(value: object, name: str, *prefixes: str) -> str:
    text = _text(value, name)
    return text if id_type_of(text) is None else check_id(text, name, *prefixes)


def _trigger_mode(value: object) -> TriggerMode:
    try:
        return TriggerMode(value)  # type: ignore[arg-type]  # what is not fit raises
    except ValueError:
        modes = " or ".join(repr(mode.value) for mode in TriggerMode)
        raise InvalidRequestError(f"trigger_mode is {modes}, not {value!r:.100}") from None


_TICKET_NUMBERS: Final[Mapping[str, tql.TicketNumber[tql.SchedulingRequestAttributes]]] = {
    EntityType.AUTOTASK_TICKET: F.autotask_ticket_number,
    EntityType.CONNECTWISE_PSA_PROJECT_TICKET: F.connectwise_psa_project_ticket_number,
    EntityType.CONNECTWISE_PSA_SERVICE_TICKET: F.connectwise_psa_service_ticket_number,
    EntityType.HALO_PSA_TICKET: F.halo_psa_ticket_number,
    EntityType.SERVICE_NOW_TASK: F.service_now_task_number,
}
_TICKET_IDS: Final[Mapping[str, tql.Id[tql.SchedulingRequestAttributes, Any]]] = {
    EntityType.SERVICE_NOW_TASK: F.service_now_task_id,
}
_CONTACT_IDS: Final[Mapping[str, tql.Id[tql.SchedulingRequestAttributes, Any]]] = {
    EntityType.AUTOTASK_CONTACT: F.autotask_contact_id,
    EntityType.CONNECTWISE_PSA_CONTACT: F.connectwise_psa_contact_id,
    EntityType.HALO_PSA_USER: F.halo_psa_user_id,
    EntityType.SERVICE_NOW_CONTACT: F.service_now_contact_id,
}


def lookup_filter(parameters: Mapping[str, Any]) -> tql.Expression[tql.SchedulingRequestAttributes]:
    """Say what a scheduling request made of a create's parameters has in common with them.

    That is the first of: the ticket, the contact, the end user's e-mail, the appointment type. Most tickets
    named by their ids alone cannot be filtered on; and the e-mail does not count where an entity may override
    it. What else they have in common, ``could_result_from`` tells.
    """
    entities = [structure(entity, AssociatedEntity) for entity in parameters.get("associated_entities", ())]
    for entity in entities:
        if entity.type in _TICKET_NUMBERS and entity.number is not None:
            return _TICKET_NUMBERS[entity.type] == entity.number
    for attributes in (_TICKET_IDS, _CONTACT_IDS):
        for entity in entities:
            if entity.type in attributes and entity.id is not None:
                return attributes[entity.type].operate(tql.Operator.EQ, entity.id)
    email = parameters.get("end_user_email")
    if email is not None and not any(entity.type in CONTACT_TYPES | TICKET_TYPES for entity in entities):
        # LIKE, because the service may have changed the case.
        return F.end_user_email.like(email)
    return F.appointment_type_id == str(parameters["appointment_type_id"])


def could_result_from(request: SchedulingRequest, parameters: Mapping[str, Any]) -> bool:
    """Return whether a scheduling request may have been made of a create's parameters.

    It may not where it names another appointment type, other resources, another ticket, contact or company
    than the parameters do, or, where no entity has the end user, another e-mail. What it does not name at
    all proves nothing.
    """
    if request.appointment_type_id not in {None, parameters["appointment_type_id"]}:
        return False
    resources = {resource.id for resource in request.resources}
    if resources and resources != set(parameters["resource_ids"]):
        return False
    entities = [structure(entity, AssociatedEntity) for entity in parameters.get("associated_entities", ())]
    for entity in entities:
        named = [one for one in request.associated_entities if one.type == entity.type]
        if named and not any(_could_be_same(one, entity) for one in named):
            return False
    has_user = any(entity.type in CONTACT_TYPES | TICKET_TYPES for entity in entities)
    return has_user or same_text(request.end_user_email, parameters.get("end_user_email"))


def _could_be_same(one: AssociatedEntity, other: AssociatedEntity) -> bool:
    """Return whether two entities of one type may be the same: by their numbers, else by their ids."""
    if one.number is not None and other.number is not None:
        return one.number.removeprefix("#") == other.number.removeprefix("#")
    return one.id is None or other.id is None or str(one.id) == str(other.id)


def same_text(one: str | None, other: str | None) -> bool:
    """Return whether two texts may be the same; the service may have changed the case."""
    return one is None or other is None or one.strip().casefold() == other.strip().casefold()
