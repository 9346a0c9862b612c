from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evidence.samples import BEGAN, document, entry, facts
from tui import files
from tui.evidence.entry import ServerVersions, entry_of
from tui.evidence.history import (
    YARDSTICK_RUNS,
    HistoryFile,
    HistoryUnreadable,
    HistoryUnwritable,
    read_history,
    why_not_comparable,
)
from tui.redact import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from tui.evidence.entry import Entry


def written(path: Path, *entries: Entry) -> HistoryFile:
    file = HistoryFile(path / "state" / "history.jsonl")
    for each in entries:
        file.append(each)
    return file


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    one = entry_of(document(), facts())
    other = entry_of(
        document("other", refresh_runs_ms=[], final_refresh_ms=None, stages=[]),
        facts(versions=ServerVersions(), fingerprint=None, server_ms=(None, 3.5)),
    )
    file = written(tmp_path, one, other)
    history = file.read()
    assert history.entries == (one, other)
    assert history.skipped == 0
    assert history.entry("other") == other
    assert history.entry("nobody") is None
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert one.at == BEGAN
    assert one.series.identity == "abcdefghijklmnopqrst"


def test_no_history_is_an_empty_one(tmp_path: Path) -> None:
    assert written(tmp_path).read().entries == ()
    assert not (tmp_path / "state").exists()


def test_every_line_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def sync(number: int) -> None:
        synced.append(number)
        real(number)

    monkeypatch.setattr(os, "fsync", sync)
    file = written(tmp_path, entry(1))
    synced.clear()
    file.append(entry(2))
    assert len(synced) == 1


def test_a_project_without_a_ref_goes_by_its_host() -> None:
    target = {"host": "db.example.com", "ref": None, "kind": "production", "reason": "unknown"}
    assert entry_of(document(target=target), facts()).series.identity == "db.example.com"


@pytest.mark.parametrize("missing", ["target", "settings", "run_id"])
def test_what_is_no_run_makes_no_entry(missing: str) -> None:
    with pytest.raises(ValueError, match="names no run"):
        entry_of(document(**{missing: None}), facts())


def test_a_secret_in_what_a_server_says_is_not_kept(tmp_path: Path) -> None:
    key = Secret("a-password-nobody-may-see")
    hostile = replace(facts().versions, auth=f"v2 {key.reveal()} " + "x" * 10_000)
    file = written(tmp_path, entry_of(document(), facts(versions=hostile)))
    assert key.reveal() not in file.path.read_text()
    assert file.path.stat().st_size < 2_000


def test_a_torn_line_takes_neither_reader_nor_next_run_with_it(tmp_path: Path) -> None:
    file = written(tmp_path, entry(1), entry(2))
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[:-40])
    assert [each.run_id for each in file.read().entries] == [entry(1).run_id]
    assert file.read().skipped == 1
    file.append(entry(3))
    assert file.read().entries == (entry(1), entry(3))
    assert file.read().skipped == 1


FOREIGN = (
    b"not json",
    b"[1, 2]",
    b'"text"',
    b"\xff\xfe",
    b'{"schema": 2, "line": "run"}',
    b'{"schema": 1, "line": "something else"}',
    b'{"schema": 1, "line": "baseline"}',
    b'{"schema": 1, "line": "baseline", "run_id": "x", "series": null}',
    b"[" * 100_000,
)


@pytest.mark.parametrize("line", FOREIGN)
def test_a_foreign_line_is_skipped_and_counted(tmp_path: Path, line: bytes) -> None:
    file = written(tmp_path, entry(1))
    data = file.path.read_bytes() + line + b"\n\n" + file.path.read_bytes()
    history = read_history(data)
    assert history.entries == (entry(1),)
    assert history.skipped == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(st.sampled_from(sorted(json.loads(json.dumps(entry(1).content())))), JSON)
def test_a_line_with_a_wrong_value_is_read_or_skipped_never_fatal(name: str, value: Any) -> None:
    line = {"schema": 1, "line": "run", **entry(1).content(), name: value}
    history = read_history(json.dumps(line).encode())
    assert len(history.entries) + history.skipped == 1
    for each in history.entries:
        history.yardstick(each)
        assert json.dumps(each.content(), allow_nan=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("refresh_runs_ms", [float("nan")]),
        ("refresh_runs_ms", [-1.0]),
        ("refresh_runs_ms", [True]),
        ("refresh_runs_ms", "12"),
        ("total_seconds", None),
        ("exit_code", "0"),
        ("at", "2026-03-02T09:30:00"),
        ("series", {"identity": "x", "users": 1.5, "questions": 1}),
    ],
)
def test_a_value_that_was_never_measured_is_not_taken(name: str, value: Any) -> None:
    line = {"schema": 1, "line": "run", **entry(1).content(), name: value}
    assert read_history(json.dumps(line).encode()).skipped == 1


def test_a_run_that_was_added_twice_counts_once_as_it_was_added_last(tmp_path: Path) -> None:
    again = entry(1, times=[7.0])
    history = written(tmp_path, entry(1), entry(2), again).read()
    assert history.entries == (entry(2), again)


def test_two_processes_append_without_mixing_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from tests.evidence.samples import entry
        from tui.evidence.history import HistoryFile
        file = HistoryFile(Path(sys.argv[1]))
        sys.stdin.readline()
        for number in range(60):
            # Longer than a pipe's or a page's worth, so that unlocked writes would interleave.
            run = entry(int(sys.argv[2]) + number, times=[100.0 + number] * 2_000)
            file.append(run)
        """
    )
    root = str(files.__file__).rsplit("/tui/", 1)[0]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path), str(first)],
            stdin=subprocess.PIPE,
            cwd=root,
        )
        for first in (0, 1_000)
    ]
    for each in both:
        each.communicate(b"\n", timeout=60)
    assert [each.returncode for each in both] == [0, 0]
    history = HistoryFile(path).read()
    assert history.skipped == 0
    names = {each.run_id for each in history.entries}
    assert names == {entry(n + first).run_id for n in range(60) for first in (0, 1_000)}


def test_a_history_that_cannot_be_used_is_an_operators_error(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").mkdir()
    file = HistoryFile(tmp_path / "history.jsonl")
    with pytest.raises(HistoryUnwritable, match="could not be added") as caught:
        file.append(entry(1))
    assert caught.value.hint
    with pytest.raises(HistoryUnreadable, match="cannot be read"):
        file.read()


def test_runs_are_comparable_when_target_volume_and_server_are_the_same() -> None:
    one = entry(1)
    assert why_not_comparable(one, entry(2)) is None
    patch = ServerVersions("15.12", "12.2.3", "2.99")
    assert why_not_comparable(one, entry(2, versions=patch, fingerprint="other")) is None
    settings = document()["settings"]
    batch = entry(2, settings={**settings, "batch": 9, "concurrency": 1})
    assert why_not_comparable(one, batch) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"target": {**document()["target"], "ref": "z" * 20}}, "another target"),
        ({"settings": {**document()["settings"], "users": 51}}, "another volume"),
        ({"settings": {**document()["settings"], "questions": 1}}, "another volume"),
        ({"versions": ServerVersions("17.1", "12.0.2")}, "another PostgreSQL: 15, 17"),
        ({"versions": ServerVersions("15.7", "v13")}, "another PostgREST: 12, 13"),
        ({"versions": ServerVersions(None, "12.0.2")}, "another PostgreSQL: 15, unknown"),
    ],
)
def test_runs_are_not_comparable_otherwise(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    assert (why_not_comparable(entry(1), entry(2, **changes)) or "").startswith(why)
    history = written(tmp_path, entry(2, **changes), entry(3)).read()
    assert history.comparable(entry(1)) == [entry(3)]


def test_comparable_runs_are_others_that_timed_a_refresh_newest_last(tmp_path: Path) -> None:
    history = written(tmp_path, entry(3), entry(1), entry(2, times=[])).read()
    assert history.comparable(entry(1)) == [entry(3)]
    assert history.comparable(entry(9)) == [entry(3), entry(1)]
    assert history.previous(entry(9)) == entry(1)
    assert history.timed(entry(9).series) == [entry(3), entry(1)]
    assert history.timed(replace(entry(9).series, users=1)) == []


def test_the_yardstick_is_of_verified_runs_alone(tmp_path: Path) -> None:
    failed = entry(2, times=[900.0], outcome="failed", exit_code=1)
    history = written(tmp_path, entry(1), failed).read()
    assert history.yardstick(entry(9)) == [entry(1)]
    assert history.previous(entry(9)) == entry(1)
    many = written(tmp_path, *(entry(number) for number in range(3, 40))).read()
    assert many.yardstick(entry(99)) == [entry(number) for number in range(40)][-YARDSTICK_RUNS:]


def test_a_baseline_is_kept_for_its_target_and_volume(tmp_path: Path) -> None:
    small = entry(2, settings={**document()["settings"], "users": 5})
    file = written(tmp_path, entry(1), small, entry(3))
    assert file.read().baseline(entry(1).series) is None
    file.mark_baseline(entry(1), at=BEGAN)
    file.mark_baseline(small, at=BEGAN)
    history = file.read()
    assert history.baseline(entry(9).series) == entry(1)
    assert history.baseline(small.series) == small
    assert history.skipped == 0
    before = file.path.read_bytes()
    file.mark_baseline(entry(3), at=BEGAN)
    assert file.path.read_bytes().startswith(before)
    assert file.read().baseline(entry(9).series) == entry(3)


def test_marking_a_baseline_accepts_the_run_and_begins_the_yardstick_anew(tmp_path: Path) -> None:
    slow = entry(2, times=[900.0], outcome="failed", exit_code=1)
    file = written(tmp_path, entry(1), slow, entry(3))
    file.mark_baseline(slow, at=BEGAN)
    assert file.read().yardstick(entry(9)) == [slow, entry(3)]


def test_a_run_without_a_refresh_is_no_baseline(tmp_path: Path) -> None:
    file = written(tmp_path, entry(1, times=[]))
    with pytest.raises(HistoryUnwritable, match="timed no refresh"):
        file.mark_baseline(entry(1, times=[]), at=BEGAN)


def test_the_pace_is_that_of_verified_runs(tmp_path: Path) -> None:
    runs = [entry(n, times=[10.0 * n], total_seconds=float(n)) for n in (1, 2, 4)]
    lost = entry(8, outcome="failed", exit_code=1, total_seconds=0.001)
    history = written(tmp_path, *runs, lost).read()
    pace = history.pace(runs[0].series.identity)
    assert pace is not None
    assert (pace.runs, pace.rows_per_s, pace.refresh_ms) == (3, 5_000.0, 40.0)
    assert history.pace("elsewhere") is None
