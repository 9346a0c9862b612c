/*
title = "A trigger notes the newest question in a row of the project's own"
warn = ["schema.interference"]
ends = "leftovers"
says = "old values are not known"
after = ""
*/
create table public.settings (key text primary key, value text);
insert into public.settings values ('latest', null);
alter table public.settings enable row level security;
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    update settings set value = new.slug where key = 'latest';
    return new;
end $$;
create trigger meddle after insert on public.questions
    for each row  execute function public.meddle();
