/*
title = "A trigger adds every answer to a total that nothing takes back"
warn = ["schema.interference"]
ends = "leftovers"
says = "totals"
after = ""
*/
create table public.totals (only_row bool primary key default true, answers bigint not null);
insert into public.totals values (true, 1583);
create function public.add_up() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    update public.totals set answers = answers + 1;
    return null;
end $$;
create trigger add_up after insert on public.responses
    for each row execute function public.add_up();
