/*
title = "Answers refer to a version that a trigger on questions makes"
warn = ["schema.rows"]
*/
create table public.question_versions (question_id uuid not null references public.questions (id) on delete cascade,
  version integer not null default 1, primary key (question_id, version));
insert into public.question_versions select id, 1 from public.questions;
alter table public.responses add question_version integer not null default 1,
  add constraint of_version foreign key (question_id, question_version) references public.question_versions on delete cascade;
alter table public.question_versions enable row level security;
grant select, insert, update, delete on public.question_versions to service_role;
create function public.first_version() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    insert into question_versions values (new.id, 1);
    return new;
end $$;
create trigger first_version after insert on public.questions
    for each row  execute function public.first_version();
