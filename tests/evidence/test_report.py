from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import replace
from datetime import timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.evidence.samples import (
    BEGAN,
    CLEAN,
    MEASURED,
    RIGHT,
    SERVERS,
    TIMES,
    VOLUME,
    empty,
    ended,
    entry,
    going,
    probe,
    target,
)
from tui.errors import ConfigurationError, ExitCode, OperatorError
from tui.evidence.comparison import Limits, judge
from tui.evidence.deployment_log import Anchor
from tui.evidence.history import History, HistoryFile, entry_of
from tui.evidence.report import (
    RunEvidence,
    anchors,
    append_report,
    document_beside,
    markdown,
    one_line,
    report,
    require_place,
    save,
    table,
    withheld,
    without_run,
)
from tui.guard.target import TargetKind
from tui.heatmap.rows import AggregateRow
from tui.redact import remember
from tui.verify.comparison import grouped
from tui.verify.events import (
    CheckFinished,
    Difference,
    Mode,
    Outcome,
    ProjectDescribed,
    Stage,
    Tally,
)
from tui.verify.result import document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markdown_it.token import Token

    from tui.evidence.history import Entry
    from tui.verify.events import RunFinished
    from tui.verify.result import Result

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = (
    "a | b || `c` ``` *d* **e** _f_ __g__ ~~h~~ [i](https://j) ![k](l) <b>m</b> <!-- n "
    "</details> <script>o</script> &lt; &#124; \\ \\| $p$ @q #12 GH-7 https://r.s www.t.u"
    "\n\n# v\n- w\n\x00\x1b[31m\u202e"
)


def reader() -> MarkdownIt:
    """GitHub's Markdown with HTML and bare links, as a page would show it."""
    parser = MarkdownIt("gfm-like", {"html": True})
    assert parser.linkify is not None
    parser.linkify.set({"fuzzy_link": False, "fuzzy_email": False})
    return parser


def history_of(tmp_path: Path, *entries: Entry, baseline: Entry | None = None) -> History:
    file = HistoryFile(tmp_path / "history.jsonl")
    for each in entries:
        file.append(each)
    if baseline:
        file.mark_baseline(baseline, at=BEGAN)
    return file.read()


def gather(
    result: Result,
    end: RunFinished | None = None,
    history: History | None = None,
    limits: Limits | None = None,
    **changes: Any,
) -> RunEvidence:
    """The evidence of a run, as the archive makes it."""
    done = result.ended(end or ended())
    assert done.target is not None
    made = entry_of(done, at=BEGAN + timedelta(minutes=9), place=done.target.place)
    assert made is not None
    against = history.against(made) if history else None
    comparison = against.comparison if against else None
    known: dict[str, Any] = {
        "at": BEGAN + timedelta(minutes=9),
        "entry": made,
        "log": "/state/deployment-log.jsonl",
        "log_head": "ab" * 32,
        "against": against,
        "thresholds": judge(done.refresh_runs_ms, limits or Limits(), comparison),
        **changes,
    }
    return RunEvidence(done, **known)


LIMITS = Limits(500, 50)


def against_baseline(
    tmp_path: Path, times: Sequence[float] = TIMES, end: RunFinished | None = None
) -> RunEvidence:
    """A run of a changed view, after five of the one before it."""
    before = [
        entry(n, each, described=ProjectDescribed(SERVERS, "f" * 32))
        for n, each in enumerate(MEASURED[:5])
    ]
    history = history_of(tmp_path, *before, baseline=before[1])
    return gather(going(times=times), end, history, LIMITS)


def differ(number: int, **changes: Any) -> Difference:
    """An aggregate that differs in some columns."""
    want = AggregateRow(
        UUID(int=0x5EED0000 << 96 | number),
        "caries",
        "Anatomy | *basic*",
        "2026-02-02",
        7,
        4,
        Decimal("0.57"),
        Decimal(1500),
    )
    return Difference(want, replace(want, **changes), tuple(changes))


GONE = replace(differ(90, attempts=1), found=None, columns=())
EXTRA = replace(differ(91, attempts=1), expected=None, columns=())
DIFFERENCES = (
    *(differ(n, accuracy_rate=Decimal("0.58")) for n in range(57)),
    *(differ(60 + n, lesion="Caries", median_duration_ms=None) for n in range(3)),
    GONE,
    EXTRA,
)
WRONG = CheckFinished(1600, 1539, 60, 1, 1, DIFFERENCES, grouped(DIFFERENCES))

LEFT = replace(CLEAN, leftovers=Tally(0, 3, 40), view_restored=False)

CASES: dict[str, Callable[[Path], RunEvidence]] = {
    "verified": against_baseline,
    "alone": lambda path: gather(
        going(times=[282.0]), history=history_of(path, entry(1, [101.0])), limits=LIMITS
    ),
    "slower": lambda path: against_baseline(
        path,
        [1_130.0, 1_099.0, 1_101.0, 1_098.5, 1_097.0],
        ended(
            Outcome.FAILED,
            "the numbers are right, but max-refresh-ms broken: "
            "median refresh 1,099.0 ms, over 500 ms",
            "compare with earlier runs in the report",
            problems=("median refresh 1,099.0 ms, over 500 ms",),
        ),
    ),
    "wrong": lambda _: gather(
        going(check=WRONG),
        ended(
            Outcome.FAILED,
            "the view is wrong: 62 of 1,600 aggregates are not as expected",
            "compare sql/analytics_heatmap.sql with what is applied",
        ),
    ),
    "failed": lambda _: gather(
        going(
            check=replace(RIGHT, matched=1590, mismatched=8, missing=2, unexpected=1),
            audit=LEFT,
            probes=(
                probe("schema.view"),
                probe("permissions.anon", "fail", f"anon may read: {HOSTILE}", "revoke it | now"),
                probe("limits.rows", "warn", "1,000 rows a page", "nothing to do"),
            ),
        ),
        ended(
            Outcome.LEFTOVERS,
            "left behind: 3 questions, 40 responses",
            "run heatmap-tui --purge",
            problems=("questions: 403 | forbidden", "accuracy_rate is 0.50, expected 0.67"),
        ),
        log_head=None,
    ),
    "dry-run": lambda _: gather(
        empty(Mode.DRY_RUN),
        ended(Outcome.READY, "ready to write synthetic data", seconds=0.6),
    ),
    "purge": lambda _: gather(
        empty(
            Mode.PURGE,
            probes=(),
            audit=replace(CLEAN, leftovers=Tally(0, 3, 0), view_restored=None),
            stages=[(Stage.CLEANUP_RESPONSES, 0.25, 400)],
            at=target(TargetKind.PRODUCTION),
        ),
        ended(
            Outcome.LEFTOVERS,
            "left behind: 3 questions",
            "grant DELETE to service_role, then heatmap-tui --purge",
            problems=("deleting questions: permission denied (42501)",),
        ),
        justification_recorded=True,
    ),
    "refused": lambda _: gather(
        empty(Mode.CYCLE, at=target(TargetKind.PRODUCTION)),
        ended(
            Outcome.REFUSED,
            "break-glass is refused: the justification is too short",
            seconds=0.8,
        ),
        justification_recorded=False,
    ),
    "unreachable": lambda _: replace(
        without_run(
            Unreachable("the project cannot be reached", hint="is the address right?"), Mode.CYCLE
        ),
        at=BEGAN,
    ),
}


class Unreachable(OperatorError):
    """As the sandbox's error."""

    exit_code = ExitCode.UNREACHABLE


def test_all_that_differs_is_in_the_json_and_the_first_of_it_in_the_report(
    tmp_path: Path,
) -> None:
    evidence = CASES["wrong"](tmp_path)
    text = report(evidence)
    assert "The first 50 of 62" in text
    assert text.count("5eed0000-") == 50
    _, beside = save(tmp_path / "report.md", evidence)
    found = json.loads(beside.read_text())["evidence"]["differences"]
    assert len(found) == 62
    assert found[0]["columns"] == ["accuracy_rate"]
    assert (found[0]["expected"]["accuracy_rate"], found[0]["found"]["accuracy_rate"]) == (
        0.57,
        0.58,
    )
    assert (found[-2]["found"], found[-1]["expected"]) == (None, None)
    many = tuple(probe(f"group.{n}", "pass", "x" * 5_000) for n in range(60))
    assert len(report(gather(going(probes=many, check=WRONG)))) < 65_536


@pytest.mark.parametrize("name", CASES)
def test_a_report_is_what_it_was(tmp_path: Path, name: str) -> None:
    """Golden files, looked at; UPDATE_GOLDEN=1 writes them anew."""
    evidence = CASES[name](tmp_path)
    text, golden = report(evidence), GOLDEN / f"{name}.md"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_two_runs_differ_in_names_and_times_alone() -> None:
    at = (BEGAN + timedelta(minutes=9)).astimezone(timezone(timedelta(hours=5)))
    one = report(gather(going()))
    other = report(
        gather(going("another"), ended(seconds=4.75), at=at),
    )
    assert other == one.replace("20260302-0a1b2c3d", "another").replace("3.20 s", "4.75 s")


def cells(text: str) -> list[list[Token]]:
    """What a page shows in the cells of a table's one body row."""
    tokens = reader().parse(table(["a", "b", "c"], [["x", markdown(text), "z"]]))
    kinds = [token.type for token in tokens if token.type not in {"inline"}]
    assert kinds == [
        "table_open",
        "thead_open",
        "tr_open",
        *["th_open", "th_close"] * 3,
        "tr_close",
        "thead_close",
        "tbody_open",
        "tr_open",
        *["td_open", "td_close"] * 3,
        "tr_close",
        "tbody_close",
        "table_close",
    ]
    return [token.children or [] for token in tokens if token.type == "inline"][3:]


def shown(tokens: Sequence[Token]) -> str:
    """Text that is shown as text; anything else fails."""
    assert {token.type for token in tokens} <= {"text"}
    return "".join(token.content for token in tokens)


MARKUP = st.text(
    st.sampled_from("ab_ *`|\\<>&;[]()!~#$@:/.-+=1w\n\t\"'\u00e4\u200b\x00") | st.characters(),
    max_size=60,
)


@settings(max_examples=400)
@given(MARKUP)
@example(HOSTILE)
@example("\\|")
@example("a_b __c__ _d_ e_")
@example("&#124; &amp; &nbsp;")
def test_text_from_a_server_is_shown_as_it_is(text: str) -> None:
    expected = one_line(text)
    x, cell, z = cells(text)
    assert (shown(x), shown(z)) == ("x", "z")
    assert shown(cell).replace("\u200b", "") == expected.replace("\u200b", "")


@settings(max_examples=400)
@given(MARKUP)
@example("# heading")
@example("1. item")
@example("- item")
@example("---")
@example("===")
@example("> quote")
@example("    code")
@example("<div>")
def test_text_from_a_server_begins_no_block(text: str) -> None:
    tokens = reader().parse(markdown(text))
    kinds = [token.type for token in tokens]
    if one_line(text):
        assert kinds == ["paragraph_open", "inline", "paragraph_close"]
        assert shown(tokens[1].children or []).replace("\u200b", "") == one_line(text).replace(
            "\u200b", ""
        )
    else:
        assert kinds == []


@pytest.mark.parametrize("text", ["@someone", "see @a-team/b", "fixes #12", "GH-7"])
def test_nobody_is_called_and_no_issue_is_pointed_to(text: str) -> None:
    page = shown(reader().parseInline(markdown(text))[0].children or [])
    assert not re.search(r"(?<!\w)@\w|#\d|GH-\d", page)


def test_a_line_is_cut_with_a_mark() -> None:
    assert one_line("x" * 1_000, 10) == "x" * 9 + "…"
    many = tuple(probe(f"group.{n}", "pass", "x" * 5_000) for n in range(60))
    assert len(report(gather(going(probes=many)))) < 65_536


def test_secrets_and_peoples_addresses_are_in_no_output(tmp_path: Path) -> None:
    key = "hunter2-and-then-some"
    remember(key)
    leak = f"{key} Key (email)=(ada.l+x@uni.ac.uk) exists; heatmap-1-2@example.com"
    leaking = gather(
        going(
            probes=(probe("schema.view", "fail", leak, leak),),
            at=replace(target(), reason=leak),
            described=ProjectDescribed(replace(SERVERS, auth=leak), leak),
        ),
        ended(Outcome.FAILED, leak, leak, problems=(leak,)),
    )
    path, beside = save(tmp_path / "report.md", leaking)
    append_report(tmp_path / "summary.md", leaking)
    for file in (path, beside, tmp_path / "summary.md"):
        text = file.read_text(encoding="utf-8")
        assert key not in text
        assert "uni.ac.uk" not in text
        assert "heatmap-1-2@" in text.replace("\u200b", "")


@pytest.mark.parametrize(
    "address",
    ["ada@example.com.au", "ada@example.common.org", "ada@example.com-mail.org", "a@b.example.com"],
)
def test_only_our_own_addresses_are_shown(address: str) -> None:
    assert withheld(f"Key (email)=({address}) exists") == "Key (email)=([email]) exists"
    assert withheld("heatmap-1-2@example.com. Next") == "heatmap-1-2@example.com. Next"


def test_an_address_is_found_in_linear_time() -> None:
    assert one_line("a" * 300_000)
    assert one_line("a.b@" * 100_000)


def test_the_report_is_saved_with_json_beside_it(tmp_path: Path) -> None:
    evidence = against_baseline(tmp_path)
    path, beside = save(tmp_path / "new" / "report.md", evidence)
    assert (path, beside) == (tmp_path / "new/report.md", tmp_path / "new/report.json")
    assert path.read_text(encoding="utf-8") == report(evidence)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(beside.stat().st_mode) == 0o600
    found = json.loads(beside.read_text(encoding="utf-8"))
    more = found.pop("evidence")
    assert found == json.loads(json.dumps(document(evidence.result)))
    assert more == json.loads(json.dumps(document_beside(evidence)["evidence"]))
    assert more["against"]["verdict"] == "no difference beyond noise"
    assert [each["met"] for each in more["thresholds"]] == [True, True]
    assert more["fingerprint"] == "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a.json", "has that name"),
        ("file/a.md", "Not a directory"),
        (".", "Is a directory"),
        ("/", "Is a directory"),
        ("fifo.md", "not a plain file"),
        ("/dev/full", "not a plain file"),
        ("x" * 300, "File name too long"),
        ("beside.md", "Is a directory"),
        ("nul\0.md", "no name of a file"),
    ],
)
def test_a_report_that_could_never_be_saved_says_so_at_once(
    tmp_path: Path, name: str, why: str
) -> None:
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo.md")
    (tmp_path / "beside.json").mkdir()
    before = sorted(tmp_path.iterdir())
    for attempt in (require_place, lambda path: save(path, gather(going()))):
        with pytest.raises(ConfigurationError, match=why) as caught:
            attempt(tmp_path / name)
        assert caught.value.hint
        assert "\n" not in caught.value.message
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", [".", "fifo", "missing/summary.md"])
def test_a_job_page_that_cannot_be_written_says_so(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigurationError, match="Cannot add the report"):
        append_report(tmp_path / name, gather(going()))


def test_reports_anchor_the_log_that_they_were_made_beside(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    made = replace(gather(going()), log=str(log))
    save(tmp_path / "one.md", made)
    save(tmp_path / "other.md", replace(made, log="/elsewhere"))
    save(tmp_path / "none.md", replace(made, log_head=None))
    for name, content in (("foreign", "[1]"), ("torn", '{"evidence": '), ("old", "{}")):
        (tmp_path / f"{name}.json").write_text(content)
    found = anchors(tmp_path, log)
    assert found == [Anchor("ab" * 32, f"the report {tmp_path / 'one.json'}")]
    assert anchors(tmp_path / "missing", log) == []


def test_the_job_page_gets_the_very_report(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    path.write_text("before\n")
    path.chmod(0o644)
    evidence = against_baseline(tmp_path)
    append_report(path, evidence)
    append_report(path, evidence)
    assert path.read_text(encoding="utf-8") == "before\n" + 2 * f"{report(evidence)}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_run_that_is_compared_with_none_says_so() -> None:
    assert "No comparable run is on record." in report(gather(going()))


def test_one_refresh_beside_one_is_two_numbers(tmp_path: Path) -> None:
    text = report(CASES["alone"](tmp_path))
    assert "101 ms (1 refresh) before, 282 ms (1 refresh) now" in text
    assert "slower" not in text
    assert "179" not in text


def test_a_baseline_that_is_not_comparable_says_why(tmp_path: Path) -> None:
    old = entry(1, described=ProjectDescribed(replace(SERVERS, postgres="14.2")))
    text = report(gather(going(), history=history_of(tmp_path, old, baseline=old)))
    assert "not comparable: another PostgreSQL: 14, 15" in text


def test_what_stays_in_the_project_on_purpose_is_said() -> None:
    assert "`auth.audit_log_entries`: up to 100 rows" in report(gather(going()))
    assert "audit_log_entries" not in report(gather(empty(Mode.DRY_RUN)))


def test_what_was_not_written_as_planned_is_said() -> None:
    few = going(stages=[(Stage.USERS, 0.1, 50), (Stage.QUESTIONS, 0.1, 7)])
    text = report(gather(few, ended(Outcome.INTERRUPTED, "stopped")))
    assert "10,000 responses; written: 50 users, 7 questions" in text
    assert "; written:" not in report(gather(going()))
    assert VOLUME.responses == 10_000
