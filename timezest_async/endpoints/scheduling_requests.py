"""Scheduling requests: list, get, create."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal, Unpack

from timezest_async import tql
from timezest_async.checks import check_deadline
from timezest_async.endpoints.creating import could_result_from, creation_parameters, lookup_filter
from timezest_async.endpoints.following import Following
from timezest_async.endpoints.lists import check_id
from timezest_async.endpoints.one_create import CreateArguments, OneCreate, check_once
from timezest_async.endpoints.open_requests import is_for_same_user, is_open, open_requests
from timezest_async.errors import OutcomeUnknownError, TimeZestError
from timezest_async.idempotency import Created, IntentJournal
from timezest_async.idempotency.keys import digest_of
from timezest_async.models import AssociatedEntity, SchedulingRequest, TriggerMode
from timezest_async.pagination import Checkpoint, OnUnreadable, Paginator
from timezest_async.serialization.readers import StructureError
from timezest_async.tql import scheduling_request as F
from timezest_async.transport import NOBODY, Exchange

_CANDIDATES_SINCE: Final = timedelta(seconds=120)
"""How much earlier than it was sent a create may seem to have happened."""


class SchedulingRequestsEndpoint(Following):
    """The appointments that end users were asked to book, and those they booked."""

    path = "/scheduling_requests"
    entity = "scheduling_request"
    id_prefix = "sreq_"
    record_type = SchedulingRequest
    is_sorted = True

    def list(
        self,
        filter: tql.Expression[tql.SchedulingRequestAttributes] | str | None = None,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
        limit: int | None = None,
        concurrency: int | Literal["auto"] = 1,
        checkpoint: Checkpoint | None = None,
        on_unreadable: OnUnreadable = "raise",
        deadline: float | None = None,
    ) -> Paginator[SchedulingRequest]:
        """List scheduling requests, newest first.

        Nothing is sent before the list is iterated over. A filter with OR in it is read as several queries
        at the same time, merged into one stream with each record once.

        Args:
            filter: Which ones: an expression on ``F``, or TQL text; None for all.
            starting_after: The id of a record: only older ones.
            ending_before: The id of a record: only newer ones, the nearest (oldest) first.
            limit: How many records to give at most.
            concurrency: How many requests may be under way at once: the list is then read in several ranges
                of ``created_at`` at the same time, for the same records in the same order, sooner. ``"auto"``
                chooses by latency and budget. Walking backwards, and raw TQL, are read one by one.
            checkpoint: Go on where an earlier list stood, with the same filter or None.
            on_unreadable: What to do with a record that cannot be read (its ``id``, ``status`` or
                ``created_at`` is missing, or a field is of a wrong type). ``"raise"`` it as an
                ``UnexpectedResponseError``, after the records before it, with the checkpoint from which
                another choice gets past it; ``"skip"`` it, with a warning to the logger
                ``timezest_async``; or skip it and call this function with its ``UnreadableRecord``.
            deadline: Seconds for each page altogether: waits, attempts and back-offs; None for the client's.

        Raises:
            FilterError: The filter is unfit; nothing was sent.
            InvalidRequestError: Another argument is; nothing was sent.
        """
        return self.paginate(
            filter,
            starting_after=starting_after,
            ending_before=ending_before,
            limit=limit,
            concurrency=concurrency,
            checkpoint=checkpoint,
            on_unreadable=on_unreadable,
            deadline=deadline,
        )

    async def get(self, id: str, *, deadline: float | None = None) -> SchedulingRequest:
        """Get one scheduling request.

        Args:
            id: Its id, ``"sreq_…"``.
            deadline: Seconds for it altogether: waits, attempts and back-offs; None for the client's.

        Raises:
            NotFoundError: There is none of this id.
            BudgetExhaustedError: The request budget cannot meet the deadline; nothing was sent.
            InvalidRequestError: This is no id, or no deadline; nothing was sent.
            TimeZestError: The exchange failed.
        """
        check_id(id, "id", self.id_prefix)
        path, route = f"{self.path}/{id}", f"{self.path}/{{id}}"
        check_deadline(deadline)
        with self._transport.report("get", route) or NOBODY:
            exchange: Exchange[Any] = await self._transport.get(path, route=route, deadline=deadline)
            try:
                return self._converter.structure(exchange.payload, SchedulingRequest)
            except StructureError as error:
                reason = exchange.redact(str(error))
            raise exchange.unexpected(reason)

    async def create(
        self,
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
        deadline: float | None = None,
    ) -> SchedulingRequest:
        """Create a scheduling request.

        The end user's name and e-mail come from a contact (or HaloPSA user) among the associated entities,
        else from the contact of a ticket among them, else from the fields: so an entity overrides the fields,
        and without such an entity both fields are needed.

        It is sent again only after what certainly did not happen, so that nothing is created twice.

        Args:
            appointment_type_id: The appointment type, ``"apty_…"``.
            trigger_mode: ``TriggerMode.POD`` runs the workflow as if created in the pod;
                ``TriggerMode.GENERATE_URL`` as if by its "Generate URL" (which by default sends nothing).
            resource_ids: Ids of the agents and teams who are to keep the appointment, at least one.
            associated_entities: What it belongs to in a PSA, such as
                ``AssociatedEntity.connectwise_psa_service_ticket(number="#1234")``.
            end_user_name: Who is to select a time.
            end_user_email: Where they are asked to.
            end_user_company: Their company.
            duration_mins: How long the appointment takes, in minutes, if not as its type says.
            earliest_date: The first day that may be chosen.
            earliest_time: The earliest time of day that may be chosen, to the minute, without a time zone.
            latest_date: The last day that may be chosen.
            latest_time: The latest time of day that may be chosen; on one day later than the earliest.
            deadline: Seconds for it altogether: waits, attempts and back-offs; None for the client's.

        Raises:
            InvalidRequestError: The service would refuse these arguments; nothing was sent.
            BudgetExhaustedError: The request budget cannot meet the deadline; nothing was sent.
            OutcomeUnknownError: It may have been created, or not; ``find_candidates`` helps to tell.
            ValidationError: The service refused the values.
            TimeZestError: It was not created, for the reason that the class says.
        """
        check_deadline(deadline)
        parameters = creation_parameters(
            appointment_type_id=appointment_type_id,
            trigger_mode=trigger_mode,
            resource_ids=resource_ids,
            associated_entities=associated_entities,
            end_user_name=end_user_name,
            end_user_email=end_user_email,
            end_user_company=end_user_company,
            duration_mins=duration_mins,
            earliest_date=earliest_date,
            earliest_time=earliest_time,
            latest_date=latest_date,
            latest_time=latest_time,
        )
        with self._transport.report("create", self.path) or NOBODY:
            return await self.send(parameters, deadline=deadline)

    async def send(
        self,
        parameters: Mapping[str, Any],
        *,
        deadline: float | None = None,
        before_send: Callable[[], Awaitable[None]] | None = None,
    ) -> SchedulingRequest:
        """Send a create whose parameters are checked; see ``create``, and ``Transport.post``."""
        exchange = await self._transport.post(
            self.path, parameters, route=self.path, deadline=deadline, before_send=before_send
        )
        try:
            return self._converter.structure(exchange.payload, SchedulingRequest)
        except StructureError as error:
            reason = exchange.redact(str(error))
        unknown = OutcomeUnknownError(
            f"the service answered {exchange.status}, but not with a scheduling request: {reason}",
            parameters=parameters,
            sent_at=exchange.sent_at,
            status=exchange.status,
            clock_offset=exchange.clock_offset,
        )
        unknown.retries_taken = exchange.retries_taken
        raise unknown

    async def create_once(
        self,
        journal: IntentJournal,
        *,
        key: str,
        settle: float = 120.0,
        unless_open: bool = False,
        wait: bool = False,
        deadline: float | None = None,
        **arguments: Unpack[CreateArguments],
    ) -> Created:
        """Create a scheduling request exactly once for a key, whatever happens to workers and answers.

        Call it with the same key and arguments as often as you like, from any process that shares the
        journal.
        An attempt whose answer was lost is looked for, by ticket, entities, appointment type, resources and
        time, until ``timeout + settle`` seconds after it was sent; only then is another one sent. See
        ``docs/exactly-once.md`` for what this promises, and what not.

        Args:
            journal: Remembers keys: ``SQLiteJournal(path)``, ``RedisJournal(url)``, ``MemoryJournal()``.
            key: What is to exist once, such as ``"ticket-1234/onsite"``: name the ticket and the kind of
                appointment.
            settle: Seconds after an attempt's time-out within which it has happened, if ever, and shows in
                lists.
            unless_open: Whether an open request (new, sent, or scheduled ahead) of the same ticket, or of the
                same end user where there is no ticket, is as good as a new one.
            wait: Whether to wait for another worker that holds the key.
            deadline: Seconds for all of it; None for the client's.
            arguments: As for ``create``.

        Returns:
            The request, and how it was come by: ``"created"``, ``"found"`` or ``"remembered"``.

        Raises:
            InvalidRequestError: The service would refuse these arguments; nothing was sent.
            KeyReusedError: The key was used before with other arguments; nothing was sent.
            IntentBusyError: Another worker holds the key, or what was sent may yet turn up when the deadline
                has come: call again after its ``retry_after`` seconds.
            MultipleFoundError: Several requests may be what was created: a person has to say which.
            TimeZestError: It was not created, or could not be looked for; calling again is safe.
        """
        check_once(journal, key, settle)
        check_deadline(deadline)
        parameters = creation_parameters(**arguments)
        # Lazy: most programs do without.
        from timezest_async.idempotency.once import Once  # noqa: PLC0415

        once = Once(
            journal,
            OneCreate(self, self._transport, parameters, unless_open=unless_open),
            key=key,
            digest=digest_of(parameters),
            settle=settle,
            unless_open=unless_open,
            wait=wait,
            deadline=self._transport.deadline if deadline is None else deadline,
        )
        with self._transport.report("create_once", self.path) or NOBODY:
            return await once.run()

    async def find_open(
        self, parameters: Mapping[str, Any], *, deadline: float | None = None
    ) -> SchedulingRequest | None:
        """Find the newest open request of the ticket, or the end user, that a create's parameters name.

        Args:
            parameters: What is to be created, as JSON.
            deadline: Seconds for each page of the list; None for the client's.

        Raises:
            InvalidRequestError: Requests of this ticket cannot be looked for: it is named by its id alone.
        """
        requests = aiter(self.list(open_requests(parameters), deadline=deadline))
        try:
            async for request in requests:
                now = datetime.now(UTC) + await self._transport.clock_offset(self.path)
                if is_open(request, now) and is_for_same_user(request, parameters):
                    return request
        except TimeZestError as error:
            error.checkpoint = None  # it is nobody's list
            raise
        finally:
            await requests.aclose()
        return None

    async def find_candidates(
        self,
        parameters: Mapping[str, Any],
        sent_at: datetime,
        *,
        clock_offset: timedelta | None = None,
        deadline: float | None = None,
    ) -> Sequence[SchedulingRequest]:
        """List what may have come of a create; see ``OutcomeUnknownError.find_candidates``.

        Args:
            parameters: What was sent.
            sent_at: When, by our clock.
            clock_offset: How far the service's clock was ahead of ours then; None for how far it is now,
                which costs a request where this client has not been answered yet.
            deadline: Seconds for each page of the list; None for the client's.
        """
        if clock_offset is None:
            clock_offset = await self._transport.clock_offset(self.path)
        since = F.created_at >= sent_at + clock_offset - _CANDIDATES_SINCE
        try:
            found = await self.list(since & lookup_filter(parameters), deadline=deadline).to_list()
        except TimeZestError as error:
            error.checkpoint = None  # it is nobody's list
            raise
        return [request for request in found if could_result_from(request, parameters)]
