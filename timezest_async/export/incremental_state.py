"""What an incremental export remembers between its runs: the STATE file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import attrs

from timezest_async.errors import ConfigurationError
from timezest_async.export.atomic_files import check_name, write_text
from timezest_async.export.checksums import sealed, unsealed
from timezest_async.export.formats.columns import first_columns
from timezest_async.models import SchedulingRequest, Status
from timezest_async.serialization.converter import structure

_VERSION: Final = 2
_UNSEALED: Final = 1
"""The version before there were checksums."""

PATH: Final = "/scheduling_requests"

FINAL_STATUSES: Final = ("cancelled", "closed")
"""The statuses in which a request is taken to stay; any other, unknown ones too, is open."""

LEARNED: Final = (
    *("id", "status", "created_at", "updated_at"),
    *("selected_start_time", "scheduled_at", "associated_entities", "end_user_email"),
)
"""The columns from which is learned how to ask for a request, where the file has them."""

NEEDED: Final = ("id", "status", "created_at", "updated_at")
"""The columns without which an incremental export cannot tell what it has."""


@attrs.frozen
class KnownRequest:
    """A request as it was read last.

    Attributes:
        status: Its status.
        created_at: Epoch seconds, UTC.
        updated_at: Epoch seconds, UTC, or None.
        exported: Whether the file has it: what does not match the filter is watched, too.
        starts_at: When the appointment starts (epoch seconds, UTC), or None.
        scheduled_at: When that was chosen, or None.
        ticket: The type and the number of its ticket, or None.
        email: The end user's address, where there is no ticket.
    """

    status: str
    created_at: int
    updated_at: int | None
    exported: bool = True
    starts_at: int | None = None
    scheduled_at: int | None = None
    ticket: Sequence[str] | None = None
    email: str | None = None

    @classmethod
    def of(cls, record: SchedulingRequest, *, exported: bool) -> Self:
        """Note a record."""
        return attrs.evolve(cls.of_wire(record.to_dict()), exported=exported)

    @classmethod
    def of_wire(cls, wire: Mapping[str, Any]) -> Self:
        """Note a record that is, as far as it is known, the JSON object that the service sends."""
        tickets = (entity for entity in wire.get("associated_entities") or () if entity.get("number"))
        ticket = next(((entity["type"], entity["number"]) for entity in tickets), None)
        return cls(
            str(wire["status"]),
            wire["created_at"],
            wire.get("updated_at"),
            starts_at=wire.get("selected_start_time"),
            scheduled_at=wire.get("scheduled_at"),
            ticket=ticket,
            email=wire.get("end_user_email") if ticket is None else None,
        )

    def as_record(self, id: str) -> SchedulingRequest:
        """Return what a file has of it in any case, as a record."""
        wire = self.as_wire(id)
        return structure({name: wire[name] for name in NEEDED}, SchedulingRequest)

    def as_wire(self, id: str) -> dict[str, Any]:
        """Return what is known of it as the JSON object that the service sends."""
        ticket = [] if self.ticket is None else [{"type": self.ticket[0], "number": self.ticket[1]}]
        return {
            "id": id,
            "status": self.status,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "selected_start_time": self.starts_at,
            "scheduled_at": self.scheduled_at,
            "associated_entities": ticket,
            "end_user_email": self.email,
        }

    @property
    def is_timeless(self) -> bool:
        """Whether it is booked, but not known to when."""
        return self.status == Status.SCHEDULED and self.starts_at is None

    def is_followed(self, settled_before: int | None) -> bool:
        """Return whether it may change, for all that is known.

        Args:
            settled_before: What was booked to start before that (epoch seconds, UTC) is taken to stay.
        """
        if self.status != Status.SCHEDULED or None in {self.starts_at, settled_before}:
            return self.is_open
        return (self.starts_at or 0) >= (settled_before or 0)

    @property
    def is_open(self) -> bool:
        """Whether it may still change."""
        return self.status not in FINAL_STATUSES

    def is_same(self, other: KnownRequest) -> bool:
        """Return whether nothing has changed between two readings."""
        return (self.updated_at, self.status) == (other.updated_at, other.status)


@attrs.frozen
class IncrementalState:
    """The STATE file.

    Attributes:
        key: What is exported, and how; a run with another is refused.
        high_water: The latest ``created_at`` (epoch seconds, UTC) read, or None before the first run's end.
        length: The bytes of the file, where it is appended to.
        appending: Whether a run was adding to it, so that what is beyond ``length``, or in a database newer
            than what was seen, is that run's.
        digest: A checksum over what the file holds, for a text file over ``length`` bytes; empty where it is
            not known.
        records: How many requests the file has, at least.
        account: The digest of the account whose requests they are; None where it is not known.
        columns: The names of the file's columns.
        seen: The requests that may change unnoticed by their time of creation, by id.
        since: Epoch seconds (UTC) from which on every request that was there is in ``seen``.
        settled: The ids of other requests that the file has; None where it has all that are older.
        spreads: What reading has taught of how the requests are spread over time, as ``SpreadMemory`` has it.
        settled_before: What was booked to start before that (epoch seconds, UTC) is not in ``seen``.
        timeless: Whether requests are booked here that do not say when they start.
        thorough_at: When all that may change was read last (epoch seconds, UTC).
        vanished: The ids of requests that the file has, and the service no longer.
        begun: When the first run began (epoch seconds, UTC): what relative times are relative to.
    """

    key: Mapping[str, Any]
    high_water: int | None = None
    length: int = 0
    appending: bool = False
    seen: Mapping[str, KnownRequest] = attrs.field(factory=dict[str, KnownRequest], repr=False)
    since: int | None = None
    settled: frozenset[str] | None = attrs.field(default=None, repr=False)
    begun: int | None = None
    records: int = 0
    account: str | None = None
    columns: tuple[str, ...] = ()
    digest: str = ""
    spreads: Any = attrs.field(default=(), repr=False)
    settled_before: int | None = None
    thorough_at: int | None = None
    timeless: bool = False
    vanished: frozenset[str] = attrs.field(default=frozenset[str](), repr=False)

    def has_settled(self, record: SchedulingRequest) -> bool:
        """Return whether the file has a request that is not in ``seen``, such as one that was reopened."""
        if record.id in self.vanished:
            return True
        if self.settled is not None:
            return record.id in self.settled
        return self.since is not None and record.created_at.timestamp() < self.since

    def taken_over(self, new: IncrementalState, path: Path, *, other_key: bool) -> IncrementalState:
        """Return the state with which a run goes on that would begin with ``new``.

        Raises:
            ConfigurationError: It is of another export or account; says in what.
        """
        if self.account not in {None, new.account} and not other_key:
            raise ConfigurationError(
                f"{path} is of another API key or another service, whose requests would be mixed with these: "
                "go on with the same, give other_key=True for a new key of the same account, or name another "
                "state and file"
            )
        for name, value in new.key.items():
            was = self.key.get(name)
            if was != value:
                what = "another filter" if name == "queries" else f"other {name}"
                raise ConfigurationError(
                    f"{path} is of an export with {what}, {was!r}, not {value!r}: give the same, or name "
                    "another state and file"
                )
        return attrs.evolve(self, account=new.account)

    def save(self, path: Path) -> None:
        """Write it to its file, durably."""
        value = {
            "timezest_incremental": _VERSION,
            "key": self.key,
            "high_water": self.high_water,
            "length": self.length,
            "appending": self.appending,
            "seen": {name: attrs.astuple(one) for name, one in self.seen.items()},
            "since": self.since,
            "settled": None if self.settled is None else sorted(self.settled),
            "begun": self.begun,
            "records": self.records,
            "account": self.account,
            "columns": self.columns,
            "digest": self.digest,
            "settled_before": self.settled_before,
            "thorough_at": self.thorough_at,
            "timeless": self.timeless,
            "vanished": sorted(self.vanished),
            "spreads": self.spreads,
        }
        write_text(path, sealed(value))

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read it from its file; None where there is no such file.

        Raises:
            ConfigurationError: The file is something else.
        """
        check_name(path, " for the state")
        try:
            value, is_sealed = unsealed(path.read_bytes())
            if value.pop("timezest_incremental") == (_VERSION if is_sealed else _UNSEALED):
                seen = {name: KnownRequest(*one) for name, one in value.pop("seen").items()}
                settled = value.pop("settled", None)
                vanished: list[str] = value.pop("vanished", [])
                columns = value.pop("columns", None) or first_columns(PATH, value["key"]["fields"])
                return cls(
                    **value,
                    seen=seen,
                    settled=None if settled is None else frozenset(settled),
                    vanished=frozenset(vanished),
                    columns=tuple(columns),
                )
            reason = "of another version"
        except FileNotFoundError:
            return None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = str(error) if isinstance(error, ValueError) else "something else"
        raise ConfigurationError(
            f"{path} is not the state of an incremental export by this version ({reason}): put back the one "
            "that its file was made with, or name another state and another file, and the export begins anew"
        )
