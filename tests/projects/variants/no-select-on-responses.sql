/*
title = "The service role may not select responses"
fail = ["permissions.service_role"]
ends = "not-ready"
says = "responses"
*/
revoke select on public.responses from service_role;
