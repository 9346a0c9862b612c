/*
title = "A check that calls a function of the auth server's, which must not run as ours"
skip = ["schema.rows"]
*/
alter table public.questions
    add constraint not_by_anon check (coalesce(auth.role(), '') <> 'anon') not valid;
