"""All that a database holds, as checksums, and whether every foreign key in it is valid."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

# The auth server's log keeps two rows of every user on purpose; of a refresh there is a record.
_KEPT = ("auth.audit_log_entries", "analytics_private.heatmap_refresh")
_OURS = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
_RELATIONS = f"""
    select n.nspname, c.relname
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'm') and {_OURS} order by 1, 2
"""
_DEFINITIONS = f"""
    select 'constraint ' || c.conrelid::regclass || '.' || c.conname,
        pg_get_constraintdef(c.oid) || c.convalidated
    from pg_constraint c join pg_namespace n on n.oid = c.connamespace where {_OURS}
    union all
    select 'index ' || c.oid::regclass, pg_get_indexdef(c.oid) || i.indisvalid
    from pg_index i join pg_class c on c.oid = i.indexrelid
        join pg_namespace n on n.oid = c.relnamespace where {_OURS}
    union all
    select 'trigger ' || t.tgrelid::regclass || '.' || t.tgname, pg_get_triggerdef(t.oid)
        || t.tgenabled::text
    from pg_trigger t where not t.tgisinternal
    union all
    select 'rights ' || c.oid::regclass, c.relowner || coalesce(c.relacl::text, '')
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where {_OURS}
"""
_FOREIGN_KEYS = """
    select c.conname, c.conrelid::regclass::text, c.confrelid::regclass::text,
        (select string_agg(format('child.%I is not null', a.attname), ' and ')
         from unnest(c.conkey) k join pg_attribute a
           on a.attrelid = c.conrelid and a.attnum = k),
        (select string_agg(format('child.%I = parent.%I', a.attname, b.attname), ' and ')
         from unnest(c.conkey, c.confkey) k (child, parent)
         join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.child
         join pg_attribute b on b.attrelid = c.confrelid and b.attnum = k.parent)
    from pg_constraint c where c.contype = 'f'
"""


def state(url: str) -> dict[str, Any]:
    """Rows and checksum of every table and matview; constraints, indexes, triggers and rights."""
    found: dict[str, Any] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        for schema, name in connection.execute(_RELATIONS).fetchall():
            if f"{schema}.{name}" in _KEPT:
                continue
            query = "select count(*), md5(string_agg(t::text, '|' order by t::text)) from {} t"
            relation = sql.Identifier(schema, name)
            try:
                row = connection.execute(sql.SQL(query).format(relation)).fetchone()
            except psycopg.errors.ObjectNotInPrerequisiteState:
                row = None
            found[f"{schema}.{name}"] = row
        found.update(connection.execute(_DEFINITIONS).fetchall())
    return found


def orphans(url: str) -> dict[str, int]:
    """Rows that refer to nothing, by foreign key, whatever the database believes of the key."""
    found = {}
    with psycopg.connect(url, autocommit=True) as connection:
        for name, child, parent, is_set, same in connection.execute(_FOREIGN_KEYS).fetchall():
            query = (
                f"select count(*) from {child} child where {is_set} "
                f"and not exists (select from {parent} parent where {same})"
            )
            row = connection.execute(query.encode()).fetchone()
            if row is not None and row[0]:
                found[f"{child}.{name}"] = int(row[0])
    return found


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What differs, each with what it was and is."""
    return {
        name: (before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }
