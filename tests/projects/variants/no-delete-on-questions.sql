/*
title = "The service role may not delete questions"
fail = ["permissions.service_role"]
ends = "not-ready"
says = "questions"
*/
revoke delete on public.questions from service_role;
