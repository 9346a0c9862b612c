/*
title = "Each profile gets a wallet, whose key does not cascade"
fail = ["schema.references"]
ends = "not-ready"
says = "wallets_owner_fkey"
*/
create table public.wallets (owner uuid primary key references public.app_users (id));
create function public.open_wallet() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public.wallets (owner) values (new.id);
    return null;
end $$;
create trigger open_wallet after insert on public.app_users
    for each row execute function public.open_wallet();
