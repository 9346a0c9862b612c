"""Nobody's code runs as the owner: a caller's own types are never met inside our functions.

A name of a type is looked for in the caller's temporary schema first, unless the path says where it
comes, and a domain may carry a check that is a function of the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from .conftest import person
from .test_access import ADMIN, LEARNER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Database

# As a domain over each type that has a name of its own, and is none of an array.
ATTACK = """
create function pg_temp.evil(anyelement) returns boolean language plpgsql as $$
begin
  raise notice 'evil as %', current_user;
  return true;
end $$;
do $$
declare
  named name;
begin
  for named in
    select t.typname from pg_type t
    where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype in ('b', 'r')
      and t.typname !~ '^_'
  loop
    execute format(
      'create domain pg_temp.%1$I as pg_catalog.%1$I check (pg_temp.evil(value))', named);
  end loop;
end $$;
"""
CALLS = (
    "select count(*) from public.analytics_heatmap_admin()",
    "select count(*) from public.analytics_heatmap_admin(only_lesion => 'x', max_rows => 1)",
    "select public.analytics_refresh_heatmap()",
    "select public.analytics_heatmap_environment()",
    "select public.analytics_heatmap_preflight()",
)
FUNCTIONS = "analytics_heatmap_%", "analytics_refresh_heatmap"


@pytest.fixture
def attacker(ready: Database) -> Iterator[psycopg.Connection]:
    """A login role that may do nothing but call our functions, armed."""
    admin = ready.connect("supabase_admin")
    admin.execute("create role mallory login")
    for (function,) in admin.execute(
        "select oid::regprocedure::text from pg_proc where proname like any (%s)",
        (list(FUNCTIONS),),
    ).fetchall():
        admin.execute(f"grant execute on function {function} to mallory".encode())
    session = ready.connect("mallory")
    session.execute(ATTACK)
    try:
        yield session
    finally:
        session.close()
        admin.execute("drop owned by mallory; drop role mallory")


def heard(session: psycopg.Connection, *statements: str) -> list[str]:
    """What the server said while these ran, whether or not they were refused."""
    notices: list[str] = []
    session.add_notice_handler(lambda said: notices.append(said.message_primary or ""))
    for statement in statements:
        try:
            session.execute(statement.encode())
        except psycopg.Error as error:
            notices.append(error.sqlstate or "?")
    return notices


@pytest.mark.parametrize("claims", [None, LEARNER, ADMIN, {"role": "service_role"}])
def test_a_callers_types_are_never_met(
    attacker: psycopg.Connection, claims: dict[str, str] | None
) -> None:
    import json

    attacker.execute(
        "select set_config('request.jwt.claims', %s, false)",
        (json.dumps(claims) if claims else "",),
    )
    said = heard(attacker, *CALLS)
    assert not [line for line in said if line.startswith("evil")]
    # The two that a caller check does not guard answer whoever holds EXECUTE.
    assert said == ([] if claims == ADMIN else ["42501"] * 3)


@pytest.mark.parametrize(
    ("loosened", "call"),
    [
        ("analytics_heatmap_admin", CALLS[0]),
        ("analytics_refresh_heatmap", CALLS[2]),
        ("heatmap_caller_is_allowed", CALLS[0]),
        ("normalized_lesion", CALLS[1]),
    ],
)
def test_the_attack_is_one(
    ready: Database, attacker: psycopg.Connection, loosened: str, call: str
) -> None:
    """With the path that a linter is content with, the owner runs the caller's code."""
    owner = ready.connect()
    row = owner.execute(
        "select oid::regprocedure::text from pg_proc where proname = %s", (loosened,)
    ).fetchone()
    assert row is not None
    if loosened == "normalized_lesion":
        owner.execute(
            "create or replace function analytics_private.normalized_lesion(lesion text) returns "
            "text language sql immutable strict as 'select lower(lesion)::text'"
        )
    owner.execute(f"alter function {row[0]} set search_path = ''".encode())
    attacker.execute(
        f"""select set_config('request.jwt.claims', '{{"sub": "{person(0)}"}}', false)"""
    )
    assert "evil as postgres" in heard(attacker, call)


def test_every_function_names_the_temporary_schema_last(ready: Database) -> None:
    found = ready.connect().execute(
        "select p.oid::regprocedure::text, array_to_string(p.proconfig, ' ') from pg_proc p "
        "where p.pronamespace in ('analytics_private'::regnamespace, 'public'::regnamespace) "
        "and (p.pronamespace <> 'public'::regnamespace or p.proname like any (%s))",
        (list(FUNCTIONS),),
    )
    loose = [
        row for row in found.fetchall()
        if not any(f"search_path={path}" in (row[1] or "") for path in (
            "pg_catalog, pg_temp", "pg_catalog, public, pg_temp"))
    ]  # fmt: skip
    assert loose == []
