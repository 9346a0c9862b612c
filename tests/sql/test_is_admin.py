"""The project's own `is_admin()`, as projects write it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from .conftest import ANALYTICS
from .test_access import DENIED, MATRIX, OK, READ, REFRESH, outcome

if TYPE_CHECKING:
    from .conftest import Database

BODY = "select exists (select 1 from app_users where id = auth.uid() and role = 'admin')"
WRITTEN = {
    "plain SQL": "create function public.is_admin() returns boolean language sql stable as "
    f"$${BODY}$$",
    "plain SQL, security definer": "create function public.is_admin() returns boolean "
    f"language sql stable security definer as $${BODY}$$",
    "PL/pgSQL": "create function public.is_admin() returns boolean language plpgsql as "
    f"$$ begin return ({BODY}); end $$",
    "with a variable of an enum's type": "create function public.is_admin() returns boolean "
    "language plpgsql as $$ declare mine user_role; begin select role into mine from app_users "
    "where id = auth.uid(); return mine = 'admin'; end $$",
    "with a path of its own": "create function public.is_admin() returns boolean language sql "
    f"stable security definer set search_path = public as $${BODY}$$",
    "with a default": "create function public.is_admin(who uuid default auth.uid()) "
    "returns boolean language sql stable as "
    "$$select exists (select from app_users where id = who and role = 'admin')$$",
    "refusing by an error": "create function public.is_admin() returns boolean language plpgsql as "
    f"$$ begin if ({BODY}) then return true; end if; raise 'no admin' using errcode = '42501'; "
    "end $$",
}


def rewrite(database: Database, statement: str) -> None:
    """Put another `is_admin()` in the place of the platform's, whose policies need it."""
    session = database.connect("supabase_admin")
    session.execute("drop function public.is_admin() cascade")
    session.execute("set role postgres")
    session.execute(statement.encode())


@pytest.mark.parametrize("how", WRITTEN)
def test_administrators_get_in_and_nobody_else(bare: Database, how: str) -> None:
    rewrite(bare, WRITTEN[how])
    bare.apply(*ANALYTICS)
    for name in ("administrator", "learner", "anon", "authenticated with no claims at all",
                 "service role", "owner wearing a learner's claims"):  # fmt: skip
        caller, _, *expected = MATRIX[name]
        with caller(bare) as session:
            assert [outcome(session, call) for call in (READ, REFRESH)] == expected, name
    assert MATRIX["administrator"][2:] == (OK, OK)
    assert MATRIX["learner"][2:] == (DENIED, DENIED)


def refused(database: Database) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as error:
        database.apply(*ANALYTICS)
    return error.value


def test_one_that_cannot_be_called_is_met_before_anything_is_made(bare: Database) -> None:
    owner = bare.connect()
    owner.execute("create schema app; alter table public.app_users set schema app")
    rewrite(bare, "set check_function_bodies = off; " + WRITTEN["plain SQL"])
    error = refused(bare)
    assert 'cannot be called by the heatmap: relation "app_users" does not exist' in str(error)
    found = re.search(r"alter function public\.is_admin\(\) set search_path = ", str(error))
    assert found is not None
    assert owner.execute("select to_regnamespace('analytics_private')").fetchone() == (None,)
    owner.execute(f"{found[0]}public, app, pg_temp".encode())
    bare.apply(*ANALYTICS)


def test_one_in_another_schema_gets_its_wrapper_offered(bare: Database) -> None:
    owner = bare.connect()
    owner.execute("create schema app")
    rewrite(bare, WRITTEN["with a path of its own"].replace("public.is_admin", "app.is_admin"))
    error = refused(bare)
    assert "public.is_admin() does not exist" in str(error)
    offered = re.search(r"create function .*;", error.diag.message_hint or "")
    assert offered is not None
    owner.execute(offered[0].encode())
    bare.apply(*ANALYTICS)
    caller, *_ = MATRIX["administrator"]
    with caller(bare) as session:
        assert outcome(session, READ) == OK
    caller, *_ = MATRIX["learner"]
    with caller(bare) as session:
        assert outcome(session, READ) == DENIED
