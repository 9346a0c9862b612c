/*
title = "An answer is of the same course as its question"
*/
create table public.courses (id uuid primary key default gen_random_uuid(), title text);
insert into public.courses (title) values ('A'), ('B');
grant select on public.courses to service_role;
alter table public.questions add course_id uuid references public.courses;
update public.questions set course_id = (select id from public.courses where title = case when nr % 2 = 0 then 'A' else 'B' end)
  from (select id as q, row_number() over (order by slug) nr from public.questions) x where x.q = id;
alter table public.questions alter course_id set not null, add unique (id, course_id);
alter table public.responses add course_id uuid;
update public.responses r set course_id = q.course_id from public.questions q where q.id = r.question_id;
alter table public.responses alter course_id set not null,
  add constraint same_course foreign key (question_id, course_id) references public.questions (id, course_id) on delete cascade;
