/*
title = "The key that does not cascade is deferred, and cascades updates"
fail = ["schema.references"]
ends = "not-ready"
says = "notes_of"
*/
create table public.question_notes (
    id bigserial primary key,
    question_id uuid not null constraint notes_of references public.questions (id)
        on update cascade on delete no action deferrable initially deferred
);
create function public.first_note() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public.question_notes (question_id) values (new.id);
    return null;
end $$;
create trigger first_note after insert on public.questions
    for each row execute function public.first_note();
