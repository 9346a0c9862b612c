/*
title = "A trigger calls the function that keeps versions, whose key does not cascade"
fail = ["schema.references"]
ends = "not-ready"
says = "question_versions_question_id_fkey"
*/
create table public.question_versions (
    id bigserial primary key,
    question_id uuid not null references public.questions (id)
);
create function public.add_version(question uuid) returns void language sql security definer
    set search_path = '' as $$
    insert into public.question_versions (question_id) values (question)
$$;
create function public.version_it() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    perform public.add_version(new.id);
    return null;
end $$;
create trigger version_it after insert on public.questions
    for each row execute function public.version_it();
