/*
title = "The sandbox's own project"
*/
select 1;
