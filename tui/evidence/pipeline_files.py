"""The report where it was asked for, and on the page that a pipeline shows for its job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.errors import ConfigurationError
from tui.evidence.report import report, save

if TYPE_CHECKING:
    from pathlib import Path

    from tui.evidence.gathered import RunEvidence


def append_report(path: Path, evidence: RunEvidence) -> None:
    """Add the report to a file such as `GITHUB_STEP_SUMMARY` names; its mode is left as it is.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{report(evidence)}\n")
    except OSError as error:
        raise ConfigurationError(
            f"Cannot add the report to {path}: {error.strerror or error}.",
            hint="Name a file that the pipeline may write to.",
        ) from error


def leave_evidence(
    evidence: RunEvidence, *, report_path: Path | None, job_summary: Path | None
) -> list[Path]:
    """Write the report to either place, or both.

    Args:
        evidence: A run of any mode, however it ended.
        report_path: Where the Markdown goes, the JSON beside it; None for neither.
        job_summary: The file whose end the pipeline shows on the job's page, or None.

    Returns:
        The absolute paths of report and JSON.

    Raises:
        ConfigurationError: A file cannot be written. The others were.
    """
    written: list[Path] = []
    problems: list[ConfigurationError] = []
    try:
        if report_path is not None:
            written += save(report_path, evidence)
    except ConfigurationError as error:
        problems.append(error)
    try:
        if job_summary is not None:
            append_report(job_summary, evidence)
    except ConfigurationError as error:
        problems.append(error)
    if problems:
        raise problems[0]
    return written
