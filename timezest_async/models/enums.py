"""The closed lists of words that the service uses, as far as they are documented.

Members are strings, so ``record.status == "scheduled"`` holds. The service may add words: a record
keeps one that is not listed here as a plain ``str``.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where a scheduling request stands (reference page, "Statuses")."""

    NEW = "new"
    SENT = "sent"
    SCHEDULED = "scheduled"
    CANCELLED = "cancelled"
    CLOSED = "closed"


class TriggerMode(StrEnum):
    """Which workflow trigger creating a scheduling request fires (reference page, "Create")."""

    POD = "pod"
    GENERATE_URL = "generate_url"


class EntityType(StrEnum):
    """What an associated entity is, in which of the customer's systems.

    Autotask and ConnectWise are the reference page's table, HaloPSA its last section. The two names
    for ServiceNow are unverified.
    """

    AUTOTASK_COMPANY = "autotask/company"
    AUTOTASK_CONTACT = "autotask/contact"
    AUTOTASK_TICKET = "autotask/ticket"
    CONNECTWISE_PSA_COMPANY = "connectwise_psa/company"
    CONNECTWISE_PSA_CONTACT = "connectwise_psa/contact"
    CONNECTWISE_PSA_PROJECT_TICKET = "connectwise_psa/project_ticket"
    CONNECTWISE_PSA_SERVICE_TICKET = "connectwise_psa/service_ticket"
    HALO_PSA_CLIENT = "halo_psa/client"
    HALO_PSA_TICKET = "halo_psa/ticket"
    HALO_PSA_USER = "halo_psa/user"
    SERVICE_NOW_CONTACT = "service_now/contact"
    SERVICE_NOW_TASK = "service_now/task"


class AgentRole(StrEnum):
    """What an agent may do in TimeZest."""

    USER = "user"
    ADMINISTRATOR = "administrator"


class TeamType(StrEnum):
    """Where a team is defined."""

    TIMEZEST_TEAM = "timezest/team"
    CONNECTWISE_SERVICE = "connectwise/service"
    CONNECTWISE_PROJECT = "connectwise/project"


TICKET_TYPES = frozenset(
    {
        EntityType.AUTOTASK_TICKET,
        EntityType.CONNECTWISE_PSA_PROJECT_TICKET,
        EntityType.CONNECTWISE_PSA_SERVICE_TICKET,
        EntityType.HALO_PSA_TICKET,
        EntityType.SERVICE_NOW_TASK,
    }
)
"""The entity types that carry a ``number`` and may be named by it."""

CONTACT_TYPES = frozenset(
    {
        EntityType.AUTOTASK_CONTACT,
        EntityType.CONNECTWISE_PSA_CONTACT,
        EntityType.HALO_PSA_USER,
        EntityType.SERVICE_NOW_CONTACT,
    }
)
"""The entity types that are a person, who can be the end user."""
