"""A sandbox to break: mutates, runs the dry run, repairs, and watches that nothing is written."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import psycopg

from tests.mutations.mutation import Mutation, Repair, Setup
from tests.sandbox.helpers import options
from tests.written import Written, quiet, written
from tui.dry_run.facts import DryRunContext
from tui.dry_run.runner import run_probes
from tui.project import Project, RetryPolicy
from tui.redact import Secret
from tui.sandbox import start_sandbox_sync
from tui.sandbox.postgres import sql_dir
from tui.verify.events import ProbeResult

if TYPE_CHECKING:
    from pathlib import Path

    from tui.sandbox import SeenRequest
    from tui.verify.events import DryRunFinished, Event

# Everything a dry run may send. Functions by GET run in a read-only transaction.
ALLOWED = re.compile(
    r"GET /rest/v1/$"
    r"|(GET|HEAD) /rest/v1/(questions|responses|app_users|analytics_heatmap_agg)\?select="
    r"|GET /rest/v1/rpc/(analytics_heatmap_(admin|preflight)|analytics_refresh_heatmap)(\?|$)"
    r"|GET /auth/v1/health$"
    r"|GET /auth/v1/admin/users\?"
)


class Run:
    """One dry run: what the probes said, and the verdict."""

    def __init__(self, finished: list[ProbeResult], verdict: DryRunFinished) -> None:
        self.finished = {each.id: each for each in finished}
        self.verdict = verdict

    @property
    def statuses(self) -> dict[str, str]:
        return {each.id: str(each.status) for each in self.finished.values()}

    def unlike(self, expected: dict[str, str]) -> list[str]:
        """Probes that say something else than expected, in words; not those that only follow."""
        return [
            f"{id_}: expected {status}, got {got.status}: {got.detail}"
            for id_, status in expected.items()
            if (got := self.finished[id_]).status != status
            and not (status == "pass" and expected.get(got.cause or "", "pass") != "pass")
        ]

    def hints(self, ids: set[str]) -> list[str]:
        return [self.finished[id_].hint or "" for id_ in sorted(ids)]


class Bench:
    """One sandbox and ways to break it.

    Args:
        postgres_bin: PostgreSQL's programs; None takes the packaged ones.
    """

    def __init__(self, postgres_bin: Path | None) -> None:
        self.sandbox = start_sandbox_sync(options(postgres_bin=postgres_bin))
        quiet(self.sandbox)
        self.setup = Setup.of(self.sandbox, self.sandbox.service_role_key, self.sandbox.anon_key)
        with psycopg.connect(self.sandbox.db_url) as connection:
            self.version = connection.info.server_version // 10_000

    def close(self) -> None:
        self.sandbox.stop_sync()

    def execute(self, *statements: str, user: str | None = None) -> None:
        options: dict[str, Any] = {} if user is None else {"user": user}
        for statement in statements:
            with psycopg.connect(self.sandbox.db_url, autocommit=True, **options) as connection:
                connection.execute(statement.encode())

    def mutate(self, mutation: Mutation) -> Setup:
        """Break it, and say how the console is set up against it."""
        if mutation.sql:
            self.execute(mutation.sql)
            # It reads schema and settings anew.
            self.sandbox.restart_postgrest()
        if mutation.database_down:
            self.sandbox.stop_database()
        return self.setup if mutation.setup is None else mutation.setup(self.sandbox, self.setup)

    def repair(self, mutation: Mutation) -> None:
        """Do what the hint says, then take back what it leaves."""
        self.sandbox.set_faults(None)
        if mutation.database_down:
            self.sandbox.start_database()
        for repair in mutation.repairs:
            if isinstance(repair, Repair):
                self.execute((sql_dir().parent / repair.value).read_text(), user="postgres")
            else:
                self.execute(repair)
        self.sandbox.restart_postgrest()

    def take_back(self, mutation: Mutation) -> None:
        if mutation.undo:
            self.execute(mutation.undo)
            self.sandbox.restart_postgrest()

    def run(self, setup: Setup) -> Run:
        return asyncio.run(self._run(setup))

    async def _run(self, setup: Setup) -> Run:
        finished: list[ProbeResult] = []

        def emit(event: Event) -> None:
            if isinstance(event, ProbeResult) and event.status:
                finished.append(event)

        policy = RetryPolicy(attempts=2, base_s=0.05)
        async with (
            Project(self.sandbox.url, Secret(setup.service_key), policy=policy) as project,
            Project(self.sandbox.url, Secret(setup.anon_key or "none"), policy=policy) as anon,
        ):
            context = DryRunContext(
                project=project,
                anon=anon if setup.anon_key else None,
                target=setup.target,
                settings=setup.settings,
                past=setup.past,
                timeout_s=setup.timeout_s,
            )
            return Run(finished, await run_probes(context, emit))

    def writes(self, *, disconnect: bool) -> Written:
        """How much has been written so far; see `tests.written`."""
        return written(self.sandbox, disconnect=disconnect)

    def requests(self) -> list[SeenRequest]:
        """What reached the gateway since this was asked last."""
        seen = self.sandbox.requests()
        self.sandbox.clear_requests()
        return seen
