/*
title = "Answers are sent to a web hook"
warn = ["schema.triggers"]
*/
create schema supabase_functions;
create function supabase_functions.http_request() returns trigger language plpgsql
    as 'begin return new; end';
create trigger tell_slack after insert on public.responses
    for each row execute function supabase_functions.http_request();
