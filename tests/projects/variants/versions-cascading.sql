/*
title = "A trigger keeps every version of a question, and they go with it"
*/
create table public.question_versions (
    id bigserial primary key,
    question_id uuid not null references public.questions (id) on delete cascade
);
create function public.keep_version() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public.question_versions (question_id) values (new.id);
    return null;
end $$;
create trigger keep_version after insert or update on public.questions
    for each row execute function public.keep_version();
