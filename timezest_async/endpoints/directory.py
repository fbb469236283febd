"""Agents, teams, resources and appointment types: lists that change seldom.

The service answers lists only here; a record is got by reading its list.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from timezest_async import tql
from timezest_async.endpoints.lists import Endpoint, check_id
from timezest_async.errors import NotFoundError, TimeZestError
from timezest_async.models import Agent, AppointmentType, Resource, Team
from timezest_async.pagination import OnUnreadable, Paginator

A = TypeVar("A")
"""The attributes that a list is filtered by."""
R = TypeVar("R")
T = TypeVar("T", Agent, Team, AppointmentType)


class DirectoryEndpoint(Endpoint[R], Generic[R, A]):
    """A list that is read as a whole, or filtered."""

    def list(
        self, filter: tql.Expression[A] | str | None = None, *, on_unreadable: OnUnreadable = "raise"
    ) -> Paginator[R]:
        """List the records. Nothing is sent before the list is iterated over.

        Args:
            filter: Which ones: an expression on this list's attributes, such as those of ``tql.agent``, or
                TQL text; None for all.
            on_unreadable: What to do with a record that cannot be read, as for scheduling requests.

        Raises:
            FilterError: The filter is unfit; nothing was sent.
            InvalidRequestError: Another argument is; nothing was sent.
        """
        return self._paginate(filter, on_unreadable=on_unreadable)


class FindableEndpoint(DirectoryEndpoint[T, A]):
    """A list whose records can be found by id."""

    async def get(self, id: str) -> T:
        """Find a record by id, by reading the list (20 records a request).

        Raises:
            NotFoundError: There is none.
            InvalidRequestError: This is no id; nothing was sent.
        """
        check_id(id)
        records = aiter(self._paginate(None))
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
            f"no record of this list has the id {id}",
            status=404,
            request_method="GET",
            request_path=self.path,
        )


class AgentsEndpoint(FindableEndpoint[Agent, tql.AgentAttributes]):
    """The people who keep the appointments."""

    path = "/agents"
    entity = "agent"
    record_type = Agent


class TeamsEndpoint(FindableEndpoint[Team, tql.TeamAttributes]):
    """Groups of agents; TimeZest picks one of them when an appointment is booked. Deleted ones are listed."""

    path = "/teams"
    entity = "team"
    record_type = Team


class ResourcesEndpoint(DirectoryEndpoint[Resource, tql.ResourceAttributes]):
    """Whatever a scheduling request can be created for: agents, and teams that are not deleted."""

    path = "/resources"
    entity = "resource"
    record_type = Resource


class AppointmentTypesEndpoint(FindableEndpoint[AppointmentType, tql.AppointmentTypeAttributes]):
    """What kinds of appointments can be booked."""

    path = "/appointment_types"
    entity = "appointment_type"
    record_type = AppointmentType
