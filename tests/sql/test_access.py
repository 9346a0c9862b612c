"""Who may read and refresh: every kind of caller, with the old automatic grants and without."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from .conftest import person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from .conftest import Database

    Caller = Callable[[Database], AbstractContextManager[psycopg.Connection]]

SELECT = "select count(*) from public.analytics_heatmap_agg"
READ = "select count(*) from public.analytics_heatmap_admin()"
REFRESH = "select public.analytics_refresh_heatmap()"
PREFLIGHT = "select public.analytics_heatmap_preflight()"
RAW_REFRESH = "refresh materialized view public.analytics_heatmap_agg"
GATE = "select analytics_private.heatmap_caller_is_allowed()"
OK, DENIED = "00000", "42501"

ADMIN = {"sub": str(person(0))}
LEARNER = {"sub": str(person(1))}


def api(role: str, claims: dict[str, str] | None = None) -> Caller:
    """A request through PostgREST."""
    return lambda database: database.request(role, claims)


def direct(user: str, *statements: str) -> Caller:
    """A session of this login role."""

    @contextmanager
    def open_session(database: Database) -> Iterator[psycopg.Connection]:
        with database.cluster.connect(database.name, user) as session:
            for statement in statements:
                session.execute(statement)
            yield session

    return open_session


@contextmanager
def stranger(database: Database) -> Iterator[psycopg.Connection]:
    """A login role without any grant."""
    with database.cluster.connect(database.name) as admin:
        admin.execute("create role stranger login")
        try:
            with database.cluster.connect(database.name, "stranger") as session:
                yield session
        finally:
            admin.execute("drop role stranger")


def claims(text: str) -> str:
    return f"select set_config('request.jwt.claims', '{text}', false)"


# caller -> what selecting the view, reading and refreshing end with
MATRIX: dict[str, tuple[Caller, str, str, str]] = {
    "anon": (api("anon"), DENIED, DENIED, DENIED),
    "anon claiming an administrator's id": (api("anon", ADMIN), DENIED, DENIED, DENIED),
    "learner": (api("authenticated", LEARNER), DENIED, DENIED, DENIED),
    "learner without an id": (api("authenticated"), DENIED, DENIED, DENIED),
    "learner without a role in the claims": (
        direct("authenticator", "set role authenticated", claims(f'{{"sub": "{person(1)}"}}')),
        DENIED, DENIED, DENIED,
    ),
    "authenticated with no claims at all": (
        direct("authenticator", "set role authenticated"), DENIED, DENIED, DENIED,
    ),
    "authenticated with forged claims of the service": (
        direct("authenticator", "set role authenticated", claims('{"role": "service_role"}')),
        DENIED, DENIED, DENIED,
    ),
    "administrator": (api("authenticated", ADMIN), DENIED, OK, OK),
    "service role": (api("service_role"), OK, OK, OK),
    "service role with no claims": (
        direct("authenticator", "set role service_role"), OK, OK, OK,
    ),
    "service role wearing a learner's claims": (
        direct("authenticator", "set role service_role", claims(f'{{"sub": "{person(1)}"}}')),
        OK, DENIED, DENIED,
    ),
    "owner": (direct("postgres"), OK, OK, OK),
    "owner, claims emptied by an earlier request": (
        direct("postgres", claims("")), OK, OK, OK,
    ),
    "owner with the service's claims": (
        direct("postgres", claims('{"role": "service_role"}')), OK, OK, OK,
    ),
    "owner wearing a learner's claims": (
        direct("postgres", claims(f'{{"sub": "{person(1)}", "role": "authenticated"}}')),
        OK, DENIED, DENIED,
    ),
    "owner wearing a learner's id without a role": (
        direct("postgres", claims(f'{{"sub": "{person(1)}"}}')), OK, DENIED, DENIED,
    ),
    "owner wearing an administrator's claims": (
        direct("postgres", claims(f'{{"sub": "{person(0)}"}}')), OK, OK, OK,
    ),
    "owner switched to authenticated": (
        direct("postgres", "set role authenticated"), DENIED, DENIED, DENIED,
    ),
    "scheduled job": (
        direct("postgres", "set application_name = 'pg_cron'", "reset all"), OK, OK, OK,
    ),
    "superuser": (direct("supabase_admin"), OK, OK, OK),
    "authenticator itself": (direct("authenticator"), DENIED, DENIED, DENIED),
    "login role without any grant": (stranger, DENIED, DENIED, DENIED),
}  # fmt: skip


def outcome(session: psycopg.Connection, statement: str) -> str:
    try:
        with session.transaction():
            session.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate or "?"
    return OK


def test_privilege_matrix(granted: Database) -> None:
    expected = {name: outcomes for name, (_, *outcomes) in MATRIX.items()}
    found = {}
    for name, (caller, *_) in MATRIX.items():
        with caller(granted) as session:
            found[name] = [outcome(session, statement) for statement in (SELECT, READ, REFRESH)]
    assert found == expected


def test_nobody_of_the_api_gets_behind_the_functions(granted: Database) -> None:
    behind = (
        RAW_REFRESH,
        GATE,
        "select from analytics_private.environment",
        "select from analytics_private.heatmap_refresh",
        "insert into analytics_private.environment (name) values ('local')",
        "create table analytics_private.mine ()",
        "delete from public.analytics_heatmap_agg",
        PREFLIGHT,
    )
    for name, (caller, *_) in MATRIX.items():
        if name.startswith(("owner", "scheduled", "superuser")) and "switched" not in name:
            continue
        with caller(granted) as session:
            found = [outcome(session, statement) for statement in behind]
        own = [OK if name.startswith("service role") else DENIED]
        # Deleting from a materialized view is refused as such where the privilege is there.
        assert found == [DENIED] * 7 + own, name


@pytest.mark.parametrize(
    ("caller", "code"),
    [("anon", DENIED), ("learner", DENIED), ("administrator", "25006"), ("service role", "25006")],
)
def test_refresh_in_a_read_only_transaction_tells_who_may(
    granted: Database, caller: str, code: str
) -> None:
    role, extra = {
        "anon": ("anon", None),
        "learner": ("authenticated", LEARNER),
        "administrator": ("authenticated", ADMIN),
        "service role": ("service_role", None),
    }[caller]
    with granted.request(role, extra, read_only=True) as session:
        assert outcome(session, REFRESH) == code


def test_nothing_private_is_executable_by_all(granted: Database) -> None:
    # The schema is closed as well; a right that waits for a USAGE to come is still one too many.
    found = granted.connect().execute(
        "select p.proname from pg_proc p cross join lateral aclexplode("
        "coalesce(p.proacl, acldefault('f', p.proowner))) g "
        "where p.pronamespace = 'analytics_private'::regnamespace and g.grantee <> p.proowner"
    )
    assert found.fetchall() == []


def test_gate_is_never_null(ready: Database) -> None:
    wearing = ["", "{}", '{"role": null}', '{"sub": null}', '{"sub": "", "role": ""}']
    for role in ("anon", "authenticated", "service_role", "postgres"):
        for text in wearing:
            # The gate runs inside the owner's functions: stand there.
            with ready.connect("postgres") as session:
                session.execute(
                    "create or replace function public.ask() returns text language plpgsql "
                    "security definer set search_path = '' as $$ begin "
                    "return coalesce(analytics_private.heatmap_caller_is_allowed()::text, 'NULL'); "
                    "exception when invalid_text_representation then return 'false'; end $$; "
                    "grant execute on function public.ask() to public"
                )
                session.execute("select set_config('request.jwt.claims', %s, false)", (text,))
                session.execute(f"set role {role}")
                row = session.execute("select public.ask()").fetchone()
                assert row is not None
                allowed = role in ("service_role", "postgres") and text == ""
                assert row[0] == str(allowed).lower(), (role, text)


def test_denial_comes_before_any_work(granted: Database) -> None:
    # A view that cannot be read at all: whoever is denied must not even notice.
    granted.connect().execute("refresh materialized view public.analytics_heatmap_agg with no data")
    with granted.request("authenticated", LEARNER) as session:
        assert outcome(session, READ) == DENIED
    with granted.request("authenticated", ADMIN) as session:
        assert outcome(session, READ) == "55000"


def test_environment_is_the_owners_to_declare(granted: Database) -> None:
    declare = "insert into analytics_private.environment (name) values ('production')"
    for role in ("anon", "authenticated", "service_role"):
        with granted.request(role) as session:
            assert outcome(session, declare) == DENIED
    owner = granted.connect()
    assert outcome(owner, declare) == OK
    assert outcome(owner, declare) == "23505"
    assert outcome(owner, "update analytics_private.environment set name = 'prod'") == "23514"
    assert outcome(owner, "update analytics_private.environment set only_row = false") == "23514"


# The conditions of the Security Advisor's lints, as far as they concern these objects.
LINTS = {
    "0011 function_search_path_mutable": """
        select p.oid::regprocedure::text from pg_proc p
        where (p.pronamespace = 'analytics_private'::regnamespace or p.proname like 'analytics_%')
          and not exists (select from unnest(p.proconfig) c where c like 'search_path=%')""",
    "0016 materialized_view_in_api": """
        select c.oid::regclass::text from pg_class c
        where c.relkind = 'm' and c.relnamespace = 'public'::regnamespace
          and (has_table_privilege('anon', c.oid, 'select')
            or has_table_privilege('authenticated', c.oid, 'select'))""",
    "0013 rls_disabled_in_public": """
        select c.oid::regclass::text from pg_class c
        where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
          and not c.relrowsecurity""",
    "0028 anon_security_definer_function_executable": """
        select p.oid::regprocedure::text from pg_proc p
        where p.prosecdef and p.pronamespace = 'public'::regnamespace
          and p.proname like 'analytics_%' and has_function_privilege('anon', p.oid, 'execute')""",
    "0029 authenticated_security_definer_function_executable": """
        select p.proname from pg_proc p
        where p.prosecdef and p.pronamespace = 'public'::regnamespace
          and p.proname like 'analytics_%'
          and has_function_privilege('authenticated', p.oid, 'execute') order by 1""",
}
INHERENT = {"0029 authenticated_security_definer_function_executable": [
    "analytics_heatmap_admin", "analytics_refresh_heatmap"]}  # fmt: skip


@pytest.mark.parametrize("lint", LINTS)
def test_security_advisor_finds_nothing_but_what_is_inherent(granted: Database, lint: str) -> None:
    found = [row[0] for row in granted.connect().execute(LINTS[lint].encode()).fetchall()]
    assert found == INHERENT.get(lint, [])
