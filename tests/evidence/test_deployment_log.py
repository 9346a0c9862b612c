from __future__ import annotations

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
from tui.errors import ConfigurationError, ExitCode, GuardRefused, OperatorError
from tui.evidence.deployment_log import (
    GENESIS,
    Anchor,
    Announcement,
    DeploymentLog,
    LogCheck,
    Record,
    check_log,
)
from tui.guard.break_glass import Moment, authorize_write, grant
from tui.guard.target import classify, declared_by_database

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    assert log.check().problems == ()
    assert leftovers(path) == ["deployment-log.jsonl"]


def test_an_empty_log_is_sound(log: DeploymentLog, path: Path) -> None:
    log.require_writable()
    assert log.check() == LogCheck()
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
    assert log.check().problems == ()


def test_an_entry_is_what_the_gate_asks_for(log: DeploymentLog) -> None:
    now = Moment(0, EPOCH)
    entry = announce(log)
    approval = grant(TARGET, confirmation=REF, justification=REASON, dry_run_ready=True, now=now)
    authorize_write(TARGET, allow_prod=True, approval=approval, intent=entry, now=now).require(
        TARGET
    )
    log.close(entry, outcome="verified")
    approval = grant(TARGET, confirmation=REF, justification=REASON, dry_run_ready=True, now=now)
    with pytest.raises(GuardRefused, match="does not announce"):
        authorize_write(TARGET, allow_prod=True, approval=approval, intent=entry, now=now)


HOSTILE = [
    f'{REASON}\n{{"seq":2,"event":"outcome"}}',
    f"{REASON}\r\n\x1b[2J\x9b31m\x00",
    f"{REASON}\u2028\u2029\u202e\u2066\u200b\x85",
    f'{REASON}","outcome":"verified","x":"',
    f"{REASON} \ud800",
    f"{REASON} key {KEY}",
    f"{REASON} Authorization: Bearer opaque-token-1",
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
    assert log.check().problems == ()


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
    assert log.check().problems == ()
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
    assert log.check().problems == ()
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
        {"event": {}},
        {"target": {}},
    ],
)
def test_an_altered_record_is_told(
    three_runs: DeploymentLog, path: Path, changes: dict[str, Any]
) -> None:
    edit(path, 2, **changes)
    problems = three_runs.check().problems
    assert any("line 3" in problem for problem in problems)


def test_a_record_altered_with_its_hash_made_to_fit_is_told(
    three_runs: DeploymentLog, path: Path
) -> None:
    found = lines(path)
    record = check_log(found[2]).records[0]
    found[2] = replace(record, user="somebody else").sealed().line()
    path.write_bytes(b"".join(found))
    problems = three_runs.check().problems
    assert any("does not continue" in problem for problem in problems)
    assert not any("altered" in problem for problem in problems)


@pytest.mark.parametrize("changes", [{"seq": True}, {"schema": 2}])
def test_a_sound_chain_of_something_else_is_told(
    log: DeploymentLog, path: Path, changes: dict[str, Any]
) -> None:
    intent = announce(log).record
    path.write_bytes(replace(intent, **changes).sealed().line())
    assert any("line 1 is not a record" in problem for problem in log.check().problems)


def test_a_record_written_differently_is_told(three_runs: DeploymentLog, path: Path) -> None:
    found = lines(path)
    found[0] = found[0].replace(b',"seq":', b', "seq":')
    path.write_bytes(b"".join(found))
    assert any("altered" in problem for problem in three_runs.check().problems)
    found[0] = b'{"user":"x",' + found[0].replace(b', "seq":', b',"seq":')[1:]
    path.write_bytes(b"".join(found))
    assert any("altered" in problem for problem in three_runs.check().problems)


ANCHORED = 4
"""The last of six records that a report or the history names."""


def refitted(records: Sequence[Record]) -> bytes:
    """A log of these records, each number and hash made to fit."""
    previous, content = GENESIS, b""
    for seq, record in enumerate(records, start=1):
        sealed = replace(record, seq=seq, previous=previous).sealed()
        previous, content = sealed.hash, content + sealed.line()
    return content


def tampered(what: str, at: int, found: list[bytes], records: Sequence[Record]) -> bytes:
    """A log of six records after something was done to the one at `at`."""
    forged = replace(records[at], user="somebody else")
    match what:
        case "removed":
            del found[at]
        case "altered":
            found[at] = found[at].replace(b"cycle", b"purge")
        case "altered, its own hash made to fit":
            found[at] = forged.sealed().line()
        case "altered, all hashes made to fit":
            return refitted([*records[:at], forged, *records[at + 1 :]])
        case "with its run removed, all hashes made to fit":
            return refitted([each for each in records if each.run_id != records[at].run_id])
        case "and all after it cut off":
            del found[at:]
        case "cut inside, all after it cut off":
            found[at:] = [found[at][:-30]]
        case "doubled":
            found.insert(at, found[at])
        case "overwritten":
            found[at] = b"x" * 400 + b"\n"
        case "cut inside and closed off, as after a crash":
            found[at] = found[at][:40] + b"\n"
        case "exchanged with the next":
            found[at], found[(at + 1) % 6] = found[(at + 1) % 6], found[at]
        case "after a line of another program":
            found.insert(at, b"{}\n")
    return b"".join(found)


# The last record that is found out nonetheless. Where it is the anchored one, the chain still fits
# afterwards: nothing but an anchor can tell.
TAMPERS = {
    "removed": 5,
    "altered": 6,
    "altered, its own hash made to fit": 5,
    "altered, all hashes made to fit": ANCHORED,
    "with its run removed, all hashes made to fit": ANCHORED,
    "and all after it cut off": ANCHORED,
    "cut inside, all after it cut off": ANCHORED,
    "doubled": 6,
    "overwritten": 6,
    "cut inside and closed off, as after a crash": 5,
    "exchanged with the next": 6,
    "after a line of another program": 6,
}


@pytest.mark.parametrize("number", range(1, 7))
@pytest.mark.parametrize("what", TAMPERS)
def test_tampering_is_found_but_for_what_nothing_anchors(
    three_runs: DeploymentLog, path: Path, what: str, number: int
) -> None:
    records = three_runs.read()
    anchors = [Anchor(records[seq - 1].hash, "a report") for seq in (2, ANCHORED)]
    last = Anchor(records[-1].hash, "the last report")
    assert three_runs.check(anchors).problems == ()
    assert (three_runs.check(anchors).anchored, three_runs.check([last]).anchored) == (4, 6)
    path.write_bytes(tampered(what, number - 1, lines(path), records))
    assert bool(three_runs.check(anchors).problems) is (number <= TAMPERS[what])
    # With the last hash in a report as well, nothing at all goes unseen.
    assert three_runs.check([*anchors, last]).problems


def test_a_record_added_by_whoever_may_write_the_file_is_not_found(
    three_runs: DeploymentLog, path: Path
) -> None:
    """As the module says: hashes sign nothing."""
    records = three_runs.read()
    added = replace(records[-2], run_id="never", user="somebody else")
    path.write_bytes(refitted([*records, added]))
    check = three_runs.check([Anchor(records[-1].hash, "the last report")])
    assert (check.problems, check.anchored, len(check.records)) == ((), 6, 7)


def test_a_log_removed_altogether_is_found(three_runs: DeploymentLog, path: Path) -> None:
    last = Anchor(three_runs.read()[-1].hash, "run r3 in the history")
    path.unlink()
    (problem,) = three_runs.check([last]).problems
    assert problem == (
        f"the record with hash {last.hash} is gone, which run r3 in the history saw last: "
        "the log was cut off or rewritten"
    )
    with pytest.raises(GuardRefused, match="is not whole"):
        three_runs.open_intent(TARGET, run_id="r", action="cycle", planned={}, anchors=[last])
    assert path.read_bytes() == b""


@pytest.mark.parametrize("junk", [b"\n", b"{}\n", b"null\n", b"\xff\n", b"[" * 100_000 + b"\n"])
def test_lines_that_are_no_records_are_told(
    three_runs: DeploymentLog, path: Path, junk: bytes
) -> None:
    path.write_bytes(path.read_bytes() + junk)
    assert any("line 7 is not a record" in problem for problem in three_runs.check().problems)


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
    last = check_log(bytes(content)).records[-1].hash
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert log.check([Anchor(last, "a report")]).problems


def test_an_outcome_is_still_recorded_in_a_log_that_was_cut(log: DeploymentLog, path: Path) -> None:
    whole_run(log, "run1")
    entry = announce(log, "run2")
    path.write_bytes(lines(path)[0])
    outcome = log.close(entry, outcome="verified")
    assert outcome.outcome == "verified"
    assert log.check().problems == (f"record {outcome.seq} ends run run2, never announced",)


# --- when it cannot be written --------------------------------------------------------------------


def refused(log: DeploymentLog, match: str) -> None:
    with pytest.raises(GuardRefused, match=match) as caught:
        announce(log)
    assert caught.value.exit_code is ExitCode.REFUSED
    assert "\n" not in caught.value.message
    assert str(log.path) in caught.value.message
    assert "HEATMAP_DEPLOYMENT_LOG" in (caught.value.hint or "")


CANNOT = "the deployment log cannot be written, so the run is refused"


@pytest.mark.parametrize("name", ["file/log", "directory", "fifo", "/dev/full", "/dev/null"])
def test_what_cannot_hold_a_log_refuses_the_run_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    log = DeploymentLog(tmp_path / name)
    refused(log, CANNOT)
    with pytest.raises(GuardRefused, match=CANNOT):
        log.require_writable()
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        log.check()
    assert caught.value.exit_code is ExitCode.USAGE, "a variable that names the wrong file"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["directory", "fifo", "file"]


def test_a_teams_log_keeps_its_mode_and_group(log: DeploymentLog, path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    path.chmod(0o664)
    os.chown(path, -1, 1 if os.getuid() == 0 else -1)
    before = path.stat()
    whole_run(log, "run1")
    log.check()
    after = path.stat()
    assert (after.st_mode, after.st_gid, after.st_ino) == (
        before.st_mode,
        before.st_gid,
        before.st_ino,
    )
    assert len(log.read()) == 2


@pytest.mark.parametrize("content", [b"dear diary\n", b"no newline", b"{}\n", b"\x00" * 20])
def test_another_file_named_by_a_slip_is_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    path.chmod(0o644)
    before = path.stat()
    log = DeploymentLog(path)
    with pytest.raises(GuardRefused, match="is not whole"):
        log.require_writable()
    refused(log, "is not whole")
    assert path.read_bytes() == content
    assert (path.stat().st_mode, path.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


def test_a_log_that_is_locked_for_too_long_refuses_the_run(
    log: DeploymentLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_run(log, "run0")
    impatient = functools.partial(files.locked, seconds=0)
    monkeypatch.setattr("tui.evidence.deployment_log.locked", impatient)
    with files.locked(path):
        refused(log, "locked by another process")
    assert log.check().problems == ()


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
        with pytest.raises(OperatorError, match=r"run1 ended \(verified\)") as caught:
            log.close(entry, outcome="verified")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.hint
    assert path.read_bytes() == before
    assert entry.is_open
    log.close(entry, outcome="verified")
    assert log.check().problems == ()


# --- crashes --------------------------------------------------------------------------------------

CHILD = """
    import os, signal, sys, pathlib
    from tui.evidence.deployment_log import DeploymentLog
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


def test_a_run_that_ended_without_a_word_is_remarked_on(log: DeploymentLog) -> None:
    whole_run(log, "run1")
    announce(log, "run2")
    whole_run(log, "run3")
    check = log.check()
    assert check.problems == ()
    (remark,) = check.remarks
    assert remark.startswith("run run2 (record 3, ")
    assert f"on {REF}) has no outcome" in remark


def test_a_clock_that_runs_backwards_is_remarked_on(path: Path) -> None:
    times = iter([5, 6, 2, 9])
    log = DeploymentLog(path, clock=lambda: EPOCH + timedelta(seconds=next(times)))
    whole_run(log, "run1")
    whole_run(log, "run2")
    assert log.check().problems == ()
    (remark,) = log.check().remarks
    assert remark.startswith("record 3 is dated before record 2")


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
@pytest.mark.parametrize("step", ["intent", "outcome"])
def test_killed_while_writing_a_record(
    log: DeploymentLog, path: Path, step: str, keep: int
) -> None:
    """The line is cut at any byte; what is left of it stays, and the chain goes on behind it."""
    whole_run(log, "before")
    code = """
        real = os.write
        def dies(number, data):
            real(number, bytes(data)[:int(sys.argv[2])])
            os.kill(os.getpid(), signal.SIGKILL)
        def arm():
            os.write = dies
        if sys.argv[3] == "intent":
            arm()
        announcement = log.open_intent(target, run_id="killed", action="cycle", planned={})
        arm()
        log.close(announcement, outcome="verified")
    """
    with child(code, path, str(keep), step) as process:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    left = path.read_bytes()
    whole_run(log, "after")
    check = log.check()
    assert check.problems == ()
    assert path.read_bytes().startswith(left), "nothing is ever taken out of the log"
    events = [(r.run_id, r.event) for r in check.records if r.run_id == "killed"]
    wrote_all = keep == -1
    assert len(events) == (step == "outcome") + wrote_all
    torn = keep in {1, 100}
    assert sum("unfinished" in remark for remark in check.remarks) == torn
    assert sum("has no outcome" in remark for remark in check.remarks) == (len(events) == 1)
    (first, _) = (r for r in check.records if r.run_id == "after")
    assert first.detail == (
        f"closes off {keep} bytes of an unfinished line before it" if torn else None
    )


def test_what_a_file_system_filled_with_zeros_is_closed_off(log: DeploymentLog, path: Path) -> None:
    whole_run(log, "before")
    path.write_bytes(path.read_bytes() + b"\x00" * 50)
    whole_run(log, "after")
    assert log.check().problems == ()
    assert "unfinished (50 bytes)" in log.check().remarks[0]


# --- several at once ------------------------------------------------------------------------------


def test_many_processes_write_one_sound_chain(log: DeploymentLog, path: Path) -> None:
    code = """
        sys.stdin.readline()
        for n in range(12):
            entry = log.open_intent(target, run_id=f"{sys.argv[2]}-{n}", action="cycle", planned={})
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
    assert log.check().problems == ()
    assert leftovers(path) == ["deployment-log.jsonl"]


def test_one_run_id_is_announced_once(log: DeploymentLog, path: Path) -> None:
    entry = announce(log)
    for _ in range(2):
        with pytest.raises(GuardRefused, match="in the deployment log already"):
            announce(DeploymentLog(path))
        if entry.is_open:
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
