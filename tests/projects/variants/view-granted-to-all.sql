/*
title = "Everything in public was granted to everybody"
fail = ["permissions.anon_view", "permissions.learner_view", "permissions.nobody_else", "permissions.lint_0016"]
ends = "not-ready"
says = "permissions.anon_view"
*/
grant all on all tables in schema public to anon, authenticated, service_role;
