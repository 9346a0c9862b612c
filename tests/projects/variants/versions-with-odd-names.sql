/*
title = "Names that have to be quoted"
fail = ["schema.references"]
ends = "not-ready"
says = "Versions of"
*/
create table public."Question Versions" (
    id bigserial primary key,
    "questionId" uuid not null,
    constraint "Versions of" foreign key ("questionId") references public.questions (id)
);
create function public.keep_version() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public."Question Versions" ("questionId") values (new.id);
    return null;
end $$;
create trigger keep_version after insert on public.questions
    for each row execute function public.keep_version();
