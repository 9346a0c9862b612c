from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.evidence.samples import document, facts, probe
from tui.evidence.gathered import gather
from tui.evidence.history import History
from tui.evidence.junit import junit
from tui.redact import Secret

if TYPE_CHECKING:
    from tui.evidence.gathered import RunEvidence


def evidence(**changes: Any) -> RunEvidence:
    return gather(
        History(), document(**changes), facts(), max_refresh_ms=500, max_regression_percent=20
    )


def case(root: ET.Element, name: str) -> ET.Element:
    (found,) = [each for each in root.iter("testcase") if each.get("name") == name]
    return found


def verdicts(root: ET.Element) -> dict[str, str]:
    return {
        each.get("name", ""): next(
            (child.tag for child in each if child.tag != "system-out"), "passed"
        )
        for each in root.iter("testcase")
    }


def test_a_verified_run_passes_case_by_case() -> None:
    text = junit(evidence())
    root = ET.fromstring(text)
    assert verdicts(root) == {
        "cycle": "passed",
        "auth.service_key": "passed",
        "limits.rows": "passed",
        "permissions.anon": "skipped",
        "aggregates": "passed",
        "leftovers": "passed",
        "max-refresh-ms": "passed",
        "max-regression": "skipped",
    }
    assert [each.get("name") for each in root] == [
        "run",
        "probes",
        "check",
        "leftovers",
        "thresholds",
    ]
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("8", "0", "2")
    warned = case(root, "limits.rows").findtext("system-out") or ""
    assert warned.startswith("warning: 1,000 rows a page")
    assert "What to do: nothing to do" in warned
    assert case(root, "cycle").get("time") == "3.200"
    assert root[0].get("timestamp") == "2026-03-02T09:30:00"
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="heatmap-tui"')


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"probes": [probe("schema.view", "fail", "no view")]}, "schema.view"),
        ({"check": {**document()["check"], "matched": 1599, "missing": 1}}, "aggregates"),
        ({"check": {**document()["check"], "unexpected": 1}}, "aggregates"),
        ({"leftovers": {"users": 1, "questions": 0, "responses": 0}}, "leftovers"),
        ({"view_restored": False}, "leftovers"),
        ({"refresh_runs_ms": [501.0]}, "max-refresh-ms"),
        ({"exit_code": 4, "outcome": "interrupted", "message": "stopped"}, "cycle"),
    ],
)
def test_what_failed_fails(changes: dict[str, Any], failed: str) -> None:
    root = ET.fromstring(junit(evidence(**changes)))
    assert verdicts(root)[failed] == "failure"
    suite = next(each for each in root if case(root, failed) in each)
    assert suite.get("failures") == "1"
    assert case(root, failed).find("failure") is not None


def test_a_run_that_got_nowhere_is_not_green() -> None:
    nothing = dict.fromkeys(("users", "questions", "responses"))
    root = ET.fromstring(
        junit(
            evidence(
                run_id=None,
                target=None,
                settings=None,
                outcome="unreachable",
                exit_code=6,
                probes=[],
                check=dict.fromkeys(document()["check"], 0),
                leftovers=nothing,
                view_restored=None,
            )
        )
    )
    assert verdicts(root) == {"cycle": "failure", "aggregates": "skipped", "leftovers": "skipped"}


def test_a_dry_run_has_no_check_and_no_leftovers() -> None:
    root = ET.fromstring(junit(evidence(mode="dry-run", outcome="ready")))
    assert set(verdicts(root)) == {
        "dry-run",
        "auth.service_key",
        "limits.rows",
        "permissions.anon",
    }


@given(st.text())
@example("\x00\x08\x1b[31m\x7f\x85\ufffe\uffff\ud800]]>&<>\"'\r\n\u2028")
def test_the_xml_is_valid_whatever_the_texts_hold(text: str) -> None:
    document_text = junit(
        evidence(
            message=text,
            outcome="failed",
            exit_code=1,
            probes=[probe(f"p{text}", status, text, text) for status in ("pass", "fail", "skip")],
        )
    )
    root = ET.fromstring(document_text.encode())
    assert root.get("tests") == str(len(list(root.iter("testcase")))) == "8"


def test_no_secret_reaches_the_xml() -> None:
    key = Secret("hunter2-and-then-some")
    leak = f"{key.reveal()} ada@uni.ac.uk"
    text = junit(
        evidence(message=leak, probes=[probe("schema.view", "fail", leak, leak)], exit_code=1)
    )
    assert key.reveal() not in text
    assert "uni.ac.uk" not in text


def test_the_same_run_gives_the_same_bytes() -> None:
    assert junit(evidence()) == junit(evidence())
