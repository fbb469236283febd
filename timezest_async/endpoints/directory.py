"""Agents, teams, resources and appointment types: lists that change seldom.

The service answers lists only here; a record is got by reading its list.
"""

from __future__ import annotations

from typing import TypeVar

from timezest_async import tql
from timezest_async.endpoints.lists import Endpoint, check_id
from timezest_async.errors import NotFoundError, TimeZestError
from timezest_async.models import Agent, AppointmentType, Resource, Team
from timezest_async.pagination import Paginator

T = TypeVar("T", Agent, Team, AppointmentType)


async def _find(paginator: Paginator[T], id: str, path: str) -> T:
    """Read a list until a record turns up."""
    check_id(id)
    records = aiter(paginator)
    try:
        async for record in records:
            if record.id == id:
                return record
    except TimeZestError as error:
        error.checkpoint = None  # it is nobody's list
        raise
    finally:
        await records.aclose()
    raise NotFoundError(
        f"no record of this list has the id {id}", status=404, request_method="GET", request_path=path
    )


class AgentsEndpoint(Endpoint[Agent]):
    """The people who keep the appointments."""

    path = "/agents"
    entity = "agent"
    record_type = Agent

    def list(self, filter: tql.Expression[tql.AgentAttributes] | str | None = None) -> Paginator[Agent]:
        """List agents.

        Args:
            filter: Which ones: an expression on ``tql.agent``, or TQL text; None for all.

        Raises:
            FilterError: The filter is unfit; nothing was sent.
        """
        return self._paginate(filter)

    async def get(self, id: str) -> Agent:
        """Find an agent by id, by reading the list (20 agents a request).

        Raises:
            NotFoundError: There is none.
            InvalidRequestError: This is no id; nothing was sent.
        """
        return await _find(self.list(), id, self.path)


class TeamsEndpoint(Endpoint[Team]):
    """Groups of agents; TimeZest picks one of them when an appointment is booked. Deleted ones are listed."""

    path = "/teams"
    entity = "team"
    record_type = Team

    def list(self, filter: tql.Expression[tql.TeamAttributes] | str | None = None) -> Paginator[Team]:
        """List teams, deleted ones too.

        Args:
            filter: Which ones: an expression on ``tql.team``, or TQL text; None for all.

        Raises:
            FilterError: The filter is unfit; nothing was sent.
        """
        return self._paginate(filter)

    async def get(self, id: str) -> Team:
        """Find a team by id, by reading the list (20 teams a request).

        Raises:
            NotFoundError: There is none.
            InvalidRequestError: This is no id; nothing was sent.
        """
        return await _find(self.list(), id, self.path)


class ResourcesEndpoint(Endpoint[Resource]):
    """Agents and teams together: whatever a scheduling request can be created for."""

    path = "/resources"
    entity = "resource"
    record_type = Resource

    def list(self, filter: tql.Expression[tql.ResourceAttributes] | str | None = None) -> Paginator[Resource]:
        """List resources: agents, and teams that are not deleted.

        Args:
            filter: Which ones: an expression on ``tql.resource``, or TQL text; None for all.

        Raises:
            FilterError: The filter is unfit; nothing was sent.
        """
        return self._paginate(filter)


class AppointmentTypesEndpoint(Endpoint[AppointmentType]):
    """What kinds of appointments can be booked."""

    path = "/appointment_types"
    entity = "appointment_type"
    record_type = AppointmentType

    def list(
        self, filter: tql.Expression[tql.AppointmentTypeAttributes] | str | None = None
    ) -> Paginator[AppointmentType]:
        """List appointment types.

        Args:
            filter: Which ones: an expression on ``tql.appointment_type``, or TQL text; None for all.

        Raises:
            FilterError: The filter is unfit; nothing was sent.
        """
        return self._paginate(filter)

    async def get(self, id: str) -> AppointmentType:
        """Find an appointment type by id, by reading the list (20 a request).

        Raises:
            NotFoundError: There is none.
            InvalidRequestError: This is no id; nothing was sent.
        """
        return await _find(self.list(), id, self.path)
