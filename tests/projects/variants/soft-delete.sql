/*
title = "Deleting a response only marks it"
warn = ["schema.interference"]
ends = "leftovers"
says = "1 responses are still there"
*/
alter table public.responses add column deleted_at timestamptz;
create function public.soft_delete() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    update public.responses set deleted_at = now() where id = old.id;
    return null;
end $$;
create trigger soft_delete before delete on public.responses
    for each row execute function public.soft_delete();
