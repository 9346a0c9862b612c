/*
title = "The key that does not cascade has two columns"
fail = ["schema.references"]
ends = "not-ready"
says = "slugs_of"
*/
alter table public.questions add unique (id, slug);
create table public.slugs (id uuid, slug text, primary key (id, slug),
    constraint slugs_of foreign key (id, slug) references public.questions (id, slug));
create function public.keep_slug() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public.slugs values (new.id, new.slug);
    return null;
end $$;
create trigger keep_slug after insert on public.questions
    for each row execute function public.keep_slug();
