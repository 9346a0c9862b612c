/*
title = "Answers lie in partitions by month"
*/
drop trigger on_response_created on public.responses;
drop materialized view public.analytics_heatmap_agg;
drop table public.answer_events;
alter table public.responses rename to answered;
create table public.responses (like public.answered including defaults, primary key (id, created_at),
    foreign key (question_id) references public.questions (id) on delete cascade,
    foreign key (user_id) references public.app_users (id) on delete cascade)
    partition by range (created_at);
do $$
declare
    month timestamptz := '2020-01-01';
begin
    while month < now() + interval '2 months' loop
        execute format('create table public.responses_%s partition of public.responses '
            'for values from (%L) to (%L)',
            to_char(month, 'YYYY_MM'), month, month + interval '1 month');
        month := month + interval '1 month';
    end loop;
end $$;
create table public.responses_other partition of public.responses default;
insert into public.responses select * from public.answered;
drop table public.answered;
create index on public.responses (question_id);
alter table public.responses enable row level security;
grant select, insert, update, delete on public.responses to service_role;
-- @analytics
