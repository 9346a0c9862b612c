"""Every variant of a project ends as its file says, and nothing of it is left or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.projects.state import changes, orphans
from tests.projects.variant import sql_in
from tests.projects.zoo import first_line, hints
from tui.dry_run.registry import PROBES
from tui.verify.events import Outcome

if TYPE_CHECKING:
    from typing import Any

    from tests.projects.variant import Variant
    from tests.projects.zoo import Zoo
    from tui.verify.result import Result

# How long a request takes is this machine's business.
LOADED = {"target.latency"}
EXIT_CODES = {"verified": 0, "failed": 1, "not-ready": 1, "interrupted": 4, "leftovers": 5}


def test_a_variant_ends_as_its_file_says(zoo: Zoo, variant: Variant) -> None:
    zoo.become(variant)
    before = zoo.state()
    result = zoo.cycle()
    finished = result.finished
    assert finished is not None
    assert unlike(variant, result) == []
    assert finished.outcome == variant.ends, finished
    assert finished.exit_code == EXIT_CODES[variant.ends]
    if finished.outcome is Outcome.VERIFIED:
        assert variant.says in first_line(result), finished
        check_intact(zoo, before)
        return
    assert variant.says, "what the first line has to say"
    assert variant.says in first_line(result), finished
    told = hints(result, variant.fail or variant.skip or variant.warn)
    if finished.outcome is Outcome.LEFTOVERS and variant.after:
        zoo.execute(repair_of(variant, told), superuser=variant.superuser)
        purged = zoo.purge().finished
        assert purged is not None
        assert purged.outcome is Outcome.CLEAN, purged
        check_intact(zoo, before)
        return
    if not variant.after:
        return
    check_intact(zoo, before)
    zoo.execute(repair_of(variant, told), superuser=variant.superuser)
    repaired = zoo.state()
    again = zoo.cycle().finished
    assert again is not None
    assert again.outcome == variant.after, (told, again)
    check_intact(zoo, repaired)


def unlike(variant: Variant, result: Result) -> list[str]:
    """Probes that say something else than the file, in words; not those that only follow."""
    wanted = dict.fromkeys((probe.id for probe in PROBES), "pass")
    for status in ("warn", "skip", "fail"):
        wanted |= dict.fromkeys(getattr(variant, status), status)
    found = []
    for id_, status in wanted.items():
        said = result.probes[id_]
        if said.status == status or id_ in LOADED:
            continue
        if said.status == "skip" and said.cause is not None:
            continue
        found.append(f"{id_}: expected {status}, got {said.status}: {said.detail}")
    return found


def repair_of(variant: Variant, told: list[str]) -> str:
    """What the hints say to do, as SQL."""
    if variant.repair:
        assert any(variant.hint in each for each in told), told
        return variant.repair
    statements = [statement for hint in told for statement in sql_in(hint)]
    assert statements, f"no hint can be pasted: {told}"
    return "; ".join(dict.fromkeys(statements))


def check_intact(zoo: Zoo, before: dict[str, Any]) -> None:
    """Every row, constraint and right is as it was, and no row refers to nothing."""
    assert changes(before, zoo.state()) == {}
    assert orphans(zoo.sandbox.db_url) == {}
