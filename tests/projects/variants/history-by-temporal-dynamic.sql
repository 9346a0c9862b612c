/*
title = "A trigger keeps what is deleted in a table whose name it puts together"
ends = "leftovers"
says = "history.questions"
*/
create schema history;
create table history.questions (like public.questions, valid tstzrange);
create function public.versioning() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  execute format('insert into %I.%I select ($1).*, tstzrange(now(), null)', 'history', tg_table_name) using old;
  return old;
end $$;
create trigger versioning after update or delete on public.questions for each row execute function public.versioning();
