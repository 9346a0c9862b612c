/*
title = "A required key into sessions, each of one learner: a run has none and takes nobody's"
fail = ["schema.required"]
ends = "not-ready"
says = "users of a run have no sessions"
after = ""
*/
create table public.sessions (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references public.app_users (id) on delete cascade
);
insert into public.sessions (user_id) select id from public.app_users;
alter table public.responses add session_id uuid references public.sessions on delete cascade;
update public.responses r
set session_id = (select s.id from public.sessions s where s.user_id = r.user_id);
alter table public.responses alter session_id set not null;
