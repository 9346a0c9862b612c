/*
title = "Two of the tables are published"
warn = ["schema.publications"]
*/
create publication warehouse for table public.responses, public.questions;
