/*
title = "The API's role may only read, in this database"
superuser = true
fail = ["target.writable"]
ends = "not-ready"
says = "may only read"
*/
alter role authenticator in database postgres set default_transaction_read_only = on;
