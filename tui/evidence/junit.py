"""The evidence of a run as JUnit XML, for a pipeline's list of tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from tui.evidence.gathered import CYCLE, WRITING, RunEvidence
from tui.evidence.markup import xml
from tui.evidence.sections import check_is_right, check_line, is_clean, leftovers_line
from tui.evidence.thresholds import Judged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAME: Final = "heatmap-tui"


@dataclass(frozen=True, slots=True)
class _Case:
    """A test case; `failure` and `skipped` say why, `note` is shown with one that passed."""

    name: str
    seconds: float = 0.0
    failure: str | None = None
    skipped: str | None = None
    note: str | None = None


def junit(evidence: RunEvidence) -> str:
    """The evidence as JUnit XML.

    Args:
        evidence: The run, as `gather` gives it.

    Returns:
        A valid XML document whatever the project's texts hold. Suites: `run` (how it ended),
        `probes`, `check`, `leftovers`, `thresholds`. A warning passes and is noted; what was not
        reached or not judged is skipped, unless the run failed for it: then `run` fails.
    """
    root = ET.Element("testsuites", name=NAME)
    for name, cases in _suites(evidence):
        if cases:
            root.append(_suite(name, cases, evidence))
    _count(root, root.iter("testcase"))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suites(evidence: RunEvidence) -> Iterable[tuple[str, list[_Case]]]:
    document = evidence.document
    yield "run", [_run(document)]
    yield "probes", [_probe(each) for each in document.get("probes") or []]
    if document["mode"] == CYCLE:
        yield "check", [_judged(check_is_right(document), "aggregates", check_line(document))]
    if document["mode"] in WRITING:
        yield "leftovers", [_judged(is_clean(document), "leftovers", leftovers_line(document))]
    yield (
        "thresholds",
        [
            _Case(each.name, failure=each.detail)
            if each.judged is Judged.BROKEN
            else _Case(each.name, skipped=each.detail)
            if each.judged is Judged.NOT_JUDGED
            else _Case(each.name, note=each.detail)
            for each in evidence.thresholds
        ],
    )


def _run(document: Mapping[str, Any]) -> _Case:
    said = f"{document['outcome']}: {document.get('message') or ''}"
    failed = document["exit_code"] != 0
    return _Case(
        str(document["mode"]),
        float(document["total_seconds"]),
        failure=f"{said} (exit code {document['exit_code']})" if failed else None,
        note=None if failed else said,
    )


def _probe(probe: Mapping[str, Any]) -> _Case:
    name, seconds, said = str(probe["id"]), float(probe["ms"]) / 1000, str(probe["detail"])
    if probe["hint"]:
        said += f"\nWhat to do: {probe['hint']}"
    match probe["status"]:
        case "fail":
            return _Case(name, seconds, failure=said)
        case "skip":
            return _Case(name, seconds, skipped=said)
        case "warn":
            return _Case(name, seconds, note=f"warning: {said}")
        case _:
            return _Case(name, seconds, note=said)


def _judged(right: bool | None, name: str, said: str) -> _Case:
    if right is None:
        return _Case(name, skipped=said)
    return _Case(name, note=said) if right else _Case(name, failure=said)


def _suite(name: str, cases: list[_Case], evidence: RunEvidence) -> ET.Element:
    at = evidence.facts.finished_at.astimezone(UTC).replace(tzinfo=None)
    suite = ET.Element("testsuite", name=name, timestamp=at.isoformat(timespec="seconds"))
    for case in cases:
        suite.append(_element(case, f"{NAME}.{name}"))
    _count(suite, suite.iter("testcase"))
    return suite


def _element(case: _Case, classname: str) -> ET.Element:
    element = ET.Element(
        "testcase", name=xml(case.name), classname=classname, time=f"{case.seconds:.3f}"
    )
    if case.failure is not None:
        said = xml(case.failure)
        ET.SubElement(element, "failure", message=said.partition("\n")[0]).text = said
    if case.skipped is not None:
        ET.SubElement(element, "skipped", message=xml(case.skipped))
    if case.note is not None:
        ET.SubElement(element, "system-out").text = xml(case.note)
    return element


def _count(element: ET.Element, cases: Iterable[ET.Element]) -> None:
    found = list(cases)
    element.set("tests", str(len(found)))
    element.set("failures", str(sum(each.find("failure") is not None for each in found)))
    element.set("errors", "0")
    element.set("skipped", str(sum(each.find("skipped") is not None for each in found)))
    element.set("time", f"{sum(float(each.get('time', '0')) for each in found):.3f}")
