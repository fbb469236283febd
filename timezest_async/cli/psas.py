"""The PSA systems as options name them, and what a ticket, contact or company is in each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from timezest_async import AssociatedEntity, ConfigurationError, EntityType


class Psa(StrEnum):
    """Where a ticket, contact or company is."""

    AUTOTASK = "autotask"
    CONNECTWISE = "connectwise"
    CONNECTWISE_PROJECT = "connectwise_project"
    HALO = "halo"
    SERVICE_NOW = "service_now"


_TICKETS: Final[Mapping[Psa, EntityType]] = {
    Psa.AUTOTASK: EntityType.AUTOTASK_TICKET,
    Psa.CONNECTWISE: EntityType.CONNECTWISE_PSA_SERVICE_TICKET,
    Psa.CONNECTWISE_PROJECT: EntityType.CONNECTWISE_PSA_PROJECT_TICKET,
    Psa.HALO: EntityType.HALO_PSA_TICKET,
    Psa.SERVICE_NOW: EntityType.SERVICE_NOW_TASK,
}
_CONTACTS: Final[Mapping[Psa, EntityType]] = {
    Psa.AUTOTASK: EntityType.AUTOTASK_CONTACT,
    Psa.CONNECTWISE: EntityType.CONNECTWISE_PSA_CONTACT,
    Psa.CONNECTWISE_PROJECT: EntityType.CONNECTWISE_PSA_CONTACT,
    Psa.HALO: EntityType.HALO_PSA_USER,
    Psa.SERVICE_NOW: EntityType.SERVICE_NOW_CONTACT,
}
_COMPANIES: Final[Mapping[Psa, EntityType]] = {
    Psa.AUTOTASK: EntityType.AUTOTASK_COMPANY,
    Psa.CONNECTWISE: EntityType.CONNECTWISE_PSA_COMPANY,
    Psa.CONNECTWISE_PROJECT: EntityType.CONNECTWISE_PSA_COMPANY,
    Psa.HALO: EntityType.HALO_PSA_CLIENT,
}


def entities_of(
    psa: Psa | None, ticket: str | None, contact: str | None, company: str | None
) -> list[AssociatedEntity]:
    """Return the associated entities that options name.

    Raises:
        ConfigurationError: They do not fit together.
    """
    if psa is None:
        if ticket or contact or company:
            raise ConfigurationError(f"--ticket, --contact and --company need --psa: one of {', '.join(Psa)}")
        return []
    entities: list[AssociatedEntity] = []
    if ticket is not None:
        entities.append(AssociatedEntity(type=_TICKETS[psa], number=ticket))
    if contact is not None:
        entities.append(AssociatedEntity(type=_CONTACTS[psa], id=_id(psa, contact, "--contact")))
    if company is not None:
        if psa not in _COMPANIES:
            raise ConfigurationError(f"TimeZest knows no companies of {psa}: leave --company out")
        entities.append(AssociatedEntity(type=_COMPANIES[psa], id=_id(psa, company, "--company")))
    if not entities:
        raise ConfigurationError("--psa says where a --ticket, --contact or --company is: give one of them")
    return entities


def _id(psa: Psa, text: str, option: str) -> int | str:
    if psa is Psa.SERVICE_NOW:
        return text
    if not text.isdecimal():
        raise ConfigurationError(f"{option} takes the id in {psa}, a whole number such as 250, not {text!r}")
    return int(text)
