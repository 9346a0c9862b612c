"""Records before they get their place in the chain: who, where, what, why. Free of secrets."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING

from tui import __version__
from tui.evidence.chain import OUTCOME, Record
from tui.guard.justification import tidy
from tui.redact import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.guard.target import Target


def draft(
    *,
    event: str,
    target: Mapping[str, str | None],
    run_id: str,
    action: str,
    planned: Mapping[str, int],
    justification: str | None = None,
    ticket: str | None = None,
    final: Mapping[str, int] | None = None,
    outcome: str | None = None,
    detail: str | None = None,
) -> Record:
    """A record of the present user, machine and version, with its texts cleaned.

    Every text becomes one visible line without secrets, so that none can forge a record. Place in
    the chain and time are still to be filled in.
    """
    return Record(
        seq=0,
        event=event,
        time="",
        user=_clean(_user()) or "unknown",
        host=_clean(platform.node()) or "unknown",
        version=__version__,
        target={name: _clean(value) for name, value in target.items()},
        run_id=run_id,
        action=_clean(action) or "",
        justification=_clean(justification),
        ticket=_clean(ticket),
        planned=dict(planned),
        final=None if final is None else dict(final),
        outcome=_clean(outcome),
        detail=_clean(detail),
        previous="",
    )


def ending(
    intent: Record, *, outcome: str, final: Mapping[str, int] | None, detail: str | None
) -> Record:
    """The outcome that belongs to an intent."""
    return draft(
        event=OUTCOME,
        target=intent.target,
        run_id=intent.run_id,
        action=intent.action,
        planned=intent.planned,
        justification=intent.justification,
        ticket=intent.ticket,
        final=final,
        outcome=outcome,
        detail=detail,
    )


def described(target: Target) -> dict[str, str | None]:
    """What a record says of its target."""
    return {
        "identity": target.identity,
        "host": target.host,
        "ref": target.ref,
        "kind": str(target.kind),
        "reason": target.reason,
    }


def _clean(text: str | None) -> str | None:
    """One visible line without secrets, or None where nothing is left."""
    return (tidy(redact(tidy(text))) or None) if text else None


if sys.platform == "win32":

    def _user() -> str:
        return os.getlogin()
else:
    import pwd

    def _user() -> str:
        # From the user id: LOGNAME and USER say whatever somebody put there.
        number = os.getuid()
        try:
            return pwd.getpwuid(number).pw_name
        except KeyError:
            return f"uid {number}"
