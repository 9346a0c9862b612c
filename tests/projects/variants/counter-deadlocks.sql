/*
title = "A trigger counts answers by topic, and deadlocks"
warn = ["schema.interference"]
*/
create table public.topic_counts (topic text primary key, answers int not null);
create function public.count_answers() returns trigger language plpgsql security definer
    set search_path = '' as $$
declare
    counted record;
    of_topic text;
begin
    counted := coalesce(new, old);
    select coalesce(q.topic, '-') into of_topic from public.questions q
    where q.id = counted.question_id;
    insert into public.topic_counts as t values (of_topic, 1)
    on conflict (topic) do update set answers = t.answers + case tg_op when 'INSERT' then 1 else -1 end;
    delete from public.topic_counts t where t.topic = of_topic and t.answers = 0;
    return null;
end $$;
create trigger count_answers after insert or delete on public.responses
    for each row execute function public.count_answers();
