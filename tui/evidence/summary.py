"""The evidence of a run for a pipeline's job page: a few lines of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.errors import ConfigurationError
from tui.evidence.gathered import CYCLE, WRITING, RunEvidence
from tui.evidence.markup import code, counted, markdown, table
from tui.evidence.report import refresh_line
from tui.evidence.sections import (
    check_line,
    leftovers_line,
    probe_counts,
    probes_with,
    target_name,
    title,
    wrote_nothing,
)
from tui.evidence.thresholds import violations
from tui.redact import redact

if TYPE_CHECKING:
    from pathlib import Path


def summary(evidence: RunEvidence) -> str:
    """The evidence in short, as Markdown.

    Args:
        evidence: The run, as `gather` gives it.

    Returns:
        Verdict, one table, and what failed; without secrets or addresses of people.
    """
    document = evidence.document
    target = document.get("target")
    rows = []
    if target:
        name = code(target_name(evidence))
        rows.append(["Target", f"{name}, {markdown(str(target['kind']))}"])
    if document.get("probes"):
        rows.append(["Probes", counted(probe_counts(document))])
    if document["mode"] == CYCLE and not wrote_nothing(document):
        rows += [["Refresh", refresh_line(evidence)], ["Check", check_line(document)]]
    if document["mode"] in WRITING:
        rows.append(["Left behind", leftovers_line(document)])
    failed = [
        f"- {code(each['id'])}: {markdown(each['detail'])}"
        for each in probes_with(document, "fail")
    ]
    failed += [
        f"- {code(each.name)}: {markdown(each.detail)}" for each in violations(evidence.thresholds)
    ]
    parts = [
        f"### {title(document)}",
        markdown(str(document.get("message") or "")),
        table(["What", "Seen"], rows) if rows else "",
        "\n".join(failed),
    ]
    return redact("\n\n".join(part for part in parts if part) + "\n")


def append_summary(path: Path, evidence: RunEvidence) -> None:
    """Add the summary to the file that a pipeline shows on the job's page.

    Its mode is the pipeline's affair and is left as it is.

    Args:
        path: The file, such as the one that GITHUB_STEP_SUMMARY names.
        evidence: The run.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{summary(evidence)}\n")
    except OSError as error:
        raise ConfigurationError(
            f"Cannot add the job summary to {path}: {error.strerror or error}.",
            hint="Name a file that the pipeline may write to.",
        ) from error
