"""The report of a run: Markdown for a pull request, and JSON beside it.

Verdict first. The same run gives the same bytes; two runs differ in names, times and figures alone.
Text from a server may hold anything: it gets here on a single line, without secrets or people's
addresses, and as Markdown that shows it and never obeys it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tui import __version__
from tui.errors import ConfigurationError
from tui.evidence.comparison import Comparison, Timing, Verdict, milliseconds
from tui.evidence.deployment_log import Anchor
from tui.files import require_writable, save_text, why
from tui.heatmap.formatting import ELLIPSIS, clean_label
from tui.heatmap.rows import row_as_json
from tui.redact import redact, redact_known
from tui.verify.events import Mode, Outcome, ProbeStatus, ProjectDescribed, ServerVersions, Tally
from tui.verify.result import document, result_of_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tui.errors import OperatorError
    from tui.evidence.comparison import Threshold
    from tui.evidence.history import Against, Entry
    from tui.guard.target import Target
    from tui.verify.events import Difference, ProbeResult
    from tui.verify.result import Result

LONGEST: Final = 400
WITHHELD: Final = "[email]"
PROBLEMS_SHOWN: Final = 20
DIFFERENCES_SHOWN: Final = 50

_UNKNOWN: Final = "unknown"
_DASH: Final = "–"
_NOT_DESCRIBED: Final = ProjectDescribed(ServerVersions())
_MODES: Final = {Mode.DRY_RUN: "dry run", Mode.PURGE: "purge"}
_BEFORE_WRITING: Final = frozenset(
    {Outcome.REFUSED, Outcome.NOT_READY, Outcome.UNREACHABLE, Outcome.UNUSABLE}
)
_STATUSES: Final = {
    ProbeStatus.FAIL: "failed",
    ProbeStatus.WARN: "warned",
    ProbeStatus.PASS: "passed",
    ProbeStatus.SKIP: "skipped",
}

# Our synthetic users are at example.com; any other address is somebody's.
_ADDRESS: Final = re.compile(
    r"(?<![\w.+%-])[\w.+%-]+@(?!example\.com(?![\w-]|\.[\w-]))[\w-]+(?:\.[\w-]+)+"
)
# What could open or close something inside a line of GitHub's Markdown. An underscore between
# letters or digits cannot, and is too frequent in our words to be made unreadable.
_MARKS: Final = re.compile(r"[\\`*\[\]~$!#]|(?<![^\W_])_|_(?![^\W_])")
# What would begin a list or underline a heading at the start of a line.
_BLOCK: Final = re.compile(r"^(\d{1,9}(?=[.)])|(?=[-+=]))")
# Addresses that become links without any marks.
_LINKS: Final = re.compile(r"(?<=[a-z]):(?=//)|(?<=\bwww)\.", re.IGNORECASE)
# GitHub finds these in the finished page, where no escape helps: they would notify people, or point
# to an issue that has nothing to do with it.
_MENTIONS: Final = re.compile(r"(?<!\w)@(?=\w)|(?<=#)(?=\d)|(?<=\bGH-)(?=\d)", re.IGNORECASE)
_GAP: Final = "\u200b"


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """A finished run and its place among the others: what reports are made of.

    Attributes:
        entry: The run as the history keeps it; None for what ended before a run began.
        justification_recorded: Whether the log holds why it was to write; None where it need not.
    """

    result: Result
    at: datetime
    entry: Entry | None = None
    log: str | None = None
    log_head: str | None = None
    justification_recorded: bool | None = None
    against: Against | None = None
    thresholds: tuple[Threshold, ...] = ()

    @property
    def run_id(self) -> str | None:
        return self.result.run_id


def without_run(error: OperatorError, mode: Mode, target: Target | None = None) -> RunEvidence:
    """The evidence of what ended before a run began, by an error."""
    return RunEvidence(result_of_error(error, mode, target), datetime.now(UTC))


def report(evidence: RunEvidence) -> str:
    """The evidence as GitHub's Markdown, without secrets or people's addresses."""
    result = evidence.result
    what = _MODES.get(result.mode, "verification")
    outcome = str(result.finished.outcome if result.finished else _UNKNOWN).replace("-", " ")
    parts = [
        f"# Heatmap {what}: {outcome}",
        _verdict(result),
        _facts(evidence),
        _differences(result),
        _refresh(evidence) if _wrote(result) and result.mode is Mode.CYCLE else "",
        _probes(result),
        _stages(result),
        _versions(evidence),
    ]
    return redact_known("\n\n".join(part for part in parts if part) + "\n")


def document_beside(evidence: RunEvidence) -> dict[str, Any]:
    """The run's JSON document, with what it was compared with under "evidence"."""
    result = evidence.result
    described = result.described or _NOT_DESCRIBED
    differences = result.check.differences if result.check else ()
    deviations = result.check.deviations if result.check else ()
    more = {
        "finished_at": _iso(evidence.at),
        "tool_version": __version__,
        "versions": asdict(described.versions),
        "fingerprint": described.fingerprint,
        "log": evidence.log,
        "log_head": evidence.log_head,
        "justification_recorded": evidence.justification_recorded,
        "server_ms": [each.server_ms for each in result.refreshes if not each.final],
        "final_server_ms": next((each.server_ms for each in result.refreshes if each.final), None),
        "thresholds": [
            {"name": each.name, "limit": each.limit, "met": each.is_met, "detail": each.detail}
            for each in evidence.thresholds
        ],
        "against": _against_json(evidence.against),
        "judged_by": "stored" if deviations else "sent",
        "deviations": [asdict(each) for each in deviations],
    }
    cleaned: dict[str, Any] = json_value({**document(result), "evidence": more})
    listed = [_difference_json(each) for each in differences]
    cleaned["evidence"]["differences"] = json_value(listed, data=True)
    return cleaned


def save(path: Path, evidence: RunEvidence) -> tuple[Path, Path]:
    """Write the report, and the JSON beside it; returns both absolute paths."""
    beside = require_place(path)
    text = json.dumps(document_beside(evidence), indent=2, ensure_ascii=False) + "\n"
    return save_text(path, report(evidence)), save_text(beside, text)


def require_place(path: Path) -> Path:
    """Refuse a path where no report could be written; returns the JSON's path."""
    target = path.expanduser().absolute()
    try:
        require_writable(target)
        beside = target.with_suffix(".json")
        if beside == target:
            raise ConfigurationError(
                f"Cannot write the report to {str(path)[:200]}: the JSON beside it has that name.",
                hint="Choose a name that ends in .md.",
            )
        require_writable(beside)
    except (OSError, ValueError) as error:
        reason = why(error) if isinstance(error, OSError) else "it is no name of a file"
        raise ConfigurationError(
            f"Cannot write the report to {str(path)[:200]!r}: {reason}.",
            hint="Name a file in a directory you may write to.",
        ) from error
    return beside


def append_report(path: Path, evidence: RunEvidence) -> None:
    """Add the report to a file such as `GITHUB_STEP_SUMMARY` names."""
    try:
        require_writable(path.absolute())
        with path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{report(evidence)}\n")
    except OSError as error:
        raise ConfigurationError(
            f"Cannot add the report to {path}: {why(error)}.",
            hint="Name a file that the pipeline may write to.",
        ) from error


def anchors(folder: Path, log: Path) -> list[Anchor]:
    """What the reports in a folder say was the last hash of a deployment log."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            said = json.loads(path.read_bytes())["evidence"]
            if said["log"] == str(log.absolute()) and isinstance(said["log_head"], str):
                found.append(Anchor(said["log_head"], f"the report {path}"))
        except (OSError, ValueError, LookupError, TypeError):
            # Another program's file, or a report from before this was kept.
            continue
    return found


def comparison_line(comparison: Comparison) -> str:
    """A comparison in one line of plain text."""
    before, after = comparison.before, comparison.after
    if before is None or after is None:
        return f"not comparable: {comparison.reason}"
    sides = f"{_side(before)} before, {_side(after)} now"
    change = comparison.change_percent
    if comparison.verdict is Verdict.NOT_JUDGED:
        return f"{sides}; {comparison.reason}"
    return f"{comparison.verdict}: {sides}" + (f" ({change:+.0f} %)" if change is not None else "")


def _side(timing: Timing) -> str:
    return f"{milliseconds(timing.median)} ({_count(timing)})"


def _count(timing: Timing) -> str:
    return "1 refresh" if timing.n == 1 else f"median of {timing.n}"


def _verdict(result: Result) -> str:
    finished = result.finished
    if finished is None:
        return ""
    lines = [f"**{_sentence(finished.message)}**"]
    said = {finished.message, finished.message.partition(": ")[2]}
    problems = [each for each in finished.problems if each not in said]
    listed = [f"- {markdown(each)}" for each in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        listed.append(f"- and {len(problems) - PROBLEMS_SHOWN:,} more")
    if listed:
        lines.append("\n".join(listed))
    if finished.hint:
        lines.append(f"**What to do:** {markdown(finished.hint)}")
    return "\n\n".join(lines)


def _sentence(message: str) -> str:
    """The message without the outcome's word, which is in the heading."""
    word, colon, rest = message.partition(": ")
    text = rest if colon and word in {str(each) for each in Outcome} else message
    end = "" if text.endswith((".", "!", "?")) else "."
    return markdown(f"{text[:1].upper()}{text[1:]}{end}")


def _facts(evidence: RunEvidence) -> str:
    result = evidence.result
    rows = []
    if result.target is not None:
        target = result.target
        place = evidence.entry.series.identity if evidence.entry else target.place
        at = f" at {code(target.host)}" if target.ref else ""
        name = f"{code(target.ref or place)}{at}, **{target.kind}**"
        rows.append(["Project", f"{name}: {markdown(target.reason)}"])
    if result.volume is not None and result.mode is not Mode.PURGE:
        volume = result.volume
        planned = f"{volume.users:,} users × {volume.questions:,} questions"
        planned += f" = {volume.responses:,} responses"
        whole = Tally(volume.users, volume.questions, volume.responses)
        if result.mode is Mode.CYCLE and _wrote(result) and result.rows != whole:
            planned += f"; written: {_counts(result.rows)}"
        rows.append(["Volume", planned])
    if result.mode is Mode.CYCLE and _wrote(result):
        rows += [["Refresh", _refresh_line(evidence)], ["Numbers", _check_line(result)]]
        deviations = result.check.deviations if result.check else ()
        rows += [["Stored otherwise than sent", markdown(str(each))] for each in deviations]
    if result.canary is not None:
        rows.append(["Canary", markdown(str(result.canary))])
    if result.mode in {Mode.CYCLE, Mode.PURGE}:
        rows.append(["Leftovers", _leftovers_line(result)])
    users = result.rows.users
    if users:
        kept = f"the auth server's own log, `auth.audit_log_entries`: up to {2 * users:,} rows"
        rows.append(["Stays", f"{kept} with synthetic addresses, unless turned off"])
    if result.probes:
        rows.append(["Probes", _probe_counts(result)])
    if evidence.justification_recorded is not None:
        is_on = evidence.justification_recorded
        rows.append(["Justification", f"{'' if is_on else '**not** '}in the deployment log"])
    if result.finished is not None:
        run = f"{code(result.run_id)}, " if result.run_id else ""
        rows.append(["Run", f"{run}{_instant(evidence.at)}, {result.finished.seconds:.2f} s"])
    return table(["", ""], [[f"**{name}**", seen] for name, seen in rows])


def _refresh_line(evidence: RunEvidence) -> str:
    timing = Timing.of(evidence.result.refresh_runs_ms)
    if timing is None:
        return "none was timed"
    said = f"**{milliseconds(timing.median)}** ({_count(timing)})"
    against = evidence.against
    if against is None:
        return said
    many = len(against.runs)
    which = "the run before" if many == 1 else f"the last {many} runs"
    which = "the baseline" if against.is_baseline else which
    comparison = against.comparison
    if comparison.verdict is not Verdict.NOT_JUDGED:
        return f"{said}; **{comparison.verdict}** beside {which}"
    if comparison.before is None:
        return f"{said}; not comparable with {which}"
    return f"{said}; {_side(comparison.before)} in {which}"


def _differences(result: Result) -> str:
    """What is not as expected: by kind, then the first ones side by side."""
    check = result.check
    if check is None or not check.differences:
        return ""
    kinds = [[_kind(each.kind), f"{each.count:,}", markdown(each.reason)] for each in check.groups]
    rows = [
        [code(str(row.question_id)), markdown(row.week_start), _kind(each.kind), *_sides(each)]
        for each in check.differences[:DIFFERENCES_SHOWN]
        if (row := each.expected or each.found) is not None
    ]
    many = len(check.differences)
    title = f"All {many:,}" if many == len(rows) else f"The first {len(rows):,} of {many:,}"
    head = ["Question", "Week", "Differs in", "Expected", "Found"]
    return (
        f"## Numbers that are not as expected\n\n"
        f"{table(['Differs in', 'Aggregates', 'Most likely because'], kinds, right=(1,))}\n\n"
        f"{_folded(title, table(head, rows))}\n\n"
        "The JSON beside this report holds them all."
    )


def _kind(kind: str) -> str:
    return ", ".join(code(each) for each in kind.split(", "))


def _sides(difference: Difference) -> tuple[str, str]:
    """The columns that differ, or those that count where one side is missing."""
    columns = difference.columns or ("attempts", "correct_attempts", "accuracy_rate")
    shown = []
    for row in (difference.expected, difference.found):
        if row is None:
            shown.append(_DASH)
            continue
        values = {name: getattr(row, name) for name in columns}
        texts = {
            name: code("null" if it is None else str(it), data=True) for name, it in values.items()
        }
        named = [f"{code(name)} {text}" for name, text in texts.items()]
        shown.append(", ".join(texts.values() if len(texts) == 1 else named))
    return shown[0], shown[1]


def _difference_json(difference: Difference) -> dict[str, Any]:
    expected, found = difference.expected, difference.found
    return {
        "columns": difference.columns,
        "expected": None if expected is None else row_as_json(expected),
        "found": None if found is None else row_as_json(found),
    }


def _refresh(evidence: RunEvidence) -> str:
    timed = evidence.result.refreshes
    rows = []
    for name, some in (
        ("first", [each for each in timed if not each.final][:1]),
        ("later", [each for each in timed if not each.final][1:]),
        ("after clean-up", [each for each in timed if each.final]),
    ):
        timing = Timing.of([each.ms for each in some])
        inside = Timing.of([each.server_ms for each in some if each.server_ms is not None])
        if timing is not None:
            server = inside.median if inside else None
            others = (timing.spread, timing.minimum, timing.maximum, server)
            median = f"**{milliseconds(timing.median)}**"
            rows.append([name, str(timing.n), median, *(_ms(each) for each in others)])
    if not rows:
        return "## Refresh\n\nNo refresh was timed."
    head = ["Refresh", "n", "median", "±", "fastest", "slowest", "in the server"]
    shown = table(head, rows, right=range(1, len(head)))
    note = (
        "Round trips as the console measures them; ± is the median absolute deviation. The first "
        "refresh takes in the new rows, later ones find none."
    )
    lines = [_against_line(evidence.against)]
    lines += [
        f"- `--{each.name} {each.limit:g}`: **{each.word}**, {markdown(each.detail)}"
        for each in evidence.thresholds
    ]
    return f"## Refresh\n\n{shown}\n\n{note}\n\n" + "\n".join(lines)


def _ms(value: float | None) -> str:
    return _DASH if value is None else milliseconds(value)


def _against_line(against: Against | None) -> str:
    if against is None:
        return "- No comparable run is on record."
    sql = {True: "same SQL", False: "other SQL", None: "SQL not known"}[against.same_sql]
    newest = against.runs[-1]
    which = f"{code(newest.run_id)} of {_instant(newest.at)}"
    what = f"the baseline {which}" if against.is_baseline else f"the run {which}"
    if len(against.runs) > 1:
        what = f"the last {len(against.runs)} comparable runs, the newest {which}"
    return f"- Beside {what} ({sql}): **{markdown(comparison_line(against.comparison))}**"


def _probes(result: Result) -> str:
    probes = _answered(result)
    if not probes:
        return ""
    lines = []
    for status in (ProbeStatus.FAIL, ProbeStatus.WARN):
        for each in probes:
            if each.status is status:
                lines.append(f"- **{status}** {code(each.id)}: {markdown(each.detail)}")
                if each.hint:
                    lines.append(f"  - What to do: {markdown(each.hint)}")
    rows = [[code(each.id), str(each.status), markdown(each.detail)] for each in probes]
    folded = _folded(f"All {len(probes):,} probes", table(["Probe", "", "Seen"], rows))
    said = "\n".join(lines) if lines else f"{_probe_counts(result)}; none failed, none warned."
    return f"## Probes\n\n{said}\n\n{folded}"


def _stages(result: Result) -> str:
    lines = [(stage, line) for stage, line in result.stages.items() if line.seconds is not None]
    if not lines:
        return ""
    noted = any(line.note for _, line in lines)
    rows = [
        [str(stage), f"{line.seconds:.2f} s", f"{line.done:,}", *([markdown(line.note)] * noted)]
        for stage, line in lines
    ]
    head = ["Stage", "took", "items", *([""] * noted)]
    return _folded("Stages", table(head, rows, right=(1, 2)))


def _versions(evidence: RunEvidence) -> str:
    described = evidence.result.described or _NOT_DESCRIBED
    versions = described.versions
    rows = [
        ["heatmap-tui", code(__version__)],
        ["PostgreSQL", _version(versions.postgres)],
        ["PostgREST", _version(versions.postgrest)],
        ["Auth", _version(versions.auth)],
        ["SQL objects, at this run", _version(described.fingerprint)],
        ["Last hash of the deployment log", _version(evidence.log_head, "no record")],
    ]
    return _folded("Versions", table(["", ""], rows))


def _version(text: str | None, otherwise: str = _UNKNOWN) -> str:
    return code(text) if text else otherwise


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"


def _answered(result: Result) -> list[ProbeResult]:
    return [each for each in result.probes.values() if each.status is not None]


def _probe_counts(result: Result) -> str:
    counts = Counter(each.status for each in _answered(result))
    return ", ".join(
        f"{counts[status]:,} {word}" for status, word in _STATUSES.items() if counts[status]
    )


def _wrote(result: Result) -> bool:
    """Whether the run came as far as writing."""
    ended = result.finished is not None and result.finished.outcome in _BEFORE_WRITING
    return result.may_have_written or not ended


def _check_line(result: Result) -> str:
    check = result.check
    if check is None:
        return "nothing was compared"
    judged = f", judged by what {'is stored' if check.deviations else 'was sent'}"
    if check.right:
        return f"all {check.expected:,} aggregates right{judged}"
    counts = (
        (check.mismatched, "differ"),
        (check.missing, "missing"),
        (check.unexpected, "unexpected"),
    )
    wrong = ", ".join(f"{count:,} {word}" for count, word in counts if count)
    return f"**{check.matched:,} of {check.expected:,} aggregates right**{judged}; {wrong}"


def _leftovers_line(result: Result) -> str:
    if not _wrote(result):
        return "nothing: it did not write"
    if result.audit is None:
        return "**not counted**"
    left = result.audit.leftovers
    rows = "nothing" if not left.total else f"**{_counts(left)}**"
    view = {
        True: "the view is as before",
        False: "**the view is not as before**",
        None: "the view was not judged",
    }[result.audit.view_restored]
    return f"{rows}; {view}"


def _counts(rows: Tally) -> str:
    counts = asdict(rows).items()
    return ", ".join(f"{count:,} {name}" for name, count in counts if count) or "nothing"


def _against_json(against: Against | None) -> dict[str, Any] | None:
    if against is None:
        return None
    return {
        "runs": [{"run_id": each.run_id, "at": _iso(each.at)} for each in against.runs],
        "is_baseline": against.is_baseline,
        "same_sql": against.same_sql,
        **asdict(against.comparison),
    }


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def withheld(text: str, *, data: bool = False) -> str:
    """The text without secrets and without people's addresses."""
    return _ADDRESS.sub(WITHHELD, redact_known(text) if data else redact(text))


def one_line(text: str, longest: int = LONGEST, *, data: bool = False) -> str:
    """The text in one line without control characters, cut with a mark."""
    line = withheld(clean_label(withheld(text, data=data)), data=data)
    return line if len(line) <= longest else line[: longest - 1] + ELLIPSIS


def markdown(text: str, longest: int = LONGEST, *, data: bool = False) -> str:
    """The text as Markdown that shows it as it is, wherever it stands in a line."""
    line = one_line(text, longest, data=data)
    line = _MENTIONS.sub(lambda found: found.group() + _GAP, line)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _MARKS.sub(r"\\\g<0>", line).replace("|", "&#124;")
    line = _BLOCK.sub(r"\1\\", line)
    return _LINKS.sub(lambda found: f"&#{ord(found.group())};", line)


def code(text: str, longest: int = LONGEST, *, data: bool = False) -> str:
    """A name as Markdown code; plain text where it could break out of it."""
    line = one_line(text, longest, data=data)
    plain = re.fullmatch(r"[\w.:/+-]+", line)
    return f"`{line}`" if plain else markdown(line, longest, data=data)


def json_value(value: Any, *, data: bool = False) -> Any:
    """A JSON value with every text in it without secrets and addresses."""
    match value:
        case str():
            return withheld(value, data=data)
        case dict():
            return {key: json_value(each, data=data) for key, each in value.items()}
        case list() | tuple():
            return [json_value(each, data=data) for each in value]
        case _:
            return value


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """A Markdown table of Markdown cells; `right` columns are flush right."""
    rule = ["---:" if place in right else "---" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
