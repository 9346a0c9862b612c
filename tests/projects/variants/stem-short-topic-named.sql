/*
title = "Stems are short, topics a fixed list, and a published question is explained at length"
*/
alter table public.questions
    add constraint stem_length check (char_length(stem_md) <= 40) not valid,
    add constraint known_topic check (topic in ('Melanocytic', 'Inflammatory')) not valid,
    add constraint explained check (status <> 'published' or explanation_deep_md is not null)
        not valid;
