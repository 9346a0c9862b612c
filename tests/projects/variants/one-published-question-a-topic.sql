/*
title = "A partial unique index that a run's questions cannot respect"
fail = ["schema.rows"]
ends = "not-ready"
says = "one_of_a_topic"
after = ""
*/
create unique index one_of_a_topic on public.questions (lower(topic))
    where status = 'published' and slug like 'heatmap-%';
