/*
title = "The service role may not select app_users"
fail = ["permissions.service_role"]
ends = "not-ready"
says = "app_users"
*/
revoke select on public.app_users from service_role;
