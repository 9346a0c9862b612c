/*
title = "Answers excluded from overlapping, and dated this year alone"
*/
alter table public.responses
    add constraint apart exclude using btree (question_id with =, user_id with =),
    add constraint recent check (created_at > timestamptz '2020-01-01') not valid;
