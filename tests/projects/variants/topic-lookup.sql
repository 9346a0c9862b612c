/*
title = "Topics and lesions are kept in tables of their own"
*/
create table public.topics (name text primary key);
insert into public.topics select distinct topic from public.questions where topic is not null;
create table public.lesions (name text primary key);
insert into public.lesions select distinct lesion from public.questions where lesion is not null;
alter table public.questions add foreign key (topic) references public.topics,
    add foreign key (lesion) references public.lesions;
update public.questions set topic = (select name from public.topics limit 1) where topic is null;
alter table public.questions alter topic set not null;
refresh materialized view public.analytics_heatmap_agg;
