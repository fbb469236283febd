"""Bulk export: whole lists into files and databases, resumable, in bounded memory.

::

    await export.to_parquet(client.scheduling_requests.list(F.status == "scheduled"), "booked.parquet")

Knows files, batches and what is durable; knows nothing of HTTP, and of a list only how to read on from a
place.
"""

from timezest_async.export.formats.columns import TABLES, Column, Kind, Table
from timezest_async.export.formats.selection import Compression, Format, OutputOptions, choose_format
from timezest_async.export.functions import (
    to_csv,
    to_duckdb,
    to_jsonl,
    to_parquet,
    to_sqlite,
    to_stream,
    to_table,
)
from timezest_async.export.incremental import IncrementalExport, IncrementalPlan
from timezest_async.export.job import ExportJob, read_unfinished
from timezest_async.export.job_state import ExportSpec, Phase, Place, ResumeState
from timezest_async.export.many_accounts import Account, AccountSummary, export_account
from timezest_async.export.progress import IncrementalSummary, Progress, Summary

__all__ = [
    "TABLES",
    "Account",
    "AccountSummary",
    "Column",
    "Compression",
    "ExportJob",
    "ExportSpec",
    "Format",
    "IncrementalExport",
    "IncrementalPlan",
    "IncrementalSummary",
    "Kind",
    "OutputOptions",
    "Phase",
    "Place",
    "Progress",
    "ResumeState",
    "Summary",
    "Table",
    "choose_format",
    "export_account",
    "read_unfinished",
    "to_csv",
    "to_duckdb",
    "to_jsonl",
    "to_parquet",
    "to_sqlite",
    "to_stream",
    "to_table",
]
