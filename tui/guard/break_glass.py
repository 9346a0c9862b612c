"""Break-glass: what must be typed to write to production. Pure.

Every write passes one gate, `authorize_write`, whose result the project's write methods demand.
Local and staging targets pass at once. Production takes `--allow-prod`, an approval that an
operator obtained by typing, and an intent that is already in the deployment log.
"""

from __future__ import annotations

import re
import threading
import time
import unicodedata
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol, Self

from tui.errors import GuardRefused
from tui.heatmap.formatting import plural
from tui.redact import redact
from tui.settings import UNATTENDED

if TYPE_CHECKING:
    from tui.guard.target import Target
    from tui.settings import Volume

APPROVAL_MINUTES: Final = 15
APPROVAL_LIFETIME: Final = timedelta(minutes=APPROVAL_MINUTES)

SHORTEST: Final = 20
LONGEST: Final = 2000
FEWEST_WORDS: Final = 4
# Scripts written without spaces: each character counts as a word.
_WORD: Final = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+"
)
# Control and format characters, surrogates, line and paragraph separators. They can break a line,
# turn the reading direction or hide, and a reason needs none of them.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_TRUTHY: Final = frozenset({"1", "allow", "enable", "enabled", "ok", "on", "t", "true", "y", "yes"})

# Known to this module alone, so that neither can be built elsewhere by accident.
_MINT: Final = object()


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time on both clocks.

    `monotonic` (seconds, `time.monotonic`) stands still while a machine sleeps; `utc` goes on
    during sleep but can be set.
    """

    monotonic: float
    utc: datetime

    @classmethod
    def now(cls) -> Self:
        return cls(time.monotonic(), datetime.now(UTC))

    def since(self, earlier: Moment) -> timedelta:
        """How long after `earlier` this is, by whichever clock says more."""
        return max(timedelta(seconds=self.monotonic - earlier.monotonic), self.utc - earlier.utc)


class Intent(Protocol):
    """An entry of the deployment log, as `authorize_write` needs to see it."""

    @property
    def target_identity(self) -> str:
        """The target that the entry names."""

    @property
    def is_open(self) -> bool:
        """Whether it is on disk and has no outcome yet."""


@dataclass(slots=True, eq=False)
class Approval:
    """The approval of one run on one production target. Made by `grant` alone."""

    mint: InitVar[object]
    target: Final[Target]
    justification: Final[str]
    ticket: Final[str | None]
    granted_at: Final[Moment]
    _used: bool = field(default=False, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self, mint: object) -> None:
        _only_here(mint)

    def problem(self, target: Target, now: Moment) -> str | None:
        """Why a run on `target` is not approved, in words."""
        if _place(target) != _place(self.target):
            return f"the approval is for {_place(self.target)}"
        if self._used:
            return "the approval was for one run, and that run was started"
        if now.since(self.granted_at) >= APPROVAL_LIFETIME:
            return f"the approval expired {APPROVAL_MINUTES} minutes after it was given"
        return None

    def consume(self, target: Target, now: Moment) -> None:
        """Use the approval up for a run that starts now.

        Raises:
            GuardRefused: It is used, expired, or for another target.
        """
        with self._lock:
            problem = self.problem(target, now)
            if problem:
                raise GuardRefused(
                    f"writing to {target.identity} is refused: {problem}",
                    hint="go through break-glass again to start another run",
                )
            self._used = True


@dataclass(slots=True, eq=False)
class WritePermission:
    """The right to write to one target during one run.

    Made by `authorize_write` alone. A started run may take longer than an approval lives: stopping
    its clean-up half-way would leave synthetic rows behind. It ends with `revoke()`, or at the end
    of a `with` block.
    """

    mint: InitVar[object]
    target: Final[Target]
    approval: Final[Approval | None]
    _open: bool = field(default=True, init=False)

    def __post_init__(self, mint: object) -> None:
        _only_here(mint)

    def require(self, target: Target) -> None:
        """Check that this permission is for `target` and still open.

        Raises:
            GuardRefused: It is for another target, or its run is over.
        """
        if _place(target) != _place(self.target):
            raise GuardRefused(
                f"writing to {_place(target)} is refused: "
                f"the run was permitted on {_place(self.target)}",
                hint="start the run again from the target it is meant for",
            )
        if target.is_production and self.approval is None:
            raise _refused(target, "it was not known to be production when the run was permitted")
        if not self._open:
            raise GuardRefused(
                f"writing to {target.identity} is refused: the run it was permitted for is over",
                hint="start a new run",
            )

    def revoke(self) -> None:
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.revoke()


def grant(
    target: Target,
    *,
    confirmation: str,
    justification: str,
    ticket: str | None = None,
    dry_run_ready: bool,
    now: Moment,
) -> Approval:
    """Turn what an operator typed into the approval of one run."""
    if not dry_run_ready:
        raise GuardRefused(
            f"break-glass on {target.identity} is refused: no dry run was ready in this session",
            hint="run the dry run first, and repair what it finds",
        )
    judge_typed(target, confirmation=confirmation, justification=justification)
    return Approval(_MINT, target, tidy(justification), tidy(ticket or "") or None, now)


def judge_typed(target: Target, *, confirmation: str, justification: str) -> None:
    """Check what an operator typed, as `grant` does; approves nothing."""
    if confirmation != target.identity:
        typed = "nothing was typed" if not confirmation else "what was typed is something else"
        raise GuardRefused(
            f"break-glass is refused: the target is {target.identity}, and {typed}",
            hint=f"type {target.identity} exactly, if that is the project you mean",
        )
    problem = judge_justification(justification)
    if problem:
        raise GuardRefused(
            f"break-glass on {target.identity} is refused: the justification {problem}",
            hint="say in a sentence why production must be written to now",
        )


def judge_justification(text: str) -> str | None:
    """What is wrong with a text as the reason for writing to production.

    The words follow "the justification"; None when it will do. People read the rest.
    """
    text = tidy(text)
    if not text:
        return "is empty"
    if len(text) < SHORTEST:
        return f"has {len(text)} characters, and at least {SHORTEST} are needed"
    if redact(text) != text:
        return "holds a key, which is no reason"
    words = {match.group().casefold() for match in _WORD.finditer(text)}
    if len(words) < FEWEST_WORDS:
        return f"needs at least {FEWEST_WORDS} different words"
    return None


def tidy(text: str) -> str:
    """One line of visible text, at most `LONGEST` characters."""
    visible = (" " if unicodedata.category(char) in _UNSEEN else char for char in text)
    return " ".join("".join(visible).split())[:LONGEST].rstrip()


def effects_of_cycle(volume: Volume) -> list[str]:
    """What a cycle writes, refreshes and deletes, a line each, to agree to."""
    return [
        f"Writes {plural(volume.users, 'user')}, {plural(volume.questions, 'question')}, "
        f"{plural(volume.responses, 'response')}, all tagged.",
        "Refreshes the view twice; admins see synthetic rows in between.",
        "Deletes the tagged rows again, and nothing else.",
    ]


def effects_of_purge() -> list[str]:
    """What a purge deletes and refreshes, a line each, to agree to."""
    return ["Deletes every tagged row and refreshes the view."]


def confirm_unattended(target: Target, value: str | None) -> None:
    """Check the variable that stands in for the terminal a pipeline lacks."""
    hint = f"in a supervised pipeline set {UNATTENDED}={target.identity}"
    if not value:
        raise GuardRefused(
            f"break-glass on {target.identity} is refused: there is no terminal to confirm at",
            hint=f"run it from a terminal, or {hint}",
        )
    if value != target.identity:
        told = "says only yes" if value.strip().casefold() in _TRUTHY else "names something else"
        raise GuardRefused(
            f"break-glass is refused: {UNATTENDED} {told}, and the target is {target.identity}",
            hint=f"it must name the project: {hint}",
        )


def authorize_write(
    target: Target,
    *,
    allow_prod: bool,
    now: Moment,
    approval: Approval | None = None,
    intent: Intent | None = None,
) -> WritePermission:
    """The one gate that every write passes; it uses the approval up.

    `target` is as it was classified after its database was asked what it is; `intent` is the
    deployment log's open entry for this run.

    Raises:
        GuardRefused: The message names the fact that decided.
    """
    if not target.asked_database:
        raise GuardRefused(
            f"writing to {target.identity} is refused: "
            "its database could not be asked whether it is production",
            hint="analytics_heatmap_preflight() has to answer: the dry run says why it does not",
        )
    if not target.is_production:
        return WritePermission(_MINT, target, None)
    if not allow_prod:
        raise _refused(target, "--allow-prod was not given")
    if approval is None:
        raise _refused(target, "nobody confirmed it")
    if intent is None or not intent.is_open or intent.target_identity != target.identity:
        raise _refused(target, "the deployment log does not announce it")
    approval.consume(target, now)
    return WritePermission(_MINT, target, approval)


def _refused(target: Target, lacking: str) -> GuardRefused:
    return GuardRefused(
        f"writing to {target.identity} is refused: it counts as production "
        f"({target.reason}), and {lacking}",
        hint=(
            "staging: point SUPABASE_URL at it and declare it in HEATMAP_VERIFY_NON_PROD_HOSTS; "
            f"true emergency: --allow-prod --confirm {target.identity} --justification TEXT"
        ),
    )


def _place(target: Target) -> str:
    return f"{target.identity} at {target.url}"


def _only_here(mint: object) -> None:
    if mint is not _MINT:
        raise TypeError("approvals and permissions are made by tui.guard.break_glass alone")
