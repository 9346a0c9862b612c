/*
title = "The view's index is another one"
warn = ["schema.index"]
*/
drop index public.analytics_heatmap_agg_idx;
create unique index heatmap_key on public.analytics_heatmap_agg (question_id, week_start);
