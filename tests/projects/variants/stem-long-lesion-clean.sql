/*
title = "Stems are long, lesions trimmed and named, durations bounded and named"
*/
update public.questions set lesion = coalesce(nullif(btrim(lesion), ''), 'none');
update public.responses set ms_to_answer = 1000 where ms_to_answer is null;
alter table public.questions alter lesion set not null,
    add constraint stem_length check (char_length(stem_md) between 100 and 2000) not valid,
    add constraint clean check (lesion = btrim(lesion) and lesion !~ '\s\s') not valid;
alter table public.responses alter ms_to_answer set not null,
    add constraint bounded check (ms_to_answer > 500 and ms_to_answer <= 90000) not valid;
refresh materialized view public.analytics_heatmap_agg;
