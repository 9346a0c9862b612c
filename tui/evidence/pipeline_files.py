"""The files that a run without a screen leaves for those who were not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.errors import ConfigurationError
from tui.evidence.junit import junit
from tui.evidence.report import save
from tui.evidence.saving import save_text
from tui.evidence.summary import append_summary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tui.evidence.gathered import RunEvidence


def leave_evidence(
    evidence: RunEvidence, *, report: Path | None, job_summary: Path | None
) -> list[Path]:
    """Write the report where it was asked for, and the summary where a pipeline wants it.

    Args:
        evidence: A run of any mode, however it ended.
        report: Where the Markdown goes; JSON and JUnit XML stand beside it under the same name,
            ending in `.json` and `.xml`. None for none of the three.
        job_summary: The file whose end the pipeline shows on the job's page, or None.

    Returns:
        The absolute paths of the files of the report.

    Raises:
        ConfigurationError: A file cannot be written. The others were.
    """
    written: list[Path] = []
    steps: list[Callable[[], None]] = []
    if report is not None:
        beside = report.with_suffix(".xml")
        steps.append(lambda: written.extend(save(report, evidence)))
        steps.append(lambda: written.append(save_text(beside, junit(evidence))))
    if job_summary is not None:
        steps.append(lambda: append_summary(job_summary, evidence))
    problems: list[ConfigurationError] = []
    for step in steps:
        try:
            step()
        except ConfigurationError as error:
            problems.append(error)
    if problems:
        raise problems[0]
    return written
