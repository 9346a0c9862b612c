/*
title = "A trigger ranks all users"
ends = "leftovers"
says = "ranking"
after = ""
*/
create table public.ranking (user_id uuid primary key references public.app_users (id) on delete cascade, place integer);
insert into public.ranking select id, row_number() over (order by id) from public.app_users; alter table public.ranking enable row level security;
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    insert into ranking (user_id) values (new.user_id) on conflict do nothing; update ranking k set place = r.n from (select user_id, row_number() over (order by count(*) desc, user_id) n from responses group by 1) r where r.user_id = k.user_id;
    return new;
end $$;
create trigger meddle after insert on public.responses
    for each row  execute function public.meddle();
