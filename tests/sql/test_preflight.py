"""The preflight document: right on an intact project, and never an error on a broken one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tui.sandbox.postgres import SUPERUSER

from .cluster import OWNER
from .test_numbers import EDGES, Question, Response, insert

if TYPE_CHECKING:
    from .conftest import Database

HOLE = """
create or replace function public.{name} returns {returns} language plpgsql security definer
set search_path = '' as $$
begin
  if not public.is_admin() and auth.role() <> 'service_role' then
    raise exception 'no' using errcode = '42501';
  end if;
  {body}
end $$
"""


def preflight(database: Database) -> dict[str, Any]:
    """Ask as the service key does."""
    with database.request("service_role") as session:
        row = session.execute("select public.analytics_heatmap_preflight()").fetchone()
    assert row is not None
    document: dict[str, Any] = row[0]
    return document


def at(document: dict[str, Any], path: str) -> Any:
    value: Any = document
    for key in path.split("."):
        value = value[key]
    return value


def test_intact_project(granted: Database) -> None:
    owner = granted.connect()
    insert(owner, [Question()], [Response(1, 0, EDGES[4])])
    owner.execute("select public.analytics_refresh_heatmap()")
    document = preflight(granted)
    expected: dict[str, Any] = {
        "schema": 1,
        "server.version_num": owner.info.server_version,
        "declared_environment": None,
        "server.default_read_only": False,
        "server.in_recovery": False,
        "caller.statement_timeout_ms": 8000,
        "view.kind": "materialized view",
        "view.owner": OWNER,
        "view.owner_bypasses_rls": True,
        "view.stale": 0,
        "view.unique": ["public.analytics_heatmap_agg_idx"],
        "locks": [],
        "last_refresh.rows": 1,
        "last_refresh.concurrent": True,
        "index.on_view": True,
        "index.unique": True,
        "index.valid": True,
        "index.plain": True,
        "index.columns": ["week_start", "question_id"],
        "functions.analytics_heatmap_admin.overloads": 1,
        "functions.analytics_heatmap_admin.volatility": "stable",
        "functions.analytics_heatmap_admin.search_path": "pg_catalog, pg_temp",
        "functions.heatmap_caller_is_allowed.search_path": "pg_catalog, public, pg_temp",
        "functions.analytics_refresh_heatmap.security_definer": True,
        "functions.analytics_refresh_heatmap.statement_timeout_ms": 300_000,
        "gate": {
            "reader": {"no_role": "42501", "learner": "42501", "administrator": "00000"},
            "refresh": {"no_role": "42501", "learner": "42501", "administrator": "25006"},
        },
        "tables.questions.required": ["slug", "stem_md", "explanation_brief_md"],
        "tables.responses.required": ["user_id", "question_id", "is_correct"],
        "tables.responses.unique": [
            {
                "name": "public.responses_user_id_question_id_key",
                "columns": ["user_id", "question_id"],
                "where": None,
                "nulls_distinct": True,
                "on_conflict": True,
            }
        ],
        "tables.responses.kind": "table",
        "tables.responses.owner": OWNER,
        "tables.responses.rules": [],
        "tables.responses.rls": True,
        "tables.app_users.foreign_keys": [
            {
                "name": "app_users_id_fkey",
                "columns": ["id"],
                "references": "auth.users",
                "referenced": ["id"],
                "cascades_from": ["auth.users"],
                "parents": None,
                "filled_by": None,
                "parent_of": None,
            }
        ],
        "tables.responses.checks": [
            {
                "name": "responses_ms_to_answer_check",
                "columns": ["ms_to_answer"],
                "expression": "((ms_to_answer >= 0) AND (ms_to_answer <= 600000))",
            }
        ],
        "rows": None,
        "tables.responses.triggers": [TRIGGER],
        "publications": [],
        "held": [],
        "traces": [],
        "jobs": {"pg_cron": False, "scheduled": []},
    }
    assert {path: at(document, path) for path in expected} == expected
    assert [t["function"] for t in document["tables"]["auth.users"]["triggers"]] == [
        "public.handle_new_user"
    ]
    columns = {c["name"]: c for c in document["tables"]["questions"]["columns"]}
    assert columns["status"] == {
        "name": "status", "type": "public.item_status", "base": None,
        "labels": ["draft", "review", "published", "archived"], "not_null": True,
        "default": "'draft'::public.item_status", "filled": None, "lacks": None,
    }  # fmt: skip
    assert [(c["name"], c["type"]) for c in document["view"]["columns"]] == [
        ("question_id", "uuid"),
        ("lesion", "text"),
        ("topic", "text"),
        ("week_start", "date"),
        ("attempts", "bigint"),
        ("correct_attempts", "bigint"),
        ("accuracy_rate", "numeric(3,2)"),
        ("median_duration_ms", "double precision"),
    ]
    may = {
        name: [role for role in ("public", "anon", "authenticated", "service_role") if right[role]]
        for name, right in document["privileges"].items()
    }
    assert may == {
        "view_select": ["service_role"],
        "view_maintain": [],
        "view_write": [],
        "reader_execute": ["authenticated", "service_role"],
        "refresh_execute": ["authenticated", "service_role"],
        "environment_execute": ["service_role"],
        "preflight_execute": ["service_role"],
        "private_schema_usage": [],
    }
    assert not any(right["others"] for right in document["privileges"].values())
    assert all(document["fingerprints"].values())


TRIGGER = {
    "name": "on_response_created",
    "timing": "after",
    "events": ["insert"],
    "level": "row",
    "enabled": True,
    "may_fill": None,
    "function": "public.log_answer",
    "owner": OWNER,
    "security_definer": True,
    "search_path": "pg_catalog, pg_temp",
}
VIEW = "materialized view public.analytics_heatmap_agg"
READER = "public.analytics_heatmap_admin(date, date, text, text, date, uuid, integer)"
REFRESH = "public.analytics_refresh_heatmap()"
INDEX = "public.analytics_heatmap_agg_idx"

# statement as the owner -> where the document says so, and what
BREAKS: list[tuple[str, dict[str, Any]]] = [
    (f"drop index {INDEX}", {"index.exists": False, "index.unique": None}),
    (f"drop index {INDEX}; create index analytics_heatmap_agg_idx on "
     "public.analytics_heatmap_agg (week_start, question_id)", {"index.unique": False}),
    (f"drop index {INDEX}; create unique index analytics_heatmap_agg_idx on "
     "public.analytics_heatmap_agg (week_start, question_id) where attempts > 0",
     {"index.plain": False}),
    (f"drop index {INDEX}; create unique index analytics_heatmap_agg_idx on "
     "public.analytics_heatmap_agg ((week_start + 0), question_id)", {"index.plain": False}),
    (f"drop {VIEW}", {"view.exists": False, "index.exists": False,
                      "privileges.view_select.anon": None}),
    (f"drop {VIEW}; create view public.analytics_heatmap_agg as select 1 as x",
     {"view.kind": "view", "view.columns": [{"name": "x", "type": "integer"}]}),
    ("grant select on public.analytics_heatmap_agg to anon",
     {"privileges.view_select.anon": True, "privileges.view_select.public": False}),
    ("grant select (lesion, attempts) on public.analytics_heatmap_agg to anon",
     {"privileges.view_select": {"public": False, "anon": True, "authenticated": False,
                                 "service_role": True, "others": []}}),
    ("grant select (lesion), update (topic) on public.analytics_heatmap_agg to public",
     {"privileges.view_select.public": True, "privileges.view_select.authenticated": True,
      "privileges.view_write.anon": True}),
    ("grant select (lesion) on public.analytics_heatmap_agg to authenticator",
     {"privileges.view_select.others": ["authenticator"]}),
    ("revoke select on public.analytics_heatmap_agg from service_role; "
     "grant select (lesion) on public.analytics_heatmap_agg to service_role",
     {"privileges.view_select.service_role": False}),
    (f"grant execute on function {REFRESH} to public",
     {"privileges.refresh_execute.public": True, "privileges.refresh_execute.anon": True}),
    (f"revoke execute on function {READER} from service_role",
     {"privileges.reader_execute.service_role": False}),
    ("grant usage on schema analytics_private to authenticated",
     {"privileges.private_schema_usage.authenticated": True}),
    (f"alter function {READER} security invoker",
     {"functions.analytics_heatmap_admin.security_definer": False}),
    (f"alter function {READER} reset search_path",
     {"functions.analytics_heatmap_admin.search_path": None}),
    (f"alter function {REFRESH} reset statement_timeout",
     {"functions.analytics_refresh_heatmap.statement_timeout_ms": None}),
    (f"drop function {READER}", {"functions.analytics_heatmap_admin.exists": False,
                                 "gate.reader.no_role": None}),
    ("create function public.analytics_heatmap_admin(x integer) returns void language sql as ''",
     {"functions.analytics_heatmap_admin.overloads": 2}),
    (f"drop function {REFRESH}; " + HOLE.format(
        name="analytics_refresh_heatmap()", returns="void",
        body="refresh materialized view concurrently public.analytics_heatmap_agg;"),
     {"gate.refresh": {"no_role": "25006", "learner": "42501", "administrator": "25006"}}),
    (f"drop function {READER}; " + HOLE.format(
        name="analytics_heatmap_admin()", returns="integer", body="return 1;"),
     {"gate.reader": {"no_role": "00000", "learner": "42501", "administrator": "00000"}}),
    ("create or replace function analytics_private.heatmap_caller_is_allowed() returns boolean "
     "language sql set search_path = '' as 'select true'",
     {"gate.reader.learner": "00000", "gate.refresh.learner": "25006"}),
    ("drop function analytics_private.heatmap_caller_is_allowed()",
     {"functions.heatmap_caller_is_allowed.exists": False, "gate.reader.learner": "42883",
      "fingerprints.gate": None}),
    ("drop table analytics_private.heatmap_refresh, analytics_private.environment",
     {"last_refresh": None, "declared_environment": None}),
    ("alter table analytics_private.heatmap_refresh drop column rows", {"last_refresh": None}),
    ("alter table analytics_private.environment rename column name to called",
     {"declared_environment": "unreadable"}),
    ("insert into analytics_private.environment (name) values ('production')",
     {"declared_environment": "production"}),
    ("alter table public.responses disable row level security", {"tables.responses.rls": False}),
    ("alter table public.questions add column extra text not null",
     {"tables.questions.required": ["slug", "stem_md", "explanation_brief_md", "extra"]}),
    ("alter table public.responses disable trigger on_response_created",
     {"tables.responses.triggers": [TRIGGER | {"enabled": False}]}),
    ("create function public.keep() returns trigger language plpgsql as 'begin return null; end'; "
     "create trigger a_keep before delete or update on public.responses for each row "
     "execute function public.keep()",
     {"tables.responses.triggers": [
         {"name": "a_keep", "timing": "before", "events": ["update", "delete"], "level": "row",
          "may_fill": None,
          "enabled": True, "function": "public.keep", "owner": "postgres",
          "security_definer": False, "search_path": None}, TRIGGER]}),
    ("create rule keep as on delete to public.responses do instead nothing",
     {"tables.responses.rules": [{"name": "keep", "event": "delete", "instead": True}]}),
    ("create unique index once on public.responses (user_id, created_at) where is_correct",
     {"tables.responses.unique": [
         {"name": "public.once", "columns": ["user_id", "created_at"], "where": "is_correct",
          "nulls_distinct": True, "on_conflict": True},
         {"name": "public.responses_user_id_question_id_key",
          "columns": ["user_id", "question_id"], "where": None,
           "nulls_distinct": True, "on_conflict": True}]}),
    ("create unique index slugs on public.questions (lower(slug)) nulls not distinct; "
     "alter table public.questions drop constraint questions_slug_key",
     {"tables.questions.unique": [
         {"name": "public.slugs", "columns": ["lower(slug)"], "where": None,
          "nulls_distinct": False, "on_conflict": True}]}),
    ("create table public.versions (id int primary key, question_id uuid not null "
     "references public.questions)",
     {"held": [
         {"root": "public.questions", "table": "public.versions", "to": "public.questions",
          "name": "versions_question_id_fkey", "filled_by": None,
          "through": "(question_id) in (select id from public.questions where %s)",
          "release": "alter table public.versions drop constraint versions_question_id_fkey, add "
          "constraint versions_question_id_fkey FOREIGN KEY (question_id) REFERENCES "
          "public.questions(id) ON DELETE CASCADE"}]}),
    ("create domain public.short as varchar(24) not null check (value ~ '^[a-z-]+$'); "
     "alter table public.questions add column code public.short default 'x'",
     {"tables.questions.columns": lambda columns: columns[-1] == {
         "name": "code", "type": "public.short", "base": "character varying(24)", "labels": None,
         "not_null": True, "default": "'x'::character varying", "filled": None,
         "lacks": None}}),
    ("alter table public.responses add column nr bigint generated always as identity",
     {"tables.responses.columns": lambda columns: columns[-1]["filled"] == "identity",
      "tables.responses.required": ["user_id", "question_id", "is_correct"]}),
    ("create publication everything for table public.responses, public.questions",
     {"publications": [{"name": "everything", "by_name": True, "refusing": None,
                        "tables": ["public.questions", "public.responses"]}]}),
    ("alter table public.responses replica identity nothing; alter table public.questions replica "
     "identity full; create publication few for table public.responses, public.questions "
     "where (topic = 'x')",
     {"publications": [{"name": "few", "by_name": True, "refusing": ["public.responses"],
                        "tables": ["public.questions", "public.responses"]}]}),
    ("create publication inserts for table public.responses where (is_correct) "
     "with (publish = 'insert')",
     {"publications": [{"name": "inserts", "by_name": True, "refusing": None,
                        "tables": ["public.responses"]}]}),
    ("set default_transaction_read_only = on",
     {"server.default_read_only": True, "server.read_only_by": "session"}),
    ("create unique index other on public.analytics_heatmap_agg (question_id, week_start)",
     {"view.unique": ["public.analytics_heatmap_agg_idx", "public.other"]}),
    ("create or replace function public.is_admin() returns boolean language sql as 'select false'",
     {"gate.reader.administrator": None}),
    ("create or replace function public.is_admin() returns boolean language plpgsql as "
     "'begin return (select true from no_such_table); end'",
     {"gate.reader.learner": "42P01", "gate.refresh.administrator": None}),
    (f"drop function {READER}; create function public.analytics_heatmap_admin() returns setof "
     "text language plpgsql security definer as $$ begin if not public.is_admin() then "
     "perform set_config('response.status', '403', true); return; end if; "
     "return next 'x'; end $$",
     {"gate.reader": {"no_role": "PT403", "learner": "PT403", "administrator": "00000"}}),
    (f"drop function {READER}; create function public.analytics_heatmap_admin() returns setof "
     "text language plpgsql security definer as $$ begin if not public.is_admin() then "
     "perform set_config('response.status', '403', true); end if; return next 'x'; end $$",
     {"gate.reader.learner": "00000"}),
    ("drop table public.responses cascade", {"tables.responses.exists": False,
                                             "tables.responses.columns": []}),
    ("revoke delete on public.responses from service_role",
     {"tables.responses.service_role": {"select": True, "insert": True, "update": True,
                                        "delete": False, "no_insert": []}}),
    ("revoke insert on public.responses from service_role; grant insert (id, user_id, question_id, "
     "choice_id, is_correct) on public.responses to service_role",
     {"tables.responses.service_role.no_insert": ["ms_to_answer", "flagged", "created_at"]}),
    ("create sequence nr; alter table public.responses add nr bigint default nextval('nr')",
     {"tables.responses.columns": lambda columns: columns[-1]["lacks"] == {
         "value": [], "default": ["usage on sequence public.nr"]}}),
    ("alter table public.responses add check (now() > '2020-01-01')",
     {"tables.responses.checks": lambda checks: checks[0]["columns"] == []}),
    ("create schema cron; create table cron.job (jobid int, jobname text, schedule text, "
     "command text, active boolean); insert into cron.job values (1, 'a', '* * * * *', "
     "'select analytics_refresh_heatmap()', true), (2, 'b', '* * * * *', 'vacuum', true), "
     "(3, null, '* * * * *', 'call public.nightly()', true); create procedure public.nightly() "
     "begin atomic select public.analytics_refresh_heatmap(); end",
     {"jobs": {"pg_cron": True, "scheduled": [
         {"name": "a", "schedule": "* * * * *", "active": True,
          "command": "select analytics_refresh_heatmap()"},
         {"name": None, "schedule": "* * * * *", "active": True,
          "command": "call public.nightly()"}]}}),
]  # fmt: skip


def fits(found: Any, wanted: Any) -> bool:
    return bool(wanted(found)) if callable(wanted) else found == wanted


def test_every_break_is_described_and_none_is_an_error(ready: Database) -> None:
    intact = preflight(ready)
    script = "select public.analytics_heatmap_preflight()"
    for statement, expected in BREAKS:
        with ready.cluster.connect(ready.name, OWNER) as session:
            session.execute("begin")
            session.execute(statement.encode())
            # The document makes the transaction read-only, so it comes last in it.
            session.execute("set local role service_role")
            session.execute(
                "select set_config('request.jwt.claims', %s, true)",
                (json.dumps({"role": "service_role"}),),
            )
            row = session.execute(script).fetchone()
            session.execute("rollback")
        assert row is not None
        for path, value in expected.items():
            assert fits(at(row[0], path), value), (statement, path, at(row[0], path))
        unchanged = all(fits(at(intact, path), value) for path, value in expected.items())
        assert not unchanged, ("proves nothing", statement)


def test_a_gate_that_answers_null_lets_nobody_pass(ready: Database) -> None:
    ready.connect().execute(
        "create or replace function analytics_private.heatmap_caller_is_allowed() returns boolean "
        "language sql set search_path = '' as 'select null::boolean'"
    )
    answers = dict.fromkeys(("no_role", "learner", "administrator"), "42501")
    assert preflight(ready)["gate"] == {"reader": answers, "refresh": answers}
    with ready.request("service_role") as session, pytest.raises(psycopg.Error) as error:
        session.execute("select public.analytics_heatmap_admin()")
    assert error.value.sqlstate == "42501"


def test_writes_nothing_and_lets_nothing_write_after_it(ready: Database) -> None:
    with ready.cluster.connect(ready.name) as session, session.transaction(force_rollback=True):
        session.execute("select public.analytics_heatmap_preflight()")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            session.execute("delete from public.responses")


def test_works_in_a_read_only_transaction_and_puts_the_claims_back(ready: Database) -> None:
    with ready.request("service_role", {"jti": "mine"}, read_only=True) as session:
        session.execute("select public.analytics_heatmap_preflight()")
        row = session.execute("select auth.jwt() ->> 'jti', auth.role()").fetchone()
    assert row == ("mine", "service_role")


def test_a_running_refresh_is_seen(ready: Database) -> None:
    owner = ready.connect()
    with owner.transaction():
        owner.execute("select public.analytics_refresh_heatmap()")
        [held] = preflight(ready)["locks"]
        assert held["relation"] == "public.analytics_heatmap_agg"
        assert "ExclusiveLock" in held["modes"]
        assert held["state"] == "idle in transaction"
        assert held["pid"] == owner.info.backend_pid
    assert preflight(ready)["locks"] == []


@pytest.mark.parametrize(
    ("statement", "relation"),
    [
        ("create index on public.analytics_heatmap_agg (topic)", "analytics_heatmap_agg"),
        ("create index on public.responses (created_at)", "responses"),
        ("lock table public.questions in exclusive mode", "questions"),
    ],
)
def test_what_a_run_would_wait_for_is_seen(ready: Database, statement: str, relation: str) -> None:
    owner = ready.connect()
    with owner.transaction():
        owner.execute(statement.encode())
        assert [each["relation"] for each in preflight(ready)["locks"]] == [f"public.{relation}"]
        owner.execute("select from public.questions")
    with owner.transaction():
        owner.execute("select from public.analytics_heatmap_agg, public.responses limit 1")
        owner.execute("update public.questions set topic = topic")
        assert preflight(ready)["locks"] == []


def test_a_refresh_that_holds_readers_off_is_described(ready: Database) -> None:
    before = preflight(ready)
    owner = ready.connect()
    with owner.transaction():
        owner.execute("refresh materialized view public.analytics_heatmap_agg")
        during = preflight(ready)
    [held] = during["locks"]
    assert "AccessExclusiveLock" in held["modes"]
    assert during["gate"]["reader"]["administrator"] is None
    assert during["view"]["stale"] is None
    assert [name for name, md5 in during["fingerprints"].items() if md5 is None] == [
        "all",
        "view",
        "index",
    ]
    for document in (before, during):
        del document["locks"], document["view"]["stale"]
        del document["gate"]["reader"]["administrator"]
        del document["server"]["now"]
        for left_out in ("view", "index", "all"):
            del document["fingerprints"][left_out]
    assert during == before


def test_a_lock_taken_after_the_look_is_waited_for_a_moment_only(ready: Database) -> None:
    owner = ready.connect()
    view = "public.analytics_heatmap_agg"
    count = f"select to_jsonb(count(*)) from {view}"
    ask = f"select analytics_private.preflight_row('{view}', '{count}', null)"
    with owner.transaction():
        owner.execute(f"refresh materialized view {view}".encode())
        with ready.cluster.connect(ready.name, OWNER) as session, session.transaction():
            session.execute("set local lock_timeout = '7s'")
            assert session.execute(ask.encode()).fetchone() == (None,)
            assert session.execute("show lock_timeout").fetchone() == ("7s",)
    with ready.cluster.connect(ready.name, OWNER) as session, session.transaction():
        session.execute("set local lock_timeout = '7s'")
        assert session.execute(ask.encode()).fetchone() == (0,)
        assert session.execute("show lock_timeout").fetchone() == ("7s",)


def test_fingerprints_follow_the_definitions(ready: Database) -> None:
    before = preflight(ready)["fingerprints"]
    assert preflight(ready)["fingerprints"] == before
    ready.connect().execute(f"alter function {REFRESH} set work_mem = '5MB'".encode())
    after = preflight(ready)["fingerprints"]
    assert {name for name in before if before[name] != after[name]} == {"refresh", "all"}


def test_without_the_heatmap_everything_is_described_as_missing(bare: Database) -> None:
    bare.apply("analytics_heatmap_preflight.sql")
    document = preflight(bare)
    assert document["view"]["exists"] is document["index"]["exists"] is False
    present = {name for name, facts in document["functions"].items() if facts["exists"]}
    assert present == {"analytics_heatmap_preflight"}
    assert document["fingerprints"]["view"] is None
    assert document["tables"]["questions"]["exists"] is True


def traces(database: Database, marks: str = "^$") -> dict[str, dict[str, Any]]:
    with database.request("service_role", read_only=True) as session:
        row = session.execute("select public.analytics_heatmap_traces(%s)", [marks]).fetchone()
    assert row is not None
    return {each["table"]: each for each in row[0]}


def test_traces_are_looked_for_in_every_table_of_the_projects_own(granted: Database) -> None:
    granted.connect().execute("""
        create schema app;
        create table app.log (note text);
        create table app.named_by_nobody (note text);
        create table app.days (day date) partition by range (day);
        create table app.days_1 partition of app.days for values from ('2026-01-01') to (maxvalue);
        create view app.log_view as select * from app.log;
        create table app.copies (id uuid);
        create rule copy as on insert to public.questions do also insert into app.copies
            values (new.id);
        create schema storage; create table storage.objects (note text);
        create table public.large (n int); create table public.anothers (n int);
        insert into app.log values ('of run r1'), ('of run r2'), (null);
        insert into app.days values ('2026-02-01');
        create function app.write() returns trigger language plpgsql as $$
        begin
          insert into app.log_view values (new.id::text);
          insert into app.days values (current_date);
          insert into large values (1);
          insert into anothers values (1);
          return new;
        end $$;
        create trigger write after insert on public.responses for each row
            execute function app.write();
    """)
    granted.connect(SUPERUSER).execute("""
        update pg_class set reltuples = 3000000 where oid = 'public.large'::regclass;
        revoke all on public.anothers from anon, authenticated, service_role;
        alter table public.anothers owner to supabase_auth_admin;
    """)
    found = traces(granted, "r1")
    assert not found.keys() & {"app.days_1", "storage.objects", "auth.sessions"}
    assert {name: each.get("rows") for name, each in found.items()} == {
        "app.log": 3, "app.named_by_nobody": 0, "app.days": 1, "app.copies": 0,
        "public.large": None, "public.anothers": None, "public.answer_events": 0,
        "public.questions": 0, "public.responses": 0, "public.app_users": 13, "auth.users": 13,
        "auth.identities": 0,
    }  # fmt: skip
    assert found["app.log"]["of_run"] == 1
    assert found["public.large"]["unread"] == "about 3000000 rows"
    assert "could not be read: permission denied" in found["public.anothers"]["unread"]
    by = {name: each["by"] for name, each in found.items()}
    write = "write on public.responses"
    assert by["app.named_by_nobody"] is None
    assert by["app.copies"] == "rule copy on public.questions"
    assert {by[name] for name in ("app.log", "app.days", "public.large", "public.anothers")} == {
        write
    }


def test_the_digest_of_traces_is_of_rows_that_do_not_match(granted: Database) -> None:
    owner = granted.connect()
    owner.execute("create table public.notes (note text); insert into notes values ('mine')")

    def digest() -> Any:
        return traces(granted, "r1")["public.notes"]["digest"]

    before = digest()
    owner.execute("insert into public.notes values ('of run r1')")
    owner.execute("update public.notes set note = note")
    assert digest() == before
    owner.execute("update public.notes set note = 'other' where note = 'mine'")
    assert digest() != before


def test_nothing_is_looked_at_where_no_trigger_and_no_rule_runs(granted: Database) -> None:
    granted.connect(SUPERUSER).execute("""
        alter table public.responses disable trigger user;
        alter table auth.users disable trigger user;
    """)
    assert traces(granted) == {}
    granted.connect().execute("create rule keep as on delete to public.answer_events do nothing")
    assert "public.answer_events" in traces(granted)
