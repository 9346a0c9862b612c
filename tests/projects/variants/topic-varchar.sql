/*
title = "Topics and lesions are of a certain length"
*/
drop materialized view public.analytics_heatmap_agg;
alter table public.questions alter topic type varchar(60), alter lesion type varchar(80);
-- @analytics
