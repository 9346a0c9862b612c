"""What a report says in plain words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.evidence.gathered import RunEvidence

_WORDS: Final = {"fail": "failed", "warn": "warned", "pass": "passed", "skip": "skipped"}
_TABLES: Final = ("users", "questions", "responses")
_BEFORE_WRITING: Final = frozenset({"refused", "not-ready", "unreachable", "unusable"})


def target_name(evidence: RunEvidence) -> str:
    """The target as its series in the history is called: ref, host, host and port, or sandbox."""
    target = evidence.document["target"]
    return str(target["ref"] or evidence.facts.place or target["host"])


def title(document: Mapping[str, Any]) -> str:
    """What was done, and how it ended."""
    what = {"dry-run": "dry run", "purge": "purge"}.get(document["mode"], "verification")
    return f"Heatmap {what}: {str(document['outcome']).replace('-', ' ')}"


def probe_counts(document: Mapping[str, Any]) -> dict[str, int]:
    """Probes by what became of them, failures first."""
    return {word: len(probes_with(document, status)) for status, word in _WORDS.items()}


def probes_with(document: Mapping[str, Any], *statuses: str) -> list[Mapping[str, Any]]:
    """Probes that ended in one of the statuses, by status in the order given."""
    probes = document.get("probes") or []
    return [each for status in statuses for each in probes if each["status"] == status]


def check_is_right(document: Mapping[str, Any]) -> bool | None:
    """Whether every aggregate was as expected; None when nothing was compared."""
    check = document["check"]
    if not any(check.values()):
        return None
    return bool(
        check["expected"] > 0 and check["matched"] == check["expected"] and not check["unexpected"]
    )


def check_line(document: Mapping[str, Any]) -> str:
    """The check in one line."""
    right = check_is_right(document)
    if right is None:
        return "nothing was compared"
    check = document["check"]
    if right:
        return f"all {check['expected']:,} aggregates right"
    said = ", ".join(f"{check[name]:,} {name}" for name in ("mismatched", "missing", "unexpected"))
    return f"{check['matched']:,} of {check['expected']:,} aggregates right; {said}"


def wrote_nothing(document: Mapping[str, Any]) -> bool:
    """Whether the run ended before it had leave to write."""
    return document["outcome"] in _BEFORE_WRITING and not document["stages"]


def is_clean(document: Mapping[str, Any]) -> bool | None:
    """Whether nothing is left, in tables and view; None when that is not known."""
    counts = [_left(document)[name] for name in _TABLES]
    if any(counts) or document["view_restored"] is False:
        return False
    return None if None in counts else True


def leftovers_line(document: Mapping[str, Any]) -> str:
    """What is left behind, in one line."""
    if wrote_nothing(document):
        return "nothing: it did not write"
    counts = _left(document)
    if None in counts.values():
        left = "not counted"
    elif any(counts.values()):
        left = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    else:
        left = "nothing"
    view = {True: "is as before", False: "is not as before", None: "was not judged"}
    return f"{left}; the view {view[document['view_restored']]}"


def written_line(document: Mapping[str, Any]) -> str:
    """What was written, in one line."""
    if not any(document["rows"].values()):
        return "nothing"
    return ", ".join(f"{document['rows'][name]:,} {name}" for name in _TABLES)


def wrote_all(document: Mapping[str, Any]) -> bool:
    """Whether what was written is what was planned."""
    rows, plan = document["rows"], document["settings"]
    return bool(
        plan
        and (rows["users"], rows["questions"]) == (plan["users"], plan["questions"])
        and rows["responses"] == plan["users"] * plan["questions"]
    )


def _left(document: Mapping[str, Any]) -> dict[str, int | None]:
    left = document["leftovers"] or {}
    return {name: left.get(name) for name in _TABLES}
