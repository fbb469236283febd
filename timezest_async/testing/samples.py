"""Records as the service has them, for every PSA system."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from timezest_async.errors import ConfigurationError

PSA: TypeAlias = Literal["connectwise_psa", "autotask", "halo_psa", "service_now"]
"""The PSA systems that TimeZest works beside, as entity types spell them."""

_TICKETS: Final[dict[PSA, tuple[str, str]]] = {
    "connectwise_psa": ("connectwise_psa/service_ticket", "#1234"),
    "autotask": ("autotask/ticket", "T20260310.0001"),
    "halo_psa": ("halo_psa/ticket", "1234"),
    "service_now": ("service_now/task", "INC0001234"),
}


def make_request(*, psa: PSA = "connectwise_psa", ticket: str | None = None, **fields: Any) -> dict[str, Any]:
    """Make a scheduling request for a ticket, in the service's shape.

    Args:
        psa: The PSA system that has the ticket.
        ticket: Its number, as that system writes it; a plausible one by default.
        fields: More fields, which win.

    Returns:
        What ``Sandbox.add`` takes, which fills in what the service always sends.

    Raises:
        ConfigurationError: There is no such PSA system.
    """
    try:
        entity_type, number = _TICKETS[psa]
    except (KeyError, TypeError):
        raise ConfigurationError(f"psa is one of {', '.join(_TICKETS)}; not {psa!r:.60}") from None
    return {
        "status": "sent",
        "end_user_name": "Ann Example",
        "end_user_email": "ann@example.com",
        "associated_entities": [{"type": entity_type, "id": 1, "number": ticket or number}],
        **fields,
    }
