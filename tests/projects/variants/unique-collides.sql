/*
title = "An answer at a time: rows of a run would collide"
fail = ["schema.keys"]
ends = "not-ready"
says = "one_at_a_time"
after = ""
*/
create unique index one_at_a_time on public.responses (user_id, created_at);
