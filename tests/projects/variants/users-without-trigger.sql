/*
title = "Nothing makes rows of app_users"
warn = ["schema.signup"]
ends = "failed"
says = "app_users knows 0 of 1 new users after 10 s"
after = ""
superuser = true
*/
drop trigger on_auth_user_created on auth.users;
