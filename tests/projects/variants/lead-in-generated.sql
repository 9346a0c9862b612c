/*
title = "A question's lead-in is generated from its stem"
*/
alter table public.questions drop column lead_in;
alter table public.questions add lead_in text generated always as (left(stem_md, 40)) stored;
