"""What all sub-commands share: where they hang, and how their failures become exit statuses."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from timezest_async import __version__
from timezest_async.cli import (
    create,
    demo,
    doctor,
    export,
    filter as filter_command,
    get,
    interrupts,
    list as list_command,
    mcp,
    report,
    sandbox,
    terminal,
    watch,
)
from timezest_async.cli.options import Command
from timezest_async.cli.terminal import print_data, print_status
from timezest_async.cli.wording import in_options
from timezest_async.errors import (
    ConfigurationError,
    FilterError,
    InvalidRequestError,
    KeyReusedError,
    TimeZestError,
)

app: Final = typer.Typer(
    name="timezest",
    no_args_is_help=True,
    # A traceback in colour shows locals, and with them whatever the user typed.
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer's signature
    if wanted:
        print_data(__version__)
        raise typer.Exit


@app.callback()
def timezest(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Work with TimeZest's scheduling requests."""


app.command(cls=Command)(demo.demo)
app.command("filter", cls=Command)(filter_command.explain)
app.command("list", cls=Command)(list_command.list_records)
app.command(cls=Command)(export.export)
app.command(cls=Command)(report.report)
app.command(cls=Command)(get.get)
app.command(cls=Command)(create.create)
app.command(cls=Command)(watch.watch)
app.command(cls=Command)(doctor.doctor)
app.command(cls=Command)(mcp.mcp)
# The sandbox reads its own options, the same as under `python -m timezest_async.sandbox`.
app.command(
    add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)(sandbox.sandbox)


def run(argv: Sequence[str] | None) -> int:
    """Run a sub-command; see ``main``."""
    terminal.prepare_streams()
    try:
        with interrupts.raised():
            status = _run(argv)
            sys.stdout.flush()
    except KeyboardInterrupt:
        status = interrupts.INTERRUPTED
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            print_status(
                f"stdout cannot be written: {error.strerror}" if error.filename is None else str(error)
            )
        status = 1
        try:
            sys.stdout.flush()
        except OSError:
            # Python would try again at its end, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _run(argv: Sequence[str] | None) -> int:
    try:
        app(argv, prog_name="timezest")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    except (FilterError, ConfigurationError, InvalidRequestError, KeyReusedError) as error:
        print_status(in_options(str(error)))
        return 2
    except TimeZestError as error:
        print_status(in_options(str(error)))
        return 1
    return 0
