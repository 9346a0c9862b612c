/*
title = "Every change of answers and questions is kept in an audit trail"
warn = ["schema.interference"]
ends = "leftovers"
says = "audit_trail"
*/
create table public.audit_trail (id bigserial primary key, at timestamptz default now(), row jsonb);
create function public.audit() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public.audit_trail (row) values (to_jsonb(coalesce(new, old)));
    return null;
end $$;
create trigger audit after insert or delete on public.responses
    for each row execute function public.audit();
create trigger audit after insert or delete on public.questions
    for each row execute function public.audit();
