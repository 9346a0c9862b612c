/*
title = "The view has no unique index"
fail = ["schema.index"]
ends = "not-ready"
says = "schema.index"
*/
drop index public.analytics_heatmap_agg_idx;
