"""What a run leaves or changes in the project's own tables by triggers.

The tables are read before the first write and after the clean-up. Rows that name the run are the
run's for certain; any other change is, where a trigger may have made it and nobody else has
written meanwhile. Whose any further change is cannot be told, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tui.project import ProjectError
from tui.verify.leftovers import SLUG_FORMS, id_of, is_ours

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tui.project import Project

    Tables = Mapping[str, Mapping[str, Any]]

_FUNCTION: Final = "analytics_heatmap_traces"
_UNCLEAR: Final = (
    "changed during the run: {}; others wrote meanwhile, so whose change it is cannot be told"
)
_ELSEWHERE: Final = (
    "changed during the run: {}; no trigger or rule that a run sets off names it, so it is taken "
    "for another's change"
)
_UNREAD: Final = "not looked at for what a run leaves: {}"
_RESPONSES: Final = "public.responses"
_WRITTEN: Final = ("public.questions", _RESPONSES, "public.app_users", "auth.users")


@dataclass(frozen=True, slots=True)
class Trace:
    """A table in which something is left.

    Attributes:
        seen: What, in words.
        remedy: The SQL that removes it, or None where no row was added that names the run.
    """

    seen: str
    remedy: str | None


@dataclass(slots=True)
class Traces:
    """What a run has left; `remarks`: others' changes perhaps, tables not read."""

    left: list[Trace] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def told(self) -> str:
        return "; ".join(each.seen for each in self.left)

    def remedy(self) -> str:
        """The SQL that removes it, or what to do where none can."""
        remedies = [each.remedy for each in self.left if each.remedy]
        return "; ".join(remedies) or "look at what those triggers do: no row is the run's alone"


def marks(run_ids: Iterable[str]) -> str:
    """What rows of runs hold: names or beginnings of ids, with `|` between them."""
    words: list[str] = []
    for run_id in run_ids:
        if is_ours(run_id):
            words += dict.fromkeys(form.write(run_id) for form in SLUG_FORMS)
            kinds = ("user", "question", "response")
            words += [str(id_of(run_id, kind, 0))[:-12] for kind in kinds]
    return "|".join(words)


async def read(
    project: Project, preflight: Mapping[str, Any], run_ids: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Those tables by name; none without a preflight that knows them, or a run.

    Raises:
        ProjectError: They cannot be read.
    """
    held = marks(run_ids)
    if "traces" not in preflight or not held:
        return {}
    reply, _ = await project.call_read_only(_FUNCTION, {"marks": held})
    if not isinstance(reply, list) or not all(isinstance(each, dict) for each in reply):
        raise ProjectError(f"calling {_FUNCTION}: the reply is not of that function")
    return {str(each.get("table")): each for each in reply}


def left(before: Tables, after: Tables, run_id: str, *, changed: Collection[str] | None) -> Traces:
    """What a run has left in them.

    Args:
        before: As they were read before the first write.
        after: As they are after the clean-up.
        changed: Those of questions and responses that hold more or fewer rows of others than
            before, as counted otherwise; None where they could not be counted.
    """
    found = Traces()
    others = {f"public.{table}" for table in changed or ()}
    # As of the same moment as all the rest, where they are not too large for that.
    others |= {t for t in _WRITTEN if _by_others(before.get(t, {}), after.get(t, {}))}
    is_known = changed is not None or all("rows" in after.get(t, {}) for t in _WRITTEN)
    remarks: dict[str, list[str]] = {}
    for table, now in after.items():
        was = before.get(table, {})
        by = now.get("by")
        unread = now.get("unread") or was.get("unread")
        if unread and by:
            remarks.setdefault(_UNREAD, []).append(f"{table} ({unread})")
        if unread or not was:
            found.left += _certain(now, [run_id])
            continue
        more = _others(now) - _others(was)
        if now["of_run"] and more < 0:
            what = f"{now['of_run']:,} rows of {table} name the run, and {-more:,} that were there"
            what += f" were changed or deleted: their old values are not known ({_by(now)})"
            found.left.append(Trace(what, None))
            continue
        found.left += _certain(now, [run_id], is_added=True)
        # What others write there themselves.
        is_theirs = table in others and (table == _RESPONSES or others != {table})
        if was["digest"] == now["digest"] or is_theirs:
            continue
        if not by:
            remarks.setdefault(_ELSEWHERE, []).append(table)
        elif others - {table} or not is_known:
            remarks.setdefault(_UNCLEAR, []).append(f"{table} ({by})")
        else:
            what = f"{more:,} rows more in" if more > 0 else "other rows than before in"
            found.left.append(Trace(f"{what} {table} ({_by(now)})", None))
    found.remarks = [remark.format(", ".join(tables)) for remark, tables in remarks.items()]
    return found


def named(tables: Tables, run_ids: Collection[str]) -> Traces:
    """Rows that certainly name runs; what the tables held before is not known."""
    unread = [
        f"{each['table']} ({each['unread']})"
        for each in tables.values()
        if each.get("unread") and each.get("by")
    ]
    certain = [trace for each in tables.values() for trace in _certain(each, run_ids)]
    return Traces(certain, [_UNREAD.format(", ".join(unread))] if unread else [])


def _certain(
    now: Mapping[str, Any], run_ids: Collection[str], *, is_added: bool = False
) -> list[Trace]:
    """Rows that name the runs, if any; `is_added`: they were not there before."""
    if not now.get("of_run"):
        return []
    table = now["table"]
    remedy = f"delete from {table} t where t::text ~ '{marks(run_ids)}'"  # noqa: S608 - shown
    if now.get("keeps"):
        switches = str(now["keeps"]).split(", ")
        off = "; ".join(f"alter table {table} disable {each}" for each in switches)
        on = "; ".join(f"alter table {table} enable {each}" for each in switches)
        remedy = f"begin; {off}; {remedy}; {on}; commit"
    if not is_added:
        remedy = f"where its rows that name the run were not there before it: {remedy}"
    return [Trace(f"{now['of_run']:,} rows in {table} ({_by(now)})", remedy)]


def _by(now: Mapping[str, Any]) -> str:
    by = ", ".join(each for each in (now.get("by"), now.get("keeps")) if each)
    return f"written or kept by {by}" if by else "by what, no source tells"


def _by_others(was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether somebody added or removed rows, or changed what no trigger does."""
    if not now.get("by") and was.get("digest") != now.get("digest"):
        return True
    return _others(was) != _others(now)


def _others(now: Mapping[str, Any]) -> int:
    """Rows that do not name the run; below nought where they were not counted."""
    return int(now.get("rows", -1)) - int(now.get("of_run", 0))
