"""Mutations of the platform's tables, and rows that an earlier run has left in them."""

from __future__ import annotations

from tests.mutations.mutation import Mutation
from tests.sandbox.helpers import users_sql

TABLES = [
    Mutation(
        "required-key-to-a-table-without-rows",
        "create table public.bank (id integer primary key); alter table public.questions "
        "add bank_id integer; update public.questions set bank_id = 0; alter table "
        "public.questions alter bank_id set not null, add constraint questions_bank_fkey "
        "foreign key (bank_id) references public.bank not valid; "
        "alter table public.bank owner to postgres",
        "insert into public.bank values (0)",
        hint="what would do is said of each column",
        undo="alter table public.questions drop bank_id; drop table public.bank",
        fails=["schema.required"],
        follow=1,
    ),
    Mutation(
        "required-columns-that-a-run-can-fill",
        "alter table public.questions add source text not null default 'x', "
        "add difficulty public.item_status not null default 'draft';"
        "alter table public.questions alter source drop default, alter difficulty drop default",
        "alter table public.questions drop source, drop difficulty",
    ),
    Mutation(
        "unique-index-on-some-questions",
        "create unique index one_of_a_topic on public.questions (topic) "
        "where slug like 'heatmap-verification-%'",
        "drop index public.one_of_a_topic",
        hint="look at the constraint",
        fails=["schema.rows"],
    ),
    Mutation(
        "slug-of-another-form",
        "alter table public.questions add constraint of_a_form "
        "check (slug ~ '^[a-z0-9]+(_[a-z0-9]+)*$') not valid",
        "alter table public.questions drop constraint of_a_form",
    ),
    Mutation(
        "required-column-with-default",
        "alter table public.questions add source text not null default 'x'",
        "alter table public.questions drop source",
    ),
    Mutation(
        "column-renamed",
        "alter table public.questions rename stem_md to stem",
        "alter table public.questions rename stem to stem_md",
        hint="restore questions.stem_md",
        fails=["schema.columns"],
        follow=3,
    ),
    Mutation(
        "column-dropped",
        "alter table public.questions drop subtopic",
        "alter table public.questions add subtopic text",
        hint="restore questions.subtopic",
        fails=["schema.columns"],
        follow=3,
    ),
    Mutation(
        "column-retyped",
        "alter table public.questions alter lead_in type integer using null",
        "alter table public.questions alter lead_in type text using 'What is it?'",
        hint="make questions.lead_in",
        fails=["schema.columns"],
        follow=3,
    ),
    Mutation(
        "status-without-published",
        "alter type public.item_status rename value 'published' to 'live'",
        "alter type public.item_status rename value 'live' to 'published'",
        hint="label 'published'",
        fails=["schema.columns"],
        follow=3,
    ),
    Mutation(
        "unique-key-that-rows-collide-on",
        "alter table public.responses add constraint one_at_a_time unique (user_id, created_at)",
        "alter table public.responses drop constraint one_at_a_time",
        hint="a run can write no rows that differ there",
        fails=["schema.keys"],
        follow=1,
    ),
    Mutation(
        "unique-key-that-rows-respect",
        "alter table public.questions add unique (topic, slug), add unique (subtopic)",
        "alter table public.questions drop constraint questions_topic_slug_key, "
        "drop constraint questions_subtopic_key",
    ),
    Mutation(
        "foreign-key-without-cascade",
        "alter table public.responses drop constraint responses_question_id_fkey, "
        "add foreign key (question_id) references public.questions (id)",
        "alter table public.responses drop constraint responses_question_id_fkey, "
        "add foreign key (question_id) references public.questions (id) on delete cascade",
        hint="on delete cascade",
        fails=["schema.keys"],
        follow=1,
    ),
    Mutation(
        "profile-foreign-key-dropped",
        "alter table public.app_users drop constraint app_users_id_fkey",
        "alter table public.app_users add foreign key (id) references auth.users (id) "
        "on delete cascade",
        hint="on delete cascade",
        fails=["schema.keys"],
        follow=1,
    ),
    Mutation(
        "no-key-tells-responses-apart",
        "alter table public.responses drop constraint responses_pkey cascade, "
        "drop constraint responses_user_id_question_id_key",
        "alter table public.responses add primary key (id), add unique (user_id, question_id);"
        "alter table public.answer_events add foreign key (response_id) "
        "references public.responses (id) on delete cascade",
        hint="what would do",
        fails=["schema.required"],
        # Without the foreign key that went with it, nothing deletes what a trigger writes.
        warns=["schema.interference"],
        follow=1,
    ),
    Mutation(
        "milliseconds-sent-as-seconds",
        """
        update public.responses set created_at = '55840-06-01'
        where id = (select r.id from public.responses r join public.questions q
          on q.id = r.question_id where q.status = 'published' order by r.id limit 1);
        refresh materialized view public.analytics_heatmap_agg
        """,
        """
        update public.responses set created_at = now() - interval '1 week'
        where created_at not between '2000-01-01' and now() + interval '1 year';
        refresh materialized view public.analytics_heatmap_agg
        """,
        hint="where created_at not between",
        warns=["volume.dates"],
    ),
    Mutation(
        "webhook-on-responses",
        """
        create schema supabase_functions;
        create function supabase_functions.http_request() returns trigger language plpgsql
          as 'begin return new; end';
        create trigger tell_slack after insert on public.responses
          for each row execute function supabase_functions.http_request()
        """,
        "alter table public.responses disable trigger tell_slack",
        hint="disable trigger tell_slack",
        undo="drop schema supabase_functions cascade",
        warns=["schema.triggers"],
    ),
    Mutation(
        "unique-index-that-rows-collide-on",
        "create unique index one_at_a_time on public.responses (user_id, created_at)",
        "drop index public.one_at_a_time",
        hint="a run can write no rows that differ there",
        fails=["schema.keys"],
        follow=1,
    ),
    Mutation(
        "second-key-to-questions",
        "alter table public.responses add follow_up uuid references public.questions (id)"
        " on delete cascade",
        "alter table public.responses drop follow_up",
    ),
    Mutation(
        "profiles-filled-by-a-trigger-hold-users",
        """
        create table public.member (id uuid primary key references auth.users (id), note text);
        create function public.join_up() returns trigger language plpgsql security definer
          set search_path = pg_catalog, pg_temp as
          'begin insert into public.member (id) values (new.id); return new; end';
        create trigger join_up after insert on auth.users
          for each row execute function public.join_up()
        """,
        "alter table public.member drop constraint member_id_fkey, add constraint member_id_fkey "
        "foreign key (id) references auth.users on delete cascade",
        hint="add constraint member_id_fkey FOREIGN KEY (id) REFERENCES auth.users(id) ON DELETE "
        "CASCADE",
        undo="drop trigger join_up on auth.users; drop function public.join_up;"
        "drop table public.member",
        fails=["schema.references"],
    ),
    Mutation(
        "courses-that-no-trigger-fills-refer-to-users",
        "create table public.course (id uuid primary key, author uuid references auth.users (id))",
        "drop table public.course",
    ),
    Mutation(
        "soft-delete-of-responses",
        """
        alter table public.responses add deleted_at timestamptz;
        create function public.keep() returns trigger language plpgsql
          set search_path = pg_catalog, pg_temp as
          'begin update public.responses set deleted_at = now() where id = old.id;
           return null; end';
        create trigger keep before delete on public.responses
          for each row execute function public.keep()
        """,
        "alter table public.responses disable trigger keep",
        hint="alter table public.responses disable trigger keep",
        undo="drop trigger keep on public.responses; drop function public.keep;"
        "alter table public.responses drop deleted_at",
        warns=["schema.interference"],
    ),
    Mutation(
        "rule-instead-of-delete",
        "create rule keep_all as on delete to public.questions do instead nothing",
        "drop rule keep_all on public.questions",
        hint="look at what it does",
        warns=["schema.interference"],
    ),
    Mutation(
        "trigger-on-users-without-search-path",
        """
        create function public.greet() returns trigger language plpgsql as
          'begin return new; end';
        create trigger greet after insert on auth.users for each row execute function public.greet()
        """,
        "alter function public.greet() set search_path = public",
        hint="alter function public.greet() set search_path = public",
        undo="drop trigger greet on auth.users; drop function public.greet",
        warns=["schema.signup"],
    ),
    Mutation(
        "publication-of-responses",
        "create publication warehouse for table public.responses, public.questions",
        "alter publication warehouse drop table public.questions, public.responses",
        hint="alter publication warehouse drop table public.questions, public.responses",
        undo="drop publication warehouse",
        warns=["schema.publications"],
    ),
    Mutation(
        "another-applications-schema",
        "create schema away; alter table public.questions set schema away; alter table "
        "public.responses set schema away; alter table public.app_users set schema away",
        "alter table away.questions set schema public; alter table away.responses set schema "
        "public; alter table away.app_users set schema public; drop schema away",
        hint="needed are questions (id, slug, status",
        fails=["schema.tables"],
        follow=25,
    ),
    Mutation(
        "profiles-hidden",
        "revoke select on public.app_users from service_role",
        "grant select on public.app_users to service_role",
        hint="grant select on public.app_users to service_role",
        fails=["permissions.service_role"],
        follow=2,
    ),
]

LEFTOVERS = [
    Mutation(
        "a-thousand-leftovers",
        """
        insert into public.questions (slug, status, stem_md, explanation_brief_md)
        select format('heatmap-verification-run-%s-%s', case when n < 600 then 'a' else 'b' end, n),
          'published', 'x', 'x' from generate_series(1, 1000) n;
        insert into public.responses (user_id, question_id, is_correct)
        select (select id from public.app_users order by id limit 1), id, true
        from public.questions where slug like 'heatmap-verification-run-%' limit 5
        """,
        "delete from public.questions where slug like 'heatmap-verification-run-%'",
        hint="heatmap-tui --purge",
        warns=["leftovers.questions"],
    ),
    Mutation(
        "leftover-users",
        users_sql(
            "format('heatmap-20260131-9f3c21aa-%s@example.com', n)",
            "from generate_series(1, 7) n",
        ),
        "delete from auth.users where email like 'heatmap-20260131-%'",
        hint="heatmap-tui --purge",
        warns=["leftovers.users"],
    ),
    Mutation(
        "questions-that-are-gone-still-in-the-view",
        """
        insert into public.questions (id, slug, status, stem_md, explanation_brief_md)
        values ('00000000-0000-4000-8000-00000000000a', 'x', 'published', 'x', 'x');
        insert into public.responses (user_id, question_id, is_correct)
        select id, '00000000-0000-4000-8000-00000000000a', true
        from public.app_users order by id limit 1;
        refresh materialized view public.analytics_heatmap_agg;
        delete from public.questions where slug = 'x'
        """,
        "refresh materialized view public.analytics_heatmap_agg",
        hint="select public.analytics_refresh_heatmap()",
        warns=["leftovers.view"],
    ),
    Mutation(
        "look-alikes",
        """
        insert into public.questions (slug, stem_md, explanation_brief_md)
        values ('heatmap-verification-guide', 'x', 'x'), ('my-heatmap-verification-a-1', 'x', 'x');
        """
        + users_sql("'heatmap-fan@example.com'")
        + ";"
        + users_sql("'heatmap-a-1@example.com.learners.example.org'"),
        "delete from public.questions where slug like '%heatmap-verification-%';"
        "delete from auth.users where email like 'heatmap-%'",
    ),
]
