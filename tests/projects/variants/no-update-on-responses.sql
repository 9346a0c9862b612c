/*
title = "Answers are append-only by right: no update"
ends = "verified"
*/
revoke update on public.responses, public.questions from service_role;
