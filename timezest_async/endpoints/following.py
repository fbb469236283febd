"""Following scheduling requests: what has changed, as it happens or since the last look."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from timezest_async import tql
from timezest_async.endpoints.lists import Endpoint
from timezest_async.models import SchedulingRequest

if TYPE_CHECKING:
    from timezest_async.changes import ChangeStore
    from timezest_async.changes.reading import Service
    from timezest_async.changes.watch import Watch


class Following(Endpoint[SchedulingRequest]):
    """The part of the endpoint of scheduling requests that follows them."""

    def changes(
        self,
        state: str | os.PathLike[str] | ChangeStore,
        filter: tql.Expression[tql.SchedulingRequestAttributes] | str | None = None,
        *,
        initial: bool = True,
        consumer: str = "main",
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

        Raises:
            FilterError: The filter is unfit; nothing was sent.
            ConfigurationError: Another argument is, or the state is of another filter or account.
            TimeZestError: (while it is read) the service or the network failed; run it again.
        """
        from timezest_async.changes.watch import Watch  # noqa: PLC0415 - few programs need it

        return Watch(self._service(), state, filter, interval=None, initial=initial, consumer=consumer)

    def watch(
        self,
        state: str | os.PathLike[str] | ChangeStore,
        filter: tql.Expression[tql.SchedulingRequestAttributes] | str | None = None,
        *,
        interval: float = 10.0,
        sweep: float = 60.0,
        consumer: str = "main",
        initial: bool = True,
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

        Raises:
            FilterError: The filter is unfit; nothing was sent.
            ConfigurationError: Another argument is, or the state is of another filter or account.
            TimeZestError: (while it is read) a failure that does not pass, such as a refused key.
        """
        from timezest_async.changes.watch import Watch  # noqa: PLC0415 - few programs need it

        return Watch(
            self._service(),
            state,
            filter,
            interval=interval,
            sweep=sweep,
            consumer=consumer,
            initial=initial,
        )

    def _service(self) -> Service:
        from timezest_async.changes.reading import Service  # noqa: PLC0415 - few programs need it

        endpoint: Any = self  # with list and get
        return Service(
            endpoint.list,
            endpoint.get,
            lambda wire: self._converter.structure(wire, SchedulingRequest),
            self._transport.now,
            self._transport.limiter,
        )
