/*
title = "Nothing is there at all"
fail = ["schema.tables"]
ends = "not-ready"
says = "another application"
after = ""
*/
drop schema public cascade; create schema public;
grant usage on schema public to anon, authenticated, service_role;
