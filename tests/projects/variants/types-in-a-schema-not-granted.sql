/*
title = "Required columns are of a schema that nobody was granted"
fail = ["permissions.service_role"]
ends = "not-ready"
says = "lacks usage on schema taxonomy"
*/
create schema taxonomy;
create domain taxonomy.nonempty as text not null check (length(btrim(value)) > 0);
create type taxonomy.level as enum ('easy', 'hard');
create domain taxonomy.lvl as taxonomy.level check (value <> 'easy');
alter table public.questions add language taxonomy.nonempty default 'en', add level taxonomy.lvl not null default 'hard',
   add levels taxonomy.level[] not null default '{hard}' check (cardinality(levels) > 0);
alter table public.questions alter language drop default, alter level drop default, alter levels drop default;
