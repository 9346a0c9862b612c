"""What the tables say to the rows of a run: constraint by constraint, and nothing is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tui.verify.dataset import Dataset

from .cluster import OWNER

if TYPE_CHECKING:
    from .conftest import Database

RUN = Dataset("20260131-9f3c21aa", users=9, questions=60)

# (statement as the owner, the table, what refuses, the columns)
REFUSALS = [
    ("alter table questions alter lesion set not null", "questions", "lesion", ["lesion"]),
    ("alter table questions add check (char_length(stem_md) > 200)", "questions",
     "questions_stem_md_check", ["stem_md"]),
    ("alter table questions add constraint c check (status <> 'published' or bloom is not null)",
     "questions", "c", ["status", "bloom"]),
    ("alter table responses add constraint c check (ms_to_answer > 0)", "responses", "c",
     ["ms_to_answer"]),
    ("create table topic (name text primary key); alter table questions add constraint c "
     "foreign key (topic) references topic", "questions", "c", ["topic"]),
    ("alter table questions add course integer not null", "questions", "course", ["course"]),
    ("alter table questions drop constraint questions_slug_key; alter table questions alter slug "
     "type varchar(24)", "questions", "character varying(24)", ["slug"]),
    ("create domain public.tag as text check (value = lower(value)); alter table questions "
     "add code public.tag default 'x' not null; alter table questions rename lead_in to old; "
     "alter table questions rename code to lead_in", "questions", "public.tag", ["lead_in"]),
    ("create unique index c on questions (lower(topic)) where status = 'published'", "questions",
     "c", ["status", "topic"]),
    ("create unique index c on questions (lesion) where lesion = 'Spitz nevus'", "questions", "c",
     ["lesion"]),
    ("alter table responses add constraint c unique (question_id, is_correct)", "responses", "c",
     ["question_id", "is_correct"]),
    ("alter table questions add constraint c exclude using btree (left(slug, 20) with =)",
     "questions", "c", ["slug"]),
    ("alter table questions add size integer generated always as (length(slug)) stored, "
     "add constraint c check (size < 20)", "questions", "c", ["size"]),
]  # fmt: skip

# (statement, the table, what cannot be told, why)
UNTOLD = [
    ("alter table questions add constraint c check (coalesce(auth.role(), '') <> 'anon')",
     "questions", "c", "auth.role() belongs to supabase_auth_admin"),
    ("alter table questions add number serial, add constraint c check (number < 1000)", "questions",
     "c", "the database numbers it"),
    ("alter table responses drop constraint responses_user_id_fkey; alter table responses "
     "add constraint c foreign key (user_id) references profile", "responses", "c",
     "rows of public.profile are made by the project itself"),
]  # fmt: skip

# What a run's rows respect, with how many constraints more there are.
RESPECTED = [
    ("select", 0),
    ("create unique index c on questions (topic) where status = 'draft'", 1),
    ("create unique index c on questions (md5(slug), topic)", 1),
    ("alter table questions add number bigint generated always as identity unique", 2),
    ("alter table responses add check (created_at < now())", 1),
    ("alter table questions add parent uuid references questions", 1),
]


def said(database: Database, statement: str) -> dict[str, Any]:
    """What is said to the run's rows once a statement has changed the tables."""
    sample = {table: rows.written() for table, rows in RUN.samples().items()}
    with database.cluster.connect(database.name, OWNER) as session:
        session.execute("begin; set local search_path = public")
        session.execute(statement.encode())
        session.execute("set local role service_role")
        row = session.execute(
            "select public.analytics_heatmap_preflight(%s)", [json.dumps(sample)]
        ).fetchone()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            session.execute("delete from public.responses")
        session.execute("rollback")
    assert row is not None
    rows: dict[str, Any] = row[0]["rows"]
    return rows


@pytest.mark.parametrize("case", REFUSALS, ids=[each[0][:60] for each in REFUSALS])
def test_what_refuses_is_named_with_its_columns_and_rows(
    shared: Database, case: tuple[str, str, str, list[str]]
) -> None:
    statement, table, name, columns = case
    found = said(shared, statement)
    refused = {(of, each["name"]): each for of, told in found.items() for each in told["refused"]}
    assert list(refused) == [(table, name)], found
    assert sorted(refused[table, name]["columns"]) == sorted(columns)
    rows = RUN.samples()[table].all
    assert all(0 <= number < len(rows) for number in refused[table, name]["rows"])
    assert found[table]["untold"] == []


@pytest.mark.parametrize("case", UNTOLD, ids=[each[2] + each[3][:20] for each in UNTOLD])
def test_what_cannot_be_told_is_named(shared: Database, case: tuple[str, str, str, str]) -> None:
    statement, table, name, why = case
    shared.connect().execute("create table if not exists public.profile (id uuid primary key)")
    found = said(shared, statement)
    untold = [(of, each["name"], each["why"]) for of, told in found.items()
              for each in told["untold"]]  # fmt: skip
    assert untold == [(table, name, why)]
    assert [each for told in found.values() for each in told["refused"]] == []


@pytest.mark.parametrize(("statement", "more"), RESPECTED)
def test_what_a_run_respects_is_counted(shared: Database, statement: str, more: int) -> None:
    found = said(shared, statement)
    assert [told["refused"] + told["untold"] for told in found.values()] == [[], []]
    assert sum(told["met"] for told in found.values()) == 22 + more


def test_a_function_of_somebody_else_is_not_run_as_ours(ready: Database) -> None:
    admin = ready.connect("supabase_admin")
    admin.execute(
        "create role colleague; grant create on schema public to colleague;"
        "create function public.fine(text) returns boolean language plpgsql as "
        "'begin raise exception ''run by %'', current_user; end';"
        "alter function public.fine(text) owner to colleague;"
        "alter table public.questions add constraint c check (public.fine(slug)) not valid"
    )
    try:
        found = said(ready, "select")
    finally:
        admin.execute("drop owned by colleague cascade; drop role colleague")
    assert [each["why"] for each in found["questions"]["untold"]] == [
        "public.fine(text) belongs to colleague"
    ]


def test_rows_as_text_are_read_as_well(ready: Database) -> None:
    sample = json.dumps({table: rows.written() for table, rows in RUN.samples().items()})
    with ready.request("service_role", read_only=True) as session:
        row = session.execute(
            "select public.analytics_heatmap_preflight(to_jsonb(%s::text)) -> 'rows'", [sample]
        ).fetchone()
    assert row is not None
    assert row[0]["questions"]["refused"] == []
