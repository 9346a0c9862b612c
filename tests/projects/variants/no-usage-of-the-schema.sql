/*
title = "The service role may not use schema public"
fail = ["schema.tables"]
ends = "not-ready"
says = "schema public"
*/
revoke usage on schema public from service_role, public;
