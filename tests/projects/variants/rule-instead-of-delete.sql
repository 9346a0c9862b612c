/*
title = "A rule turns the deletion of answers into nothing"
warn = ["schema.interference"]
ends = "leftovers"
says = "keep_answers"
*/
create rule keep_answers as on delete to public.responses do instead nothing;
