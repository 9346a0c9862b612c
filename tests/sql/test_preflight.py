"""The preflight document: right on an intact project, and never an error on a broken one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

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
        "caller.role": "service_role",
        "caller.statement_timeout_ms": 8000,
        "caller.lock_timeout_ms": 8000,
        "view.kind": "materialized view",
        "view.owner": OWNER,
        "view.owner_bypasses_rls": True,
        "view.populated": True,
        "view.rows": 1,
        "view.refresh_running": False,
        "last_refresh.rows": 1,
        "last_refresh.concurrent": True,
        "index.on_view": True,
        "index.unique": True,
        "index.valid": True,
        "index.plain": True,
        "index.columns": ["week_start", "question_id"],
        "covering_index.exists": False,
        "functions.analytics_heatmap_admin.overloads": 1,
        "functions.analytics_heatmap_admin.volatility": "stable",
        "functions.analytics_heatmap_admin.search_path": '""',
        "functions.analytics_refresh_heatmap.security_definer": True,
        "functions.analytics_refresh_heatmap.statement_timeout_ms": 300_000,
        "functions.analytics_refresh_heatmap.lock_timeout_ms": 15_000,
        "functions.analytics_refresh_heatmap.returns": "jsonb",
        "gate": {
            "reader": {"no_role": "42501", "learner": "42501"},
            "refresh": {"no_role": "42501", "learner": "42501"},
        },
        "tables.questions.required": ["slug", "stem_md", "explanation_brief_md"],
        "tables.responses.required": ["user_id", "question_id", "is_correct"],
        "tables.responses.unique": [["user_id", "question_id"]],
        "tables.responses.rls": True,
        "tables.app_users.foreign_keys": [
            {"columns": ["id"], "references": "auth.users", "on_delete": "cascade"}
        ],
        "tables.responses.triggers": [
            {
                "name": "on_response_created",
                "function": "public.log_answer",
                "timing": "after insert",
                "enabled": True,
            }
        ],
        "jobs": {"pg_cron": False, "scheduled": []},
    }
    assert {path: at(document, path) for path in expected} == expected
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
        "preflight_execute": ["service_role"],
        "private_schema_usage": [],
    }
    assert not any(right["others"] for right in document["privileges"].values())
    assert all(document["fingerprints"].values())


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
    (f"refresh {VIEW} with no data", {"view.populated": False, "view.rows": None}),
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
     {"gate.refresh": {"no_role": "25006", "learner": "42501"}}),
    (f"drop function {READER}; " + HOLE.format(
        name="analytics_heatmap_admin()", returns="integer", body="return 1;"),
     {"gate.reader": {"no_role": "00000", "learner": "42501"}}),
    ("create or replace function analytics_private.heatmap_caller_is_allowed() returns boolean "
     "language sql set search_path = '' as 'select true'",
     {"gate.reader.learner": "00000", "gate.refresh.learner": "25006"}),
    ("drop function analytics_private.heatmap_caller_is_allowed()",
     {"functions.heatmap_caller_is_allowed.exists": False, "gate.reader.learner": None,
      "fingerprints.gate": None}),
    ("drop table analytics_private.heatmap_refresh, analytics_private.environment",
     {"last_refresh": None, "declared_environment": None}),
    ("alter table analytics_private.heatmap_refresh drop column rows", {"last_refresh": None}),
    ("insert into analytics_private.environment (name) values ('production')",
     {"declared_environment": "production"}),
    ("alter table public.responses disable row level security", {"tables.responses.rls": False}),
    ("alter table public.questions add column extra text not null",
     {"tables.questions.required": ["slug", "stem_md", "explanation_brief_md", "extra"]}),
    ("alter table public.responses disable trigger on_response_created",
     {"tables.responses.triggers": [{"name": "on_response_created", "timing": "after insert",
                                     "function": "public.log_answer", "enabled": False}]}),
    ("drop table public.responses cascade", {"tables.responses.exists": False,
                                             "tables.responses.columns": []}),
    ("revoke delete on public.responses from service_role",
     {"tables.responses.service_role": {"select": True, "insert": True, "update": True,
                                        "delete": False}}),
    ("create schema cron; create table cron.job (jobid int, jobname text, schedule text, "
     "command text, active boolean); insert into cron.job values (1, 'a', '* * * * *', "
     "'select analytics_refresh_heatmap()', true), (2, 'b', '* * * * *', 'vacuum', true)",
     {"jobs": {"pg_cron": True, "scheduled": [
         {"name": "a", "schedule": "* * * * *", "active": True,
          "command": "select analytics_refresh_heatmap()"}]}}),
]  # fmt: skip


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
            assert at(row[0], path) == value, (statement, path)
        unchanged = all(at(intact, path) == value for path, value in expected.items())
        assert not unchanged, ("proves nothing", statement)


def test_a_gate_that_answers_null_lets_nobody_pass(ready: Database) -> None:
    ready.connect().execute(
        "create or replace function analytics_private.heatmap_caller_is_allowed() returns boolean "
        "language sql set search_path = '' as 'select null::boolean'"
    )
    assert preflight(ready)["gate"] == {
        "reader": {"no_role": "42501", "learner": "42501"},
        "refresh": {"no_role": "42501", "learner": "42501"},
    }
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
        assert preflight(ready)["view"]["refresh_running"] is True
    assert preflight(ready)["view"]["refresh_running"] is False


def test_a_refresh_that_holds_readers_off_is_described(ready: Database) -> None:
    before = preflight(ready)
    owner = ready.connect()
    with owner.transaction():
        owner.execute("refresh materialized view public.analytics_heatmap_agg")
        during = preflight(ready)
    assert during["view"]["refresh_running"] is True
    assert during["view"]["rows"] is during["view"]["bytes"] is None
    assert [name for name, md5 in during["fingerprints"].items() if md5 is None] == [
        "all",
        "view",
        "index",
    ]
    for document in (before, during):
        for left_out in ("rows", "bytes", "refresh_running"):
            del document["view"][left_out]
        for left_out in ("view", "index", "all"):
            del document["fingerprints"][left_out]
    assert during == before


def test_a_lock_taken_after_the_look_is_waited_for_a_moment_only(ready: Database) -> None:
    owner = ready.connect()
    view = "public.analytics_heatmap_agg"
    ask = f"select analytics_private.preflight_row_if_free('{view}', 'select to_jsonb(count(*)) from {view}')"  # noqa: E501
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
