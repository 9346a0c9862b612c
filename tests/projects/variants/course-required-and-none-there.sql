/*
title = "A required key into a table without rows: nothing to refer to"
fail = ["schema.required"]
ends = "not-ready"
says = "questions.bank_id is required, and no row of banks is there"
repair = "insert into public.banks values (0)"
hint = "what would do is said of each column"
*/
create table public.banks (id integer primary key);
alter table public.questions add bank_id integer references public.banks,
    add constraint of_a_bank check (bank_id is not null) not valid;
