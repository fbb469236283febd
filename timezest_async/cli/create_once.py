"""``timezest create --once``: the options, and the journal that they name."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Final

import attrs
import typer

from timezest_async import (
    ConfigurationError,
    Created,
    Hooks,
    IntentJournal,
    OutcomeUnknownError,
    RedisJournal,
    RequestEvent,
    SQLiteJournal,
)
from timezest_async.cli import terminal
from timezest_async.redaction import Secret

_PANEL: Final = "Exactly once"
_REDIS: Final = re.compile(r"(redis|rediss|unix)://")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


@attrs.frozen
class Once:
    """Under which key something is to be created once, and where that is remembered.

    Attributes:
        once: The key.
        journal: The path of an SQLite file, or the URL of a Redis.
    """

    once: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Create it once for this key, such as ticket-1234/onsite, however often this is run.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    journal: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            parser=Secret,  # a URL may have a password in it
            help="Where keys are remembered: a file of this host, or redis://… for several hosts.",
            rich_help_panel=_PANEL,
        ),
    ] = None

    def check(self) -> None:
        """Check that both or neither is given, and what the journal is.

        Raises:
            ConfigurationError: One lacks the other, or is empty; or the journal is the URL of something else.
        """
        if (self.once is None) is not (self.journal is None):
            raise ConfigurationError(
                "--once KEY and --journal FILE belong together: give both, or neither to create without a key"
            )
        if self.once is not None and not self.once.strip():
            raise ConfigurationError(
                "--once is empty: name what is to exist once, such as ticket-1234/onsite"
            )
        if self.journal is not None:
            check_journal(self.journal)

    def opened(self) -> AbstractAsyncContextManager[IntentJournal]:
        """Open the journal, for the length of a block."""
        return open_journal(self.journal or "")


def check_journal(where: str) -> None:
    """Check what names a journal.

    Raises:
        ConfigurationError: It is neither a file nor the URL of a Redis.
    """
    if not where.strip():
        raise ConfigurationError("--journal is empty: give a file, or the URL of a Redis")
    if _URL.match(where) and not _REDIS.match(where):
        # Not repeated: there may be a password in it.
        raise ConfigurationError(
            "--journal is neither a file nor the URL of a Redis, which begins with redis://, rediss:// or unix://"
        )


@asynccontextmanager
async def open_journal(where: str) -> AsyncGenerator[IntentJournal]:
    """Open a journal, for the length of a block.

    Args:
        where: The path of an SQLite file, or the URL of a Redis.
    """
    async with RedisJournal(where) if _REDIS.match(where) else SQLiteJournal(where) as journal:
        yield journal


class LostAnswers(Hooks):
    """Say what a command waits for, which would be silent for minutes otherwise."""

    def on_response(self, event: RequestEvent) -> None:
        """Say that the answer to a create was lost."""
        if event.error == OutcomeUnknownError.__name__:
            terminal.print_status(
                "The answer was lost: looking for what came of it. Stopping is safe: the same command, run"
                " again, goes on from here."
            )


def say_how(made: Created) -> None:
    """Print on stderr whether something was created."""
    if made.how == "created":
        terminal.print_status(f"Created {made.request.id}")
    elif made.how == "found":
        terminal.print_status(
            f"Found {made.request.id}, open already or made by an earlier attempt: nothing was created."
        )
    else:
        terminal.print_status(f"Remembered {made.request.id}: nothing was created, since this key is done.")
