/*
title = "A trigger on auth.users queues a mail"
warn = ["schema.interference"]
ends = "leftovers"
says = "mail.queue"
*/
create schema mail authorization postgres;
create table mail.queue (id bigserial primary key, address text, sent boolean default false);
create function public.welcome() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into mail.queue (address) values (new.email);
    return null;
end $$;
create trigger welcome after insert on auth.users
    for each row execute function public.welcome();
