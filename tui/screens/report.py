"""The last run as Markdown, verdict first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.redact import redact
from tui.verify.events import Mode
from tui.widgets.words import duration, milliseconds

if TYPE_CHECKING:
    from tui.verify.result import Result


def report(result: Result, *, dry_run: Result | None = None) -> str:
    """The evidence of a run.

    Args:
        result: The run, or dry run, to tell of.
        dry_run: The dry run before it, None where there was none.

    Returns:
        Markdown without any secret.
    """
    started, finished = result.started, result.finished
    if started is None:
        return "Nothing was run yet.\n"
    outcome = finished.outcome.value if finished else "still running"
    lines = [f"# Heatmap verification: {outcome}", ""]
    if finished:
        lines += [finished.message, ""]
    target, volume = started.target, started.volume
    lines += [
        f"- Target: {target.identity} ({target.kind.value}: {target.reason})",
        f"- Run: {started.run_id} ({started.mode.value})",
        f"- Volume: {volume.users:,} users x {volume.questions:,} questions"
        f" = {volume.responses:,} responses",
    ]
    if started.mode is Mode.CYCLE:
        lines += _cycle(result)
    if result.audit:
        lines.append(f"- Left behind: {result.audit.leftovers}")
        if result.audit.view_restored is not None:
            restored = "yes" if result.audit.view_restored else "no"
            lines.append(f"- View as before: {restored}")
    if finished:
        lines.append(f"- Took: {duration(finished.seconds)}")
    probed = result if result.dry_run else dry_run
    if probed and probed.dry_run:
        lines += ["", f"## Dry run: {probed.dry_run.verdict}", ""]
        lines += [
            f"- {probe.status.value}: {probe.title}: {probe.detail}"
            for probe in probed.probes.values()
        ]
    return redact("\n".join(lines) + "\n")


def _cycle(result: Result) -> list[str]:
    lines = [f"- Wrote: {result.rows}"]
    if result.refresh_runs_ms:
        times = ", ".join(milliseconds(ms) for ms in result.refresh_runs_ms)
        lines.append(f"- Refresh: {times}; after clean-up {milliseconds(result.final_refresh_ms)}")
    if result.check:
        check = result.check
        lines.append(
            f"- Check: {check.matched:,} of {check.expected:,} rows equal, {check.mismatched:,} "
            f"different, {check.missing:,} missing, {check.unexpected:,} unexpected"
        )
    return lines
