/*
title = "A publication of right answers alone, which deletes do not tell"
fail = ["schema.publications"]
ends = "not-ready"
says = "refuse deletes: stats (public.responses)"
*/
create publication stats for table public.responses (id, question_id, is_correct) where (is_correct), public.questions (id, topic);
