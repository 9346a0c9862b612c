/*
title = "A review of each answer, whose key sets NULL where there may be none"
fail = ["schema.references"]
ends = "not-ready"
says = "no cascade on public.reviews."
*/
create table public.reviews (id bigint generated always as identity primary key, response_id uuid not null references public.responses (id) on delete set null);
alter table public.reviews enable row level security;
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    insert into reviews (response_id) values (new.id);
    return new;
end $$;
create trigger meddle after insert on public.responses
    for each row  execute function public.meddle();
