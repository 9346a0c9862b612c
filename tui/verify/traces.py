"""What a run leaves in the project's own tables, where triggers write rows.

The preflight lists those tables. They are read before the first write and after the clean-up: rows
that name the run are the run's for certain; any other change is, as long as nobody else has written
meanwhile to the tables that the triggers are on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tui.project import ProjectError
from tui.verify.leftovers import id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.project import Project

_FUNCTION: Final = "analytics_heatmap_traces"


@dataclass(frozen=True, slots=True)
class Trace:
    """A table in which something is left.

    Attributes:
        seen: What, in words.
        remedy: The SQL that removes it, or None where no row names the run.
    """

    seen: str
    remedy: str | None


def marks(run_id: str) -> str:
    """A PostgreSQL regular expression for rows of a run: its name, or its ids."""
    ids = [str(id_of(run_id, kind, 0))[:-12] for kind in ("user", "question", "response")]
    return "|".join([run_id, *ids])


async def read(
    project: Project, preflight: Mapping[str, Any], run_id: str
) -> dict[str, dict[str, Any]]:
    """Those tables by name; none where the preflight lists none.

    Raises:
        ProjectError: They cannot be read.
    """
    if not preflight.get("traces"):
        return {}
    reply, _ = await project.call_read_only(_FUNCTION, {"marks": marks(run_id)})
    if not isinstance(reply, list) or not all(isinstance(each, dict) for each in reply):
        raise ProjectError(f"calling {_FUNCTION}: the reply is not of that function")
    return {str(each.get("table")): each for each in reply}


def left(
    before: Mapping[str, Mapping[str, Any]],
    after: Mapping[str, Mapping[str, Any]],
    run_id: str,
    *,
    alone: bool,
) -> list[Trace]:
    """What a run has left in them.

    Args:
        before: As they were read before the first write.
        after: As they are after the clean-up.
        run_id: The run.
        alone: Nobody else has written meanwhile.
    """
    found = []
    for table, now in after.items():
        was, by = before.get(table, {}), f"written or kept by {now.get('by')}"
        if named := now.get("of_run"):
            delete = f"delete from {table} t where t::text ~ '{marks(run_id)}'"  # noqa: S608 - shown
            if now.get("why") == "kept":
                switches = str(now.get("by")).split(", ")
                off = "; ".join(f"alter table {table} disable {each}" for each in switches)
                on = "; ".join(f"alter table {table} enable {each}" for each in switches)
                delete = f"begin; {off}; {delete}; {on}; commit"
            found.append(Trace(f"{named:,} rows in {table} ({by})", delete))
        elif alone and table in before and was.get("digest") != now.get("digest"):
            more = (now.get("rows") or 0) - (was.get("rows") or 0)
            what = f"{more:,} rows more in" if more > 0 else "other rows than before in"
            found.append(Trace(f"{what} {table} ({by})", None))
    return found
