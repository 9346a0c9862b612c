/*
title = "The service role may not insert questions"
fail = ["permissions.service_role"]
ends = "not-ready"
says = "questions"
*/
revoke insert on public.questions from service_role;
