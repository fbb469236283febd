"""Reports for tests to look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from timezest_async import AssociatedEntity, ResourceReference, SchedulingRequest
from timezest_async.reports import Analysis, Report

NOW = datetime(2026, 9, 21, 12, tzinfo=UTC)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title></textarea><svg/onload=alert(1)>",
    "<!-- & &amp; &#60;script&#62; -->",
    "https://example.com/x.js",
    "javascript:alert(1)",
    "=HYPERLINK(0)",
    "\u202eright to left \u2066 and never closed",
    "اسم العميل شركة الأفق",
    "Zoë 株式会社 👩‍💻 e\u0301",
    "nul \x00 bell \x07 escape \x1b[31m lone \ud800 end",
    "one\nline\ttwo\r\n",
    "W" * 500,
)


def hostile_report(*, weeks: int = 12) -> Report:
    """Make a report in which every value that comes from outside is hostile."""
    analysis = Analysis(weeks=weeks)
    names: dict[str, str] = {}
    for number, text in enumerate(HOSTILE):
        created_at = NOW - timedelta(days=5 * number, hours=number)
        for kind in ("agnt", "team", "apty"):
            names[f"{kind}_{number}"] = text
        who = [
            ResourceReference(id=f"agnt_{number}", type="agent"),
            ResourceReference(id=f"team_{number}", object="team"),
            ResourceReference(id=text, name=text),
        ]
        for status in ("new", "scheduled", text):
            is_booked = status == "scheduled"
            analysis.add(
                SchedulingRequest(
                    id=f"{text}{status}",
                    status=status,
                    created_at=created_at,
                    end_user_name=text,
                    end_user_email=text,
                    appointment_type_id=f"apty_{number}" if number % 2 else text,
                    resources=who,
                    associated_entities=[AssociatedEntity(type="halo_psa/ticket", id=1, number=text)],
                    scheduled_agents=who[:1] if is_booked else (),
                    scheduled_at=created_at + timedelta(hours=number) if is_booked else None,
                    selected_start_time=created_at + timedelta(days=3, hours=number) if is_booked else None,
                    selected_time_zone="Sydney" if number else text,
                )
            )
    return analysis.report(source=" ".join(HOSTILE), names=names, now=NOW)


def empty_report() -> Report:
    return Analysis().report(source="nothing", now=NOW)
