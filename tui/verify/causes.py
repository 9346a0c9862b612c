"""Which trigger or key may be behind a refusal or a change, as listed.

Everything here is a hint: a preflight that is missing, or of another shape, names nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tui.project import APPLY_PREFLIGHT, KeyRefused, ProjectUnreachable, TimedOut
from tui.verify.leftovers import ANY_SLUG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.project import ProjectError

AUTH_USERS: Final = "auth.users"
# Rows that carry the tag, as a condition on each table.
_TAGGED: Final = {
    "questions": f"slug ~ '{ANY_SLUG}'",
    AUTH_USERS: "email like 'heatmap-%@example.com'",
    "app_users": "id in (select id from auth.users where email like 'heatmap-%@example.com')",
    "responses": "question_id in (select id from public.questions where slug ~ "  # noqa: S608
    f"'{ANY_SLUG}')",
}
# What another table says to a delete: by its key, where that restricts or sets a default that is no
# row's; by its column, where the key sets NULL.
_VIOLATED: Final = re.compile(
    r'foreign key constraint "(?P<name>[^"]+)" on table "(?P<holder>[^"]+)"'
    r'|on table "(?P<own>[^"]+)" violates foreign key constraint "(?P<key>[^"]+)"'
    r'|of relation "(?P<relation>[^"]+)" violates not-null'
)
_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")
_RESERVED: Final = re.compile(
    "all|analyse|analyze|and|any|array|as|asc|asymmetric|both|case|cast|check|collate|column|"
    "constraint|create|current_catalog|current_date|current_role|current_time|"
    "current_timestamp|current_user|default|deferrable|desc|distinct|do|else|end|except|"
    "false|fetch|for|foreign|from|grant|group|having|in|initially|intersect|into|lateral|"
    "leading|limit|localtime|localtimestamp|not|null|offset|on|only|or|order|placing|primary|"
    "references|returning|select|session_user|some|symmetric|system_user|table|then|to|"
    "trailing|true|union|unique|user|using|variadic|when|where|window|with"
)
# Values and constraints; what the database fills itself.
_CONSTRAINT: Final = ("22", "23", "428C9")
_OTHER_TROUBLE: Final = (KeyRefused, ProjectUnreachable, TimedOut)


class Causes:
    """What the preflight knows of a project's tables."""

    def __init__(self, preflight: Mapping[str, Any]) -> None:
        self.preflight = preflight
        tables = preflight.get("tables")
        self._tables: Mapping[str, Any] = tables if isinstance(tables, dict) else {}
        held = preflight.get("held")
        self._held = [each for each in held or () if isinstance(each, dict)]

    def writers(self, table: str, column: str | None = None) -> str:
        """What could have changed a column, or dropped rows, at an insert."""
        firing = self._firing(table, "insert")
        kind = next(
            (c.get("type") for c in self._listed(table, "columns") if c.get("name") == column), None
        )
        # One that fires afterwards changes rows only by a statement of its own.
        named = [each for each in firing if each.get("timing") != "after"]
        if not named and kind:
            later = [_on(each, of) for of in _TAGGED for each in self._firing(of, "insert")]
            may = f"; {' or '.join(later)} may write it afterwards" if later else ""
            return f"no trigger writes it before it is stored; the column is {kind}{may}"
        named = named or firing
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
        return ""

    def adders(self, table: str) -> str:
        """What could have added rows at an insert, or nothing."""
        named = [_on(each, table) for each in self._firing(table, "insert")]
        return f"{' or '.join(named)} may add some" if named else ""

    def _firing(self, table: str, event: str) -> list[Mapping[str, Any]]:
        return [
            {"name": each.get("name"), **each}
            for each in self._listed(table, "triggers")
            if each.get("enabled") and event in each.get("events", (event,))
        ]

    def keepers(self, table: str) -> dict[str, str]:
        """Triggers and rules that may keep rows, each as `trigger t` or `rule r`."""
        found = self._firing(table, "delete")
        before = [each for each in found if each.get("timing") in {"before", "instead of"}]
        kept = {_named(each): f"trigger {quoted(each['name'])}" for each in before or found}
        return kept | {
            f"rule {each.get('name')}": f"rule {quoted(each.get('name'))}"
            for each in self._listed(table, "rules")
            if each.get("instead") and each.get("event") == "delete"
        }

    def clearing(self, table: str, tagged: str | None = None) -> str:
        """What the table's owner does to remove a run's rows past what keeps them.

        Args:
            table: One of the three tables.
            tagged: Which rows; None for all that carry the tag.
        """
        name = f"public.{table}"
        switches = list(self.keepers(table).values()) or ["trigger user"]
        off = [f"alter table {name} disable {each}" for each in switches]
        on = [f"alter table {name} enable {each}" for each in switches]
        delete = f"delete from {name} where {tagged or _TAGGED[table]}"  # noqa: S608 - shown, not sent
        done = f"as the owner of {name}: begin; {'; '.join(off)}; {delete}; "
        if any(each.startswith("rule") for each in switches):
            # It would keep the cascades of what a purge deletes from working, too.
            return f"{done}commit; then purge again; afterwards {'; afterwards '.join(on)}"
        return f"{done}{'; '.join(on)}; commit; then purge again"

    def name(self, error: ProjectError, table: str, event: str) -> ProjectError:
        """The error, naming what of the table may have refused."""
        if not is_refusal(error) or error.code is None:
            return error
        own = _of_its_own(error, table)
        named = [] if own else [_named(each) for each in self._firing(table, event)]
        if table == AUTH_USERS:
            # A trigger there makes and removes the row of app_users.
            also = [_on(each, "app_users") for each in self._firing("app_users", event)]
            named += [each.removeprefix("trigger ") for each in also]
        if named and named[0] not in error.message:
            context = f"; {error.details}" if error.details else ""
            many = "one of the triggers" if len(named) > 1 else "the trigger"
            told = f"{context}; {many} on {table} may refuse it: {', '.join(named)}"
            error.args = (error.message + told,)
        if not self.preflight and (error.code or "").startswith(_CONSTRAINT):
            error.hint = f"{APPLY_PREFLIGHT}: a run fits itself to what that tells of the schema"
        reason = "the reason is in the project's Postgres log"
        if table == AUTH_USERS and "Postgres log" not in (error.hint or ""):
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
            name = violated["name"] or violated["key"]
            holder = violated["holder"] or violated["own"] or violated["relation"]
            if name is None:
                return dict(
                    _released(key)
                    for key in self._held
                    if str(key.get("table")).removeprefix("public.").strip('"') == holder
                )
            known = [key for key in self._held if key.get("name") == name]
            # As PostgreSQL names a key by itself.
            column = quoted(name.removeprefix(f"{holder}_").removesuffix("_fkey"))
            referred = table if "." in table else f"public.{table}"
            through = f"{column} in (select id from {referred} where %s)"  # noqa: S608 - shown, not sent
            key = {"table": f"public.{quoted(holder)}", "name": name, "through": through}
            return dict(_released(each) for each in known or [key | {"root": referred}])
        if table != AUTH_USERS:
            return {}
        # The auth server does not say which.
        roots = {AUTH_USERS, "public.app_users"}
        return dict(_released(key) for key in self._held if key.get("root") in roots)

    def _listed(self, table: str, what: str) -> list[Mapping[str, Any]]:
        found = self._tables.get(table)
        listed = found.get(what) if isinstance(found, dict) else None
        return [each for each in listed or () if isinstance(each, dict)]


def _on(trigger: Mapping[str, Any], table: str) -> str:
    return f"trigger {trigger['name']} on {table} ({_function(trigger)})"


def is_refusal(error: ProjectError) -> bool:
    """Whether the database refuses what was asked, and would again."""
    return not isinstance(error, _OTHER_TROUBLE)


def _function(trigger: Mapping[str, Any]) -> str:
    owner = f", owner {trigger['owner']}" if trigger.get("owner") else ""
    return f"{trigger.get('function')}(){owner}"


def _of_its_own(error: ProjectError, table: str) -> bool:
    """Whether the table itself refuses: a missing right, or its own constraint."""
    return re.search(rf'\b(?:table|relation) "?{re.escape(table)}\b', error.message) is not None


def _named(trigger: Mapping[str, Any]) -> str:
    return f"{trigger['name']} ({_function(trigger)})"


def quoted(name: object) -> str:
    """A name as SQL has it, in quotes where it needs them."""
    text = str(name)
    if _PLAIN.fullmatch(text) and not _RESERVED.fullmatch(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _released(key: Mapping[str, Any]) -> tuple[str, str]:
    tagged = _TAGGED.get(str(key.get("root")).removeprefix("public."), "false")
    through = str(key.get("through")).replace("%s", tagged)
    sql = f"delete from {key.get('table')} where {through}"  # noqa: S608 - shown, not sent
    return f"{key.get('name')} of {key.get('table')}", sql
