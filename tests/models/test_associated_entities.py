from __future__ import annotations

from typing import Any

import pytest

from timezest_async.errors import InvalidRequestError
from timezest_async.models import CONTACT_TYPES, TICKET_TYPES, AssociatedEntity, EntityType


def constructor(kind: EntityType) -> Any:
    return getattr(AssociatedEntity, kind.replace("/", "_"))


def right_id(kind: EntityType) -> int | str:
    return "9d385017c611" if kind.startswith("service_now/") else 1234


def wrong_id(kind: EntityType) -> int | str:
    return 1234 if kind.startswith("service_now/") else "1234"


@pytest.mark.parametrize("kind", EntityType)
def test_there_is_a_constructor_for_every_type(kind: EntityType) -> None:
    entity = constructor(kind)(id=right_id(kind))
    assert entity.type is kind
    assert entity.to_dict() == {"type": kind.value, "id": right_id(kind)}


@pytest.mark.parametrize("kind", sorted(TICKET_TYPES))
def test_tickets_go_by_number_or_id_or_both(kind: EntityType) -> None:
    make = constructor(kind)
    assert make(number="#1234").to_dict() == {"type": kind, "number": "#1234"}
    both = make(number="#1234", id=right_id(kind))
    assert both.to_dict() == {"type": kind, "number": "#1234", "id": right_id(kind)}
    with pytest.raises(InvalidRequestError, match=r"number='#1234' or id=1234"):
        make()
    for number in ("", "  ", 1234):
        with pytest.raises(InvalidRequestError, match="number"):
            make(number=number)


@pytest.mark.parametrize("kind", sorted(set(EntityType) - TICKET_TYPES))
def test_the_rest_goes_by_id_alone(kind: EntityType) -> None:
    with pytest.raises(TypeError):
        constructor(kind)(number="#1")
    with pytest.raises(InvalidRequestError, match="needs id"):
        constructor(kind)(id=None)
    with pytest.raises(InvalidRequestError, match="takes no number"):
        AssociatedEntity(type=kind, id=right_id(kind), number="#1").check_identity()


@pytest.mark.parametrize("kind", EntityType)
def test_ids_of_the_wrong_kind_are_refused(kind: EntityType) -> None:
    for wrong in (wrong_id(kind), True, 0, -1, 1.5, ""):
        with pytest.raises(InvalidRequestError, match=str(kind)):
            constructor(kind)(id=wrong)


def test_an_unknown_type_is_hardly_judged() -> None:
    AssociatedEntity(type="new_psa/asset", id="x").check_identity()
    AssociatedEntity(type="new_psa/asset", id=3, number="#3").check_identity()
    for wrong in ({}, {"id": None}, {"id": True}, {"id": 1.5}):
        with pytest.raises(InvalidRequestError):
            AssociatedEntity(type="new_psa/asset", **wrong).check_identity()


def test_tickets_and_contacts_are_told_apart_by_plain_text_too() -> None:
    assert "halo_psa/ticket" in TICKET_TYPES
    assert "halo_psa/user" in CONTACT_TYPES
    assert not TICKET_TYPES & CONTACT_TYPES
