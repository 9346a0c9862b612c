/*
title = "Questions without a topic are filed under one"
warn = ["schema.interference"]
says = "topic differs in 5 of 20 rows of questions"
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    new.topic := coalesce(new.topic, 'Unsorted');
    return new;
end $$;
create trigger meddle before insert on public.questions
    for each row execute function public.meddle();
