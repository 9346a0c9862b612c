"""Applying over every earlier shape, applying again, and taking everything away."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.sandbox.helpers import eventually

from .cluster import OWNER, SQL
from .conftest import ANALYTICS, Database
from .shapes import GRANTS, SHAPES
from .test_numbers import EDGES, Question, Response, insert, question_id

if TYPE_CHECKING:
    from .cluster import Cluster

# Everything that a script could leave behind: relations, columns, functions, schemas, rights.
CATALOGUE = """
select 'relation' as kind, c.oid::regclass::text as name,
  concat_ws(' ', c.relkind, pg_get_userbyid(c.relowner), c.relacl, c.reloptions, c.relrowsecurity,
    (select string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attacl),
       ', '
       order by a.attnum)
     from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
    case when c.relkind = 'i' then pg_get_indexdef(c.oid) when c.relkind = 'm' then
      pg_get_viewdef(c.oid) end, obj_description(c.oid)) as facts
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('public', 'auth', 'analytics_private')
union all
select 'function', p.oid::regprocedure::text,
  concat_ws(' ', pg_get_userbyid(p.proowner), p.proacl, pg_get_functiondef(p.oid),
    obj_description(p.oid))
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('public', 'auth', 'analytics_private') and p.prokind = 'f'
union all
select 'schema', n.nspname, concat_ws(' ', pg_get_userbyid(n.nspowner), n.nspacl)
from pg_namespace n where n.nspname !~ '^pg_'
union all
select 'default rights', d.oid::text, d.defaclacl::text from pg_default_acl d
order by 1, 2
"""
ROLLBACK = "analytics_heatmap_rollback.sql"
COVERING = "analytics_heatmap_covering_index.sql"
COVERING_ROLLBACK = "analytics_heatmap_covering_index_rollback.sql"
FILENODE = "select relfilenode, oid from pg_class where relname like 'analytics_heatmap_agg%'"


def catalogue(database: Database) -> dict[tuple[str, str], str]:
    with database.cluster.connect(database.name) as session:
        return {(row[0], row[1]): row[2] for row in session.execute(CATALOGUE).fetchall()}


def preflight(database: Database) -> dict[str, Any]:
    with database.cluster.connect(database.name, "postgres") as session:
        row = session.execute("select public.analytics_heatmap_preflight()").fetchone()
        assert row is not None
        document: dict[str, Any] = row[0]
        return document


def make(database: Database, shape: str) -> None:
    with database.cluster.connect(database.name, "postgres") as session:
        for statement in SHAPES[shape]:
            session.execute(statement.encode())


@pytest.fixture(scope="session")
def shipped(cluster: Cluster) -> dict[str, dict[tuple[str, str], str]]:
    """The catalogue of a fresh installation, by kind of project."""
    return {kind: catalogue(Database(cluster, f"ready_{kind}")) for kind in ("old", "new")}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_earlier_shape_becomes_the_shipped_one(
    bare_old: Database, shipped: dict[str, dict[tuple[str, str], str]], shape: str
) -> None:
    insert(bare_old.connect(), [Question(lesion="A")], [Response(1, 0, EDGES[4])])
    make(bare_old, shape)
    bare_old.apply(*ANALYTICS)
    assert catalogue(bare_old) == shipped["old"]
    session = bare_old.connect()
    rows = session.execute("select * from public.analytics_heatmap_admin()").fetchall()
    assert [(row[1], row[4]) for row in rows] == [("a", 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_rollback_leaves_nothing(bare: Database, shape: str) -> None:
    before = catalogue(bare)
    make(bare, shape)
    bare.apply(*ANALYTICS)
    session = bare.connect()
    printed: list[str] = []
    session.add_notice_handler(lambda said: printed.append(said.message_primary or ""))
    session.execute((SQL / ROLLBACK).read_bytes())
    assert catalogue(bare) == before
    said = [text.partition("does not come back: ")[2] for text in printed]
    assert all(said)
    assert bool(said) is (shape != "nothing")
    # What is printed is what was there: executed, it is there again.
    made = {name for kind, name in shaped(bare, shape) if "idx" not in name}
    with session.transaction(force_rollback=True):
        for statement in sorted(said, key=lambda text: "FUNCTION" in text):
            session.execute(statement.encode())
        again = session.execute(CATALOGUE).fetchall()
        assert {row[1] for row in again} - {name for _, name in before} == made
    bare.apply(ROLLBACK)
    assert catalogue(bare) == before


def shaped(database: Database, shape: str) -> set[tuple[str, str]]:
    """What a shape adds to the catalogue."""
    before = catalogue(database)
    with database.connect() as session, session.transaction(force_rollback=True):
        for statement in SHAPES[shape]:
            session.execute(statement.encode())
        rows = session.execute(CATALOGUE).fetchall()
    return {(row[0], row[1]) for row in rows} - before.keys()


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "nothing"])
def test_rollback_refuses_what_these_files_did_not_make(bare: Database, shape: str) -> None:
    make(bare, shape)
    bare.apply("analytics_heatmap_preflight.sql")
    before = catalogue(bare)
    with pytest.raises(psycopg.Error, match="these files did not make") as error:
        bare.apply(ROLLBACK)
    assert catalogue(bare) == before
    hint = error.value.diag.message_hint or ""
    bare.connect().execute(hint.partition(":  ")[2].encode())
    bare.apply(ROLLBACK)
    assert not any("heatmap" in name or "analytics" in name for _, name in catalogue(bare))


def test_rollback_stops_where_something_depends_on_the_view(ready: Database) -> None:
    session = ready.connect()
    session.execute("create view public.mine as select * from public.analytics_heatmap_agg")
    before = catalogue(ready)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        ready.apply(ROLLBACK)
    assert catalogue(ready) == before


def test_applying_again_changes_nothing_and_rebuilds_nothing(granted: Database) -> None:
    session = granted.connect()
    before, nodes = catalogue(granted), session.execute(FILENODE).fetchall()
    granted.apply(*ANALYTICS, *ANALYTICS)
    assert catalogue(granted) == before
    assert session.execute(FILENODE).fetchall() == nodes


def test_applying_again_keeps_what_was_declared_and_recorded(ready: Database) -> None:
    session = ready.connect()
    session.execute("insert into analytics_private.environment (name) values ('staging')")
    recorded = "select * from analytics_private.heatmap_refresh, analytics_private.environment"
    before = session.execute(recorded).fetchall()
    assert len(before) == 1
    ready.apply(*ANALYTICS)
    assert session.execute(recorded).fetchall() == before


@pytest.mark.parametrize("damage", [
    "drop index public.analytics_heatmap_agg_idx",
    "drop index public.analytics_heatmap_agg_idx; create unique index analytics_heatmap_agg_idx "
    "on public.analytics_heatmap_agg (question_id, week_start)",
    "drop index public.analytics_heatmap_agg_idx; create index analytics_heatmap_agg_idx "
    "on public.analytics_heatmap_agg (week_start, question_id)",
    "refresh materialized view public.analytics_heatmap_agg with no data",
    "alter materialized view public.analytics_heatmap_agg rename column topic to subject",
    "revoke all on function public.analytics_heatmap_admin(date, date, text, text, date, uuid, "
    "integer) from service_role",
    "grant all on public.analytics_heatmap_agg to anon, authenticated, public",
    "grant execute on function public.analytics_refresh_heatmap() to public",
    "alter function public.analytics_refresh_heatmap() reset search_path",
    "alter function public.analytics_refresh_heatmap() security invoker",
    "create or replace function analytics_private.heatmap_caller_is_allowed() returns boolean "
    "language sql as 'select true'",
    "grant usage on schema analytics_private to public",
])  # fmt: skip
def test_applying_again_repairs(ready: Database, damage: str) -> None:
    before = catalogue(ready)
    ready.connect().execute(damage.encode())
    ready.apply(*ANALYTICS)
    assert catalogue(ready) == before
    # One that is not populated refuses to be read.
    ready.connect().execute("select from public.analytics_heatmap_agg")


@pytest.mark.parametrize("shape", ["the runbook's first", "nothing"])
def test_grants_to_roles_of_ones_own_survive(bare: Database, shape: str) -> None:
    admin = bare.connect("supabase_admin")
    admin.execute('create role "Reporting"')
    try:
        make(bare, shape)
        if shape == "nothing":
            bare.apply(*ANALYTICS)
        owner = bare.connect()
        owner.execute('grant select on public.analytics_heatmap_agg to "Reporting"')
        owner.execute(
            "grant select (lesion), update (attempts) on public.analytics_heatmap_agg "
            'to "Reporting" with grant option'
        )
        for function in owner.execute(
            "select oid::regprocedure::text from pg_proc where proname like 'analytics_%heatmap%' "
            "and pronamespace = 'public'::regnamespace"
        ).fetchall():
            owner.execute(f'grant execute on function {function[0]} to "Reporting"'.encode())
        owner.execute("drop index if exists public.analytics_heatmap_agg_idx")
        bare.apply(*ANALYTICS)
        rights = preflight(bare)["privileges"]
        assert rights["view_select"]["others"] == ["Reporting"]
        assert rights["reader_execute"]["others"] == ["Reporting"]
        assert rights["refresh_execute"]["others"] == ["Reporting"]
        assert rights["view_select"]["authenticated"] is False
        kept = owner.execute(
            "select attname, array_to_string(attacl, ' ') from pg_attribute "
            "where attrelid = 'public.analytics_heatmap_agg'::regclass and attacl is not null "
            "order by attname"
        ).fetchall()
        assert kept == [
            ("attempts", "Reporting=w*/postgres"),
            ("lesion", "Reporting=r*/postgres"),
        ]
    finally:
        admin.execute('drop owned by "Reporting"; drop role "Reporting"')


def test_grants_on_columns_that_are_gone_are_gone(bare: Database) -> None:
    make(bare, "other columns")
    owner = bare.connect()
    owner.execute("grant select (question) on public.analytics_heatmap_agg to authenticator")
    owner.execute("grant select (n) on public.analytics_heatmap_agg to anon")
    bare.apply(*ANALYTICS)
    rights = preflight(bare)["privileges"]["view_select"]
    assert (rights["others"], rights["anon"]) == ([], False)


def test_grants_on_columns_to_the_apis_roles_are_taken_back(ready: Database) -> None:
    before = catalogue(ready)
    ready.connect().execute(
        "grant select (lesion, attempts) on public.analytics_heatmap_agg to anon, authenticated"
    )
    assert catalogue(ready) != before
    ready.apply(*ANALYTICS)
    assert catalogue(ready) == before


@pytest.mark.parametrize("kind", ["varchar(60)", "character(7)", "public.tag", "public.label"])
def test_tags_may_be_of_any_type_that_is_text(ready: Database, kind: str) -> None:
    """And what an earlier file has made of such columns is repaired by applying this one."""
    owner = ready.connect()
    owner.execute(
        "create domain public.tag as text check (length(value) <= 40);"
        "create type public.label as enum ('Spitz', 'nevus');"
        "drop materialized view public.analytics_heatmap_agg;"
        f"alter table public.questions alter topic type {kind} using topic::{kind},"
        f"alter lesion type {kind} using lesion::{kind}".encode()
    )
    insert(owner, [Question(lesion="Spitz", topic="nevus")], [Response(1, 0, EDGES[4])])
    ready.apply("analytics_heatmap.sql")
    nodes = owner.execute(FILENODE).fetchall()
    ready.apply("analytics_heatmap.sql")
    assert owner.execute(FILENODE).fetchall() == nodes
    with ready.request("service_role") as session:
        session.execute("select public.analytics_refresh_heatmap()")
    with ready.request("service_role") as session:
        rows = session.execute(
            "select lesion, topic from public.analytics_heatmap_admin(only_topic => 'nevus')"
        ).fetchall()
    assert [(lesion, topic.strip()) for lesion, topic in rows] == [("spitz", "nevus")]


def test_another_rule_for_lesions_makes_the_rows_anew(ready: Database) -> None:
    owner = ready.connect()
    insert(owner, [Question(lesion=" Two  Words ")], [Response(1, 0, EDGES[4])])
    owner.execute(
        "create or replace function analytics_private.normalized_lesion(lesion text) returns text "
        "language sql immutable parallel safe strict set search_path = '' as 'select upper(lesion)'"
    )
    owner.execute("refresh materialized view public.analytics_heatmap_agg")
    lesion = "select lesion from public.analytics_heatmap_agg"
    assert owner.execute(lesion).fetchall() == [(" TWO  WORDS ",)]
    ready.apply("analytics_heatmap.sql")
    assert owner.execute(lesion).fetchall() == [("two words",)]
    filtered = "select count(*) from analytics_heatmap_admin(only_lesion => 'TWO WORDS')"
    assert owner.execute(filtered).fetchone() == (1,)


def test_readers_go_on_while_the_new_view_is_filled(ready: Database) -> None:
    owner = ready.connect()
    insert(owner, [Question(lesion="A")], [Response(1, 0, EDGES[4])])
    owner.execute("drop index public.analytics_heatmap_agg_idx")
    # Once the new view is filled, the file waits here until the reader has had its turn.
    lock = "hashtextextended('filled', 0)"
    fill = "  refresh materialized view analytics_private.heatmap_agg_next;\n"
    script = (SQL / "analytics_heatmap.sql").read_text()
    assert script.count(fill) == 1
    slow = script.replace(fill, f"{fill}  perform pg_advisory_xact_lock({lock});\n")
    failures: list[BaseException] = []

    def apply() -> None:
        try:
            with ready.cluster.connect(ready.name, OWNER) as session:
                session.execute(slow.encode())
        except psycopg.Error as error:
            failures.append(error)

    holder = ready.connect()
    thread = threading.Thread(target=apply)
    with holder.transaction():
        holder.execute(f"select pg_advisory_xact_lock({lock})".encode())
        thread.start()
        blocked = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        assert eventually(lambda: owner.execute(blocked).fetchone() == (1,))
        reader = ready.connect()
        reader.execute("set lock_timeout = '100ms'")
        rows = reader.execute("select lesion from public.analytics_heatmap_agg").fetchall()
        assert rows == [], "the old view, filled before there was an answer"
    thread.join(60)
    assert not thread.is_alive()
    assert failures == []
    assert reader.execute("select lesion from public.analytics_heatmap_agg").fetchall() == [("a",)]


def test_gives_up_where_somebody_holds_the_old_view(bare: Database) -> None:
    make(bare, "the runbook's first")
    before = catalogue(bare)
    # Whoever reads the old view makes the file give up rather than queue everybody behind it.
    patience = "set local lock_timeout = '10s'"
    script = (SQL / "analytics_heatmap.sql").read_text()
    assert script.count(patience) == 1
    short = script.replace(patience, "set local lock_timeout = '100ms'")
    reader, session = bare.connect(), bare.connect()
    with reader.transaction():
        reader.execute("select from public.analytics_heatmap_agg")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            session.execute(short.encode())
        session.close()
    assert catalogue(bare) == before


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ("drop table public.responses cascade", "does not exist"),
        ("alter function public.is_admin() rename to is_boss", "public.is_admin()"),
        ("create table public.analytics_heatmap_agg ()", "is neither a view nor"),
    ],
)
def test_says_what_is_missing_and_changes_nothing(bare: Database, spoil: str, says: str) -> None:
    bare.connect().execute(spoil.encode())
    before = catalogue(bare)
    with pytest.raises(psycopg.Error) as error:
        bare.apply("analytics_heatmap.sql")
    assert says in str(error.value)
    assert error.value.diag.message_hint
    assert catalogue(bare) == before


def test_refuses_an_owner_that_is_subject_to_row_level_security(bare: Database) -> None:
    admin = bare.connect("supabase_admin")
    admin.execute("create role humble login")
    try:
        admin.execute("grant create on schema public to humble")
        admin.execute(f"grant create on database {bare.name} to humble".encode())
        admin.execute("grant select on all tables in schema public to humble")
        admin.execute("grant usage on schema auth to humble")
        admin.execute("alter table public.responses owner to humble")
        with pytest.raises(psycopg.Error, match="subject to row level security"):
            bare.apply("analytics_heatmap.sql", user="humble")
    finally:
        admin.execute(
            "reassign owned by humble to postgres; drop owned by humble; drop role humble"
        )


def psql(database: Database, *files: str) -> str:
    """Apply files as documented; return what was said."""
    said = ""
    for file in files:
        result = database.cluster.psql(database.name, SQL / file)
        assert result.returncode == 0, result.stderr
        said += result.stderr
    return said


VALID = """
select indisvalid from pg_index
where indexrelid = to_regclass('public.responses_heatmap_covering_idx')
"""


def test_files_apply_with_psql_as_documented(bare: Database) -> None:
    before = catalogue(bare)
    session = bare.connect()
    psql(bare, *ANALYTICS, COVERING, COVERING)
    assert session.execute(VALID).fetchone() == (True,)
    said = psql(bare, ROLLBACK)
    assert "responses_heatmap_covering_idx stays" in said
    assert COVERING_ROLLBACK in said
    assert psql(bare, COVERING_ROLLBACK, COVERING_ROLLBACK, ROLLBACK).count("WARNING") == 0
    assert catalogue(bare) == before


FACTORS = "select reloptions from pg_class where oid = 'public.responses'::regclass"
OWN = "autovacuum_vacuum_scale_factor=0.3"


def test_a_projects_own_vacuum_settings_stay(bare: Database) -> None:
    session = bare.connect()
    session.execute("alter table public.responses set (autovacuum_vacuum_scale_factor = 0.3)")
    psql(bare, COVERING)
    ours = "autovacuum_vacuum_insert_scale_factor=0.0101"
    assert session.execute(FACTORS).fetchone() == ([OWN, ours],)
    psql(bare, COVERING_ROLLBACK)
    assert session.execute(FACTORS).fetchone() == ([OWN],)


def test_the_vacuum_settings_are_taken_back_without_the_index(bare: Database) -> None:
    before = catalogue(bare)
    psql(bare, COVERING)
    bare.connect().execute("drop index public.responses_heatmap_covering_idx")
    assert catalogue(bare) != before
    psql(bare, COVERING_ROLLBACK)
    assert catalogue(bare) == before


def test_invalid_covering_index_is_built_anew(ready: Database) -> None:
    admin = ready.connect("supabase_admin")
    psql(ready, COVERING)
    admin.execute(
        "update pg_index set indisvalid = false "
        "where indexrelid = 'public.responses_heatmap_covering_idx'::regclass"
    )
    psql(ready, COVERING)
    assert admin.execute(VALID).fetchone() == (True,)


@pytest.mark.parametrize("file", [COVERING, COVERING_ROLLBACK])
def test_the_covering_index_disturbs_no_learner_and_gives_up_for_nobody(
    ready: Database, file: str
) -> None:
    owner, old, learner = ready.connect(), ready.connect(), ready.connect()
    owner.execute("alter role postgres set lock_timeout = '50ms'")
    insert(owner, [Question(), Question()], [Response(1, 0, EDGES[4])])
    if file == COVERING_ROLLBACK:
        psql(ready, COVERING)
    learner.execute("set lock_timeout = '2s'")
    failures: list[BaseException] = []

    def apply() -> None:
        try:
            psql(ready, file)
        except AssertionError as error:
            failures.append(error)

    thread = threading.Thread(target=apply)
    try:
        with old.transaction():
            # An older transaction, which both have to wait for.
            old.execute("update public.responses set flagged = true")
            thread.start()
            waits = "select count(*) from pg_locks where not granted and locktype = 'virtualxid'"
            assert eventually(lambda: owner.execute(waits).fetchone() != (0,))
            insert(learner, [], [Response(2, 0, EDGES[4])])
            learner.execute("update public.questions set topic = 'x'")
            learner.execute("delete from public.questions where id = %s", (question_id(1),))
            # Longer than the role would wait for a lock.
            thread.join(0.3)
            assert thread.is_alive()
        thread.join(60)
    finally:
        owner.execute("alter role postgres reset lock_timeout")
    assert failures == []
    valid = owner.execute(VALID).fetchone()
    assert valid == ((True,) if file == COVERING else None)


def test_without_automatic_grants_the_first_shape_becomes_the_shipped_one(
    bare: Database, shipped: dict[str, dict[tuple[str, str], str]]
) -> None:
    make(bare, "the runbook's first")
    bare.apply(*ANALYTICS)
    assert catalogue(bare) == shipped["new"]


def test_old_grants_of_the_first_shape_are_gone(bare_old: Database) -> None:
    make(bare_old, "the runbook's first")
    assert "to public" in GRANTS
    bare_old.apply(*ANALYTICS)
    rights = preflight(bare_old)["privileges"]
    for name in ("view_select", "view_maintain", "view_write", "preflight_execute"):
        assert not any((rights[name]["public"], rights[name]["anon"])), name
    assert rights["refresh_execute"]["public"] is False
    assert rights["refresh_execute"]["anon"] is False
