from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest
from hypothesis import given

from tests.heatmap.samples import aggregate_rows, row
from tui.errors import ConfigurationError
from tui.heatmap.rows import (
    COLUMNS,
    AggregateRow,
    row_as_json,
    rows_as_csv,
    rows_as_json,
    write_rows,
)


@given(aggregate_rows())
def test_json_reads_back_as_the_same_rows(rows):
    assert [AggregateRow.from_json(each) for each in json.loads(rows_as_json(rows))] == rows


@given(aggregate_rows())
def test_csv_reads_back_as_the_same_figures(rows):
    read = list(csv.DictReader(io.StringIO(rows_as_csv(rows), newline="")))
    assert len(read) == len(rows)
    for line, each in zip(read, rows, strict=True):
        assert tuple(line) == COLUMNS
        assert line["question_id"] == str(each.question_id)
        assert line["lesion"] == (each.lesion or "")
        assert line["week_start"] == each.week_start
        assert (int(line["attempts"]), int(line["correct_attempts"])) == (
            each.attempts,
            each.correct_attempts,
        )
        assert Decimal(line["accuracy_rate"]) == each.accuracy_rate
        median = line["median_duration_ms"]
        assert (Decimal(median) if median else None) == each.median_duration_ms
        assert "E" not in median


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", '=HYPERLINK("http://x")', "\t=1"])
def test_csv_holds_no_formula(text):
    read = list(csv.reader(io.StringIO(rows_as_csv([row(topic=text)]), newline="")))
    assert read[1][2] == f"'{text}"
    assert row_as_json(row(topic=text))["topic"] == text


def test_json_has_numbers_as_the_interface_gives_them():
    assert row_as_json(row(median="1000.5", attempts=3, correct=2)) | {"question_id": ""} == {
        "question_id": "",
        "lesion": "tear",
        "topic": "knee",
        "week_start": "2025-12-01",
        "attempts": 3,
        "correct_attempts": 2,
        "accuracy_rate": 0.67,
        "median_duration_ms": 1000.5,
    }
    assert '"median_duration_ms": 1000}' in rows_as_json([row(median=1000)])


def test_no_rows_are_an_empty_table():
    assert json.loads(rows_as_json([])) == []
    assert rows_as_csv([]) == ",".join(COLUMNS) + "\r\n"


def test_files_are_private_and_replaced_whole(tmp_path):
    (tmp_path / "rows.csv").write_text("old")
    write_rows(tmp_path / "rows", [row()])
    written = {"rows.csv": rows_as_csv([row()]), "rows.json": rows_as_json([row()])}
    assert {each.name for each in tmp_path.iterdir()} == set(written)
    for name, text in written.items():
        path = tmp_path / name
        assert path.read_bytes().decode() == text
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_failed_export_leaves_the_old_file(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("old")

    def rows():
        yield row()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_rows(tmp_path / "rows", rows())
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["rows.csv"]


def test_an_impossible_place_is_told_to_the_operator(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="Cannot write") as caught:
        write_rows(tmp_path / "file" / "rows", [])
    assert caught.value.hint


@pytest.mark.parametrize("week", ["infinity", "-infinity", "0044-03-13 BC", "55840-01-01"])
def test_a_week_beyond_the_calendar_is_kept_as_the_database_wrote_it(week):
    raw = row_as_json(row()) | {"week_start": week}
    read = AggregateRow.from_json(raw)
    assert (read.week_start, read.week) == (week, None)
    assert row_as_json(read) == raw
    assert f",{week}," in rows_as_csv([read])


@pytest.mark.parametrize("week", ["", "soon", "2026-01-05T00:00:00+00:00", None, 7])
def test_a_week_that_is_no_date_is_refused_by_name(week):
    with pytest.raises(ValueError, match=r"week_start is .* not a date"):
        AggregateRow.from_json(row_as_json(row()) | {"week_start": week})
