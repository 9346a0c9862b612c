/*
title = "A rating of each question, whose key sets a default that is no question's"
fail = ["schema.references"]
ends = "not-ready"
says = "no cascade on public.ratings."
*/
create table public.ratings (id bigint generated always as identity primary key, question_id uuid not null default '00000000-0000-4000-8000-000000000000' references public.questions (id) on delete set default);
alter table public.ratings enable row level security;
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    insert into ratings (question_id) values (new.id);
    return new;
end $$;
create trigger meddle after insert on public.questions
    for each row  execute function public.meddle();
