"""Reports on scheduling requests: what was booked, how soon, when, and what still waits.

``Analysis`` counts in one pass. Pages and CSV files need nothing but the standard library; the terminal view,
``timezest_async.reports.terminal``, needs rich.

Knows figures, tables and pages; knows nothing of HTTP, and of files only what the formats of ``export``
read.
"""

from timezest_async.reports.analysis import Analysis, was_booked
from timezest_async.reports.figures import BookingRate, LeadTime, Unbooked, Week
from timezest_async.reports.files import check_targets, write_csv, write_page
from timezest_async.reports.page import render_page
from timezest_async.reports.reading import read_names, read_requests
from timezest_async.reports.report import Report

__all__ = [
    "Analysis",
    "BookingRate",
    "LeadTime",
    "Report",
    "Unbooked",
    "Week",
    "check_targets",
    "read_names",
    "read_requests",
    "render_page",
    "was_booked",
    "write_csv",
    "write_page",
]
