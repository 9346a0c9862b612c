/*
title = "A required column that a trigger fills, whatever is sent"
warn = ["schema.interference"]
*/
alter table public.questions add organisation_id uuid;
update public.questions set organisation_id = '00000000-0000-4000-8000-000000000001';
alter table public.questions alter organisation_id set not null,
    add check (organisation_id = '00000000-0000-4000-8000-000000000001');
create function public.set_organisation() returns trigger language plpgsql
    set search_path = '' as $$
begin
    new.organisation_id := '00000000-0000-4000-8000-000000000001';
    return new;
end $$;
create trigger set_organisation before insert on public.questions
    for each row execute function public.set_organisation();
