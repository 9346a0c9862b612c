"""Whether anything was written to a sandbox's database, by the server's own count.

Switch autovacuum off before: it writes on its own account, and would be taken for the console's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from tui.sandbox import Sandbox

Written = dict[str, Any]

WAIT_S = 20
# Rows written in any table, system catalogs included.
TABLES = """
    select schemaname || '.' || relname, n_tup_ins + n_tup_upd + n_tup_del
    from pg_stat_all_tables where n_tup_ins + n_tup_upd + n_tup_del > 0 order by 1
"""
DATABASE = """
    select tup_inserted + tup_updated + tup_deleted
    from pg_stat_database where datname = current_database()
"""
# Moves with every transaction that writes anything at all, whoever makes it.
NEXT_TRANSACTION = "select pg_snapshot_xmax(pg_current_snapshot())::text"
OTHERS = """
    from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'
"""


def quiet(sandbox: Sandbox) -> None:
    """Switch autovacuum off, for the sandbox's life."""
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute("alter system set autovacuum = off")
        connection.execute("select pg_reload_conf()")


def written(sandbox: Sandbox, *, disconnect: bool = True) -> Written:
    """How much has been written so far.

    Args:
        sandbox: Whose database is asked.
        disconnect: Ends all other connections first: a server process adds its counts up when it
            ends, and before that only every now and then. PostgREST then fails a request or two.
    """
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        if disconnect:
            _disconnect(connection)
        return {
            "statistics": dict(connection.execute(TABLES).fetchall()),
            "database": connection.execute(DATABASE).fetchone(),
            "next transaction": connection.execute(NEXT_TRANSACTION).fetchone(),
        }


def _disconnect(connection: psycopg.Connection) -> None:
    deadline = time.monotonic() + WAIT_S
    while connection.execute(f"select count(*) {OTHERS}").fetchone() != (0,):
        assert time.monotonic() < deadline, "connections to the database do not end"
        connection.execute(f"select pg_terminate_backend(pid) {OTHERS}")
