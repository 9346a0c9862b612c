/*
title = "What a run writes is granted column by column"
*/
revoke insert, update on public.questions, public.responses from service_role;
grant insert (id, slug, status, stem_md, lead_in, explanation_brief_md, explanation_deep_md, topic, subtopic, lesion), update (id, slug, status, stem_md, lead_in, explanation_brief_md, topic, subtopic, lesion) on public.questions to service_role;
grant insert (id, user_id, question_id, choice_id, is_correct, ms_to_answer, created_at), update (id, user_id, question_id, is_correct, ms_to_answer, created_at) on public.responses to service_role;
