"""What the platform's Security Advisor would say of the heatmap's objects, lint by lint.

Part of the permissions group, beside `permissions`. The numbers are those of the Advisor's lints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.dry_run.probe import (
    APPLY,
    APPLY_PREFLIGHT,
    Finding,
    Probe,
    failed,
    listed,
    passed,
    skipped,
)
from tui.project import PREFLIGHT, READER, REFRESH, VIEW
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.dry_run.facts import Evidence
    from tui.dry_run.preflight import Preflight

# Our functions that the API shows, and where the document tells who may execute them.
EXECUTE: Final = {
    READER: "reader_execute",
    REFRESH: "refresh_execute",
    PREFLIGHT: "preflight_execute",
}
REVOKE: Final = f"revoke it from public, anon, authenticated: {APPLY}"
_TABLES: Final = ("questions", "responses", "app_users")


async def lint_0011(evidence: Evidence) -> Finding:
    """Security Advisor 0011, function_search_path_mutable."""
    preflight = await evidence.preflight()
    names = [
        name for name in preflight.at("functions") if preflight.at("functions", name, "exists")
    ]
    loose = [
        f"{name}()" for name in names if preflight.at("functions", name, "search_path") is None
    ]
    if loose:
        return failed(f"search_path is not pinned in {listed(loose)}", _repair(loose))
    return passed(f"search_path is pinned in all {len(names)} functions")


async def lint_0013(evidence: Evidence) -> Finding:
    """Security Advisor 0013, rls_disabled_in_public."""
    preflight = await evidence.preflight()
    secured = {name: preflight.at("tables", name, "rls") for name in _TABLES}
    if all(state is None for state in secured.values()):
        return skipped("the tables are missing", "see schema.tables")
    bare = [name for name, state in secured.items() if state is False]
    if bare:
        return failed(
            f"row level security is off on {listed(bare)}",
            "; ".join(f"alter table public.{name} enable row level security" for name in bare),
        )
    return passed("row level security is on")


async def lint_0016(evidence: Evidence) -> Finding:
    """Security Advisor 0016, materialized_view_in_api."""
    preflight = await evidence.preflight()
    if not preflight.at("view", "exists"):
        return skipped("there is no view", "see schema.view")
    roles = holders(preflight, "view_select")
    if roles:
        return failed(
            f"the view is in the API for {' and '.join(roles)}",
            f"revoke all on public.{VIEW} from public, anon, authenticated",
        )
    return passed("the view is in the API for the service role alone")


async def lint_0028(evidence: Evidence) -> Finding:
    """Security Advisor 0028, anon_security_definer_function_executable."""
    return _judge_definers(await evidence.preflight(), "anon", list(EXECUTE))


async def lint_0029(evidence: Evidence) -> Finding:
    """Security Advisor 0029, authenticated_security_definer_function_executable.

    Reader and refresh are for administrators, who are `authenticated`: they are flagged by design,
    and `learner_gate` tells whether their check holds.
    """
    return _judge_definers(await evidence.preflight(), "authenticated", [PREFLIGHT])


def _judge_definers(preflight: Preflight, role: str, names: Sequence[str]) -> Finding:
    open_to = [n for n in names if preflight.at("privileges", EXECUTE[n], role)]
    if open_to:
        functions = ", ".join(f"public.{name}" for name in open_to)
        return failed(
            f"{role} may call {listed([f'{name}()' for name in open_to])}",
            f"revoke execute on function {functions} from public, {role}",
        )
    return passed(f"{role} may call none of {listed([f'{name}()' for name in names])}")


def holders(preflight: Preflight, privilege: str) -> list[str]:
    """Which of anon and authenticated hold a privilege, by whatever way."""
    return [
        role for role in ("anon", "authenticated") if preflight.at("privileges", privilege, role)
    ]


def _repair(functions: Sequence[str]) -> str:
    preflight_only = all(PREFLIGHT in name for name in functions)
    return APPLY_PREFLIGHT if preflight_only else APPLY


_FAIL: Final = ProbeStatus.FAIL

PROBES: Final = (
    Probe(
        "permissions.lint_0011",
        "search_path is pinned (lint 0011)",
        f"{PREFLIGHT}(): settings of our functions",
        "a function runs with the caller's search_path",
        APPLY,
        _FAIL,
        lint_0011,
    ),
    Probe(
        "permissions.lint_0013",
        "row level security is on (lint 0013)",
        f"{PREFLIGHT}(): questions, responses, app_users",
        "it is off on a table: everybody may read it through the API",
        "alter table ... enable row level security",
        _FAIL,
        lint_0013,
    ),
    Probe(
        "permissions.lint_0016",
        "the view is not in the API (lint 0016)",
        f"{PREFLIGHT}(): SELECT on the view for anon and authenticated",
        "either may select from it",
        REVOKE,
        _FAIL,
        lint_0016,
    ),
    Probe(
        "permissions.lint_0028",
        "anon can call no function of ours (lint 0028)",
        f"{PREFLIGHT}(): EXECUTE for anon and PUBLIC",
        "anon may call a SECURITY DEFINER function",
        REVOKE,
        _FAIL,
        lint_0028,
    ),
    Probe(
        "permissions.lint_0029",
        "users can call only the checked ones (lint 0029)",
        f"{PREFLIGHT}(): EXECUTE on the preflight function for authenticated",
        "authenticated may call it; reader and refresh are flagged by design, their check decides",
        APPLY_PREFLIGHT,
        _FAIL,
        lint_0029,
    ),
)
