"""Build, validate, plan and render one filter of three parts."""

from __future__ import annotations

from datetime import UTC, datetime

import pypika
import sqlalchemy as sa

from benchmarks.harness import Report, interleave_calls
from timezest_async import F, tql

SINCE = datetime(2025, 6, 1, tzinfo=UTC)
_COLUMNS = (
    sa.column("status", sa.String()),
    sa.column("end_user_email", sa.String()),
    sa.column("created_at", sa.DateTime()),
)
_FIELDS = [pypika.Field(name) for name in ("status", "end_user_email", "created_at")]


def ours() -> str:
    expression = (F.status == "scheduled") & F.end_user_email.like("@x") & (F.created_at >= SINCE)
    return " ".join(tql.render(query) for query in tql.plan(expression).queries)


def sqlalchemy_core() -> str:
    status, email, created_at = _COLUMNS
    where = (status == "scheduled") & email.contains("@x") & (created_at >= SINCE)
    return str(where.compile())


def pypika_where() -> str:
    status, email, created_at = _FIELDS
    return str((status == "scheduled") & email.like("%@x%") & (created_at >= SINCE))


def f_string() -> str:
    prefix = "scheduling_request."
    status, email, since = "scheduled", "@x", int(SINCE.timestamp())
    return (
        f"{prefix}status~EQ~{status}~AND~{prefix}end_user_email~LIKE~{email}"
        f"~AND~{prefix}created_at~GTE~{since}"
    )


def run(report: Report) -> None:
    if ours() != f_string():
        raise AssertionError(f"the filter renders as {ours()}")
    contenders = {
        "timezest_async": ours,
        "SQLAlchemy Core": sqlalchemy_core,
        "pypika": pypika_where,
        "f-string": f_string,
    }
    mine = "timezest_async"
    samples = interleave_calls(contenders, rounds=9 if report.quick else 31)
    report.table(
        "One filter, from Python to text",
        ("", "µs (median)", "µs (best)", "ours ÷ this"),
        [
            (
                name,
                samples.middle(name) * 1e6,
                samples.best(name) * 1e6,
                samples.ratio("timezest_async", name),
            )
            for name in contenders
        ],
    )
    report.target("build + validate + plan + render, µs (best)", samples.best(mine) * 1e6, 15.0)
