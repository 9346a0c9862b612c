"""`--log`: the deployment log on stdout, what is wrong with it on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.cli.output import Console
from tui.errors import ExitCode
from tui.evidence.deployment_log import DeploymentLog

if TYPE_CHECKING:
    from tui.evidence.chain import Record
    from tui.settings import Settings


def show_log(settings: Settings) -> ExitCode:
    """Print the deployment log and verify it.

    Args:
        settings: Where it is.

    Returns:
        VERIFIED where it is whole, FAILED where it is not.

    Raises:
        OperatorError: It cannot be read.
    """
    console = Console()
    log = DeploymentLog(settings.deployment_log)
    for record in log.read():
        console.result(_line(record))
    problems = log.verify()
    for problem in problems:
        console.say(f"PROBLEM: {problem}")
    if problems:
        return ExitCode.FAILED
    head = log.head()
    console.say(f"{settings.deployment_log}: " + (f"whole, head {head}" if head else "no record"))
    return ExitCode.VERIFIED


def _line(record: Record) -> str:
    what = f"{record.seq:>4}  {record.time}  {record.event:<7}  {record.target['identity']}"
    who = f"{record.action} {record.run_id} by {record.user}@{record.host}"
    why = record.justification if record.outcome is None else f"{record.outcome}: {record.detail}"
    return f"{what}  {who}  {why}" + (f"  [{record.ticket}]" if record.ticket else "")
