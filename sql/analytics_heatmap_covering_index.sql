-- Optional: an index that answers the heatmap's aggregate alone.
--
-- Apply   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f sql/analytics_heatmap_covering_index.sql
--         With psql, not with its -1, and not as a migration: CREATE INDEX CONCURRENTLY refuses a
--         transaction. Inserts and reads go on while it is built.
-- Again   Safe: an index that an interrupted build left invalid is dropped and built anew.
-- Undo    sql/analytics_heatmap_covering_index_rollback.sql
--
-- With it the aggregate reads (question, instant, correct, duration) in order from the index and
-- sorts only within a question. What it gains and costs is measured: sql/README.md.
--
-- The gain depends on the visibility map. With 1% of the pages changed at random since the last
-- vacuum the refresh is slower than without the index. Hence the two settings below: vacuum
-- `responses` after 1% of it was inserted or changed, rather than after 20%. Where the table has
-- such settings of its own, those stay as they are. Ours are odd on purpose: by their value they
-- are known when they are taken back.

-- It waits for every transaction that is older than itself, and holds nobody up meanwhile. To give
-- up would leave an invalid index, which every insert maintains and no query uses.
set lock_timeout = 0;
set statement_timeout = 0;

select 'drop index concurrently public.responses_heatmap_covering_idx'
from pg_catalog.pg_index i
where i.indexrelid = to_regclass('public.responses_heatmap_covering_idx') and not i.indisvalid
\gexec

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
