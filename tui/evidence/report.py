"""The evidence of a run as Markdown for a pull request, and as JSON beside it.

Verdict first. The same run gives the same bytes; two runs differ in names, times and figures alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tui.errors import ConfigurationError
from tui.evidence.comparison import Comparison, Phase, Timing, Verdict, refreshes
from tui.evidence.deployment_log import Anchor
from tui.evidence.gathered import CYCLE, WRITING, Against, RunEvidence
from tui.evidence.markup import code, counted, json_value, markdown, table
from tui.evidence.saving import save_text
from tui.evidence.sections import (
    check_line,
    leftovers_line,
    probe_counts,
    probes_with,
    target_name,
    title,
    written_line,
    wrote_all,
    wrote_nothing,
)
from tui.redact import redact

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_UNKNOWN: Final = "unknown"
_DASH: Final = "–"


def report(evidence: RunEvidence) -> str:
    """The evidence as Markdown.

    Args:
        evidence: The run, as `gather` gives it.

    Returns:
        GitHub's Markdown, without secrets or addresses of people; text from the project is shown
        as it is and cannot change the page.
    """
    document = evidence.document
    parts = [
        f"# {title(document)}",
        markdown(str(document.get("message") or "")),
        _problems(evidence),
        _summary(evidence),
    ]
    if document["mode"] == CYCLE and not wrote_nothing(document):
        parts.append(_refresh(evidence))
    parts += [_probes(evidence), _stages(evidence), _versions(evidence)]
    return redact("\n\n".join(part for part in parts if part) + "\n")


def document_beside(evidence: RunEvidence) -> dict[str, Any]:
    """The run's document, and under "evidence" what it is compared with and where it ran."""
    facts = evidence.facts
    more = {
        "finished_at": facts.finished_at.astimezone(UTC).isoformat(timespec="seconds"),
        "tool_version": facts.tool_version,
        "versions": asdict(facts.versions),
        "fingerprint": facts.fingerprint,
        "log": facts.log,
        "log_head": facts.log_head,
        "justification_recorded": facts.justification_recorded,
        "server_ms": facts.server_ms,
        "final_server_ms": facts.final_server_ms,
        "problems": facts.problems,
        "thresholds": [asdict(each) for each in evidence.thresholds],
        "baseline": _against_json(evidence.baseline),
        "previous": _against_json(evidence.previous),
    }
    cleaned: dict[str, Any] = json_value({**evidence.document, "evidence": more})
    return cleaned


def save(path: Path, evidence: RunEvidence) -> tuple[Path, Path]:
    """Write the report, and the JSON beside it, readable by their owner alone.

    Args:
        path: Where the report goes; the JSON has the same name, ending in `.json`.
        evidence: The run.

    Returns:
        The absolute paths of report and JSON.

    Raises:
        ConfigurationError: A file cannot be written, or the report's name ends in `.json`.
    """
    target = path.expanduser().absolute()
    beside = target.with_suffix(".json")
    if beside == target:
        raise ConfigurationError(
            f"Cannot write the report to {path}: the JSON beside it has that name.",
            hint="Choose a name that ends in .md.",
        )
    text = json.dumps(document_beside(evidence), indent=2, ensure_ascii=False) + "\n"
    for file, content in ((target, report(evidence)), (beside, text)):
        save_text(file, content)
    return target, beside


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


def milliseconds(ms: float | None) -> str:
    """A time with its unit: tenths below 100 ms."""
    if ms is None:
        return _DASH
    return f"{ms:,.1f} ms" if ms < 100 else f"{ms:,.0f} ms"


def comparison_line(comparison: Comparison) -> str:
    """A comparison in one line of plain text."""
    if comparison.verdict is Verdict.NOT_COMPARABLE or comparison.change_percent is None:
        return f"{Verdict.NOT_COMPARABLE}: {comparison.reason}"
    runs = ""
    if comparison.before_runs > 1 or comparison.after_runs > 1:
        runs = f", {comparison.before_runs} runs before, {comparison.after_runs} after"
    return (
        f"{comparison.verdict}: {milliseconds(comparison.before_ms)} before, "
        f"{milliseconds(comparison.after_ms)} after, {comparison.change_percent:+.0f}% "
        f"(95%: {comparison.low_percent:+.0f}% to {comparison.high_percent:+.0f}%; "
        f"{comparison.phase} refreshes{runs})"
    )


def refresh_line(evidence: RunEvidence) -> str:
    """The timed refreshes and what they are compared with, in one line of Markdown."""
    timing = Timing.of(evidence.document["refresh_runs_ms"])
    if timing is None:
        return "none was timed"
    said = f"median {milliseconds(timing.median)} of {timing.n}"
    against = evidence.baseline or evidence.previous
    if against is None:
        return said
    name = "baseline" if evidence.baseline else "previous run"
    return f"{said}; against the {name} {markdown(comparison_line(against.comparison))}"


def _problems(evidence: RunEvidence) -> str:
    lines = [f"- {markdown(each)}" for each in evidence.facts.problems[:20]]
    unsaid = len(evidence.facts.problems) - len(lines)
    if unsaid > 0:
        lines.append(f"- and {unsaid:,} more")
    if evidence.facts.hint:
        lines.append(f"- What to do: {markdown(evidence.facts.hint)}")
    return "\n".join(lines)


def _summary(evidence: RunEvidence) -> str:
    document, facts = evidence.document, evidence.facts
    target, settings = document.get("target"), document.get("settings")
    rows = []
    if target:
        name = code(target_name(evidence))
        if target["ref"]:
            name += f" at {code(str(target['host']))}"
        rows.append(["Target", f"{name}, **{markdown(str(target['kind']))}**"])
        rows.append(["Because", markdown(str(target["reason"]))])
    if settings and document["mode"] != "purge":
        responses = settings["users"] * settings["questions"]
        volume = f"{settings['users']:,} users × {settings['questions']:,} questions = "
        how = f"batches of {settings['batch']:,}, {settings['concurrency']} in flight"
        rows.append(["Volume", f"{volume}{responses:,} responses; {how}"])
    if document["mode"] == CYCLE and not wrote_nothing(document):
        if not wrote_all(document):
            rows.append(["Written", written_line(document)])
        rows.append(["Refresh", refresh_line(evidence)])
        rows.append(["Check", check_line(document)])
    if document.get("probes"):
        rows.append(["Probes", counted(probe_counts(document))])
    if document["mode"] in WRITING:
        rows.append(["Left behind", leftovers_line(document)])
    if facts.justification_recorded is not None:
        word = "on record in the deployment log" if facts.justification_recorded else "not recorded"
        rows.append(["Justification", word])
    rows.append(["Run", f"{code(str(document['run_id'] or 'none'))} ({document['mode']})"])
    rows.append(["Ended", f"{_instant(facts.finished_at)}, {document['total_seconds']:.2f} s"])
    return table(["What", "Seen"], rows)


def _refresh(evidence: RunEvidence) -> str:
    document, facts = evidence.document, evidence.facts
    runs: list[float] = document["refresh_runs_ms"]
    rows = []
    for name, times, server in (
        ("first", refreshes(runs, Phase.FIRST), facts.server_ms[:1]),
        ("later", refreshes(runs, Phase.LATER), facts.server_ms[1:]),
        ("after clean-up", _some(document["final_refresh_ms"]), (facts.final_server_ms,)),
    ):
        timing = Timing.of(times)
        if timing is not None:
            inside = Timing.of([ms for ms in server if ms is not None])
            rows.append([name, *_figures(timing), milliseconds(inside.median if inside else None)])
    if not rows:
        return "## Refresh\n\nNo refresh was timed."
    head = ["Refresh", "n", "median", "± MAD", "min", "max", "in the server"]
    said = [_against_line("baseline", evidence.baseline)]
    said += [_against_line("previous run", evidence.previous)]
    if evidence.baseline is None and evidence.previous is None:
        said.append("- No comparable run is on record.")
    said += [
        f"- Threshold {each.name} {each.limit:g}: **{each.judged}**: {markdown(each.detail)}"
        for each in evidence.thresholds
    ]
    lines = "\n".join(line for line in said if line)
    note = (
        "Round trips as the console measures them; ± is the median absolute deviation from the "
        "median."
    )
    shown = table(head, rows, right=range(1, len(head)))
    return f"## Refresh\n\n{shown}\n\n{note}\n\n{lines}"


def _figures(timing: Timing) -> Sequence[str]:
    return (
        str(timing.n),
        f"**{milliseconds(timing.median)}**",
        milliseconds(timing.spread),
        milliseconds(timing.minimum),
        milliseconds(timing.maximum),
    )


def _against_line(name: str, against: Against | None) -> str:
    if against is None:
        return ""
    sql = {True: "same SQL", False: "other SQL", None: "SQL not known"}[against.same_sql]
    said = markdown(comparison_line(against.comparison))
    return (
        f"- Against the {name} {code(against.run_id)} of {_instant(against.at)} ({sql}): **{said}**"
    )


def _stages(evidence: RunEvidence) -> str:
    stages = evidence.document["stages"]
    if not stages:
        return ""
    rows = [[each["name"], f"{each['seconds']:.2f} s", f"{each['count']:,}"] for each in stages]
    shown = table(["Stage", "took", "items"], rows, right=(1, 2))
    return f"<details><summary>Stages</summary>\n\n{shown}\n\n</details>"


def _probes(evidence: RunEvidence) -> str:
    document = evidence.document
    probes = document.get("probes") or []
    if not probes:
        return ""
    lines = []
    for each in probes_with(document, "fail", "warn"):
        lines.append(f"- **{each['status']}** {code(each['id'])}: {markdown(each['detail'])}")
        if each["hint"]:
            lines.append(f"  - What to do: {markdown(each['hint'])}")
    rows = [[code(each["id"]), each["status"], markdown(each["detail"])] for each in probes]
    folded = (
        f"<details><summary>All {len(probes):,} probes</summary>\n\n"
        f"{table(['Probe', 'Status', 'Seen'], rows)}\n\n</details>"
    )
    counts = counted(probe_counts(document))
    said = f"{counts}\n\n" + "\n".join(lines) if lines else f"{counts}; none failed, none warned"
    return f"## Probes\n\n{said}\n\n{folded}"


def _versions(evidence: RunEvidence) -> str:
    facts = evidence.facts
    rows = [
        ["heatmap-tui", code(facts.tool_version)],
        ["PostgreSQL", _version(facts.versions.postgres)],
        ["PostgREST", _version(facts.versions.postgrest)],
        ["Auth", _version(facts.versions.auth)],
        ["SQL objects", _version(facts.fingerprint)],
        ["Deployment log head", _version(facts.log_head, "none")],
    ]
    return f"## Versions\n\n{table(['What', 'Version'], rows)}"


def _version(text: str | None, otherwise: str = _UNKNOWN) -> str:
    return code(text) if text else otherwise


def _against_json(against: Against | None) -> dict[str, Any] | None:
    if against is None:
        return None
    return {**asdict(against), "at": against.at.astimezone(UTC).isoformat(timespec="seconds")}


def _some(value: float | None) -> list[float]:
    return [] if value is None else [value]


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
