-- Sandbox, part 3 of 4: the learning platform's own tables, with its triggers and policies.
--
-- What fans out of one write, so that a verification meets it here before it meets it in a project:
--   a new auth user      -> one app_users row (trigger on auth.users)
--   a response           -> one answer_events row (trigger; cascades away with the response)
--   a question's update  -> updated_at
-- Row level security is on everywhere; service_role and the owner bypass it.
-- Applied by the superuser after 20_auth.sql; everything here belongs to `postgres`, as in a
-- project.

begin;
set local role postgres;

create type public.item_status as enum ('draft', 'review', 'published', 'archived');
create type public.user_role as enum ('student', 'admin');

create table public.app_users (
  id uuid primary key references auth.users (id) on delete cascade,
  role public.user_role not null default 'student',
  alias text unique,
  created_at timestamptz not null default now()
);

create table public.questions (
  id uuid primary key default gen_random_uuid(),
  slug text not null unique,
  status public.item_status not null default 'draft',
  stem_md text not null,
  lead_in text,
  explanation_brief_md text not null,
  explanation_deep_md text,
  topic text,
  subtopic text,
  lesion text,
  difficulty_target integer check (difficulty_target between 1 and 5),
  bloom text,
  context_panels jsonb not null default '[]',
  updated_at timestamptz not null default now()
);

create table public.responses (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.app_users (id) on delete cascade,
  question_id uuid not null references public.questions (id) on delete cascade,
  choice_id uuid,
  is_correct boolean not null,
  ms_to_answer integer check (ms_to_answer between 0 and 600000),
  flagged boolean not null default false,
  created_at timestamptz not null default now(),
  unique (user_id, question_id)
);
create index responses_question_idx on public.responses (question_id);

create table public.answer_events (
  id bigint generated always as identity primary key,
  response_id uuid not null references public.responses (id) on delete cascade,
  user_id uuid not null,
  question_id uuid not null,
  event text not null default 'answered',
  occurred_at timestamptz not null default now()
);
create index answer_events_response_idx on public.answer_events (response_id);

-- SECURITY DEFINER: app_users' own policies call it, and would otherwise call it again without end.
create function public.is_admin() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (
    select from public.app_users u where u.id = auth.uid() and u.role = 'admin'
  )
$$;

create function public.handle_new_user() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into public.app_users (id, alias)
  values (
    new.id,
    coalesce(new.raw_user_meta_data ->> 'alias', 'learner-' || left(md5(new.id::text), 12))
  );
  return new;
end
$$;
create trigger on_auth_user_created after insert on auth.users
  for each row execute function public.handle_new_user();

create function public.log_answer() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into public.answer_events (response_id, user_id, question_id, occurred_at)
  values (new.id, new.user_id, new.question_id, new.created_at);
  return new;
end
$$;
create trigger on_response_created after insert on public.responses
  for each row execute function public.log_answer();

create function public.touch_updated_at() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.updated_at := now();
  return new;
end
$$;
create trigger on_question_updated before update on public.questions
  for each row execute function public.touch_updated_at();

revoke execute on function public.is_admin(), public.handle_new_user(), public.log_answer(),
  public.touch_updated_at() from public, anon, authenticated, service_role;
grant execute on function public.is_admin() to authenticated, service_role;

alter table public.app_users enable row level security;
alter table public.questions enable row level security;
alter table public.responses enable row level security;
alter table public.answer_events enable row level security;

-- In a sub-select, auth.uid() and is_admin() are asked once a statement rather than once a row; one
-- permissive policy a command is as much as the Security and Performance Advisors take.
create policy "own profile, or any for an admin" on public.app_users
  for select to authenticated
  using (id = (select auth.uid()) or (select public.is_admin()));
create policy "published questions, or any for an admin" on public.questions
  for select to authenticated using (status = 'published' or (select public.is_admin()));
create policy "admins add questions" on public.questions
  for insert to authenticated with check ((select public.is_admin()));
create policy "admins change questions" on public.questions
  for update to authenticated
  using ((select public.is_admin())) with check ((select public.is_admin()));
create policy "admins delete questions" on public.questions
  for delete to authenticated using ((select public.is_admin()));
create policy "own answers, or any for an admin" on public.responses
  for select to authenticated
  using (user_id = (select auth.uid()) or (select public.is_admin()));
create policy "learners answer for themselves" on public.responses
  for insert to authenticated with check (user_id = (select auth.uid()));
create policy "own events, or any for an admin" on public.answer_events
  for select to authenticated
  using (user_id = (select auth.uid()) or (select public.is_admin()));

grant select, insert, update, delete
  on public.app_users, public.questions, public.responses, public.answer_events to service_role;
grant select on public.app_users, public.answer_events to authenticated;
grant select, insert, update, delete on public.questions to authenticated;
grant select, insert on public.responses to authenticated;

commit;
