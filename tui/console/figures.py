"""What screens show, computed from state and results. Knows no Textual."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto
from statistics import median
from typing import TYPE_CHECKING, Final

from tui.console.state import CHECKLIST, View
from tui.evidence.archive import SANDBOX
from tui.heatmap.formatting import plural
from tui.settings import ENVIRONMENT_FILE
from tui.verify.events import Mode, Outcome, ProbeStatus, Stage
from tui.verify.result import StageState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tui.console.state import State
    from tui.evidence.history import Entry
    from tui.verify.events import ProbeResult
    from tui.verify.result import Result, StageResult
    from tui.verify.session import Session

GOOD: Final = frozenset({Outcome.VERIFIED, Outcome.READY, Outcome.CLEAN, Outcome.READ})
SERIOUS: Final = frozenset(
    {Outcome.FAILED, Outcome.LEFTOVERS, Outcome.UNREACHABLE, Outcome.UNUSABLE, Outcome.NOT_READY}
)
REFRESHES_SHOWN: Final = 10
STAGES: Final = {
    Stage.USERS: ("Write users", 14),
    Stage.QUESTIONS: ("Write questions", 3),
    Stage.RESPONSES: ("Write responses", 34),
    Stage.REFRESH: ("Refresh the view", 6),
    Stage.CHECK: ("Check the numbers", 9),
    Stage.SAMPLE: ("Read the heatmap", 7),
    Stage.CLEANUP_RESPONSES: ("Delete responses", 9),
    Stage.CLEANUP_QUESTIONS: ("Delete questions", 4),
    Stage.FINAL_REFRESH: ("Refresh again", 3),
    Stage.CLEANUP_USERS: ("Delete users", 9),
    Stage.AUDIT: ("Audit what is left", 2),
}
"""Each stage's name as an operator reads it, and its share of a run in percent, on the sandbox."""
_WAITING: Final = "waits until the project is connected"
# Below this share of a run nothing can be said of the time it still needs.
_TELLING: Final = 0.05


# The checklist.


class StepState(Enum):
    """How a step of the checklist stands; the value is the word shown."""

    DONE = "done"
    NOW = "now"
    BUSY = "busy"
    PROBLEM = "stop"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the checklist.

    Attributes:
        fact: What came of it, in a few characters; empty for the word of its state.
        why: Why it is locked, or what stops it; empty otherwise.
    """

    view: View
    state: StepState
    fact: str = ""
    why: str = ""


def checklist(state: State) -> tuple[Step, ...]:
    """The checklist as it stands."""
    error = state.connect_error
    if state.session is None:
        first = StepState.PROBLEM if error else StepState.BUSY
        waiting = (Step(view, StepState.LOCKED, why=_WAITING) for view in CHECKLIST[1:])
        return Step(View.TARGET, first, why=error.message if error else ""), *waiting
    kind = "sandbox" if state.session.is_sandbox else state.session.target.kind.value
    dry_run = _dry_run_step(state)
    review = _review_step(state, dry_run)
    return Step(View.TARGET, StepState.DONE, kind), dry_run, review, _run_step(state, review)


def _dry_run_step(state: State) -> Step:
    result = state.dry_run
    if result is None:
        return Step(View.DRY_RUN, StepState.NOW)
    asked, counts = len(result.probes), Counter(each.status for each in result.probes.values())
    if result.finished is None:
        return Step(View.DRY_RUN, StepState.BUSY, f"{asked - counts[None]}/{asked}")
    if result.ready:
        fact = f"{counts[ProbeStatus.PASS]}/{asked} {result.finished.seconds:.1f} s"
        return Step(View.DRY_RUN, StepState.DONE, fact)
    failed = counts[ProbeStatus.FAIL]
    why = result.dry_run.verdict if result.dry_run else result.finished.message
    return Step(View.DRY_RUN, StepState.PROBLEM, f"{failed} failed" if failed else "", why)


def _review_step(state: State, dry_run: Step) -> Step:
    if dry_run.state is not StepState.DONE:
        why = {
            StepState.NOW: "waits for a dry run that ends ready (press d)",
            StepState.BUSY: "waits for the dry run to finish",
        }.get(dry_run.state, f"the dry run says: {dry_run.why}")
        # What a run did stays to be read after the rows it was judged by have changed.
        return Step(View.REVIEW, StepState.LOCKED, why=why)
    if state.write_problem:
        return Step(View.REVIEW, StepState.NOW, "refused", state.write_problem)
    if state.run is not None and (state.run.running or state.run.mode is Mode.CYCLE):
        volume = state.run.volume if state.run.mode is Mode.CYCLE else None
        fact = plural(volume.responses, "row") if volume else ""
        return Step(View.REVIEW, StepState.DONE, fact)
    return Step(View.REVIEW, StepState.NOW)


def _run_step(state: State, review: Step) -> Step:
    run = state.run
    if run is None:
        why = review.why or "waits until the review is agreed to (step 3)"
        return Step(View.RUN, StepState.LOCKED, why=why)
    if run.finished is None:
        return Step(View.RUN, StepState.BUSY, duration(state.clock() - run.began))
    if run.finished.outcome in {Outcome.VERIFIED, Outcome.CLEAN}:
        return Step(View.RUN, StepState.DONE, duration(run.finished.seconds))
    return Step(View.RUN, StepState.PROBLEM, run.finished.outcome.value, run.finished.message)


def why_locked(state: State, view: View) -> str | None:
    """Why one cannot go to `view` now."""
    for step in checklist(state):
        if step.view is view and step.state is StepState.LOCKED:
            return step.why
    return _WAITING if state.session is None and view not in CHECKLIST else None


# What enter does.


class Onward(Enum):
    """What `enter` does beside going to another screen."""

    WAIT = auto()
    CONNECT = auto()
    PROBE = auto()
    START = auto()
    PURGE = auto()
    SAVE = auto()


def onward(state: State, view: View) -> tuple[View | Onward, str]:
    """What `enter` does on a screen of the checklist, and the words for it."""
    match view:
        case View.TARGET:
            return _from_target(state)
        case View.DRY_RUN:
            return _from_dry_run(state)
        case View.REVIEW:
            return _from_review(state)
        case View.RUN:
            return _from_run(state)
        case View.EVIDENCE if state.evidence is not None:
            return Onward.SAVE, "copy the evidence and save it"
        case _:
            return Onward.WAIT, ""


def _from_target(state: State) -> tuple[View | Onward, str]:
    if state.connect_error is not None:
        return Onward.CONNECT, "try again to connect"
    if state.is_writing:
        return View.RUN, "watch the run"
    if state.session is None:
        return Onward.PROBE, "the dry run, as soon as the project answers"
    if state.dry_run is None:
        return Onward.PROBE, "dry run; it writes nothing"
    return View.DRY_RUN, "the dry run's answers"


def _from_dry_run(state: State) -> tuple[View | Onward, str]:
    if state.session is None or state.is_writing:
        return _from_target(state)
    if state.is_probing:
        return Onward.WAIT, ""
    if state.dry_run is None:
        return Onward.PROBE, "ask the probes; nothing is written"
    if not state.dry_run.ready:
        return Onward.PROBE, "ask them again, once it is repaired"
    refused = "read what a run would do; writes are refused here"
    return View.REVIEW, refused if state.write_problem else "review what a run would write"


def _from_review(state: State) -> tuple[View | Onward, str]:
    if state.is_writing:
        return View.RUN, "watch the run"
    if state.write_problem or not state.is_ready:
        return Onward.WAIT, ""
    if state.session is not None and state.session.target.is_production:
        return Onward.START, "back; Write and verify asks for break-glass"
    return Onward.START, "write and verify"


def _from_run(state: State) -> tuple[View | Onward, str]:
    run = state.run
    if run is None:
        return View.REVIEW, "review what a run would write"
    if run.finished is None:
        return Onward.WAIT, ""
    if run.finished.outcome is Outcome.LEFTOVERS:
        return Onward.PURGE, "see and remove what is left"
    if run.mode is Mode.PURGE:
        return Onward.PROBE, "dry run; it writes nothing"
    if run.finished.outcome is Outcome.VERIFIED:
        return View.EVIDENCE, "evidence for the pull request"
    return View.EVIDENCE, "evidence, with all that is known"


# The dry run.


@dataclass(frozen=True, slots=True)
class ProbeGroup:
    """The probes under one heading."""

    name: str
    probes: Sequence[ProbeResult]

    def count(self, status: ProbeStatus | None) -> int:
        """How many have this status; None counts those that have not answered."""
        return sum(each.status is status for each in self.probes)

    @property
    def is_clean(self) -> bool:
        """Whether none of its probes asks for attention."""
        return not self.count(ProbeStatus.FAIL) and not self.count(ProbeStatus.WARN)


def probe_groups(result: Result | None) -> list[ProbeGroup]:
    """The probes under their headings."""
    if result is None:
        return []
    return [
        ProbeGroup(name.replace("_", " ").capitalize(), probes)
        for name, probes in result.groups().items()
    ]


def restart_command(session: Session) -> str:
    """The command that opens this project with break-glass allowed."""
    return shlex.join(["heatmap-tui", "--allow-prod", *_where(session)])


def headless_command(session: Session, view: View, *, refresh_runs: int = 1) -> str:
    """The command that does without screens what a screen does."""
    words = ["heatmap-tui"]
    match view:
        case View.TARGET | View.DRY_RUN:
            words.append("--dry-run")
        case View.HEATMAP:
            words.append("--heatmap")
        case View.EVIDENCE:
            words += ["--headless", "--report", "evidence.md"]
        case _:
            words.append("--headless")
    words += _where(session)
    if view in {View.REVIEW, View.RUN, View.EVIDENCE}:
        words += _how_much(session, refresh_runs)
        if session.target.is_production:
            words += ["--allow-prod", "--confirm", session.target.identity]
            return f'{shlex.join(words)} --justification "..."'
    return shlex.join(words)


def _where(session: Session) -> list[str]:
    if session.is_sandbox:
        return ["--sandbox"]
    file = session.settings.env_file
    return [] if file is None or file.name == ENVIRONMENT_FILE else ["--env-file", str(file)]


def _how_much(session: Session, refresh_runs: int) -> list[str]:
    settings, words = session.settings, []
    for variable, flag, value in (
        ("HEATMAP_VERIFY_USERS", "--users", settings.volume.users),
        ("HEATMAP_VERIFY_QUESTIONS", "--questions", settings.volume.questions),
        ("HEATMAP_VERIFY_BATCH", "--batch", settings.volume.batch),
    ):
        if settings.sources.get(variable) == "flag":
            words += [flag, str(value)]
    if refresh_runs > 1:
        words += ["--refresh-runs", str(refresh_runs)]
    return words


# The review.


def balance(
    session: Session, counts: Mapping[str, int | None] | None
) -> list[tuple[str, str, str, str]]:
    """What a run does to each table: name, rows before, during and after it.

    `counts` is None before they were counted; a table that could not be counted is None in it.
    """
    volume = session.settings.volume
    adds = {
        "users": volume.users,
        "questions": volume.questions,
        "responses": volume.responses,
        "view rows": volume.aggregates,
    }
    rows = []
    for name, added in adds.items():
        known = counts.get(name) if counts else None
        before = "..." if counts is None else "not counted" if known is None else f"{known:,}"
        during = f"+{added:,}" + (f" = {known + added:,}" if known is not None else "")
        after = "as before" if known is None else f"{known:,}"
        rows.append((name, before, during, after))
    return rows


def _place(session: Session) -> str:
    """What the history calls the project."""
    return SANDBOX if session.is_sandbox else session.target.place


def runs_here(state: State) -> list[Entry]:
    """Runs of the same project, newest last."""
    if state.history is None or state.session is None:
        return []
    place = _place(state.session)
    return [
        each
        for each in state.history.entries
        if each.mode == Mode.CYCLE and each.series.identity == place
    ]


def like_before(state: State) -> list[Entry]:
    """Verified runs of the same project and volume, newest last."""
    if state.session is None:
        return []
    users, questions = state.session.settings.volume.users, state.session.settings.volume.questions
    return [
        each
        for each in runs_here(state)
        if each.verified and (each.series.users, each.series.questions) == (users, questions)
    ]


def expected_duration(state: State) -> str:
    """How long a run will take, judging by earlier ones."""
    before = like_before(state)[-5:]
    if before:
        seconds = median(each.total_seconds for each in before)
        runs = "the last one" if len(before) == 1 else f"the last {len(before)} of this volume"
        return f"about {duration(seconds)}, as {runs} took here"
    session, history = state.session, state.history
    pace = history.pace(_place(session)) if history and session else None
    if pace is None or session is None:
        return "not known: no run of this project is on record"
    seconds = session.settings.volume.responses / pace.rows_per_s
    return f"about {duration(seconds)}, by the {plural(pace.runs, 'run')} on record here"


# The run.


def elapsed(result: Result, now: float) -> float:
    """Seconds since a run began, or that it took."""
    if result.finished is not None:
        return result.finished.seconds
    return max(0.0, now - result.began)


def progress(result: Result, now: float) -> tuple[float, float | None]:
    """How much of a run is done, 0 to 1, and the seconds it still needs."""
    if result.finished is not None:
        return 1.0, None
    whole = done = 0.0
    for stage, line in result.stages.items():
        _, share = STAGES[stage]
        whole += share
        done += share * _fraction(line)
    fraction = done / whole if whole else 0.0
    if fraction < _TELLING:
        return fraction, None
    spent = max(0.0, now - result.began)
    return fraction, spent * (1 - fraction) / fraction


def _fraction(line: StageResult) -> float:
    if line.state is StageState.RUNNING:
        return line.fraction or 0.0
    return 0.0 if line.state is StageState.WAITING else 1.0


# Its end.


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of a finished run.

    Attributes:
        good: Whether it is as it should be; None where that is not known, or not asked.
        past: Values of earlier runs, the last one's own at the end, for a graph.
    """

    title: str
    value: str
    note: str = ""
    good: bool | None = None
    past: tuple[float, ...] = ()


def tiles(result: Result, before: Sequence[Entry]) -> list[Tile]:
    """The figures of a run that has ended: refresh, aggregates, leftovers, view."""
    shown = []
    if result.mode is Mode.CYCLE:
        shown += [_refresh_tile(result, before), _check_tile(result)]
    audit = result.audit
    if audit is None:
        shown.append(Tile("Left behind", "not counted", "the audit did not end"))
    elif not audit.leftovers.total:
        shown.append(Tile("Left behind", "nothing", "by tag and id", good=True))
    else:
        left = audit.leftovers
        counts = ((left.users, "user"), (left.questions, "question"), (left.responses, "response"))
        note = ", ".join(plural(count, noun) for count, noun in counts if count)
        shown.append(Tile("Left behind", plural(left.total, "row"), note, good=False))
    if result.mode is Mode.CYCLE:
        restored = None if audit is None else audit.view_restored
        word = {True: "restored", False: "changed", None: "not judged"}[restored]
        note = "as before" if restored else (audit.explanation if audit else "")
        shown.append(Tile("View", word, note, good=restored))
    return shown


def _refresh_tile(result: Result, before: Sequence[Entry]) -> Tile:
    if result.refresh_ms is None:
        return Tile("Refresh", "not timed")
    times = result.refresh_runs_ms
    past = [median(each.refresh_runs_ms) for each in before if each.refresh_runs_ms]
    if all(each.run_id != result.run_id for each in before):
        past.append(result.refresh_ms)
    note = f"median of {len(times)}" if len(times) > 1 else "one refresh"
    if result.final_refresh_ms is not None and len(times) == 1:
        note = f"{milliseconds(result.final_refresh_ms)} at end"
    shown = tuple(past[-REFRESHES_SHOWN:])
    return Tile("Refresh", milliseconds(result.refresh_ms), note, past=shown)


def _check_tile(result: Result) -> Tile:
    check = result.check
    if check is None:
        return Tile("Aggregates", "not compared")
    counts = (
        (check.mismatched, "differ"),
        (check.missing, "missing"),
        (check.unexpected, "unexpected"),
    )
    note = ", ".join(f"{count:,} {word}" for count, word in counts if count)
    note = note or ("as stored" if check.deviations else "all 8 columns")
    matched = f"{check.matched:,}/{check.expected:,}"
    return Tile("Aggregates right", matched, note, good=check.right)


def verdict_words(result: Result) -> str:
    """A finished run's message, without the verdict's own word before it."""
    if result.finished is None:
        return ""
    return result.finished.message.removeprefix(f"{result.finished.outcome.value}: ")


# In words, and in small graphs.


def duration(seconds: float | None) -> str:
    """Seconds as an operator reads them: `85 ms`, `4.2 s`, `3 min 05 s`."""
    if seconds is None:
        return ""
    if round(seconds * 1000) < 1000:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    return _minutes(round(seconds))


def time_left(seconds: float) -> str:
    """Seconds still to wait, no finer than can be known: `1 s`, `3 min 05 s`."""
    whole = max(1, math.ceil(seconds))
    return f"{whole} s" if whole < 60 else _minutes(whole)


def milliseconds(ms: float | None) -> str:
    """Milliseconds as an operator reads them."""
    return "" if ms is None else duration(ms / 1000)


def rate(per_second: float) -> str:
    """Items a second: `950/s`, `12.4k/s`."""
    if per_second >= 10_000:
        return f"{per_second / 1000:.1f}k/s"
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def graph(values: Sequence[float], levels: str, *, height: int = 1) -> list[str]:
    """A bar for each value, the highest `height` lines high; top line first.

    `levels` are the signs of a bar's last cell, lowest first; the last of them fills a cell.
    """
    top = max(values, default=0.0) or 1.0
    steps = len(levels)
    bars = [math.ceil(value / top * height * steps) for value in values]
    return [
        "".join(
            " " if bar <= line * steps else levels[min(bar - line * steps, steps) - 1]
            for bar in bars
        )
        for line in reversed(range(height))
    ]


def _minutes(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
