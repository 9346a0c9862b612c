/*
title = "A partial unique index that no row of a run is in"
*/
create unique index one_flag on public.responses (user_id) where flagged and choice_id is not null;
