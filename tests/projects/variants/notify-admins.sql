/*
title = "A trigger writes to others, in a table whose rows go with their user"
ends = "leftovers"
says = "notifications"
*/
create table public.notifications (id bigint generated always as identity primary key, user_id uuid not null references public.app_users (id) on delete cascade, body text);
alter table public.notifications enable row level security;
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    insert into notifications (user_id, body) select u.id, 'New question: ' || new.slug from app_users u where u.role = 'admin';
    return new;
end $$;
create trigger meddle after insert on public.questions
    for each row  execute function public.meddle();
