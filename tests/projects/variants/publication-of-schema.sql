/*
title = "Schema public is published"
superuser = true
warn = ["schema.publications"]
*/
create publication lake for tables in schema public;
