-- Takes away the covering index and its vacuum settings; inserts and reads go on.
--
-- Apply   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 \
--           -f sql/analytics_heatmap_covering_index_rollback.sql
--         Not with psql -1, and not as a migration: DROP INDEX CONCURRENTLY refuses a transaction.
-- Again   Safe, also where there never was such an index.

-- Whoever waits for this lock holds nobody up; to give up half-way leaves an invalid index.
set lock_timeout = 0;
set statement_timeout = 0;

drop index concurrently if exists public.responses_heatmap_covering_idx;

-- Known by their value; a project's own stay.
do $settings$
declare
  factor text;
begin
  for factor in
    select split_part(o, '=', 1)
    from pg_catalog.pg_class c cross join lateral unnest(c.reloptions) o
    where c.oid = to_regclass('public.responses') and o in (
      'autovacuum_vacuum_scale_factor=0.0101', 'autovacuum_vacuum_insert_scale_factor=0.0101')
  loop
    execute format('alter table public.responses reset (%s)', factor);
  end loop;
end
$settings$;

reset lock_timeout;
reset statement_timeout;
