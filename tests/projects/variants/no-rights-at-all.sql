/*
title = "No right on any table was granted"
fail = ["permissions.service_role"]
ends = "not-ready"
says = "service_role"
*/
revoke all on public.questions, public.responses, public.app_users from service_role;
