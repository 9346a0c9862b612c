-- Optional: an index that answers the heatmap's aggregate alone.
--
-- Apply   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f sql/analytics_heatmap_covering_index.sql
--         Not with psql -1, and not as a migration beside other statements: CREATE INDEX
--         CONCURRENTLY refuses a transaction. Inserts and reads go on while it is built.
-- Again   Safe: an index that an interrupted build left invalid is dropped and built anew.
-- Remove  drop index concurrently if exists public.responses_heatmap_covering_idx;
--
-- With it the aggregate reads (question, instant, correct, duration) in order from the index and
-- sorts only within a question. Both sides are measured by `python -m tests.bench.bench_sql`; the
-- figures are the README's. At 1,000,000 responses the view's query takes 0.40 of the time that it
-- takes without, at 10,000,000 0.78. Its price, at 1,000,000: 50 MB, about twice a bare aggregate
-- of the table to build, and 13 to 28% more processor time for inserts in bulk. Its other gain:
-- deleting a question has to find its responses, which nothing else indexes by question. On
-- PostgreSQL 15 that becomes 17 times cheaper; on 18, which can skip through the key
-- (user_id, question_id), 1.5 times.
--
-- The gain depends on the visibility map. With 1% of the pages changed at random since the last
-- vacuum the refresh is slower than without the index. Hence the two settings below: vacuum
-- `responses` after 1% of it was inserted or changed, rather than after 20%. Where the table has
-- such settings of its own, those stay as they are. Ours are odd on purpose: by their value the
-- rollback knows them, and takes back no others. Undo them with
--   alter table public.responses reset
--     (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
-- The dry run shows the share of all-visible pages.

set lock_timeout = '10s';
set statement_timeout = 0;

do $interrupted$
begin
  if exists (
    select from pg_catalog.pg_index i
    where i.indexrelid = to_regclass('public.responses_heatmap_covering_idx') and not i.indisvalid
  ) then
    drop index public.responses_heatmap_covering_idx;
  end if;
end
$interrupted$;

create index concurrently if not exists responses_heatmap_covering_idx
  on public.responses (question_id, created_at) include (is_correct, ms_to_answer);

do $vacuum_early$
declare
  factor text;
begin
  foreach factor in array
    array['autovacuum_vacuum_scale_factor', 'autovacuum_vacuum_insert_scale_factor']
  loop
    if not exists (
      select from pg_catalog.pg_class c cross join lateral unnest(c.reloptions) o
      where c.oid = 'public.responses'::regclass and split_part(o, '=', 1) = factor
    ) then
      execute format('alter table public.responses set (%s = 0.0101)', factor);
    end if;
  end loop;
end
$vacuum_early$;

vacuum (analyze) public.responses;

reset lock_timeout;
reset statement_timeout;
