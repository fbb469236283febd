"""``timezest sandbox``: a TimeZest service of your own."""

from __future__ import annotations

import typer

from timezest_async.sandbox import run


def sandbox(context: typer.Context) -> None:
    """Run a TimeZest service of your own, until Ctrl-C (which ends it with 0), or tell one what to do."""
    raise typer.Exit(run(context.args, "timezest sandbox"))
