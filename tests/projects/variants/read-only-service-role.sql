/*
title = "The service role may only read"
superuser = true
*/
alter role service_role in database postgres set default_transaction_read_only = on;
