/*
title = "No two stems of a topic begin alike"
*/
create unique index one_stem on public.questions (md5(stem_md));
create unique index one_in_topic on public.questions (topic, left(stem_md, 20));
