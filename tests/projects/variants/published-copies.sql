/*
title = "A trigger copies every question, under a slug that names nothing"
ends = "leftovers"
says = "rows more in public.questions"
after = ""
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    if new.slug not like '%copy-%' then insert into questions (slug, status, stem_md, explanation_brief_md, topic) values ('copy-' || left(md5(new.slug), 8), 'draft', 'x', 'y', new.topic); end if;
    return new;
end $$;
create trigger meddle after insert on public.questions
    for each row  execute function public.meddle();
