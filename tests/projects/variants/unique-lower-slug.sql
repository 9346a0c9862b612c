/*
title = "Slugs are unique whatever their case"
*/
create unique index slug_ci on public.questions (lower(slug));
