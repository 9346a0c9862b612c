/*
title = "A rule archives questions instead of deleting them"
warn = ["schema.interference"]
ends = "leftovers"
says = "archive"
*/
create rule archive as on delete to public.questions do instead
    update public.questions set status = 'archived' where id = old.id;
