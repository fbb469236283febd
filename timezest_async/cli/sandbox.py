"""``timezest sandbox``: a TimeZest service of your own."""

from __future__ import annotations

import typer

from timezest_async.sandbox import run


def sandbox(context: typer.Context) -> None:
    """Run a TimeZest service of your own, with sample data, until Ctrl-C (which ends it with 0)."""
    raise typer.Exit(run(context.args, "timezest sandbox"))
