"""What an export shows of itself on stderr: a live line, plain lines, JSON lines, or nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import datetime
from enum import Enum
from typing import Any, Final

from rich.progress import BarColumn, Progress as Bar, SpinnerColumn, TextColumn

from timezest_async import Hooks, Limiter, RequestEvent
from timezest_async.cli import terminal
from timezest_async.cli.pace import Pace
from timezest_async.export import Progress
from timezest_async.reports.tables import duration

PLAIN_EVERY: Final = 5.0
"""Seconds between plain lines."""
_LIVE_EVERY: Final = 0.25


class ProgressMode(Enum):
    """How progress is shown."""

    QUIET = "quiet"
    LIVE = "live"
    PLAIN = "plain"
    JSON = "json"


class Display(Hooks):
    """Listens to an export and its exchanges, and shows now and then what it heard.

    Args:
        mode: How.

    Attributes:
        requests: How many requests were sent.
        retries: How many of them were sent again.
        floor: The oldest ``created_at`` (UTC) that the filter admits, if it says so.
    """

    retries: int
    requests: int

    def __init__(self, mode: ProgressMode) -> None:
        self.mode = mode
        self.requests = self.retries = 0
        self.floor: datetime | None = None
        self._limiter: Limiter | None = None
        self._pace: Pace | None = None
        self._latest: Progress | None = None
        self._share_at_first: float | None = None

    @property
    def has_records(self) -> bool:
        """Whether any record was read."""
        return self._latest is not None and self._latest.records > 0

    def begin(self, limiter: Limiter) -> None:
        """Begin to watch the time, and the request budget."""
        self._limiter, self._pace = limiter, Pace(limiter)

    def on_request(self, event: RequestEvent) -> None:
        """Count."""
        self.requests += 1
        self.retries += event.attempt > 1
        if self._pace is not None:
            self._pace.sent()

    def on_progress(self, progress: Progress) -> None:
        """Take what the export tells; called often."""
        self._latest = progress
        if self._share_at_first is None:
            self._share_at_first = self._share(progress) or 0.0

    @asynccontextmanager
    async def shown(self) -> AsyncGenerator[None, None]:
        """Show progress for the length of a block."""
        if self.mode is ProgressMode.QUIET:
            yield
            return
        live = self.mode is ProgressMode.LIVE
        # Narrower than its text the line would be cut at the end, where the time left is.
        columns = SpinnerColumn(), BarColumn(8), TextColumn("{task.description}", markup=False)
        # Data may go to stdout meanwhile, and is nothing to print around.
        bar = Bar(
            *columns, console=terminal.err, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        with bar if live else nullcontext():
            ticking = asyncio.create_task(self._tick(bar if live else None))
            try:
                yield
            finally:
                ticking.cancel()
                with suppress(asyncio.CancelledError):
                    await ticking

    async def _tick(self, bar: Bar | None) -> None:
        line = None if bar is None else bar.add_task(self._line(), total=None)
        while True:
            await asyncio.sleep(PLAIN_EVERY if bar is None else _LIVE_EVERY)
            if bar is not None and line is not None:
                share = None if self._latest is None else self._share(self._latest)
                total = None if share is None else 1.0
                bar.update(line, description=self._line(), total=total, completed=share or 0.0)
            elif self.mode is ProgressMode.JSON:
                self._print_json("progress", **self._figures())
            else:
                terminal.print_status(self._line())

    def print_event(self, text: str, event: str, **figures: Any) -> None:
        """Print something that happened, in words or as an event; also when quiet."""
        if self.mode is ProgressMode.JSON:
            self._print_json(event, **figures)
        else:
            terminal.print_status(text)

    def _print_json(self, event: str, **figures: Any) -> None:
        """Write a JSON line."""
        terminal.print_status(json.dumps({"event": event, **figures}, default=str))

    def _line(self) -> str:
        figures = self._figures()
        if figures["phase"] == "finishing":
            return f"{figures['records']:,} records, putting the file together"
        parts = [f"{self.requests:,} requests"]
        if self._latest is not None:
            parts = [f"{figures['records']:,} records", f"{figures['pages']:,} pages"]
        if self._limiter is not None:
            parts.append(f"{figures['budget_used']} of {figures['budget']} requests")
        if figures["budget_wait"]:
            parts.append(f"wait {duration(figures['budget_wait'], seconds=True)}")
        elif self._latest is not None:
            parts.append(f"{figures['records_per_second']:,.0f}/s")
        if figures["seconds_left"] is not None:
            parts.append(f"{duration(figures['seconds_left'], seconds=True)} left")
        return ", ".join(parts)

    def _figures(self) -> Mapping[str, Any]:
        latest, limiter, pace = self._latest, self._limiter, self._pace
        return {
            "phase": "starting" if latest is None else latest.phase,
            "records": None if latest is None else latest.records,
            "durable": None if latest is None else latest.durable,
            "pages": None if latest is None else latest.pages,
            "requests": self.requests,
            "retries": self.retries,
            "budget_used": None if limiter is None else limiter.max_requests - limiter.available,
            "budget": None if limiter is None else limiter.max_requests,
            # Less than a second is no wait that anybody would notice.
            "budget_wait": None if pace is None or pace.wait < 1 else round(pace.wait, 1),
            "records_per_second": None
            if latest is None or pace is None
            else round((latest.records - latest.resumed) / max(pace.elapsed, 0.001), 1),
            "seconds_left": None if latest is None or pace is None else self._seconds_left(latest, pace),
        }

    def _share(self, progress: Progress) -> float | None:
        """Estimate how much of the list is read: of the records wanted, or of the time that they span."""
        shares: list[float] = []
        if progress.limit:
            shares.append(progress.records / progress.limit)
        first, last = progress.first, progress.last
        if self.floor is not None and first is not None and last is not None and first > self.floor:
            shares.append((first - last) / (first - self.floor))
        return min(1.0, max(shares)) if shares else None

    def _seconds_left(self, progress: Progress, pace: Pace) -> float | None:
        """Estimate by what is left of the list: the work that it takes, or the budget, whichever is more."""
        share, before = self._share(progress), self._share_at_first or 0.0
        if share is None or share <= before:
            return None
        ahead = (1 - share) / (share - before)
        return round(max(pace.worked * ahead, pace.seconds_for(round(self.requests * ahead))), 1)
