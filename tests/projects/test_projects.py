"""Every variant of a project ends as its file says, and nothing of it is left or changed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import psycopg

from tests.projects.state import changes, orphans
from tests.projects.variant import sql_in, variants
from tests.projects.zoo import first_line, hints
from tests.sql.test_plan import OWN_TYPES, schema
from tui.dry_run.runner import PROBES
from tui.verify.events import Outcome

if TYPE_CHECKING:
    from typing import Any

    import pytest

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


# How many random projects a run of the tests makes of several variants each; all variants: more.
COMBINATIONS, MANY = 3, 40


def combinations(seed: int, number: int) -> list[list[Variant]]:
    """Variants that may stand beside each other, three to five at a time.

    Those that a dry run lets pass, so that runs write; what two of them name alike tells later.
    """
    rng = random.Random(seed)
    writing = [each for each in variants() if each.ends != "not-ready" and not each.superuser]
    return [rng.sample(writing, rng.randint(3, 5)) for _ in range(number)]


def test_a_run_that_ends_well_has_changed_nothing_whatever_the_triggers_do(
    zoo: Zoo, sample_seed: int, pytestconfig: pytest.Config
) -> None:
    number = MANY if pytestconfig.getoption("--all-projects", default=False) else COMBINATIONS
    made = 0
    for chosen in combinations(sample_seed, number):
        names = [each.name for each in chosen]
        try:
            zoo.become(*chosen)
        except psycopg.Error:
            # Two of them make an object of one name.
            continue
        made += 1
        before = zoo.state()
        finished = zoo.cycle().finished
        assert finished is not None
        if finished.exit_code == 0:
            assert changes(before, zoo.state()) == {}, names
            assert orphans(zoo.sandbox.db_url) == {}, names
        else:
            assert finished.message, names
            assert "internal error" not in finished.message, names
    assert made, "some variants must stand beside each other"


# What a project's triggers do to answers and questions before they are stored.
MEDDLING = tuple(
    f"create function public.meddle_{number}() returns trigger language plpgsql as $$ begin {body} "
    f"return new; end $$; create trigger meddle_{number} before insert on public.{table} "
    f"for each row execute function public.meddle_{number}()"
    for number, (table, body) in enumerate(
        (
            ("responses", "new.created_at := now();"),
            ("responses", "new.is_correct := not new.is_correct;"),
            ("responses", "new.ms_to_answer := round(new.ms_to_answer, -3);"),
            ("responses", "if new.ms_to_answer % 3 = 0 then return null; end if;"),
            ("questions", "new.topic := lower(new.topic);"),
            ("questions", "new.lesion := null;"),
            ("questions", "if left(new.slug, 1) > 'g' then new.status := 'draft'; end if;"),
        )
    )
)


def test_no_schema_has_a_right_view_called_wrong(
    zoo: Zoo, sample_seed: int, pytestconfig: pytest.Config
) -> None:
    number = MANY if pytestconfig.getoption("--all-projects", default=False) else COMBINATIONS
    for each in range(number):
        rng = random.Random(f"{sample_seed}:{each}")
        meddling = rng.sample(MEDDLING, rng.choice((0, 0, 1, 2)))
        made = zoo.become_of([*OWN_TYPES, *schema(rng), *meddling])
        before = zoo.state()
        result = zoo.cycle()
        finished = result.finished
        assert finished is not None
        assert "the view is wrong" not in finished.message, (made, finished)
        assert changes(before, zoo.state()) == {}, (made, finished)
        if result.ready and not set(made) & set(MEDDLING):
            assert finished.outcome is Outcome.VERIFIED, (made, finished)
