"""A project, connected, and what it and its operator have said of it."""

from __future__ import annotations

import contextlib
import inspect
from typing import TYPE_CHECKING, Any, Protocol

from tui.dry_run.facts import ask_declaration
from tui.guard import break_glass
from tui.guard.target import Target, declared_by_database, named_by_reply
from tui.project import Project, ProjectError, RetryPolicy
from tui.verify.purge import PurgeCommand

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from tui.redact import Secret
    from tui.settings import Settings
    from tui.verify.result import Result
    from tui.verify.run import Run


class ObtainPermit(Protocol):
    """Asks the operator; waiting for the answer ends when a stop is asked for, if it is awaited."""

    def __call__(self) -> break_glass.Permit | Awaitable[break_glass.Permit | None] | None:
        """The permit, or None where there is none."""


class Connected:
    """A project, connected, and what it and its operator have said of it.

    Args:
        settings: Volume, files, and the anon key for the negative probes.
        target: The project as classified from the environment.
        key: Service-role key.
        is_sandbox: This process started the target itself.
        allow_prod: `--allow-prod` was given; without a permit it opens nothing.
        policy: Retry policy; None for the default.

    Attributes:
        target: The project; may turn production once its database was asked.
        last_dry_run: What the probes said last, or None.
        preflight: What the database last said of itself; empty where it cannot.
    """

    def __init__(
        self,
        settings: Settings,
        target: Target,
        *,
        key: Secret,
        is_sandbox: bool,
        allow_prod: bool = False,
        policy: RetryPolicy | None = None,
    ) -> None:
        self.settings = settings
        self.target = target
        self.is_sandbox = is_sandbox
        self.allow_prod = allow_prod
        self.last_dry_run: Result | None = None
        self.preflight: Mapping[str, Any] = {}
        concurrency = settings.volume.concurrency
        self._project = Project(target.url, key, concurrency=concurrency, policy=policy)
        anon_key = settings.anon_key
        self._anon = (
            Project(target.url, anon_key, concurrency=2, policy=policy) if anon_key else None
        )
        self._permit: break_glass.Permit | None = None
        self._closers: list[Callable[[], Awaitable[None]]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, and whatever `on_close` was given."""
        await self._project.aclose()
        if self._anon is not None:
            await self._anon.aclose()
        while self._closers:
            await self._closers.pop()()

    def on_close(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Have something closed together with the session, such as the sandbox behind it."""
        self._closers.append(closer)

    async def ask_database(self) -> None:
        """Let the database say whether it is production, and replies which project they are from.

        A project that cannot be asked keeps its classification and accepts no write: the dry run
        then says what is wrong.

        Raises:
            ConfigurationError: Replies come from another project than URL and key name.
        """
        with contextlib.suppress(ProjectError):
            await self._ask_database(RetryPolicy(attempts=2))
        self._heed_replies()

    async def _ask_database(self, policy: RetryPolicy | None = None) -> None:
        said = await ask_declaration(self._project, policy)
        self.preflight = said.document
        self.target = declared_by_database(
            self.target, said.word, could_be_asked=said.could_be_asked
        )
        self._heed_replies()

    def _heed_replies(self) -> None:
        for ref in sorted(self._project.named_by_replies):
            self.target = named_by_reply(self.target, ref)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What of this machine's surroundings could not be heeded, a sentence each."""
        return self._project.remarks

    def purge_command(self, *, unexplained: int | None = None, runs: Sequence[str] = ()) -> str:
        """The exact command line that removes what earlier runs left on this project.

        Args:
            unexplained: Accept that the tag does not explain so many responses.
            runs: Runs to remove although they may be under way elsewhere.
        """
        return self._purge_command().line(unexplained=unexplained, runs=runs)

    def _purge_command(self) -> PurgeCommand:
        return PurgeCommand.on(
            self.settings,
            self.target,
            is_sandbox=self.is_sandbox,
            justification=self._permit.justification if self._permit else None,
            ticket=self._permit.ticket if self._permit else None,
        )

    def grant(
        self, *, confirmation: str, justification: str, ticket: str | None = None
    ) -> break_glass.Permit:
        """Break-glass: turn what was typed into leave for one run on this target.

        Raises:
            GuardRefused: A condition is not met; the message says which.
        """
        self._permit = break_glass.grant(
            self.target,
            confirmation=confirmation,
            justification=justification,
            ticket=ticket,
            dry_run_ready=self.last_dry_run is not None and self.last_dry_run.ready,
            now=break_glass.Moment.now(),
        )
        return self._permit

    async def _obtain(self, run: Run, obtain_permit: ObtainPermit) -> break_glass.Permit | None:
        if not self.target.is_production:
            return None
        given = obtain_permit()
        if inspect.isawaitable(given):
            given = await run.cancellation.race(given)
        run.cancellation.check()
        return given
