"""The chapter made from the registry."""

from __future__ import annotations

from tui.dry_run.page import probes_page
from tui.dry_run.registry import GROUPS, PROBES


def test_the_page_lists_every_probe_once_with_all_it_says() -> None:
    lines = probes_page().splitlines()

    for probe in PROBES:
        rows = [line for line in lines if line.startswith(f"| `{probe.id}`")]
        assert len(rows) == 1
        for words in (probe.title, probe.fails_when, probe.repair):
            assert words.replace("<", "&lt;") in rows[0]
    assert [line for line in lines if line.startswith("### ")] == [
        f"### {group.capitalize()}" for group in GROUPS
    ]
    tables = [line for line in lines if line.startswith("|")]
    assert all(line.replace("\\|", "").count("|") == 6 for line in tables)
    assert len(tables) == len(PROBES) + 2 * len(GROUPS)
