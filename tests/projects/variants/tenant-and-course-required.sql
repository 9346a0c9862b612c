/*
title = "Two required keys that share a column: only pairs that exist will do"
*/
create table public.tenants (id integer primary key);
insert into public.tenants values (1), (2);
create table public.courses (
    tenant_id integer references public.tenants,
    id integer,
    primary key (tenant_id, id)
);
insert into public.courses values (2, 7);
alter table public.questions add tenant_id integer references public.tenants, add course_id integer;
update public.questions set tenant_id = 2, course_id = 7;
alter table public.questions alter tenant_id set not null, alter course_id set not null,
    add foreign key (tenant_id, course_id) references public.courses;
