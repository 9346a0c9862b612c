"""Which trigger or key may be behind a refusal or a change, as listed.

Everything here is a hint: a preflight that is missing, or of another shape, names nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tui.project import KeyRefused, ProjectUnreachable, TimedOut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.project import ProjectError

AUTH_USERS: Final = "auth.users"
# Rows that carry the tag, as a condition on each table.
_TAGGED: Final = {
    "questions": "slug like 'heatmap-verification-%'",
    AUTH_USERS: "email like 'heatmap-%@example.com'",
    "app_users": "id in (select id from auth.users where email like 'heatmap-%@example.com')",
    "responses": "question_id in (select id from public.questions "
    "where slug like 'heatmap-verification-%')",
}
_LETS_GO: Final = frozenset({"cascade", "set null", "set default"})
_VIOLATED: Final = re.compile(r'foreign key constraint "([^"]+)" on table "([^"]+)"')
_OTHER_TROUBLE: Final = (KeyRefused, ProjectUnreachable, TimedOut)


class Causes:
    """What the preflight knows of a project's tables."""

    def __init__(self, preflight: Mapping[str, Any]) -> None:
        tables = preflight.get("tables")
        self._tables: Mapping[str, Any] = tables if isinstance(tables, dict) else {}

    def triggers(self, table: str, event: str) -> list[str]:
        """Enabled triggers that fire on `insert` or `delete`, each with its function."""
        return [f"{each['name']} ({_function(each)})" for each in self._firing(table, event)]

    def writers(self, table: str, column: str | None = None) -> str:
        """What could have changed a column, or dropped rows, at an insert."""
        firing = self._firing(table, "insert")
        # One that fires afterwards changes rows only by a statement of its own.
        named = [each for each in firing if each.get("timing") != "after"] or firing
        saying_so = [each for each in named if column in (each.get("may_fill") or ())]
        named = saying_so or named
        rules = [
            f"rule {each.get('name')}"
            for each in self._listed(table, "rules")
            if each.get("event") == "insert"
        ]
        does = "write it" if column else "drop them"
        if saying_so and len(named + rules) == 1:
            return f"{_on(named[0], table)} writes it"
        if named or rules:
            return f"{' or '.join([*(_on(each, table) for each in named), *rules])} may {does}"
        kind = next(
            (c.get("type") for c in self._listed(table, "columns") if c.get("name") == column), None
        )
        return f"no trigger on {table} is known; the column is {kind}" if kind else ""

    def _firing(self, table: str, event: str) -> list[Mapping[str, Any]]:
        return [
            {"name": each.get("name"), **each}
            for each in self._listed(table, "triggers")
            if each.get("enabled") and event in each.get("events", (event,))
        ]

    def name(self, error: ProjectError, table: str, event: str) -> ProjectError:
        """The error, naming what of the table may have refused."""
        if not is_refusal(error):
            return error
        named = [] if _of_its_own(error, table) else self.triggers(table, event)
        if named and named[0] not in error.message:
            context = f"; {error.details}" if error.details else ""
            many = "one of the triggers" if len(named) > 1 else "the trigger"
            told = f"{context}; {many} on {table} may refuse it: {', '.join(named)}"
            error.args = (error.message + told,)
        reason = "the reason is in the project's Postgres log"
        if table == AUTH_USERS and reason not in (error.hint or ""):
            error.hint = f"{error.hint}; {reason}" if error.hint else reason
        return error

    def holding(self, error: ProjectError, table: str) -> dict[str, str]:
        """Foreign keys that keep rows of a table from being deleted.

        For each key, in words, the SQL that removes what it ties to a run.
        """
        if not is_refusal(error):
            return {}
        violated = _VIOLATED.search(error.message)
        if violated is not None:
            name, holder = violated.groups()
            known = [
                (referred, key)
                for referred in _TAGGED
                for key in self._listed(referred, "referenced_by")
                if key.get("name") == name
            ]
            if known:
                return dict(_released(*each) for each in known)
            # As PostgreSQL names a key by itself.
            column = name.removeprefix(f"{holder}_").removesuffix("_fkey")
            key = {"table": f"public.{holder}", "name": name, "columns": [column]}
            return dict([_released(table, key)])
        if table != AUTH_USERS:
            return {}
        # The auth server does not say which.
        return dict(
            _released(referred, key)
            for referred in (AUTH_USERS, "app_users")
            for key in self._listed(referred, "referenced_by")
            if key.get("on_delete") not in _LETS_GO
        )

    def _listed(self, table: str, what: str) -> list[Mapping[str, Any]]:
        found = self._tables.get(table)
        listed = found.get(what) if isinstance(found, dict) else None
        return [each for each in listed or () if isinstance(each, dict)]


def _on(trigger: Mapping[str, Any], table: str) -> str:
    return f"trigger {trigger['name']} on {table} ({_function(trigger)})"


def is_refusal(error: ProjectError) -> bool:
    """Whether the database refuses what was asked, and would again."""
    return not isinstance(error, _OTHER_TROUBLE)


def removed_by_owner(table: str) -> str:
    """The SQL that removes synthetic rows of a table that keeps them, and what comes then."""
    name = f"public.{table}"
    sql = f"delete from {name} where {_TAGGED[table]}"  # noqa: S608 - shown, not sent
    return (
        f"as the owner of {name}: begin; alter table {name} disable trigger user; {sql}; "
        f"alter table {name} enable trigger user; commit; then purge again"
    )


def _function(trigger: Mapping[str, Any]) -> str:
    owner = f", owner {trigger['owner']}" if trigger.get("owner") else ""
    return f"{trigger.get('function')}(){owner}"


def _of_its_own(error: ProjectError, table: str) -> bool:
    """Whether the table itself refuses: a missing right, or its own constraint."""
    return re.search(rf'\b(?:table|relation) "?{re.escape(table)}\b', error.message) is not None


def _released(table: str, key: Mapping[str, Any]) -> tuple[str, str]:
    referred = table if "." in table else f"public.{table}"
    columns = ", ".join(key.get("columns", ()))
    sql = (
        f"delete from {key.get('table')} where ({columns}) in "  # noqa: S608 - shown, not sent
        f"(select id from {referred} where {_TAGGED[table]})"
    )
    return f"{key.get('name')} of {key.get('table')}", sql
