"""`--log`: the deployment log on stdout, what is to be said of it on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.cli.output import Console
from tui.errors import ExitCode
from tui.evidence.deployment_log import DeploymentLog
from tui.evidence.history import HistoryFile
from tui.evidence.report import anchors

if TYPE_CHECKING:
    from tui.evidence.deployment_log import Record
    from tui.settings import Settings


def show_log(settings: Settings) -> ExitCode:
    """Print the deployment log, and check it against what history and reports say of it.

    Returns:
        VERIFIED where it is whole, FAILED where it is not.

    Raises:
        OperatorError: It, or the history, cannot be read.
    """
    console = Console()
    path = settings.deployment_log
    history = HistoryFile(settings.state_dir / "history.jsonl").read()
    vouching = [*history.anchors(path), *anchors(settings.state_dir / "reports", path)]
    log = DeploymentLog(path).check(vouching)
    for record in log.records:
        console.result(_line(record))
    for remark in log.remarks:
        console.say(f"note: {remark}")
    others = {each.log for each in history.entries if each.log_head} - {str(path.absolute())}
    for other in sorted(filter(None, others)):
        console.say(f"note: runs in the history were recorded in another log, {other}")
    for problem in log.problems:
        console.say(f"PROBLEM: {problem}")
    if log.problems:
        return ExitCode.FAILED
    if not log.records:
        console.say(f"{path}: no record")
        return ExitCode.VERIFIED
    last = log.records[-1]
    console.say(f"{path}: whole, {last.seq:,} records, last hash {last.hash}")
    if log.anchored < last.seq:
        after = f"after record {log.anchored:,}" if log.anchored else "in it"
        console.say(
            f"note: no run in the history and no report here vouches for what is {after}: "
            "a changed or missing end would not be noticed there"
        )
    return ExitCode.VERIFIED


def _line(record: Record) -> str:
    what = f"{record.seq:>4}  {record.time}  {record.event:<7}  {record.target.get('identity')}"
    who = f"{record.action} {record.run_id} by {record.user}@{record.host}"
    why = record.justification if record.outcome is None else f"{record.outcome}: {record.detail}"
    return f"{what}  {who}  {why}" + (f"  [{record.ticket}]" if record.ticket else "")
