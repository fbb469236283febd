"""What a scheduling request is linked to in the customer's other systems."""

from __future__ import annotations

from typing import Any, Self

import attrs

from timezest_async.errors import InvalidRequestError
from timezest_async.models.dicts import AssociatedEntityDict
from timezest_async.models.enums import TICKET_TYPES, EntityType
from timezest_async.models.record import ABSENT, Record, enum_or_str


def _entity_type(value: EntityType | str) -> EntityType | str:
    word: EntityType | str = enum_or_str(EntityType, value)
    return word


@attrs.frozen(kw_only=True, repr=False, getstate_setstate=False)
class AssociatedEntity(Record[AssociatedEntityDict]):
    """A ticket, contact or company of a PSA (or ServiceNow) that a scheduling request belongs to.

    To name one when creating a request, use the constructor of its type, such as
    ``AssociatedEntity.connectwise_psa_service_ticket(number="#1234")``.

    Attributes:
        type: Which kind of thing in which system.
        id: Its id there: an ``int`` in the PSAs, a ``str`` in ServiceNow.
        number: The number that people know a ticket by, such as ``"#1234"``; on tickets only.
    """

    type: EntityType | str = attrs.field(converter=_entity_type)
    id: int | str | None = ABSENT
    number: str | None = ABSENT

    def check_identity(self) -> Self:
        """Check that the service can find the entity by what is given.

        A ticket is found by its number or its id, anything else by its id alone. Of an entity whose
        type this package does not know, the shape is not judged beyond that.

        Returns:
            The entity itself.

        Raises:
            InvalidRequestError: Neither is given, or one is not of its type.
        """
        is_ticket = self.type in TICKET_TYPES
        if self.number is not None:
            if self.type in set(EntityType) - TICKET_TYPES:
                raise InvalidRequestError(f"{self.type} takes no number, only tickets do; give id=...")
            if not _is_text(self.number) or not self.number.strip("# "):
                raise InvalidRequestError(
                    f'The number of {self.type} is a text such as "#1234", not {self.number!r}.'
                )
        elif self.id is None:
            ways = "number='#1234' or id=1234" if is_ticket else "id=1234"
            raise InvalidRequestError(f"{self.type} needs {ways}: the service finds it by nothing else.")
        if self.id is not None:
            self._check_id()
        return self

    def _check_id(self) -> None:
        is_number = type(self.id) is int and 0 < self.id < 2**63
        if self.type not in set(EntityType):
            fits, right = is_number or _is_text(self.id), "a positive int or a text"
        elif self.type.startswith("service_now/"):
            fits, right = _is_text(self.id), "a text, as ServiceNow's ids are"
        else:
            fits, right = is_number, "a positive int of 64 bits, such as 1234"
        if not fits:
            raise InvalidRequestError(f"The id of {self.type} is {right}, not {self.id!r}.")

    @classmethod
    def _named(cls, type: EntityType, **identity: Any) -> Self:
        # An argument left at None is one that is not sent, rather than sent as null.
        given = {name: value for name, value in identity.items() if value is not None}
        return cls(type=type, **given).check_identity()

    @classmethod
    def autotask_company(cls, id: int) -> Self:
        """Name a company in Autotask, by its id."""
        return cls._named(EntityType.AUTOTASK_COMPANY, id=id)

    @classmethod
    def autotask_contact(cls, id: int) -> Self:
        """Name a contact in Autotask, by its id."""
        return cls._named(EntityType.AUTOTASK_CONTACT, id=id)

    @classmethod
    def autotask_ticket(cls, number: str | None = None, *, id: int | None = None) -> Self:
        """Name a ticket in Autotask, by its number, its id or both."""
        return cls._named(EntityType.AUTOTASK_TICKET, id=id, number=number)

    @classmethod
    def connectwise_psa_company(cls, id: int) -> Self:
        """Name a company in ConnectWise PSA, by its id."""
        return cls._named(EntityType.CONNECTWISE_PSA_COMPANY, id=id)

    @classmethod
    def connectwise_psa_contact(cls, id: int) -> Self:
        """Name a contact in ConnectWise PSA, by its id."""
        return cls._named(EntityType.CONNECTWISE_PSA_CONTACT, id=id)

    @classmethod
    def connectwise_psa_project_ticket(cls, number: str | None = None, *, id: int | None = None) -> Self:
        """Name a project ticket in ConnectWise PSA, by its number, its id or both."""
        return cls._named(EntityType.CONNECTWISE_PSA_PROJECT_TICKET, id=id, number=number)

    @classmethod
    def connectwise_psa_service_ticket(cls, number: str | None = None, *, id: int | None = None) -> Self:
        """Name a service ticket in ConnectWise PSA, by its number, its id or both."""
        return cls._named(EntityType.CONNECTWISE_PSA_SERVICE_TICKET, id=id, number=number)

    @classmethod
    def halo_psa_client(cls, id: int) -> Self:
        """Name a client in HaloPSA, by its id."""
        return cls._named(EntityType.HALO_PSA_CLIENT, id=id)

    @classmethod
    def halo_psa_ticket(cls, number: str | None = None, *, id: int | None = None) -> Self:
        """Name a ticket in HaloPSA, by its number, its id or both."""
        return cls._named(EntityType.HALO_PSA_TICKET, id=id, number=number)

    @classmethod
    def halo_psa_user(cls, id: int) -> Self:
        """Name a user, the end user of a ticket, in HaloPSA, by its id."""
        return cls._named(EntityType.HALO_PSA_USER, id=id)

    @classmethod
    def service_now_contact(cls, id: str) -> Self:
        """Name a contact in ServiceNow (the type's name is unverified), by its id."""
        return cls._named(EntityType.SERVICE_NOW_CONTACT, id=id)

    @classmethod
    def service_now_task(cls, number: str | None = None, *, id: str | None = None) -> Self:
        """Name a task in ServiceNow (the type's name is unverified), by its number, its id or both."""
        return cls._named(EntityType.SERVICE_NOW_TASK, id=id, number=number)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
