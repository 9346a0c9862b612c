/*
title = "An older project, which grants everything new to the API's roles"
*/
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
grant all on public.questions, public.responses, public.app_users, public.answer_events
    to anon, authenticated, service_role;
