/*
title = "A trigger opens an appeal for each answer, whose key does not cascade"
fail = ["schema.references"]
ends = "not-ready"
says = "appeals_response_id_fkey"
*/
create table public.appeals (id bigserial primary key,
    response_id uuid not null references public.responses (id) on delete restrict);
create function public.open_appeal() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public.appeals (response_id) values (new.id);
    return null;
end $$;
create trigger open_appeal after insert on public.responses
    for each row execute function public.open_appeal();
