from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import pwd
import resource
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tui import __version__, files
from tui.errors import ExitCode, GuardRefused
from tui.evidence import deployment_log
from tui.evidence.chain import GENESIS, Record, read_chain
from tui.evidence.deployment_log import (
    Announcement,
    DeploymentLog,
    LogUnreadable,
    OutcomeNotRecorded,
)
from tui.guard.break_glass import Moment, authorize_write, grant
from tui.guard.target import classify, declared_by_database

if TYPE_CHECKING:
    from pathlib import Path

REF = "prodprodprodprodprod"
KEY = "sb_secret_abcdefghijklmnop"
REASON = "Hotfix for the broken accuracy column, agreed with the head of teaching"
PLANNED = {"users": 50, "questions": 200, "responses": 10_000}
TARGET = declared_by_database(classify(f"https://{REF}.supabase.co", KEY), None)
EPOCH = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "deployment-log.jsonl"


@pytest.fixture
def log(path: Path) -> DeploymentLog:
    ticks = iter(range(1_000_000))
    return DeploymentLog(path, clock=lambda: EPOCH + timedelta(seconds=next(ticks)))


def announce(log: DeploymentLog, run_id: str = "run1", reason: str | None = REASON) -> Announcement:
    return log.open_intent(
        TARGET, run_id=run_id, action="cycle", planned=PLANNED, justification=reason
    )


def whole_run(log: DeploymentLog, run_id: str) -> None:
    log.close(announce(log, run_id), outcome="verified", final={"responses": 0})


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def leftovers(path: Path) -> list[str]:
    return sorted(p.name for p in path.parent.iterdir())


# --- what a record says ---------------------------------------------------------------------------


def test_intent_and_outcome_say_who_where_what_and_why(
    log: DeploymentLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody else")
    entry = log.open_intent(
        TARGET,
        run_id="run1",
        action="cycle",
        planned=PLANNED,
        justification=REASON,
        ticket="OPS-7",
    )
    on_disk = json.loads(path.read_bytes())
    assert on_disk == {
        "schema": 1,
        "seq": 1,
        "event": "intent",
        "time": "2026-03-01T12:00:00.000000+00:00",
        "user": pwd.getpwuid(os.getuid()).pw_name,
        "host": os.uname().nodename,
        "version": __version__,
        "target": {
            "identity": REF,
            "host": f"{REF}.supabase.co",
            "ref": REF,
            "kind": "production",
            "reason": TARGET.reason,
        },
        "run_id": "run1",
        "action": "cycle",
        "justification": REASON,
        "ticket": "OPS-7",
        "planned": PLANNED,
        "final": None,
        "outcome": None,
        "detail": None,
        "previous": GENESIS,
        "hash": entry.record.hash,
    }
    was_open = entry.is_open
    outcome = log.close(entry, outcome="verified", final={"responses": 0}, detail="all clean")
    assert (was_open, entry.is_open) == (True, False)
    assert (outcome.seq, outcome.event, outcome.previous) == (2, "outcome", entry.record.hash)
    assert (outcome.outcome, outcome.final, outcome.detail) == (
        "verified",
        {"responses": 0},
        "all clean",
    )
    assert (outcome.planned, outcome.justification, outcome.ticket) == (PLANNED, REASON, "OPS-7")
    assert log.read() == (entry.record, outcome)
    assert log.head() == outcome.hash
    assert log.verify() == []
    assert leftovers(path) == ["deployment-log.jsonl", "deployment-log.jsonl.head"]


def test_an_empty_log_is_sound(log: DeploymentLog, path: Path) -> None:
    assert (log.read(), log.head(), log.verify(), log.complete_crashed()) == ((), None, [], [])
    assert not path.parent.exists()


def test_files_are_private(log: DeploymentLog, path: Path) -> None:
    before = os.umask(0)
    try:
        entry = announce(log)
    finally:
        os.umask(before)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    log.close(entry, outcome="verified")


def test_a_closed_entry_is_closed(log: DeploymentLog) -> None:
    entry = announce(log)
    log.close(entry, outcome="verified")
    with pytest.raises(ValueError, match="already"):
        log.close(entry, outcome="verified")
    with pytest.raises(GuardRefused, match="in the deployment log already"):
        announce(log)
    assert log.verify() == []


def test_an_entry_is_what_the_gate_asks_for(log: DeploymentLog) -> None:
    now = Moment(0, EPOCH)
    entry = announce(log)
    permit = grant(TARGET, confirmation=REF, justification=REASON, dry_run_ready=True, now=now)
    authorize_write(TARGET, allow_prod=True, permit=permit, intent=entry, now=now).require(TARGET)
    log.close(entry, outcome="verified")
    permit = grant(TARGET, confirmation=REF, justification=REASON, dry_run_ready=True, now=now)
    with pytest.raises(GuardRefused, match="does not announce"):
        authorize_write(TARGET, allow_prod=True, permit=permit, intent=entry, now=now)


HOSTILE = [
    f'{REASON}\n{{"seq":2,"event":"outcome"}}',
    f"{REASON}\r\n\x1b[2J\x9b31m\x00",
    f"{REASON}\u2028\u2029\u202e\u2066\u200b\x85",
    f'{REASON}","outcome":"verified","x":"',
    f"{REASON} \ud800",
    f"{REASON} key {KEY}",
    f"{REASON} apikey: opaque-token-1",
]


@pytest.mark.parametrize("reason", HOSTILE)
def test_no_justification_forges_a_record(log: DeploymentLog, path: Path, reason: str) -> None:
    entry = announce(log, reason=reason)
    assert len(lines(path)) == 1
    assert path.read_bytes().isascii()
    said = entry.record.justification or ""
    assert said.isprintable()
    assert said.startswith(REASON)
    assert KEY not in path.read_text()
    assert "opaque-token-1" not in path.read_text()
    log.close(entry, outcome="verified\n", detail=reason)
    assert len(lines(path)) == 2
    assert log.verify() == []


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(max_size=300), st.text(max_size=30))
def test_any_text_makes_one_record(tmp_path: Path, reason: str, ticket: str) -> None:
    path = tmp_path / "any.jsonl"
    for file in tmp_path.iterdir():
        file.unlink()
    log = DeploymentLog(path)
    entry = log.open_intent(
        TARGET, run_id="r", action="cycle", planned={}, justification=reason, ticket=ticket
    )
    log.close(entry, outcome="failed", detail=reason)
    assert len(lines(path)) == 2
    assert log.verify() == []
    assert log.read()[0] == entry.record


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", "a b", "a\n", "x" * 65])
def test_a_run_id_is_no_path(log: DeploymentLog, path: Path, run_id: str) -> None:
    with pytest.raises(ValueError, match="no run id"):
        announce(log, run_id)
    assert not path.exists()


# --- tampering ------------------------------------------------------------------------------------


@pytest.fixture
def three_runs(log: DeploymentLog) -> DeploymentLog:
    for run_id in ("run1", "run2", "run3"):
        whole_run(log, run_id)
    assert log.verify() == []
    return log


def edit(path: Path, number: int, **changes: Any) -> None:
    found = lines(path)
    content = json.loads(found[number]) | changes
    found[number] = json.dumps(content, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    path.write_bytes(b"".join(found))


@pytest.mark.parametrize(
    "changes",
    [
        {"justification": "none of your business"},
        {"user": "somebody else"},
        {"time": "2026-03-01T12:00:00.000001+00:00"},
        {"planned": {"users": 1}},
        {"outcome": "verified"},
        {"previous": "f" * 64},
        {"hash": "f" * 64},
        {"seq": 7},
        {"seq": True},
        {"schema": 2},
        {"extra": 1},
        {"target": {}},
    ],
)
def test_an_altered_record_is_told(
    three_runs: DeploymentLog, path: Path, changes: dict[str, Any]
) -> None:
    edit(path, 2, **changes)
    problems = three_runs.verify()
    assert any("line 3" in problem for problem in problems)


def test_a_record_altered_with_its_hash_made_to_fit_is_told(
    three_runs: DeploymentLog, path: Path
) -> None:
    found = lines(path)
    record = read_chain(found[2]).records[0]
    found[2] = replace(record, user="somebody else").sealed().line()
    path.write_bytes(b"".join(found))
    problems = three_runs.verify()
    assert any("does not continue" in problem for problem in problems)
    assert not any("altered" in problem for problem in problems)


@pytest.mark.parametrize("changes", [{"seq": True}, {"schema": 2}])
def test_a_sound_chain_of_something_else_is_told(
    log: DeploymentLog, path: Path, changes: dict[str, Any]
) -> None:
    intent = announce(log).record
    path.write_bytes(replace(intent, **changes).sealed().line())
    assert any("line 1 is not a record" in problem for problem in log.verify())


def test_a_record_written_differently_is_told(three_runs: DeploymentLog, path: Path) -> None:
    found = lines(path)
    found[0] = found[0].replace(b',"seq":', b', "seq":')
    path.write_bytes(b"".join(found))
    assert any("altered" in problem for problem in three_runs.verify())
    found[0] = b'{"user":"x",' + found[0].replace(b', "seq":', b',"seq":')[1:]
    path.write_bytes(b"".join(found))
    assert any("altered" in problem for problem in three_runs.verify())


@pytest.mark.parametrize("order", [[1, 0, 2, 3, 4, 5], [0, 1, 4, 5, 2, 3], [5, 4, 3, 2, 1, 0]])
def test_reordering_is_told(three_runs: DeploymentLog, path: Path, order: list[int]) -> None:
    found = lines(path)
    path.write_bytes(b"".join(found[n] for n in order))
    assert any("reordered or removed" in problem for problem in three_runs.verify())


@pytest.mark.parametrize("gone", [0, 1, 2, 3, 4])
def test_a_removed_record_is_told(three_runs: DeploymentLog, path: Path, gone: int) -> None:
    found = lines(path)
    del found[gone]
    path.write_bytes(b"".join(found))
    assert any("reordered or removed" in problem for problem in three_runs.verify())


@pytest.mark.parametrize("kept", [0, 1, 2, 3, 4, 5])
def test_a_log_cut_off_is_told_by_its_head(
    three_runs: DeploymentLog, path: Path, kept: int
) -> None:
    path.write_bytes(b"".join(lines(path)[:kept]))
    assert any("cut off" in problem for problem in three_runs.verify())
    # Nor does writing on make it good.
    with pytest.raises(GuardRefused, match="does not verify"):
        announce(three_runs, "run4")
    assert any("cut off" in problem for problem in three_runs.verify())


def test_a_log_removed_altogether_is_told(three_runs: DeploymentLog, path: Path) -> None:
    path.unlink()
    assert any("cut off" in problem for problem in three_runs.verify())


def test_a_log_cut_off_inside_a_line_is_told(three_runs: DeploymentLog, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])
    problems = three_runs.verify()
    assert any("unfinished" in problem for problem in problems)
    assert any("cut off" in problem for problem in problems)


def test_a_log_cut_off_with_its_head_is_told_by_a_report(
    three_runs: DeploymentLog, path: Path
) -> None:
    reported = three_runs.head()
    assert reported
    earlier = three_runs.read()[3].hash
    path.write_bytes(b"".join(lines(path)[:4]))
    three_runs.head_path.write_bytes(json.dumps({"seq": 4, "hash": earlier}).encode())
    assert three_runs.verify() == []
    assert three_runs.verify([earlier]) == []
    assert three_runs.verify([earlier, reported]) == [
        f"the record with hash {reported} is gone: the log was cut off or rewritten"
    ]


@pytest.mark.parametrize("content", [None, b"", b"x", b"[]", b'{"hash": 7}', b"\xff"])
def test_a_missing_or_broken_head_is_told(three_runs: DeploymentLog, content: bytes | None) -> None:
    if content is None:
        three_runs.head_path.unlink()
    else:
        three_runs.head_path.write_bytes(content)
    assert any("head file is" in problem for problem in three_runs.verify())
    with pytest.raises(GuardRefused, match="does not verify"):
        announce(three_runs, "run4")


def test_records_added_past_the_head_are_told(three_runs: DeploymentLog, path: Path) -> None:
    known = three_runs.read()[3].hash
    three_runs.head_path.write_bytes(json.dumps({"seq": 4, "hash": known}).encode())
    assert any("without the console" in problem for problem in three_runs.verify())


@pytest.mark.parametrize("junk", [b"\n", b"{}\n", b"null\n", b"\xff\n", b"[" * 100_000 + b"\n"])
def test_lines_that_are_no_records_are_told(
    three_runs: DeploymentLog, path: Path, junk: bytes
) -> None:
    path.write_bytes(path.read_bytes() + junk)
    assert any("line 7 is not a record" in problem for problem in three_runs.verify())


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_single_changed_byte_is_told(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "flip.jsonl"
    log = DeploymentLog(path)
    if not path.exists():
        whole_run(log, "run1")
        (tmp_path / "kept").write_bytes(path.read_bytes())
    content = bytearray((tmp_path / "kept").read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert log.verify() != []


def test_an_outcome_is_still_recorded_in_a_log_that_was_cut(log: DeploymentLog, path: Path) -> None:
    whole_run(log, "run1")
    entry = announce(log, "run2")
    path.write_bytes(lines(path)[0])
    outcome = log.close(entry, outcome="verified")
    assert outcome.outcome == "verified"
    # The head goes on accusing.
    assert any("cut off" in problem for problem in log.verify())


# --- when it cannot be written --------------------------------------------------------------------


def refused(log: DeploymentLog, match: str) -> None:
    with pytest.raises(GuardRefused, match=match) as caught:
        announce(log)
    assert caught.value.exit_code is ExitCode.REFUSED
    assert "\n" not in caught.value.message
    assert str(log.path) in caught.value.message
    assert "HEATMAP_DEPLOYMENT_LOG" in (caught.value.hint or "")


CANNOT = "the deployment log cannot be written, so the run is refused"


def test_an_unwritable_log_refuses_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "pipe.jsonl").mkdir()
    for path in (
        tmp_path / "file" / "log",
        tmp_path / "pipe.jsonl",
        tmp_path / "pipe.jsonl" / "..",
    ):
        refused(DeploymentLog(path), CANNOT)
    os.mkfifo(tmp_path / "fifo")
    refused(DeploymentLog(tmp_path / "fifo"), "not a plain file")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fifo", "file", "pipe.jsonl"]


def test_a_log_that_is_locked_for_too_long_refuses_the_run(
    log: DeploymentLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_run(log, "run0")
    impatient = functools.partial(files.locked, seconds=0)
    monkeypatch.setattr("tui.evidence.deployment_log.locked", impatient)
    with files.locked(path):
        refused(log, "locked by another process")
    assert log.verify() == []


def test_a_full_disk_refuses_the_run_and_keeps_the_log_whole(
    log: DeploymentLog, path: Path
) -> None:
    whole_run(log, "run0")
    entry = announce(log, "run1")
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))
    try:
        with pytest.raises(GuardRefused, match=CANNOT):
            announce(log, "run2")
        with pytest.raises(OutcomeNotRecorded, match=r"run1 ended \(verified\)") as caught:
            log.close(entry, outcome="verified")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.hint
    assert path.read_bytes() == before
    assert entry.is_open
    log.close(entry, outcome="verified")
    assert log.verify() == []


def refuse_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with room for one more line, and none for the head's new file."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(deployment_log, "write_private", full)


def test_an_outcome_whose_head_found_no_room_is_there_once(
    log: DeploymentLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = announce(log)
    with monkeypatch.context() as patch:
        refuse_heads(patch)
        for _ in range(2):
            with pytest.raises(OutcomeNotRecorded, match="No space"):
                log.close(entry, outcome="verified", detail="all is well")
    assert entry.is_open
    kept = log.close(entry, outcome="failed", detail="the second attempt")
    assert (kept.outcome, kept.detail) == ("verified", "all is well")
    assert [record.event for record in log.read()] == ["intent", "outcome"]
    assert json.loads((path.parent / f"{path.name}.head").read_text())["hash"] == log.head()
    assert log.verify() == []
    log.close(announce(log, "run2"), outcome="verified")
    assert log.verify() == []


def test_a_head_never_falls_two_records_behind(
    log: DeploymentLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        refuse_heads(patch)
        for number in range(4):
            with pytest.raises(GuardRefused, match="No space"):
                announce(log, f"run{number}")
            with contextlib.suppress(GuardRefused):
                log.complete_crashed()
    log.complete_crashed()
    assert log.verify() == []
    log.close(announce(log, "later"), outcome="verified")
    assert log.verify() == []


def test_a_head_that_cannot_be_read_says_so(log: DeploymentLog, path: Path) -> None:
    log.close(announce(log), outcome="verified")
    head = path.with_name(f"{path.name}.head")
    head.unlink()
    head.mkdir()
    with pytest.raises(LogUnreadable, match=r"head .* cannot be read") as caught:
        log.verify()
    assert caught.value.hint
    with pytest.raises(GuardRefused):
        announce(log, "run2")


def test_a_log_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    for call in ("read", "verify", "head"):
        with pytest.raises(LogUnreadable, match="cannot be read"):
            getattr(DeploymentLog(tmp_path), call)()


# --- crashes --------------------------------------------------------------------------------------

CHILD = """
    import os, signal, sys, pathlib
    from tui.evidence.deployment_log import DeploymentLog
    from tui.evidence import deployment_log, files
    from tui.guard.target import classify, declared_by_database
    target = declared_by_database(classify("https://prodprodprodprodprod.supabase.co",
                                           "sb_secret_abcdefghijklmnop"), None)
    log = DeploymentLog(pathlib.Path(sys.argv[1]))
"""


def child(code: str, path: Path, *args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD) + textwrap.dedent(code), str(path), *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_a_run_killed_midway_gets_its_outcome_at_a_later_start(
    log: DeploymentLog, path: Path
) -> None:
    code = """
        log.open_intent(target, run_id="killed", action="cycle", planned={"users": 1},
                        justification="x")
        print("announced", flush=True)
        sys.stdin.read()
    """
    with child(code, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"announced\n"
        ours = announce(log, "ours")
        # Neither its own run nor ours has crashed.
        assert log.complete_crashed() == []
        process.kill()
    (added,) = log.complete_crashed()
    assert (added.run_id, added.event, added.outcome) == ("killed", "outcome", "crashed")
    assert (added.planned, added.final) == ({"users": 1}, None)
    assert log.complete_crashed() == []
    log.close(ours, outcome="verified")
    assert [(r.run_id, r.event) for r in log.read()] == [
        ("killed", "intent"),
        ("ours", "intent"),
        ("killed", "outcome"),
        ("ours", "outcome"),
    ]
    assert log.verify() == []
    assert leftovers(path) == ["deployment-log.jsonl", "deployment-log.jsonl.head"]


@pytest.mark.parametrize("keep", ["0", "1", "100", "-1"])
@pytest.mark.parametrize("step", ["intent", "outcome"])
def test_killed_while_writing_a_record(
    log: DeploymentLog, path: Path, step: str, keep: str
) -> None:
    """The line is cut at any byte; only a whole line, or one that lacks its end, counts."""
    whole_run(log, "before")
    code = """
        real = os.write
        def dies(number, data):
            keep = int(sys.argv[2])
            real(number, bytes(data)[:keep] if keep >= 0 else bytes(data)[:keep])
            os.kill(os.getpid(), signal.SIGKILL)
        def arm():
            os.write = dies
        if sys.argv[3] == "intent":
            arm()
        entry = log.open_intent(target, run_id="killed", action="cycle", planned={})
        arm()
        log.close(entry, outcome="verified")
    """
    with child(code, path, keep, step) as process:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    added = log.complete_crashed()
    whole = keep == "-1"
    expected = 1 if (step == "intent") == whole else 0
    assert len(added) == expected
    whole_run(log, "after")
    assert log.verify() == []
    outcomes = {r.run_id: r.outcome for r in log.read() if r.event == "outcome"}
    assert outcomes["after"] == "verified"
    if step == "outcome":
        assert outcomes["killed"] == ("verified" if whole else "crashed")
    torn = [r for r in log.read() if "unfinished line" in (r.detail or "")]
    assert len(torn) == (1 if keep in {"1", "100"} else 0)


def test_killed_between_record_and_head(log: DeploymentLog, path: Path) -> None:
    code = """
        import tui.evidence.deployment_log as module
        module.write_private = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        log.open_intent(target, run_id="killed", action="cycle", planned={})
    """
    for n in (1, 2):
        with child(code.replace("killed", f"killed{n}"), path) as process:
            process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert log.verify() == []
        assert [r.run_id for r in log.complete_crashed()] == [f"killed{n}"]
        assert log.verify() == []


# --- several at once ------------------------------------------------------------------------------


def test_many_processes_write_one_sound_chain(log: DeploymentLog, path: Path) -> None:
    code = """
        sys.stdin.readline()
        for n in range(12):
            entry = log.open_intent(target, run_id=f"{sys.argv[2]}-{n}", action="cycle", planned={})
            log.complete_crashed()
            log.close(entry, outcome="verified")
    """
    processes = [child(code, path, f"p{n}") for n in range(4)]
    try:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
        for process in processes:
            process.communicate(timeout=120)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0] * 4
    records = log.read()
    assert len(records) == 4 * 12 * 2
    assert {record.outcome for record in records if record.event == "outcome"} == {"verified"}
    assert log.verify() == []
    assert leftovers(path) == ["deployment-log.jsonl", "deployment-log.jsonl.head"]


def test_one_run_id_is_announced_once_at_a_time(log: DeploymentLog, path: Path) -> None:
    entry = announce(log)
    with pytest.raises(GuardRefused, match="going on already"):
        announce(DeploymentLog(path))
    log.close(entry, outcome="verified")


def test_the_same_record_always_hashes_the_same() -> None:
    """A log written today must verify with any later version."""
    record = Record(
        seq=1, event="intent", time="2026-03-01T12:00:00.000000+00:00", user="ü", host="h",
        version="0.1.0", target={"ref": None, "host": "a"}, run_id="r", action="cycle",
        justification="why", ticket=None, planned={"users": 1}, final=None, outcome=None,
        detail=None, previous=GENESIS,
    ).sealed()  # fmt: skip
    assert record.hash == "be52e50de40cf4c9020c6437f1a84b285378f287bb6e0d4f716576a4e620af5e"
