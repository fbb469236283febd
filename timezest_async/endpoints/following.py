"""Following scheduling requests: what has changed, as it happens or since the last look."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from timezest_async import tql
from timezest_async.checks import check_deadline
from timezest_async.endpoints.lists import Endpoint, check_id
from timezest_async.models import SchedulingRequest

if TYPE_CHECKING:
    from timezest_async.changes import ChangeStore
    from timezest_async.changes.polling import Service
    from timezest_async.changes.waiting import Waiters, Wanted
    from timezest_async.changes.watching import Watch


class Following(Endpoint[SchedulingRequest]):
    """The part of the endpoint of scheduling requests that follows them."""

    def changes(
        self,
        state: str | os.PathLike[str] | ChangeStore,
        filter: tql.Expression[tql.SchedulingRequestAttributes] | str | None = None,
        *,
        initial: bool = True,
        consumer: str = "main",
        now: datetime | None = None,
    ) -> Watch:
        """Give what was created, booked, cancelled or otherwise changed since the last look, and end.

        Made for a job that runs every hour. Read it with ``async for``: asking for the next change
        acknowledges the one before. Changes that an earlier run was given and did not acknowledge come
        first. The first look reads the whole list. See ``docs/changes.md``.

        Args:
            state: Where to remember what was seen: the path of an SQLite file, or a ``ChangeStore``.
            filter: Which requests are followed, the same at every look. Changes into it and out of it are
                told, too. Times in text that say how long ago count from the first look.
            initial: Give a ``CREATED`` for each request that is there at the first look; else they are only
                remembered.
            consumer: A name for whoever acknowledges. Every consumer of a state is given all changes.
            now: What times in text count from, if this is the first look; by default the time.

        Raises:
            FilterError: The filter is unfit; nothing was sent.
            ConfigurationError: Another argument is, or the state is of another filter or account.
            TimeZestError: (while it is read) the service or the network failed; run it again.
        """
        from timezest_async.changes.watching import Watch  # noqa: PLC0415 - few programs need it

        return Watch(
            self._service(), state, filter, interval=None, initial=initial, consumer=consumer, now=now
        )

    def watch(
        self,
        state: str | os.PathLike[str] | ChangeStore,
        filter: tql.Expression[tql.SchedulingRequestAttributes] | str | None = None,
        *,
        interval: float = 10.0,
        sweep: float = 60.0,
        consumer: str = "main",
        initial: bool = True,
        now: datetime | None = None,
    ) -> Watch:
        """Give what was created, booked, moved, cancelled, closed or otherwise changed, as it happens.

        Read it with ``async for``, which goes on for ever: failures that may pass are logged to
        ``timezest_async``, and it looks again later. The service is asked only while somebody waits for the
        next change; a tenth of the request budget is left to others. See ``docs/changes.md``.

        Args:
            state: As for ``changes``.
            filter: As for ``changes``.
            interval: Seconds after which it looks for what was created and booked: two requests.
            sweep: Seconds after which it looks for cancellations and all else.
            consumer: As for ``changes``.
            initial: As for ``changes``.
            now: As for ``changes``.

        Raises:
            FilterError: The filter is unfit; nothing was sent.
            ConfigurationError: Another argument is, or the state is of another filter or account.
            TimeZestError: (while it is read) a failure that does not pass, such as a refused key.
        """
        from timezest_async.changes.watching import Watch  # noqa: PLC0415 - few programs need it

        return Watch(
            self._service(),
            state,
            filter,
            interval=interval,
            sweep=sweep,
            consumer=consumer,
            initial=initial,
            now=now,
        )

    @overload
    async def wait_until(  # type: ignore[overload-overlap]  # a text is meant as one id
        self,
        id: str,
        wanted: Wanted,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - waiting is what it is for
        interval: float | None = None,
    ) -> SchedulingRequest: ...

    @overload
    async def wait_until(
        self,
        id: Iterable[str],
        wanted: Wanted,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        interval: float | None = None,
    ) -> list[SchedulingRequest]: ...

    async def wait_until(
        self,
        id: str | Iterable[str],
        wanted: Wanted,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        interval: float | None = None,
    ) -> SchedulingRequest | list[SchedulingRequest]:
        """Wait until a scheduling request, or each of several, is as wanted.

        It looks at once, then after half a second, and then less and less often. All who wait with one client
        share the looks: hundreds of requests cost hardly more than a few, since they are asked for by ticket
        number or e-mail address together.

        Args:
            id: The id of a request, or several ids.
            wanted: A status, several (any of them will do), or a function that is given the request and
                returns whether it is as wanted. Who waits for ``scheduled`` may want to hear of ``cancelled``
                and ``closed``, too.
            timeout: Seconds after which it gives up; None for never.
            interval: Seconds between two looks at most; by default 10.

        Returns:
            The request as it then is; for several ids a list in their order, each as it was when it first
            was as wanted.

        Raises:
            TimeoutError: It was not as wanted in time.
            NotFoundError: There is no such request, or no longer.
            InvalidRequestError: An argument is unfit; nothing was sent.
            TimeZestError: A failure that does not pass, such as a refused key.
        """
        from timezest_async.changes.waiting import check_wanted  # noqa: PLC0415 - few programs need it

        check_deadline(timeout, "timeout", "no limit")
        check_deadline(interval, "interval", "10 seconds")
        ids = [id] if isinstance(id, str) else list(id)
        for one in ids:
            check_id(one, "id", self.id_prefix)
        found = await self._waiters.wait(ids, check_wanted(wanted), timeout, interval or 10.0)
        return found[0] if isinstance(id, str) else found

    def service_time(self) -> datetime:
        """Return the time (UTC) that the service has, as far as its answers have told it; else ours."""
        return self._transport.now()

    @cached_property
    def _waiters(self) -> Waiters:
        from timezest_async.changes.waiting import Waiters  # noqa: PLC0415 - few programs need it

        return Waiters(self._service())

    def _service(self) -> Service:
        from timezest_async.changes.polling import Service  # noqa: PLC0415 - few programs need it

        endpoint: Any = self  # with list and get
        return Service(
            endpoint.list,
            endpoint.get,
            lambda wire: self._converter.structure(wire, SchedulingRequest),
            self._transport.now,
            self._transport.limiter,
        )
