from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from tests import support
from tests.reports.made import HOSTILE, empty_report, hostile_report
from timezest_async import ConfigurationError
from timezest_async.export import atomic_files as durable
from timezest_async.export.formats.spreadsheets import csv_rows, csv_text, escape_formula, unescape_formula
from timezest_async.reports import check_targets, files, write_csv, write_page

STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
BEFORE = ["", "\x00", "\ufeff", ";", " ", "\u200b", "\n", "\u202e", "\u3000; "]


def read(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, strict=True))


@pytest.mark.parametrize("raw", [False, True])
def test_the_csv_files_hold_the_tables(tmp_path: Path, *, raw: bool) -> None:
    report = hostile_report()
    written = write_csv(report, tmp_path / "tables", raw=raw)
    assert [path.name for path in written] == list(files._FILE_NAMES)
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == sorted(files._FILE_NAMES)
    cells: list[str] = []
    for table, path in zip(report.tables, written, strict=True):
        head, *rows = read(path)
        assert len(head) == len(table.columns)
        assert len(rows) == len(table.rows)
        assert all(len(row) == len(head) for row in rows)
        for row, values in zip(rows, table.rows, strict=True):
            for cell, value in zip(row, values, strict=True):
                cells.append(cell)
                if value is None:
                    assert cell == ""
                elif isinstance(value, str):
                    plain = re.sub("[\ud800-\udfff]", "\ufffd", value)
                    assert cell == plain if raw else cell in {plain, f"'{plain}"}
                elif isinstance(value, int):
                    assert cell == str(value)
                elif isinstance(value, float):
                    assert float(cell) == pytest.approx(value, abs=1e-6)
        cells += head
    is_formula = [cell for cell in cells if cell.startswith(tuple(STARTS))]
    assert bool(is_formula) == raw


def test_headings_come_from_the_service_too(tmp_path: Path) -> None:
    write_csv(hostile_report(), tmp_path)
    head, *_ = read(tmp_path / "weeks.csv")
    assert "'=HYPERLINK(0)" in head


@pytest.mark.parametrize("start", STARTS)
def test_what_a_spreadsheet_would_run_is_defused(start: str) -> None:
    for before in BEFORE:
        assert escape_formula(f"{before}{start}1") == f"'{before}{start}1"
    assert escape_formula(f"1{start}") == f"1{start}"
    assert escape_formula("") == ""
    assert unescape_formula(f"1{start}") == f"1{start}"


@settings(max_examples=support.examples(2_000))
@given(st.text(st.sampled_from("'=\uff1d;\n\r\t\x00\ufeff ,\"aü") | st.characters(exclude_categories=["Cs"])))
def test_any_cell_comes_back_as_it_was(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text
    assert list(csv_rows(io.StringIO(csv_text([["cell"], [escape_formula(text)]]), newline=""))) == [
        {"cell": escape_formula(text)}
    ]


def test_lines_end_where_rows_do_whatever_the_version_of_python() -> None:
    assert csv_text([["a\rb", "c\nd", "e"]]) == '"a\rb","c\nd",e\r\n'


def test_what_is_there_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    page, folder = tmp_path / "report.html", tmp_path / "tables"
    check_targets(page, folder, overwrite=False)
    check_targets(None, None, overwrite=False)
    write_page(empty_report(), page)
    write_csv(hostile_report(), folder)
    (folder / "mine.txt").write_text("mine")
    for html, csv_folder in ((page, None), (None, folder)):
        with pytest.raises(ConfigurationError, match="exists already: give --overwrite"):
            check_targets(html, csv_folder, overwrite=False)
    check_targets(page, folder, overwrite=True)
    write_csv(empty_report(), folder)
    assert read(folder / "statuses.csv") == [["status", "share", "requests"]]
    assert (folder / "mine.txt").read_text() == "mine"


def test_targets_that_cannot_be_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="is a file: --csv takes a folder"):
        check_targets(None, tmp_path / "file", overwrite=True)
    with pytest.raises(ConfigurationError, match="is a folder: name a file"):
        check_targets(tmp_path, None, overwrite=True)
    with pytest.raises(ConfigurationError, match="there is no folder"):
        check_targets(tmp_path / "no" / "report.html", None, overwrite=False)


def test_a_page_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "report.html"
    page.write_text("the old one")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_page(hostile_report(), page)
    assert page.read_text() == "the old one"


def test_the_hostile_values_reach_every_kind_of_table() -> None:
    report = hostile_report()
    for table in report.tables:
        if table.key not in {"lead_times", "hours"}:
            shown = {str(value) for row in table.rows for value in row} | {c.key for c in table.columns}
            assert any(HOSTILE[0] in text for text in shown), table.key
