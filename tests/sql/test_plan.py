"""A property over schemas nobody wrote: rows that the database is said to take, it takes."""

from __future__ import annotations

import contextlib
import json
import random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tui.dry_run.facts import ask_about
from tui.verify.dataset import Dataset
from tui.verify.leftovers import ANY_SLUG, new_run_id, run_of_slug

from .cluster import OWNER

if TYPE_CHECKING:
    from .conftest import Database

USERS, QUESTIONS = 5, 31

# What an owner may have added to `questions` and `responses`; each can stand beside any other.
TYPES = (
    ("smallint", "1"), ("bigint", "7"), ("numeric(5, 2)", "1.5"), ("boolean", "true"),
    ("text", "'x'"), ("varchar(6)", "'x'"), ("char(3)", "'abc'"), ("uuid", "gen_random_uuid()"),
    ("jsonb", "'[1]'"), ("date", "current_date"), ("timestamptz", "now()"), ("text[]", "'{}'"),
    ("public.mood", "'glum'"), ("public.percent", "5"), ("interval", "'1 hour'"), ("bytea", "''"),
    ("int4range", "'[1,3)'"),
)  # fmt: skip
OWN_TYPES = (
    "create type public.mood as enum ('glum', 'gay')",
    "create domain public.percent as integer check (value between 1 and 100)",
)
CHANGES = (
    "alter table questions alter slug type varchar({short})",
    "alter table questions add check (char_length(slug) <= {short})",
    "alter table questions add check (slug ~ '^[a-z0-9]+([-_][a-z0-9]+)*$')",
    "alter table questions add check (slug ~ '^[a-z0-9_]+$')",
    "alter table questions add check (slug = lower(slug) and slug !~ '[0-9]')",
    "alter table questions add check (char_length(stem_md) between {low} and {high})",
    "alter table questions add check (char_length(stem_md) <= {short})",
    "alter table questions alter lead_in set not null, alter topic set not null",
    "alter table questions alter lesion set not null, alter subtopic set not null",
    "alter table questions add check (lesion ~ '^[A-Z]')",
    "alter table questions add check (char_length(lesion) <= {short} and lesion = btrim(lesion))",
    "alter table questions add check (topic in ('one', 'two''s'))",
    "create table topic (name text primary key); insert into topic values ('a'), ('b');"
    "alter table questions add foreign key (topic) references topic",
    "create table lesion (name text primary key);"
    "alter table questions add foreign key (lesion) references lesion",
    "alter table questions add check (status <> 'published' or bloom is not null)",
    "alter table questions add check (status <> 'published' or (topic is not null and "
    "difficulty_target is not null))",
    "create table course (id serial primary key, name text);"
    "insert into course (name) values ('a');"
    "alter table questions add course_id integer not null references course",
    "create table place (id integer primary key); alter table responses add place_id integer "
    "not null references place",
    "alter table responses add check (ms_to_answer > {low} and ms_to_answer <= 1000 * {high})",
    "alter table responses alter ms_to_answer set not null",
    "alter table responses alter ms_to_answer type smallint",
    "alter table responses add check (created_at between '{year}-01-01' and now())",
    "alter table answer_events drop response_id; drop trigger on_response_created on responses;"
    "alter table responses drop id; alter table responses add id bigint generated {how} as "
    "identity primary key",
    "alter table answer_events drop response_id; drop trigger on_response_created on responses;"
    "alter table responses drop id; alter table responses add primary key (user_id, question_id)",
    "create unique index on questions (lower(slug)) where status = 'published'",
    "create unique index on questions (topic, lesion) where status = 'published'",
    "create unique index on questions (left(slug, {low}))",
    "create unique index on responses (question_id, created_at)",
    "create unique index on responses (user_id) where is_correct and ms_to_answer > 599999",
    "alter table responses add exclude using btree (user_id with =, question_id with =)",
    "alter table questions add length integer generated always as (char_length(stem_md)) stored "
    "check (length < {high})",
    "alter table questions drop {text} cascade; alter table questions add {text} text "
    "generated always as ('of ' || id::text) stored",
    "alter table responses drop ms_to_answer cascade; alter table responses add ms_to_answer "
    "integer generated always as (case when is_correct then 1000 end) stored",
    "alter table {table} add author uuid not null default {somebody}",
    "alter table {table} add author uuid not null default auth.uid() references auth.users",
    "alter table {table} add tenant text not null default {setting}",
    "alter table {table} add check (now() > timestamptz '{year}-01-01')",
    "alter table responses add opened timestamptz not null "
    "default clock_timestamp() check (opened > timestamptz '2020-01-01')",
    "alter table questions add root_id uuid not null references questions {deferrable}",
    "alter table questions add version integer not null default {version}, "
    "add unique (id, version); alter table responses add version integer not null default 1,"
    "add foreign key (question_id, version) references questions (id, version)",
    "alter table questions add course text not null check (course in ('one', 'two')), "
    "add unique (id, course); alter table responses add course text not null, "
    "add foreign key (question_id, course) references questions (id, course)",
    "alter table responses add again uuid not null references {own} {deferrable}",
    "alter table {table} add number {whole} not null unique check (number between 1 and 9999)",
    "alter table {table} add number {whole} not null check (number < 30000), add unique (number)",
    "alter table {table} add code varchar({length}) not null unique",
    "alter table {table} add code text not null unique check (char_length(code) <= {length})",
    "create unique index on questions (topic, left(stem_md, 20))",
    "create unique index on questions (left(stem_md, 12))",
    "create type public.tag as enum ('a', 'b'); drop materialized view if exists "
    "analytics_heatmap_agg;"
    "alter table questions alter topic type public.tag using null,"
    "alter lesion type public.tag using null",
)


class Direct:
    """What the fitting asks of a project, asked of a session as the service role."""

    def __init__(self, session: psycopg.Connection) -> None:
        self._session = session
        self.asked = 0

    async def preflight(self, parameters: dict[str, Any]) -> dict[str, Any]:
        self.asked += 1
        with self._session.transaction(force_rollback=True):
            self._session.execute("set local role service_role")
            row = self._session.execute(
                "select public.analytics_heatmap_preflight(%s)", [parameters["sample"]]
            ).fetchone()
        assert row is not None
        document: dict[str, Any] = row[0]
        return document


def schema(rng: random.Random) -> list[str]:
    words = {"short": rng.choice((12, 20, 24, 44)), "low": rng.choice((1, 80, 300)),
             "high": rng.choice((40, 400, 4_000)), "year": rng.choice((2020, 2030)),
             "how": rng.choice(("always", "by default")),
             "table": rng.choice(("questions", "responses")), "version": rng.choice((1, 2)),
             "text": rng.choice(("stem_md", "lead_in", "explanation_brief_md", "topic", "lesion")),
             "somebody": rng.choice(("auth.uid()", "null")),
             "setting": rng.choice(("current_setting('app.tenant')", "(auth.jwt() ->> 'org')",
                                    "current_setting('app.tenant', true)")),
             "deferrable": rng.choice(("", "deferrable initially deferred")),
             "own": rng.choice(("questions", "responses")),
             "whole": rng.choice(("smallint", "integer", "bigint")),
             "length": rng.choice((5, 7, 12, 30))}  # fmt: skip
    changes = [change.format(**words) for change in rng.sample(CHANGES, rng.randint(1, 3))]
    for number in range(rng.randint(0, 2)):
        kind, value = rng.choice(TYPES)
        table, unique = rng.choice(("questions", "responses")), rng.choice(("", "", " unique"))
        changes.append(f"alter table {table} add more_{number} {kind} not null default {value}; "
                       f"alter table {table} alter more_{number} drop default")  # fmt: skip
        if unique:
            changes.append(f"alter table {table} add unique (more_{number})")
    return changes


@pytest.mark.parametrize("number", range(25))
async def test_rows_that_are_said_to_be_taken_are_taken(
    shared: Database, sample_seed: int, number: int
) -> None:
    rng = random.Random(f"{sample_seed}:{number}")
    changes = schema(rng)
    with shared.cluster.connect(shared.name, OWNER) as session, session.transaction() as whole:
        session.execute("set local search_path = public")
        for change in (*OWN_TYPES, *changes):
            # Some exclude each other.
            ill = (psycopg.ProgrammingError, psycopg.NotSupportedError)
            with contextlib.suppress(*ill), session.transaction():
                session.execute(change.encode())
        run = Dataset(new_run_id(), users=USERS, questions=QUESTIONS)
        direct = Direct(session)
        preflight = await ask_about(direct, run, {})  # type: ignore[arg-type]
        fitted = preflight.dataset
        assert fitted is not None, (changes, preflight.unread)
        assert direct.asked <= 9
        said = preflight.document["rows"]
        wrong = [each for told in said.values() for each in told["refused"] + told["untold"]]
        if not wrong and not fitted.plan.lacking:
            insert(session, fitted, changes)
        raise psycopg.Rollback(whole)


def insert(session: psycopg.Connection, run: Dataset, changes: list[str]) -> None:
    """Write the whole run, as PostgREST does; whatever is refused was said to be taken."""
    session.execute(
        "alter table responses disable trigger user; alter table responses drop constraint "
        "if exists responses_user_id_fkey"
    )
    session.execute(
        "insert into auth.users (id, email) select id, id || '@example.com' "
        "from unnest(%s::uuid[]) u (id)",
        [run.user_ids],
    )
    answers = [(n, run.answers(n)) for n in range(QUESTIONS)]
    for table, rows in (
        ("questions", [run.question(n) for n in range(QUESTIONS)]),
        ("responses", [row for n, given in answers for row in run.responses(n, given)]),
    ):
        columns = ", ".join(f'"{name}"' for name in rows[0])
        try:
            session.execute(
                f"insert into {table} ({columns}) select {columns} "
                f"from jsonb_populate_recordset(null::{table}, %s)".encode(),
                [json.dumps(rows)],
            )
        except psycopg.Error as error:
            raise AssertionError(f"{changes}: {error}") from error
    assert {run_of_slug(run.question(n)["slug"]) for n in range(QUESTIONS)} == {run.run_id}
    row = session.execute("select count(*) from questions where slug ~ %s", [ANY_SLUG]).fetchone()
    assert row == (QUESTIONS,)
