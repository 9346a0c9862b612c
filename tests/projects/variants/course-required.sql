/*
title = "Every question is of a course: a required key into another table"
*/
create table public.courses (id uuid primary key default gen_random_uuid(), title text);
insert into public.courses (title) values ('Dermatopathology'), ('Histology');
alter table public.questions add course_id uuid references public.courses;
update public.questions set course_id = (select id from public.courses limit 1);
alter table public.questions alter course_id set not null;
