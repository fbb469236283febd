"""What all sub-commands share: where they hang, and how their failures become exit statuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import typer

from timezest_async.cli import create, demo, export, filter as filter_command, get, report, sandbox
from timezest_async.cli.terminal import say
from timezest_async.errors import ConfigurationError, FilterError, InvalidRequestError, TimeZestError

app: Final = typer.Typer(
    name="timezest",
    help="Work with TimeZest's scheduling requests.",
    no_args_is_help=True,
    # A traceback in colour shows locals, and with them whatever the user typed.
    pretty_exceptions_enable=False,
)
app.command()(demo.demo)
app.command("filter")(filter_command.explain)
app.command()(export.export)
app.command()(report.report)
app.command()(get.get)
app.command()(create.create)
# The sandbox reads its own options, the same as under `python -m timezest_async.sandbox`.
app.command(
    add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)(sandbox.sandbox)


def run(argv: Sequence[str] | None) -> int:
    """Run a sub-command; see ``main``."""
    try:
        app(argv, prog_name="timezest")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    except (FilterError, ConfigurationError, InvalidRequestError) as error:
        say(str(error))
        return 2
    except TimeZestError as error:
        say(str(error))
        return 1
    return 0
