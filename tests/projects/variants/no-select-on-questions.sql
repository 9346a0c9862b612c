/*
title = "The service role may not select questions"
fail = ["permissions.service_role"]
ends = "not-ready"
says = "questions"
*/
revoke select on public.questions from service_role;
