/*
title = "A junction table with both keys"
*/
create table public.reviews (
    response_id uuid references public.responses (id) on delete cascade,
    question_id uuid references public.questions (id) on delete cascade,
    primary key (response_id, question_id));
grant all on public.reviews to service_role;
