"""A fake production project is never written to but by break-glass, and that is on record first.

The sandbox stands in for production, declared so in the three ways there are. "Never written to"
is said by the database: the next transaction id (any write takes one), its statistics, and what the
tables hold; and by the gateway, which sees only GET and HEAD.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx
import jwt
import pytest

from tests.production import (
    REASON,
    FrontDoor,
    Production,
    as_service,
    count,
    events,
    evidence,
    execute,
    nothing_written,
)
from tests.sandbox.helpers import eventually, options
from tests.secrets_plugin import watch_for
from tests.verify.conftest import contents, finish
from tui.cli.main import main
from tui.errors import ConfigurationError, ExitCode
from tui.evidence.deployment_log import DeploymentLog
from tui.guard.break_glass import APPROVAL_LIFETIME, Approval, Moment
from tui.guard.target import Target, TargetKind, classify
from tui.sandbox import start_sandbox_sync
from tui.verify.events import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aiohttp import web

    from tui.sandbox import Sandbox
    from tui.verify.result import Result
    from tui.verify.session import Run, Session

REF: Final = "abcdefghijklmnopqrst"
BY: Final = ("host", "key", "database")


@pytest.fixture(scope="module")
def standin() -> Iterator[Sandbox]:
    """A sandbox in which nothing happens that no client asked for."""
    sandbox = start_sandbox_sync(options())
    execute(sandbox, "alter system set autovacuum = off")
    execute(sandbox, "select pg_reload_conf()")
    yield sandbox
    sandbox.stop_sync()


@pytest.fixture(params=BY)
def production(
    request: pytest.FixtureRequest,
    standin: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Production]:
    environment = {
        "SUPABASE_URL": standin.url,
        "SUPABASE_SERVICE_ROLE_KEY": standin.service_role_key,
        "HEATMAP_VERIFY_USERS": "9",
        "HEATMAP_VERIFY_QUESTIONS": "8",
        "HEATMAP_DEPLOYMENT_LOG": str(tmp_path / "deployments.jsonl"),
    }
    identity = "127.0.0.1"
    if request.param == "host":
        # Production wins the tie.
        environment["HEATMAP_VERIFY_PROD_HOSTS"] = "127.0.0.1"
        environment["HEATMAP_VERIFY_NON_PROD_HOSTS"] = "127.0.0.1"
    elif request.param == "key":
        claims = jwt.decode(standin.service_role_key, options={"verify_signature": False})
        claims |= {"iss": "supabase", "ref": REF}
        key = jwt.encode(claims, standin.jwt_secret, "HS256")
        watch_for("the key of a hosted project", key)
        environment["SUPABASE_SERVICE_ROLE_KEY"] = key
        # Declaring the near end of the tunnel changes nothing.
        environment["HEATMAP_VERIFY_NON_PROD_HOSTS"] = "127.0.0.1,localhost"
        identity = REF
    else:
        environment["HEATMAP_VERIFY_NON_PROD_HOSTS"] = "127.0.0.1"
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if request.param == "database":
        execute(standin, "insert into analytics_private.environment (name) values ('production')")
    yield Production(
        sandbox=standin,
        identity=identity,
        key=environment["SUPABASE_SERVICE_ROLE_KEY"],
        environment=environment,
        log=DeploymentLog(tmp_path / "deployments.jsonl"),
    )
    standin.set_faults(None)
    execute(standin, "delete from analytics_private.environment")


# --- refused, from the command line ---------------------------------------------------------------


def glass(identity: str, **changed: str | None) -> list[str]:
    """Everything that break-glass takes, but for what a case changes."""
    flags = {"confirm": identity, "justification": REASON} | changed
    given = [part for flag, value in flags.items() if value for part in (f"--{flag}", value)]
    return ["--allow-prod", *given]


@dataclass(frozen=True)
class Case:
    """What an operator gave, and the words of the refusal."""

    says: str
    changed: dict[str, str | None] = field(default_factory=dict)
    unattended: str | None = None
    flag: bool = True


CASES: Final = {
    "no flag": Case("--allow-prod was not given", flag=False),
    "no confirmation": Case("nothing was typed", {"confirm": None}),
    "wrong confirmation": Case("what was typed is something else", {"confirm": "localhost"}),
    "the flag's word as confirmation": Case("something else", {"confirm": "yes"}),
    "no reason": Case("the justification", {"justification": None}),
    "short reason": Case("the justification", {"justification": "hotfix"}),
    "filler": Case("the justification", {"justification": "test test test test test test"}),
    "one letter": Case("the justification", {"justification": "aaaaaaaaaaaaaaaaaaaaaaaaaaaa"}),
    "nobody at a terminal": Case("there is no terminal to confirm at", unattended=""),
    "merely true": Case("says only yes", unattended="true"),
    "another project named": Case("names something else", unattended="tsrqponmlkjihgfedcba"),
}


def refused(production: Production, case: Case, mode: list[str]) -> int:
    with pytest.MonkeyPatch.context() as patch:
        unattended = production.identity if case.unattended is None else case.unattended
        patch.setenv("HEATMAP_VERIFY_ALLOW_PROD_UNATTENDED", unattended)
        given = glass(production.identity, **case.changed)
        return main(["--headless", *mode, *(given if case.flag else given[1:])])


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_lacks_something_is_refused(
    production: Production, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with nothing_written(production.sandbox):
        assert refused(production, CASES[case], []) == 3
    told = capfd.readouterr().err
    assert CASES[case].says in told
    assert production.identity in told
    assert not production.log.path.exists()


@pytest.mark.parametrize("case", ["no flag", "wrong confirmation", "merely true"])
def test_a_purge_that_lacks_something_is_refused(
    production: Production, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with nothing_written(production.sandbox):
        assert refused(production, CASES[case], ["--purge"]) == 3
    assert production.identity in capfd.readouterr().err
    assert not production.log.path.exists()


def a_log(log: DeploymentLog, target: Target) -> list[str]:
    """Two records of an earlier run, and their lines."""
    entry = log.open_intent(target, run_id="earlier", action="cycle", planned={})
    log.close(entry, outcome="verified", final={}, detail="")
    return log.path.read_text().splitlines(keepends=True)


def no_file(log: DeploymentLog, _: list[str]) -> None:
    log.path.unlink()
    log.path.mkdir()


def altered(log: DeploymentLog, lines: list[str]) -> None:
    log.path.write_text(lines[0].replace("cycle", "purge") + lines[1])


def reordered(log: DeploymentLog, lines: list[str]) -> None:
    log.path.write_text(lines[1] + lines[0])


@pytest.mark.parametrize("harm", [no_file, altered, reordered])
def test_a_log_that_cannot_be_trusted_refuses_the_run(
    production: Production,
    harm: Callable[[DeploymentLog, list[str]], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    target = classify(production.sandbox.url, production.key)
    harm(production.log, a_log(production.log, target))
    with nothing_written(production.sandbox):
        assert refused(production, Case(""), []) == 3
    assert "deployment log" in capfd.readouterr().err


# --- refused, from the console's side -------------------------------------------------------------


def expired(production: Production, target: Target) -> Approval:
    now = Moment.now()
    long_ago = Moment(now.monotonic, now.utc - APPROVAL_LIFETIME)
    return production.approval(target, long_ago)


def used(production: Production, target: Target) -> Approval:
    approval = production.approval(target)
    approval.consume(target, Moment.now())
    return approval


def of_another(production: Production, _: Target) -> Approval:
    elsewhere = classify("https://tsrqponmlkjihgfedcba.supabase.co", "sb_secret_a1b2c3d4e5f6")
    return production.approval(elsewhere)


def none(_: Production, __: Target) -> None:
    return None


def starts(session: Session, approval: Approval | None) -> dict[str, Run]:
    return {
        "cycle": session.cycle(approval=approval),
        "purge": session.purge(approval=approval),
        "asked for": session.cycle(obtain_approval=lambda: approval),
    }


@pytest.mark.parametrize("mode", ["cycle", "purge", "asked for"])
@pytest.mark.parametrize("given", [expired, used, of_another, none])
async def test_a_session_without_a_good_approval_writes_nothing(
    production: Production, mode: str, given: Callable[[Production, Target], Approval | None]
) -> None:
    async with production.session(allow_prod=True) as session:
        with nothing_written(production.sandbox):
            result = await finish(starts(session, given(production, session.target))[mode])
    assert_refused(result)
    assert not production.log.path.exists()


@pytest.mark.parametrize("mode", ["cycle", "purge"])
async def test_an_approval_expires_under_a_clock_that_moves(
    production: Production, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with production.session(allow_prod=True) as session:
        approval = production.approval(session.target)
        now = Moment.now()
        later = Moment(now.monotonic + APPROVAL_LIFETIME.total_seconds(), now.utc)
        monkeypatch.setattr(Moment, "now", lambda: later)
        assert approval.problem(session.target, Moment.now()) is not None
        with nothing_written(production.sandbox):
            assert_refused(await finish(starts(session, approval)[mode]))


@pytest.mark.parametrize("mode", ["cycle", "purge"])
async def test_an_approval_without_the_flag_opens_nothing(
    production: Production, mode: str
) -> None:
    async with production.session(allow_prod=False) as session:
        with nothing_written(production.sandbox):
            result = await finish(starts(session, production.approval(session.target))[mode])
    assert_refused(result)
    assert result.finished is not None
    assert "--allow-prod was not given" in result.finished.message


@pytest.mark.parametrize("mode", ["cycle", "purge"])
async def test_a_database_that_cannot_be_asked_is_not_written_to(
    production: Production, mode: str
) -> None:
    production.sandbox.set_faults("e503=1,path=analytics_heatmap_preflight")
    async with production.session(allow_prod=False) as session:
        assert not session.target.asked_database
        with nothing_written(production.sandbox):
            result = await finish(starts(session, None)[mode])
    assert result.finished is not None
    assert result.finished.exit_code is not ExitCode.VERIFIED
    assert result.rows.total == 0


@contextmanager
def without(sandbox: Sandbox, *functions: str) -> Iterator[None]:
    """The functions renamed, once PostgREST knows it."""

    def rename(old: str, new: str) -> None:
        execute(sandbox, f"alter function public.{old} rename to {new}")  # type: ignore[arg-type]

    def are_there(there: bool) -> bool:
        replies = [
            httpx.get(f"{sandbox.url}/rest/v1/rpc/{each}", headers=headers) for each in functions
        ]
        # With a schema cache of before, it is PostgreSQL's word that comes, and no PGRST202.
        return all(reply.is_success if there else "PGRST202" in reply.text for reply in replies)

    headers = as_service(sandbox)
    for each in functions:
        rename(each, f"{each}_renamed")
    execute(sandbox, "notify pgrst, 'reload schema'")
    try:
        assert eventually(lambda: are_there(False))
        yield
    finally:
        for each in functions:
            rename(f"{each}_renamed", each)
        execute(sandbox, "notify pgrst, 'reload schema'")
        assert eventually(lambda: are_there(True))


@pytest.fixture
def staging(standin: Sandbox, tmp_path: Path) -> Iterator[Production]:
    """The same sandbox, of which nobody says that it is production."""
    yield Production(
        sandbox=standin,
        identity="127.0.0.1",
        key=standin.service_role_key,
        environment={
            "SUPABASE_URL": standin.url,
            "SUPABASE_SERVICE_ROLE_KEY": standin.service_role_key,
            "HEATMAP_VERIFY_USERS": "9",
            "HEATMAP_VERIFY_QUESTIONS": "8",
            "HEATMAP_DEPLOYMENT_LOG": str(tmp_path / "deployments.jsonl"),
        },
        log=DeploymentLog(tmp_path / "deployments.jsonl"),
    )
    execute(standin, "delete from analytics_private.environment")


FUNCTIONS: Final = ("analytics_heatmap_preflight", "analytics_heatmap_environment")
DECLARE: Final = "insert into analytics_private.environment (name) values ('production')"


@pytest.mark.parametrize(
    "missing", ["analytics_heatmap_preflight", "analytics_heatmap_environment"]
)
@pytest.mark.parametrize("mode", ["cycle", "purge"])
async def test_a_declaration_is_heard_through_either_function(
    staging: Production, mode: str, missing: str
) -> None:
    execute(staging.sandbox, DECLARE)
    with without(staging.sandbox, missing):
        async with staging.session(allow_prod=False) as session:
            with nothing_written(staging.sandbox):
                assert_refused(await finish(starts(session, None)[mode]))
            assert session.target.reason == "the database declares itself production"


async def test_a_database_without_a_function_to_ask_is_what_its_other_facts_say(
    staging: Production,
) -> None:
    async with staging.session(allow_prod=False) as known:
        execute(staging.sandbox, DECLARE)
        await known.ask_database()
        with without(staging.sandbox, *FUNCTIONS):
            async with staging.session(allow_prod=False) as session:
                assert session.target.kind is TargetKind.LOCAL
                assert "has no function to ask what it is" in session.target.reason
            # What was heard once is not lowered.
            with nothing_written(staging.sandbox):
                assert_refused(await finish(known.cycle()))


@pytest.mark.parametrize("mode", ["cycle", "purge"])
async def test_the_database_is_asked_again_right_before_the_first_write(
    staging: Production, mode: str
) -> None:
    async with staging.session(allow_prod=False) as session:
        ready = await finish(session.dry_run())
        assert ready.ready
        execute(staging.sandbox, DECLARE)
        with nothing_written(staging.sandbox):
            assert_refused(await finish(starts(session, None)[mode]))


class OfAProject(FrontDoor):
    """Replies name a hosted project, as the platform's do."""

    async def _pass_on(self, request: web.BaseRequest) -> web.Response:
        reply = await super()._pass_on(request)
        reply.headers["sb-project-ref"] = "o" * 20
        return reply


async def test_a_tunnel_is_known_by_its_replies(staging: Production) -> None:
    async with (
        OfAProject(staging, lambda: None).open() as url,
        staging.session(allow_prod=False, url=url) as session,
    ):
        with nothing_written(staging.sandbox):
            assert_refused(await finish(session.cycle()))
        assert "this is a tunnel" in session.target.reason


@pytest.mark.parametrize("production", ["key"], indirect=True)
async def test_replies_of_another_project_than_the_keys_end_it(production: Production) -> None:
    async with OfAProject(production, lambda: None).open() as url:
        with pytest.raises(ConfigurationError, match="the replies come from project oooo"):
            async with production.session(allow_prod=True, url=url):
                pass


def assert_refused(result: Result) -> None:
    assert result.finished is not None
    assert result.finished.outcome is Outcome.REFUSED
    assert result.finished.exit_code == 3


# --- reading, and the run that is permitted -------------------------------------------------------


@pytest.mark.parametrize("mode", ["--dry-run", "--heatmap"])
def test_reading_stays_allowed(
    production: Production, mode: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with nothing_written(production.sandbox):
        assert main(["--headless", mode]) == 0
    capfd.readouterr()
    assert len(production.sandbox.requests()) > 2


@pytest.mark.parametrize("how", ["cycle", "purge", "cancelled"])
async def test_a_permitted_run_is_on_record_before_its_first_write(
    production: Production, how: str
) -> None:
    if how == "purge":
        execute(
            production.sandbox,
            "insert into questions (slug, stem_md, explanation_brief_md) "
            "values ('heatmap-verification-a1b2c3-1', 'x', 'x')",
        )
    before = contents(production.sandbox)
    moved = evidence(production.sandbox)
    run: Run | None = None

    def stop() -> None:
        if how == "cancelled" and run is not None:
            run.cancel("enough")

    door = FrontDoor(production, stop)
    async with (
        door.open() as url,
        production.session(allow_prod=True, url=url) as session,
    ):
        approval = production.approval(session.target)
        run = starts(session, approval)["purge" if how == "purge" else "cycle"]
        result = await finish(run)
        again = await finish(session.cycle(approval=approval))
    outcome = {"cycle": "verified", "purge": "clean", "cancelled": "interrupted"}[how]
    assert result.finished is not None
    assert result.finished.outcome == outcome, result.finished
    assert door.seen
    assert set(door.seen) == {("intent",)}, "no write without its intent on disk, none after"
    assert events(production.log) == ("intent", "outcome")
    assert production.log.check().problems == ()
    intent, ended = production.log.read()
    assert (intent.target["identity"], intent.justification) == (production.identity, REASON)
    assert ended.outcome == outcome
    assert_refused(again)
    after = evidence(production.sandbox)
    assert after["next transaction"] != moved["next transaction"], "the proof must be able to fail"
    assert after["statistics"] != moved["statistics"]
    assert count(production.sandbox, "questions where slug like 'heatmap-verification-%'") == 0
    if how != "purge":
        assert after["contents"] == before


def test_a_purge_stops_at_real_answers_until_their_number_is_named(
    production: Production, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Naming the project, which break-glass demands anyway, does not agree to any of them."""
    execute(
        production.sandbox,
        "with q as (insert into questions (slug, stem_md, explanation_brief_md) "
        "values ('heatmap-verification-a1b2c3-1', 'x', 'x') returning id) "
        "insert into responses (user_id, question_id, is_correct) "
        "select u.id, q.id, true from q, (select id from app_users limit 30) u",
    )
    monkeypatch.setenv("HEATMAP_VERIFY_ALLOW_PROD_UNATTENDED", production.identity)
    tagged = "questions where slug like 'heatmap-verification-%'"
    answers = count(production.sandbox, "responses")
    try:
        for more in ([], ["--purge-unexplained", "29"], ["--purge-unexplained", "31"]):
            assert main(["--purge", *glass(production.identity), *more]) != 0
            told = capfd.readouterr().err
            assert "30 responses to synthetic questions are none that a run wrote" in told
            assert "--purge-unexplained 30" in told
            assert count(production.sandbox, "responses") == answers
        named = ["--purge-unexplained", "30"]
        assert main(["--purge", *glass(production.identity), *named]) == 0
        assert count(production.sandbox, tagged) == 0
        assert count(production.sandbox, "responses") == answers - 30
    finally:
        execute(
            production.sandbox,
            "delete from questions where slug like 'heatmap-verification-%'",
        )


def test_a_purge_from_the_command_line_takes_all_of_it_and_is_on_record(
    production: Production, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(
        production.sandbox,
        "insert into questions (slug, stem_md, explanation_brief_md) "
        "values ('heatmap-verification-a1b2c3-1', 'x', 'x')",
    )
    monkeypatch.setenv("HEATMAP_VERIFY_ALLOW_PROD_UNATTENDED", production.identity)
    code = main(["--purge", *glass(production.identity)])
    assert code == 0, capfd.readouterr().err
    assert count(production.sandbox, "questions where slug like 'heatmap-verification-%'") == 0
    assert [record.outcome for record in production.log.read()] == [None, "clean"]
