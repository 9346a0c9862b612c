/*
title = "Every answer names a choice, and choices are of one question"
fail = ["schema.required"]
ends = "not-ready"
says = "responses.choice_id is required, and questions of a run have no choices"
after = ""
*/
create table public.choices (
    id uuid primary key default gen_random_uuid(),
    question_id uuid not null references public.questions (id) on delete cascade
);
insert into public.choices (question_id) select id from public.questions;
update public.responses r
set choice_id = (select c.id from public.choices c where c.question_id = r.question_id);
alter table public.responses alter choice_id set not null,
    add foreign key (choice_id) references public.choices on delete cascade;
