"""Is the heatmap closed to those it is not for, open to those it is for?

What anon may do is asked for real where there is an anon key. A learner cannot be signed in without
writing, so the function that describes the database puts the question to its own caller check, with
a learner's claims, and reads the privileges from the catalogs.

The lints are those of the platform's Security Advisor, by its numbers.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from tui.dry_run.facts import AMBIGUOUS, READ, Facts, Preflight, UnansweredError, is_broken
from tui.dry_run.probe import APPLY, Finding, Probes, failed, listed, passed, skipped, warned
from tui.project import (
    APPLY_PREFLIGHT,
    ENVIRONMENT,
    PREFLIGHT,
    READER,
    REFRESH,
    VIEW,
    Missing,
    ProjectError,
    ProjectUnreachable,
)
from tui.verify.causes import quoted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

# Our functions that the API shows, and where the document says who may execute them.
EXECUTE: Final = {
    READER: "reader_execute",
    REFRESH: "refresh_execute",
    PREFLIGHT: "preflight_execute",
    ENVIRONMENT: "environment_execute",
}
_REVOKE: Final = f"revoke it from public, anon, authenticated: {APPLY}"
# Made by hand, these refuse as well as 42501 does: an error of the function's own, no such user, a
# status of its own choosing.
_REFUSING: Final = frozenset({"P0001", "28000", "PT401", "PT403"})
_DENIED: Final = "42501"
# What PostgreSQL says when a materialized view has never been filled (object not in prerequisite
# state: who gets this has passed the caller check), and when a read-only transaction is to write.
UNPOPULATED: Final = "55000"
READ_ONLY: Final = "25006"
_LET_IN: Final = frozenset({"00000", READ_ONLY})
_REPAIR_IS_ADMIN: Final = f"repair is_admin(), which the caller check asks: {APPLY}, which says how"
_NEEDED: Final = {
    "questions": ("select", "insert", "delete"),
    "responses": ("select", "insert", "delete"),
    "app_users": ("select",),
}

PROBES: Final = Probes()


@PROBES.add(
    "permissions.anon_view",
    "anon cannot read the view",
    f"one row of {VIEW} with the anon key",
    "it answers; skipped without an anon key",
    _REVOKE,
    needs=("authentication.anon_key",),
)
async def _anon_view(facts: Facts) -> Finding:
    return await _judge_anon(VIEW, "schema.view", facts.anon.page(VIEW, ["question_id"], limit=1))


@PROBES.add(
    "permissions.anon_reader",
    "anon cannot call the reader",
    f"{READER}() by GET with the anon key",
    "it answers; skipped without an anon key",
    _REVOKE,
    needs=("authentication.anon_key",),
)
async def _anon_reader(facts: Facts) -> Finding:
    asked = facts.anon.call_read_only(READER, limit=1)
    return await _judge_anon(f"{READER}()", "schema.functions", asked)


@PROBES.add(
    "permissions.anon_refresh",
    "anon cannot call the refresh",
    f"{REFRESH}() by GET with the anon key: a read-only transaction",
    "it answers; skipped without an anon key",
    _REVOKE,
    needs=("authentication.anon_key",),
)
async def _anon_refresh(facts: Facts) -> Finding:
    asked = facts.anon.call_read_only(REFRESH)
    return await _judge_anon(f"{REFRESH}()", "schema.functions", asked)


async def _judge_anon(what: str, told_by: str, asked: Awaitable[Any]) -> Finding:
    """Whether a request of anon was refused."""
    try:
        await asked
    except ProjectUnreachable:
        raise
    except Missing:
        raise UnansweredError(f"{what} is not in the API", cause=told_by) from None
    except ProjectError as error:
        if error.code in {_DENIED, *_REFUSING}:
            return passed(f"{what} refuses anon ({error.code})")
        if error.code in _LET_IN:
            return failed(f"{what} lets anon in, who is stopped by the read-only request alone")
        if error.code == AMBIGUOUS:
            raise UnansweredError("a call is ambiguous", cause=told_by) from None
        raise
    return failed(f"{what} answers anon")


@PROBES.add(
    "permissions.learner_view",
    "a learner cannot read the view",
    f"{PREFLIGHT}(): SELECT on the view for authenticated",
    "authenticated, or PUBLIC, holds SELECT on the view",
    _REVOKE,
    needs=("schema.preflight",),
)
async def _learner_view(facts: Facts) -> Finding:
    preflight = await facts.preflight()
    may = preflight.at("privileges", "view_select", "authenticated")
    if may is None:
        raise UnansweredError("there is no view", cause="schema.view")
    if may:
        return failed("authenticated may read the view")
    return passed("authenticated may not read the view")


@PROBES.add(
    "permissions.learner_gate",
    "a learner cannot use the functions",
    f"{PREFLIGHT}(): what both functions answer to a learner's claims",
    "a function lets a non-admin user in, or fails; it refuses otherwise than by 42501 (warns)",
    APPLY,
    needs=("schema.preflight",),
)
async def _learner_gate(facts: Facts) -> Finding:
    return _judge_gate(await facts.preflight(), "learner", "a learner who is no administrator")


@PROBES.add(
    "permissions.null_role",
    "a caller without a role is refused",
    f"{PREFLIGHT}(): what both functions answer to claims without a role",
    "the caller check compares with NULL and lets it pass",
    APPLY,
    needs=("schema.preflight",),
)
async def _null_role(facts: Facts) -> Finding:
    return _judge_gate(await facts.preflight(), "no_role", "a caller without a role")


def _judge_gate(preflight: Preflight, who: str, spoken: str) -> Finding:
    answers = _answers(preflight, who)
    let_in = [name for name, code in answers.items() if code in _LET_IN]
    if let_in:
        return failed("; ".join(f"the {name} lets in {spoken}" for name in let_in))
    odd = {name: code for name, code in answers.items() if code not in {_DENIED, *_REFUSING}}
    if odd:
        if not all(preflight.at("tables", name, "exists") for name in READ):
            raise UnansweredError("the functions find no tables", cause="schema.tables")
        told = " and ".join(f"the {name} fails with {code}" for name, code in odd.items())
        told += f" instead of refusing {spoken} ({_DENIED})"
        # Such an error comes from what the caller check asks.
        if all(is_broken(code) for code in odd.values()):
            return failed(told, _REPAIR_IS_ADMIN)
        return skipped(f"cannot tell: {told}")
    by_another_way = sorted(set(answers.values()) - {_DENIED})
    if by_another_way:
        return warned(
            f"{' and '.join(answers)} refuse {spoken} by {' and '.join(by_another_way)}, not by "
            f"{_DENIED}"
        )
    return passed(f"{' and '.join(answers)} refuse {spoken} ({_DENIED})")


def _answers(preflight: Preflight, who: str) -> dict[str, str]:
    """What the functions answered to somebody's claims, as SQLSTATE."""
    found = {name: preflight.at("gate", name, who) for name in ("reader", "refresh")}
    answers = {name: str(code) for name, code in found.items() if code is not None}
    if not answers:
        raise UnansweredError("there are no functions to ask", cause="schema.functions")
    return answers


@PROBES.add(
    "permissions.admin",
    "administrators can use the functions",
    f"{PREFLIGHT}(): what both functions answer to an administrator's claims, and EXECUTE for "
    "authenticated",
    "the caller check does not let an administrator in, as where is_admin() fails inside it "
    "(fails); authenticated lacks EXECUTE: the administrators' page stays empty (warns)",
    _REPAIR_IS_ADMIN,
    needs=("schema.preflight",),
)
async def _admin(facts: Facts) -> Finding:
    preflight = await facts.preflight()
    closed = [
        f"{name}()"
        for name in (READER, REFRESH)
        if preflight.at("privileges", EXECUTE[name], "authenticated") is False
    ]
    if closed:
        return warned(f"administrators may not call {' and '.join(closed)}")
    learner = _answers(preflight, "learner")
    try:
        answers = _answers(preflight, "administrator")
    except UnansweredError:
        if not set(learner.values()) <= {_DENIED, *_REFUSING, *_LET_IN}:
            raise UnansweredError(
                "whoever asks gets an error", cause="permissions.learner_gate"
            ) from None
        return skipped(
            "authenticated may call both; there is no user whom is_admin() takes for an "
            "administrator, to ask with",
            "give one user of app_users the role of an administrator",
        )
    locked = [
        f"the {name} ({code})"
        for name, code in answers.items()
        # Another error than a learner's is met behind the caller check: schema.reader reports it.
        if code not in {*_LET_IN, UNPOPULATED} and code in {_DENIED, learner.get(name)}
    ]
    if locked:
        return failed(f"administrators are locked out of {' and '.join(locked)}")
    return passed(f"{' and '.join(answers)} let in an administrator")


def _besides(preflight: Preflight, table: str, sent: Sequence[str]) -> list[str]:
    """Rights on schemas, sequences and functions that writing a row takes."""
    columns = preflight.many("tables", table, "columns") if sent else []
    lacks = (
        (each.get("lacks") or {}).get("value" if each["name"] in sent else "default") or ()
        for each in columns
    )
    return list(dict.fromkeys(chain.from_iterable(lacks)))


@PROBES.add(
    "permissions.service_role",
    "the service role can do all a run needs",
    f"{PREFLIGHT}(): its privileges on tables, view and functions",
    "a privilege is missing",
    f"grant it to service_role: {APPLY}",
    needs=("schema.preflight",),
)
async def _service_role(facts: Facts) -> Finding:
    preflight = await facts.preflight()
    samples = {} if preflight.dataset is None else preflight.dataset.samples()
    lacking, grants = [], []
    for table, needed in _NEEDED.items():
        held = preflight.at("tables", table, "service_role")
        # A run writes nothing to the table that a trigger fills.
        sent = list(samples[table].rows[0]) if table in samples else []
        missing = [] if held is None else [each for each in needed if not held[each]]
        if "insert" in missing and (closed := held.get("no_insert")) is not None and sent:
            # Granted column by column, it may do as well.
            where = missing.index("insert")
            columns = [quoted(each) for each in sent if each in closed]
            if len(columns) < len(sent):
                missing[where : where + 1] = [f"insert ({', '.join(columns)})"] * bool(columns)
        if missing:
            lacking += [f"{privilege} on {table}" for privilege in missing]
            grants.append(f"grant {', '.join(missing)} on public.{table} to service_role")
        for each in _besides(preflight, table, sent):
            lacking.append(each)
            grants.append(f"grant {each} to service_role")
    if preflight.at("privileges", "view_select", "service_role") is False:
        lacking.append(f"select on {VIEW}")
        grants.append(f"grant select on public.{VIEW} to service_role")
    for name, privilege in EXECUTE.items():
        if preflight.at("privileges", privilege, "service_role") is False:
            lacking.append(f"execute on {name}()")
            grants.append(f"grant execute on function public.{name} to service_role")
    if lacking:
        return failed(f"service_role lacks {listed(lacking)}", "; ".join(grants))
    return passed("service_role holds every privilege that a run needs")


@PROBES.add(
    "permissions.nobody_else",
    "nobody else holds anything",
    f"{PREFLIGHT}(): other privileges and other roles on the heatmap's objects",
    "anon or authenticated may refresh (MAINTAIN), write or use the private schema (fails); "
    "another role was granted something by name (warns)",
    f"revoke what is not meant: {APPLY}",
    needs=("schema.preflight",),
)
async def _nobody_else(facts: Facts) -> Finding:
    preflight = await facts.preflight()
    problems, others = [], []
    for privilege, what in (
        ("view_maintain", "may refresh the view past the function"),
        ("view_write", "holds a privilege to write on the view"),
        ("private_schema_usage", "may use schema analytics_private"),
    ):
        problems += [f"{role} {what}" for role in _holders(preflight, privilege)]
    for privilege in preflight.at("privileges"):
        others += preflight.at("privileges", privilege, "others")
    if problems:
        return failed("; ".join(problems))
    if others:
        return warned(f"granted by name to other roles: {listed(sorted(set(others)))}")
    return passed("nobody beside the owner and the API's roles was granted anything")


@PROBES.add(
    "permissions.lint_0011",
    "search_path is pinned (lint 0011)",
    f"{PREFLIGHT}(): settings of our functions",
    "a function runs with the caller's search_path, or with the caller's temporary schema "
    "before others on it",
    APPLY,
    needs=("schema.preflight",),
)
async def _lint_0011(facts: Facts) -> Finding:
    """Security Advisor 0011, function_search_path_mutable."""
    preflight = await facts.preflight()
    names = [
        name for name in preflight.at("functions") if preflight.at("functions", name, "exists")
    ]
    paths = {name: preflight.at("functions", name, "search_path") for name in names}
    loose = [f"{name}()" for name, path in paths.items() if path is None]
    if loose:
        return failed(f"search_path is not pinned in {listed(loose)}", _repair(loose))
    # Where it is not named, the caller's temporary schema comes first, and its types with it.
    early = [
        f"{name}()" for name, path in paths.items() if path.rpartition(",")[2].strip() != "pg_temp"
    ]
    if early:
        return failed(
            f"pg_temp is not last on the search_path of {listed(early)}: a caller's own types "
            "run code as the owner",
            _repair(early),
        )
    return passed(f"search_path is pinned in all {len(names)} functions, pg_temp last")


@PROBES.add(
    "permissions.lint_0013",
    "row level security is on (lint 0013)",
    f"{PREFLIGHT}(): questions, responses, app_users",
    "it is off on a table: everybody may read it through the API",
    "alter table ... enable row level security",
    needs=("schema.tables", "schema.preflight"),
)
async def _lint_0013(facts: Facts) -> Finding:
    """Security Advisor 0013, rls_disabled_in_public."""
    preflight = await facts.preflight()
    bare = [name for name in READ if preflight.at("tables", name, "rls") is False]
    if bare:
        return failed(
            f"row level security is off on {listed(bare)}",
            "; ".join(f"alter table public.{name} enable row level security" for name in bare),
        )
    return passed("row level security is on")


@PROBES.add(
    "permissions.lint_0016",
    "the view is not in the API (lint 0016)",
    f"{PREFLIGHT}(): SELECT on the view for anon and authenticated",
    "either may select from it",
    _REVOKE,
    needs=("schema.preflight",),
)
async def _lint_0016(facts: Facts) -> Finding:
    """Security Advisor 0016, materialized_view_in_api."""
    preflight = await facts.preflight()
    if not preflight.at("view", "exists"):
        raise UnansweredError("there is no view", cause="schema.view")
    roles = _holders(preflight, "view_select")
    if roles:
        return failed(
            f"the view is in the API for {' and '.join(roles)}",
            f"revoke all on public.{VIEW} from public, anon, authenticated",
        )
    return passed("the view is in the API for the service role alone")


@PROBES.add(
    "permissions.lint_0028",
    "anon can call no function of ours (lint 0028)",
    f"{PREFLIGHT}(): EXECUTE for anon and PUBLIC",
    "anon may call a SECURITY DEFINER function",
    _REVOKE,
    needs=("schema.preflight",),
)
async def _lint_0028(facts: Facts) -> Finding:
    """Security Advisor 0028, anon_security_definer_function_executable."""
    return _judge_definers(await facts.preflight(), "anon", list(EXECUTE))


@PROBES.add(
    "permissions.lint_0029",
    "users can call only the checked ones (lint 0029)",
    f"{PREFLIGHT}(): EXECUTE on it and on {ENVIRONMENT}() for authenticated",
    "authenticated may call either; reader and refresh are flagged by design, their check decides",
    APPLY_PREFLIGHT,
    needs=("schema.preflight",),
)
async def _lint_0029(facts: Facts) -> Finding:
    """Security Advisor 0029, authenticated_security_definer_function_executable.

    Reader and refresh are for administrators, who are `authenticated`: they are flagged by design,
    and `learner_gate` says whether their check holds.
    """
    return _judge_definers(await facts.preflight(), "authenticated", [PREFLIGHT, ENVIRONMENT])


def _judge_definers(preflight: Preflight, role: str, names: Sequence[str]) -> Finding:
    open_to = [n for n in names if preflight.at("privileges", EXECUTE[n], role)]
    if open_to:
        functions = ", ".join(f"public.{name}" for name in open_to)
        return failed(
            f"{role} may call {listed([f'{name}()' for name in open_to])}",
            f"revoke execute on function {functions} from public, {role}",
        )
    return passed(f"{role} may call none of {listed([f'{name}()' for name in names])}")


def _holders(preflight: Preflight, privilege: str) -> list[str]:
    """Which of anon and authenticated hold a privilege, directly or not."""
    return [
        role for role in ("anon", "authenticated") if preflight.at("privileges", privilege, role)
    ]


def _repair(functions: Sequence[str]) -> str:
    preflight_only = all(PREFLIGHT in name for name in functions)
    return APPLY_PREFLIGHT if preflight_only else APPLY
