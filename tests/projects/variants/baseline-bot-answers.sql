/*
title = "A bot answers each new question"
ends = "failed"
says = "2 rows stand where one was sent: trigger meddle on questions (public.meddle(), owner postgres) may add some"
after = ""
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    insert into responses (user_id, question_id, is_correct, ms_to_answer) select u.id, new.id, true, 1000 from app_users u where u.role = 'admin' limit 1;
    return new;
end $$;
create trigger meddle after insert on public.questions
    for each row  execute function public.meddle();
