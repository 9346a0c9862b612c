/*
title = "The service role may not insert responses"
fail = ["permissions.service_role"]
ends = "not-ready"
says = "responses"
*/
revoke insert on public.responses from service_role;
