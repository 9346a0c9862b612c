/*
title = "Topics and lesions are enums"
*/
drop materialized view public.analytics_heatmap_agg;
create type public.topic as enum ('Melanocytic', 'Inflammatory');
create type public.lesion as enum ('melanoma', 'nevus');
alter table public.questions alter topic type public.topic using null, alter lesion type public.lesion using null;
-- @analytics
