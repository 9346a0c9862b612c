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

from tests.evidence.samples import (
    BEGAN,
    DESCRIBED,
    REF,
    SERVERS,
    TIMES,
    VOLUME,
    ended,
    entry,
    going,
    target,
)
from tui import files
from tui.errors import OperatorError
from tui.evidence.comparison import Verdict
from tui.evidence.deployment_log import Anchor
from tui.evidence.history import (
    HistoryFile,
    entry_of,
    read_history,
    why_not_comparable,
)
from tui.redact import remember
from tui.verify.events import Outcome, ProjectDescribed, ServerVersions
from tui.verify.result import result_of_error

if TYPE_CHECKING:
    from pathlib import Path

    from tui.evidence.history import Entry, History


def written(path: Path, *entries: Entry) -> HistoryFile:
    file = HistoryFile(path / "state" / "history.jsonl")
    for each in entries:
        file.append(each)
    return file


FAILED = ended(Outcome.FAILED, "failed")


def on(**versions: str | None) -> ProjectDescribed:
    """A project with other versions."""
    return ProjectDescribed(replace(SERVERS, **versions), DESCRIBED.fingerprint)


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    one = replace(entry(1, TIMES), log="/team/log.jsonl", log_head="ab" * 32)
    other = entry(2, times=[], described=None, audit=None, stages=[])
    file = written(tmp_path, one, other)
    history = file.read()
    assert history.entries == (one, other)
    assert history.skipped == 0
    assert history.entry(other.run_id) == other
    assert history.entry("nobody") is None
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert (one.series.identity, one.mode, one.outcome) == (REF, "cycle", "verified")
    assert (one.versions, one.fingerprint) == (SERVERS, DESCRIBED.fingerprint)


def test_a_line_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Written before runs were tied to the deployment log, with stages and server times."""
    old = {"schema": 1, "line": "run", **entry(1).content(), "stages": {}, "server_ms": []}
    del old["log"], old["log_head"]
    assert read_history(json.dumps(old).encode()).entries == (entry(1),)


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


def test_what_is_no_run_makes_no_entry() -> None:
    error = OperatorError("as an example")
    result = result_of_error(error, going().mode, target())
    assert entry_of(result, at=BEGAN, place="x") is None
    assert entry_of(going(), at=BEGAN, place="x") is None, "it has not ended"


def test_a_secret_in_what_a_server_says_is_not_kept(tmp_path: Path) -> None:
    key = "a-password-nobody-may-see"
    remember(key)
    file = written(tmp_path, entry(1, described=on(auth=f"v2 {key} " + "x" * 10_000)))
    assert key not in file.path.read_text()
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
        history.against(each)
        history.pace(each.series.identity)
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
        ("series", {"identity": "x", "users": 10**400, "questions": 1}),
        ("versions", []),
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
    with pytest.raises(OperatorError, match="could not be added") as caught:
        file.append(entry(1))
    assert caught.value.hint
    with pytest.raises(OperatorError, match="cannot be read"):
        file.read()


def test_runs_are_comparable_when_target_volume_and_server_are_the_same() -> None:
    one = entry(1)
    assert why_not_comparable(one, entry(2)) is None
    patch = ProjectDescribed(ServerVersions("15.12", "12.2.3", "2.99"), "other")
    assert why_not_comparable(one, entry(2, described=patch)) is None
    batch = entry(2, volume=replace(VOLUME, batch=9, concurrency=1))
    assert why_not_comparable(one, batch) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"at": target(ref="z" * 20)}, "another target"),
        ({"volume": replace(VOLUME, users=51)}, "another volume"),
        ({"volume": replace(VOLUME, questions=1)}, "another volume"),
        ({"described": on(postgres="17.1")}, "another PostgreSQL: 15, 17"),
        ({"described": on(postgrest="v13")}, "another PostgREST: 12, 13"),
        ({"described": on(postgres=None)}, "another PostgreSQL: 15, unknown"),
    ],
)
def test_runs_are_not_comparable_otherwise(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    assert (why_not_comparable(entry(1), entry(2, **changes)) or "").startswith(why)
    history = written(tmp_path, entry(2, **changes)).read()
    assert history.against(entry(3)) is None


def compared_with(history: History, run: Entry) -> list[Entry]:
    against = history.against(run)
    return list(against.runs) if against else []


def test_a_run_is_compared_with_the_last_five_that_timed_enough(tmp_path: Path) -> None:
    many = [entry(n, times=[100.0 + n] * 5) for n in range(8)]
    few = [entry(20, times=[900.0]), entry(21, times=[])]
    history = written(tmp_path, *many, *few).read()
    against = history.against(entry(99, times=[110.0] * 5))
    assert against is not None
    assert (list(against.runs), against.is_baseline) == (many[3:], False)
    assert against.comparison.before is not None
    assert (against.comparison.before.n, against.comparison.before.median) == (25, 105.0)


def test_where_none_timed_enough_the_last_one_is_shown(tmp_path: Path) -> None:
    history = written(tmp_path, entry(1, [100.0]), entry(2, [120.0]), entry(3, [])).read()
    against = history.against(entry(9, [279.0]))
    assert against is not None
    assert list(against.runs) == [entry(2, [120.0])]
    assert against.comparison.verdict is Verdict.NOT_JUDGED


def test_only_verified_runs_and_never_the_run_itself_are_compared_with(tmp_path: Path) -> None:
    slow = entry(2, [900.0] * 5, end=FAILED)
    history = written(tmp_path, entry(1), slow, entry(3)).read()
    assert compared_with(history, entry(3)) == [entry(1)]
    assert compared_with(history, entry(1)) == [entry(3)]
    assert compared_with(written(tmp_path / "one", entry(1)).read(), entry(1)) == []


@pytest.mark.parametrize(
    ("prints", "same"), [(("a", "a"), True), (("a", "b"), False), (("a", None), None)]
)
def test_a_changed_sql_is_known_by_its_fingerprint(
    tmp_path: Path, prints: tuple[str | None, ...], same: bool | None
) -> None:
    runs = [entry(n, described=ProjectDescribed(SERVERS, each)) for n, each in enumerate(prints)]
    against = written(tmp_path, runs[0]).read().against(runs[1])
    assert against is not None
    assert against.same_sql is same


def test_runs_anchor_the_log_that_they_were_recorded_beside(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    here = replace(entry(1), log=str(log), log_head="aa" * 32)
    elsewhere = replace(entry(2), log="/other", log_head="bb" * 32)
    history = written(tmp_path, here, elsewhere, entry(3)).read()
    assert history.anchors(log) == [
        Anchor("aa" * 32, "run 20260302-00000001 of 2026-03-02 in the history")
    ]


def test_a_baseline_is_kept_for_its_target_and_volume(tmp_path: Path) -> None:
    small = entry(2, volume=replace(VOLUME, users=5))
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


def test_a_marked_baseline_is_what_a_run_is_compared_with(tmp_path: Path) -> None:
    slow = entry(2, times=[900.0], end=FAILED)
    file = written(tmp_path, entry(1), slow, entry(3))
    file.mark_baseline(slow, at=BEGAN)
    against = file.read().against(entry(9))
    assert against is not None
    assert (list(against.runs), against.is_baseline) == ([slow], True)
    # The run itself marked: compared as if it were not.
    assert compared_with(file.read(), slow) == [entry(3)]


def test_a_baseline_that_is_not_comparable_says_why(tmp_path: Path) -> None:
    old = entry(1, described=on(postgres="14.2"))
    file = written(tmp_path, old, entry(2))
    file.mark_baseline(old, at=BEGAN)
    against = file.read().against(entry(9))
    assert against is not None
    assert against.comparison.verdict is Verdict.NOT_JUDGED
    assert against.comparison.reason == "another PostgreSQL: 14, 15"


def test_a_run_without_a_refresh_is_no_baseline(tmp_path: Path) -> None:
    file = written(tmp_path, entry(1, times=[]))
    with pytest.raises(OperatorError, match="timed no refresh"):
        file.mark_baseline(entry(1, times=[]), at=BEGAN)


def test_the_pace_is_that_of_verified_runs(tmp_path: Path) -> None:
    runs = [entry(n, [10.0 * n], ended(seconds=float(n))) for n in (1, 2, 4)]
    lost = entry(8, end=replace(FAILED, seconds=0.001))
    history = written(tmp_path, *runs, lost).read()
    pace = history.pace(REF)
    assert pace is not None
    assert (pace.runs, pace.rows_per_s, pace.refresh_ms) == (3, 5_000.0, 40.0)
    assert history.pace("elsewhere") is None
