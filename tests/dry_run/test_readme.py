"""The page on the probes says what they declare."""

from __future__ import annotations

from tests.dry_run.readme import PATH, page
from tui.dry_run.runner import PROBES


def test_the_page_is_as_the_probes_make_it() -> None:
    assert PATH.read_text() == page(), "run python -m tests.dry_run.readme"


def test_every_probe_has_one_row() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) == len(PROBES)
    assert all(line.replace("\\|", "").count("|") == 6 for line in rows)
