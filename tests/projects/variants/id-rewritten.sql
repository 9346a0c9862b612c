/*
title = "Questions get ids of the database's own"
warn = ["schema.interference"]
ends = "failed"
says = "questions: the id of a row is not kept: trigger meddle on questions"
after = ""
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    new.id := gen_random_uuid();
    return new;
end $$;
create trigger meddle before insert on public.questions
    for each row  execute function public.meddle();
