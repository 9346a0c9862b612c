/*
title = "Questions with five answers are filed by a trigger on responses"
says = "may write it afterwards"
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    update questions set status = 'archived' where id = new.question_id and (select count(*) from responses r where r.question_id = new.question_id) >= 5;
    return new;
end $$;
create trigger meddle after insert on public.responses
    for each row  execute function public.meddle();
