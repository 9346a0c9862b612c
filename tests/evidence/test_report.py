from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.evidence.samples import BEGAN, MEASURED, document, entry, facts, probe
from tui.errors import ConfigurationError
from tui.evidence.comparison import Verdict
from tui.evidence.entry import ServerVersions
from tui.evidence.gathered import RunEvidence, compare_runs, gather, without_run
from tui.evidence.history import HistoryFile
from tui.evidence.markup import markdown, one_line, table, withheld
from tui.evidence.pipeline_files import append_report
from tui.evidence.report import document_beside, report, save
from tui.evidence.thresholds import Judged
from tui.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markdown_it.token import Token

    from tui.evidence.entry import Entry
    from tui.evidence.history import History

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


def against_baseline(tmp_path: Path, **changes: Any) -> RunEvidence:
    """A run of a changed view, after five of the one before it."""
    before = [entry(n, times, fingerprint="f" * 32) for n, times in enumerate(MEASURED[:5])]
    history = history_of(tmp_path, *before, baseline=before[1])
    return gather(
        history, document(**changes), facts(9), max_refresh_ms=500, max_regression_percent=20
    )


FAILED: dict[str, Any] = {
    "outcome": "failed",
    "exit_code": 1,
    "message": "the view is wrong: accuracy_rate of question 7 is 0.50, expected 0.67",
    "probes": [
        probe("schema.view"),
        probe("permissions.anon", "fail", f"anon may read: {HOSTILE}", "revoke it | now"),
        probe("limits.rows", "warn", "1,000 rows a page", "nothing to do"),
    ],
    "check": {"expected": 1600, "matched": 1590, "mismatched": 8, "missing": 2, "unexpected": 1},
    "leftovers": {"users": 0, "questions": 3, "responses": 40},
    "view_restored": False,
}

NO_RUN = document(
    None,
    outcome="unreachable",
    exit_code=6,
    message="the project cannot be reached",
    target=None,
    settings=None,
    probes=[],
    stages=[],
    refresh_runs_ms=[],
    final_refresh_ms=None,
    check=dict.fromkeys(document()["check"], 0),
    rows=dict.fromkeys(document()["rows"], 0),
    leftovers=dict.fromkeys(("users", "questions", "responses")),
    view_restored=None,
)

CASES: dict[str, Callable[[Path], RunEvidence]] = {
    "verified": against_baseline,
    "slower": lambda path: against_baseline(
        path, refresh_runs_ms=[1_130.0, 1_099.0, 1_101.0, 1_098.5, 1_097.0]
    ),
    "failed": lambda path: gather(
        history_of(path),
        document(**FAILED),
        facts(problems=("questions: 403 | forbidden",), hint="run --purge", log_head=None),
        max_regression_percent=20,
    ),
    "dry-run": lambda path: gather(
        history_of(path),
        document(
            mode="dry-run",
            outcome="ready",
            message="ready to write synthetic data",
            stages=[],
            refresh_runs_ms=[],
            refresh_ms=None,
            final_refresh_ms=None,
            check=dict.fromkeys(document()["check"], 0),
            rows=dict.fromkeys(document()["rows"], 0),
            leftovers=None,
            view_restored=None,
        ),
        facts(server_ms=(), final_server_ms=None),
        max_refresh_ms=1,
    ),
    "purge": lambda path: gather(
        history_of(path),
        document(
            mode="purge",
            outcome="leftovers",
            exit_code=5,
            message="left behind: 3 questions",
            probes=[],
            stages=[{"name": "cleanup-responses", "seconds": 0.25, "count": 400}],
            refresh_runs_ms=[],
            refresh_ms=None,
            check=dict.fromkeys(document()["check"], 0),
            rows=dict.fromkeys(document()["rows"], 0),
            leftovers={"users": 0, "questions": 3, "responses": 0},
            view_restored=None,
        ),
        facts(
            server_ms=(),
            problems=("deleting questions: permission denied (42501)",),
            hint="grant DELETE to service_role, then heatmap-tui --purge",
            justification_recorded=True,
        ),
    ),
    "refused": lambda path: gather(
        history_of(path),
        document(
            outcome="refused",
            exit_code=3,
            message="break-glass is refused: the justification is filler",
            stages=[],
            refresh_runs_ms=[],
            refresh_ms=None,
            final_refresh_ms=None,
            check=dict.fromkeys(document()["check"], 0),
            rows=dict.fromkeys(document()["rows"], 0),
            leftovers=dict.fromkeys(("users", "questions", "responses")),
            view_restored=None,
            target={**document()["target"], "kind": "production", "reason": "nothing says not"},
        ),
        facts(server_ms=(), final_server_ms=None, justification_recorded=False),
    ),
    "unreachable": lambda _: replace(
        without_run(NO_RUN, hint="is the address right?"),
        facts=facts(
            versions=ServerVersions(),
            fingerprint=None,
            log_head=None,
            server_ms=(),
            final_server_ms=None,
            hint="is the address right?",
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_report_is_what_it_was(tmp_path: Path, name: str) -> None:
    """Golden files, looked at; UPDATE_GOLDEN=1 writes them anew."""
    evidence = CASES[name](tmp_path)
    text, golden = report(evidence), GOLDEN / f"{name}.md"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_two_runs_differ_in_names_and_times_alone(tmp_path: Path) -> None:
    one = report(gather(history_of(tmp_path), document(), facts()))
    other = report(
        gather(
            history_of(tmp_path),
            document("another", total_seconds=4.75),
            facts(finished_at=BEGAN.astimezone(timezone(timedelta(hours=5)))),
        )
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
    assert len(report(gather(history_of(Path.cwd()), many_probes(), facts()))) < 65_536


def many_probes() -> dict[str, Any]:
    """Sixty probes, each with as much to say as it can."""
    return document(probes=[probe(f"group.{n}", "pass", "x" * 5_000) for n in range(60)])


def test_secrets_and_peoples_addresses_are_in_no_output(tmp_path: Path) -> None:
    key = Secret("hunter2-and-then-some")
    leak = f"{key.reveal()} Key (email)=(ada.l+x@uni.ac.uk) exists; heatmap-1-2@example.com"
    leaking = gather(
        history_of(tmp_path),
        document(
            message=leak,
            outcome="failed",
            exit_code=1,
            probes=[probe("schema.view", "fail", leak, leak)],
            target={"host": "h", "ref": None, "kind": "local", "reason": leak},
        ),
        facts(problems=(leak,), hint=leak, versions=replace(facts().versions, auth=leak)),
    )
    path, beside = save(tmp_path / "report.md", leaking)
    append_report(tmp_path / "summary.md", leaking)
    for file in (path, beside, tmp_path / "summary.md"):
        text = file.read_text(encoding="utf-8")
        assert key.reveal() not in text
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
    assert found == document()
    assert more == json.loads(json.dumps(document_beside(evidence)["evidence"]))
    assert more["baseline"]["comparison"]["verdict"] == "same within noise"
    assert [each["judged"] for each in more["thresholds"]] == ["met", "met"]


@pytest.mark.parametrize(("name", "why"), [("a.json", "has that name"), ("file/a.md", "write")])
def test_a_report_that_cannot_be_saved_says_so(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=why) as caught:
        save(tmp_path / name, against_baseline(tmp_path))
    assert caught.value.hint
    with pytest.raises(ConfigurationError, match="add the report"):
        append_report(tmp_path, against_baseline(tmp_path))


def test_the_job_page_gets_the_very_report(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    path.write_text("before\n")
    path.chmod(0o644)
    evidence = against_baseline(tmp_path)
    append_report(path, evidence)
    append_report(path, evidence)
    assert path.read_text(encoding="utf-8") == "before\n" + 2 * f"{report(evidence)}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_broken_threshold_fails_the_run_and_keeps_it_out_of_the_yardstick(
    tmp_path: Path,
) -> None:
    slower = CASES["slower"](tmp_path)
    assert [each.judged for each in slower.thresholds] == [Judged.BROKEN, Judged.BROKEN]
    assert (slower.document["outcome"], slower.document["exit_code"]) == ("failed", 1)
    assert "max-regression broken" in slower.document["message"]
    assert slower.entry is not None
    assert not slower.entry.verified
    assert document()["outcome"] == "verified"


def test_a_worse_exit_code_is_kept(tmp_path: Path) -> None:
    left = gather(
        history_of(tmp_path),
        document(outcome="leftovers", exit_code=5, message="left behind"),
        facts(),
        max_refresh_ms=1,
    )
    assert left.thresholds[0].judged is Judged.BROKEN
    assert (left.document["exit_code"], left.document["message"]) == (5, "left behind")


def test_a_run_is_not_compared_with_itself(tmp_path: Path) -> None:
    one = entry(1)
    shown_again = gather(history_of(tmp_path, one, baseline=one), document(one.run_id), facts(1))
    assert shown_again.baseline is None
    assert shown_again.previous is None
    assert "No comparable run is on record." in report(shown_again)


def test_a_baseline_that_is_the_previous_run_is_told_once(tmp_path: Path) -> None:
    one = entry(1)
    found = gather(history_of(tmp_path, one, baseline=one), document(), facts(9))
    assert found.baseline is not None
    assert found.previous is None


def test_a_baseline_that_is_not_comparable_says_why(tmp_path: Path) -> None:
    old = entry(1, versions=replace(facts().versions, postgres="14.2"))
    found = gather(history_of(tmp_path, old, baseline=old), document(), facts(9))
    assert found.baseline is not None
    assert found.baseline.comparison.reason == "another PostgreSQL: 14, 15"
    assert "not comparable: another PostgreSQL: 14, 15" in report(found)


def test_changed_sql_is_compared_by_all_runs_of_either_kind(tmp_path: Path) -> None:
    old = [entry(n, MEASURED[n], fingerprint="old") for n in range(8)]
    new = [entry(20 + n, [ms / 2.2 for ms in MEASURED[n]], fingerprint="new") for n in range(8)]
    history = history_of(tmp_path, *old, *new)
    many = compare_runs(history, old[0], new[-1])
    assert (many.before_runs, many.after_runs) == (5, 5)
    assert many.verdict is Verdict.FASTER
    alone = compare_runs(history_of(tmp_path / "none"), old[0], new[-1])
    assert (alone.before_runs, alone.after_runs) == (1, 1)
    same = compare_runs(history, old[0], old[1])
    assert (same.before_runs, same.after_runs) == (1, 1)
    untimed = compare_runs(history, old[0], entry(9, times=[]))
    assert untimed.verdict is Verdict.NOT_COMPARABLE
