/*
title = "A publication of answers that no column tells apart"
fail = ["schema.publications"]
ends = "not-ready"
says = "refuse deletes: stats (public.responses)"
*/
alter table public.responses replica identity nothing;
create publication stats for table public.responses;
