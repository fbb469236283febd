"""Agents, teams, resources and appointment types: lists that change seldom.

The service answers lists only here; a record is got by reading its list.
"""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from timezest_async import tql
from timezest_async.checks import check_deadline
from timezest_async.endpoints.lists import Endpoint, check_id
from timezest_async.errors import (
    NotFoundError,
    RequestTimeoutError,
    TimeZestError,
    UnexpectedResponseError,
)
from timezest_async.models import Agent, AppointmentType, Resource, Team
from timezest_async.pagination import OnUnreadable, Paginator
from timezest_async.serialization.readers import UnreadableRecord

A = TypeVar("A")
"""The attributes that a list is filtered by."""
R = TypeVar("R")
T = TypeVar("T", Agent, Team, AppointmentType)


class DirectoryEndpoint(Endpoint[R], Generic[R, A]):
    """A list that is read as a whole, or filtered."""

    def list(
        self,
        filter: tql.Expression[A] | str | None = None,
        *,
        on_unreadable: OnUnreadable = "raise",
        deadline: float | None = None,
    ) -> Paginator[R]:
        """List the records. Nothing is sent before the list is iterated over.

        Args:
            filter: Which ones: an expression on this list's attributes, such as those of ``tql.agent``, or
                TQL text; None for all.
            on_unreadable: What to do with a record that cannot be read, as for scheduling requests.
            deadline: Seconds for each page altogether: waits, attempts and back-offs; None for the client's.

        Raises:
            FilterError: The filter is unfit; nothing was sent.
            InvalidRequestError: Another argument is; nothing was sent.
        """
        return self.paginate(filter, on_unreadable=on_unreadable, deadline=deadline)


class FindableEndpoint(DirectoryEndpoint[T, A]):
    """A list whose records can be found by id."""

    async def get(self, id: str, *, deadline: float | None = None) -> T:
        """Find a record by id, by reading the list (20 records a request).

        Args:
            id: The record's.
            deadline: Seconds for it altogether; by default the client's, for each page.

        Raises:
            NotFoundError: There is none.
            UnexpectedResponseError: There is one that cannot be read, and it may be this.
            InvalidRequestError: This is no id, or no deadline; nothing was sent.
        """
        check_id(id, "id", self.id_prefix)
        check_deadline(deadline)
        found: T | None = None
        try:
            async with asyncio.timeout(deadline):
                found = await self._find(id, deadline)
        except TimeoutError:
            seconds = deadline or 0.0
            raise RequestTimeoutError(
                f"GET {self.path} was not done within its deadline of {seconds:g} s.", seconds=seconds
            ) from None
        if found is not None:
            return found
        raise NotFoundError(
            f"no record of this list has the id {id}",
            status=404,
            request_method="GET",
            request_path=self.path,
        )

    async def _find(self, id: str, deadline: float | None) -> T | None:
        # Nothing but reasons is kept here: what shows the locals of a traceback would show the records.
        doubts: list[str] = []

        def doubt(unreadable: UnreadableRecord) -> None:
            if unreadable.id in {None, id}:
                doubts.append(unreadable.reason)

        records = aiter(self.paginate(None, deadline=deadline, on_unreadable=doubt))
        try:
            while True:
                if (record := await anext(records)).id == id:
                    return record
                del record
        except StopAsyncIteration:
            pass
        except TimeZestError as error:
            error.checkpoint = None  # it is nobody's list
            raise
        finally:
            await records.aclose()
        if doubts:
            raise UnexpectedResponseError(
                f"{id} is not among the records of {self.path} that can be read, and one of them cannot: "
                f"{doubts[0]}",
                status=200,
            )
        return None


class AgentsEndpoint(FindableEndpoint[Agent, tql.AgentAttributes]):
    """The people who keep the appointments."""

    path = "/agents"
    entity = "agent"
    id_prefix = "agnt_"
    record_type = Agent


class TeamsEndpoint(FindableEndpoint[Team, tql.TeamAttributes]):
    """Groups of agents; TimeZest picks one of them when an appointment is booked. Deleted ones are listed."""

    path = "/teams"
    entity = "team"
    id_prefix = "team_"
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
    id_prefix = "apty_"
    record_type = AppointmentType
