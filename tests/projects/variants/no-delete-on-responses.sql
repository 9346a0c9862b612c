/*
title = "The service role may not delete responses"
fail = ["permissions.service_role"]
ends = "not-ready"
says = "responses"
*/
revoke delete on public.responses from service_role;
