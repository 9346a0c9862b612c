/*
title = "A trigger merges answers into totals"
warn = ["schema.interference"]
ends = "leftovers"
says = "totals"
after = ""
*/
create table public.totals (day date primary key, n integer not null); alter table public.totals enable row level security;
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    merge into totals t using (select current_date as day) s on t.day = s.day when matched then update set n = t.n + 1 when not matched then insert values (s.day, 1);
    return new;
end $$;
create trigger meddle after insert on public.responses
    for each row  execute function public.meddle();
