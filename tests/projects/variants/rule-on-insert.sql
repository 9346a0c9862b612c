/*
title = "A rule logs slow answers"
fail = ["schema.interference"]
ends = "not-ready"
says = "rule log_slow on responses (on insert)"
*/
create table public.log (response uuid);
create rule log_slow as on insert to public.responses where new.ms_to_answer > 300000 do also insert into public.log values (new.id);
