/*
title = "Every table is published"
superuser = true
warn = ["schema.publications"]
*/
create publication everything for all tables;
