/*
title = "The database may only be read, as when the disk is full"
fail = ["target.writable"]
ends = "not-ready"
says = "read-only"
*/
alter database postgres set default_transaction_read_only = on;
