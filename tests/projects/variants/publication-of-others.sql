/*
title = "Other tables are published"
*/
create publication supabase_realtime for table public.answer_events;
