/*
title = "Slugs have a form that no tag of a run has"
fail = ["schema.required"]
ends = "not-ready"
says = "questions.slug takes none of the tags"
after = ""
*/
alter table public.questions add constraint slug_form check (slug ~ '^q-[0-9]+$') not valid;
