/*
title = "New questions wait for a review"
warn = ["schema.interference"]
says = "status differs in 20 of 20 rows of questions; trigger meddle on questions"
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    new.status := 'draft';
    return new;
end $$;
create trigger meddle before insert on public.questions
    for each row execute function public.meddle();
