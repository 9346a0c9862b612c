"""What the probes know of a project: each fact asked for once, and shared."""

from __future__ import annotations

import asyncio
import copy
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from tui.dry_run.probe import APPLY
from tui.errors import ConfigurationError
from tui.guard.target import KeyFacts, KeyKind, read_key
from tui.project import (
    ENVIRONMENT,
    PAGE,
    PREFLIGHT,
    Denied,
    KeyRefused,
    Missing,
    ProjectError,
    ProjectUnreachable,
    TimedOut,
)
from tui.verify.described import described

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from tui.guard.target import Target
    from tui.project import Page, Project, RetryPolicy
    from tui.settings import Settings
    from tui.verify.events import ProjectDescribed

T = TypeVar("T")

TIMEOUT_S: Final = 10.0
APPLY_PREFLIGHT: Final = "apply sql/analytics_heatmap_preflight.sql"
ONE_USER: Final = "/auth/v1/admin/users?page=1&per_page=1"

# Share of a probe's time after which a fact that several wait for is given up, so that one of them
# tells the cause and the others, in time, that they could not ask.
_PATIENCE: Final = 0.8

# HTTP status by which PostgREST says that several functions fit a call (PGRST203).
AMBIGUOUS: Final = 300

# Version of the preflight document that this console reads.
SCHEMA: Final = 1
# PostgREST's word for a function that it does not know. A 404 without it may come from anywhere.
_NO_SUCH_FUNCTION: Final = "PGRST202"
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast earlier runs on a target were.

    Attributes:
        runs: Runs it is taken from, at least one.
        rows_per_s: Median responses per second of whole runs, clean-up included.
        refresh_ms: The longest refresh among them, in milliseconds, or None.
    """

    runs: int
    rows_per_s: float
    refresh_ms: float | None = None


@dataclass(frozen=True, slots=True)
class DryRunContext:
    """What a dry run is about.

    Attributes:
        project: The project, with the key that a run would write with.
        anon: The same project with the anon (publishable) key, or None when none is configured.
        target: What the project was classified as.
        settings: Volume, keys and the environment file in use.
        past: What earlier runs took, or None when there were none.
        alive: Runs of this machine that are under way; what they wrote is not left behind.
        purge: The command line that removes what earlier runs left.
        timeout_s: Seconds a probe has when it sets no longer time itself.
    """

    project: Project
    anon: Project | None
    target: Target
    settings: Settings
    past: Pace | None = None
    alive: frozenset[str] = frozenset()
    purge: str = "heatmap-tui --purge"
    timeout_s: float = TIMEOUT_S


class UnansweredError(Exception):
    """A fact that a probe needs cannot be had; the probe is skipped for that reason.

    Attributes:
        reason: Why, in one line.
        hint: The one line that makes it possible.
    """

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a database says of itself.

    Attributes:
        document: The document as it came.
    """

    document: dict[str, Any]

    @classmethod
    def read(cls, reply: Any) -> Self:
        """Take a reply of the function.

        Raises:
            ValueError: It is no document of the version this console reads.
        """
        if not isinstance(reply, dict) or reply.get("schema") != SCHEMA:
            found = reply.get("schema") if isinstance(reply, dict) else type(reply).__name__
            raise ValueError(f"the document is of version {found}; this console reads {SCHEMA}")
        return cls(reply)

    def at(self, *path: str) -> Any:
        """The value at a path of keys; None where the database has nothing to say.

        Raises:
            ValueError: The document has no such key.
        """
        value: Any = self.document
        for number, key in enumerate(path, 1):
            if not isinstance(value, dict) or key not in value:
                raise ValueError(f"the preflight document has no {'.'.join(path[:number])}")
            value = value[key]
        return value


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a database says of itself.

    Attributes:
        word: What it calls its environment, or None where it declares nothing.
        document: All it says; empty where it cannot.
    """

    word: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict)


async def ask_declaration(project: Project, policy: RetryPolicy | None = None) -> Declaration:
    """Ask the database, by the preflight or, without it, by the function that says only this.

    A database without either declares nothing.

    Raises:
        ProjectError: It cannot be asked, or its answer cannot be read for certain.
    """
    document: dict[str, Any] = {}
    asked, hint = PREFLIGHT, APPLY_PREFLIGHT
    reply = await _call_if_there(project, PREFLIGHT, policy)
    if reply is _ABSENT:
        asked, hint = ENVIRONMENT, APPLY
        word = await _call_if_there(project, ENVIRONMENT, policy)
        if word is _ABSENT:
            return Declaration()
    else:
        try:
            preflight = Preflight.read(reply)
            word, document = preflight.at("declared_environment"), preflight.document
        except ValueError as error:
            raise ProjectError(f"calling {asked}: {error}", hint=hint) from error
    if word is not None and not isinstance(word, str):
        raise ProjectError(
            f"calling {asked}: the declared environment is no text but {type(word).__name__}",
            hint=hint,
        )
    return Declaration(word, document)


async def _call_if_there(project: Project, function: str, policy: RetryPolicy | None) -> Any:
    try:
        reply, _ = await project.call_read_only(function, policy=policy)
    except Missing as error:
        if error.code != _NO_SUCH_FUNCTION:
            raise
        return _ABSENT
    return reply


@dataclass(frozen=True, slots=True)
class Door:
    """How the project answered the first request, which asks for the API description.

    Attributes:
        document: The description, or None.
        error: Why there is none.
        ms: Milliseconds from request to reply, opening the connection included.
    """

    document: dict[str, Any] | None
    error: ProjectError | None
    ms: float


@dataclass(frozen=True, slots=True)
class Health:
    """Replies of the auth server's health route: the fastest in milliseconds, and its version."""

    fastest_ms: float
    version: str | None


class Facts:
    """Facts about one project, each asked for when first needed and then shared.

    Requests are repeated less often than in a run, so that the cause is told within a probe's time.
    Methods that need a working key raise `UnansweredError` where there is none, so that one cause
    is told by one probe and not by all.

    To be made within the event loop, when the probes start.

    Args:
        context: What the dry run is about.
    """

    def __init__(self, context: DryRunContext) -> None:
        self.context = context
        # Unasked; see `ready` and `anon`.
        self.project = _impatient(context.project)
        self._anon = None if context.anon is None else _impatient(context.anon)
        self._facts: dict[str, asyncio.Task[Any]] = {}
        loop = asyncio.get_running_loop()
        self._patient_until = loop.time() + context.timeout_s * _PATIENCE

    async def aclose(self) -> None:
        """Stop asking for whatever nobody waits for any more."""
        for task in self._facts.values():
            task.cancel()
        await asyncio.gather(*self._facts.values(), return_exceptions=True)

    async def once(self, name: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The fact of this name, asked for by the first that wants it.

        A probe that runs out of time leaves the fact to the others.
        """
        task = self._facts.get(name)
        if task is None:
            task = self._facts[name] = asyncio.create_task(ask())
        result: T = await asyncio.shield(task)
        return result

    async def door(self) -> Door:
        """How the project answers at all. Never raises a `ProjectError`."""
        return await self.once("door", self._knock)

    async def _knock(self) -> Door:
        started = time.perf_counter()
        document: dict[str, Any] | None = None
        error: ProjectError | None = None
        what = "reading the API description"
        try:
            document = await self._in_time(self.project.get_json("/rest/v1/", what), what)
        except ProjectError as caught:
            error = caught
        return Door(document, error, (time.perf_counter() - started) * 1_000)

    async def _in_time(self, asked: Awaitable[T], what: str) -> T:
        """The answer, or `ProjectUnreachable` a little before the probes that share it give up."""
        try:
            async with asyncio.timeout_at(self._patient_until):
                return await asked
        except TimeoutError:
            raise ProjectUnreachable(
                f"{what}: no reply within {self.context.timeout_s * _PATIENCE:g} s",
                hint="look at the project's status page, and at any proxy between",
                transient=True,
            ) from None

    async def reached(self) -> Door:
        """The door, where anything at all answers behind it.

        Raises:
            UnansweredError: Nothing does.
        """
        door = await self.door()
        if isinstance(door.error, ProjectUnreachable):
            raise UnansweredError("the project does not answer", "see target.reachable")
        return door

    async def ready(self) -> Project:
        """The project, where it answers and accepts a key that may act as the service role.

        Raises:
            UnansweredError: It does not; another probe says so.
        """
        door = await self.reached()
        if isinstance(door.error, KeyRefused):
            raise UnansweredError("the project refuses the key", "see authentication.key")
        if not may_be_service(self.context.target.key):
            raise UnansweredError("this needs a service-role key", "see target.key")
        return self.project

    async def api(self) -> dict[str, Any]:
        """The API description.

        Raises:
            UnansweredError: There is none; another probe says so.
        """
        await self.ready()
        door = await self.door()
        if door.document is None:
            raise UnansweredError("there is no API description", "see schema.tables")
        return door.document

    async def definitions(self) -> dict[str, Any]:
        """Tables and views as the API description shows them, by name.

        Raises:
            UnansweredError: There is no description; another probe says so.
        """
        found = (await self.api()).get("definitions")
        return found if isinstance(found, dict) else {}

    async def first_user(self) -> Any:
        """What the auth admin API gives for a list of one user, as it came.

        Raises:
            ProjectError: It refuses, or does not answer.
        """
        project = await self.ready()
        what = "listing users"
        return await self.once(
            "first user", lambda: self._in_time(project.get_json(ONE_USER, what), what)
        )

    async def health(self) -> Health:
        """Latency and version of the auth server, which answers without touching a table."""
        await self.reached()
        return await self.once("health", self._take_pulse)

    async def _take_pulse(self) -> Health:
        times = []
        for _ in range(3):
            started = time.perf_counter()
            response = await self.project.get("/auth/v1/health")
            times.append((time.perf_counter() - started) * 1_000)
        try:
            body = response.json()
        except ValueError:
            body = None
        version = body.get("version") if isinstance(body, dict) else None
        return Health(min(times), str(version) if version else None)

    def described(self) -> ProjectDescribed:
        """What the project said of itself, as far as the probes have learnt it by now."""
        door, health = self._known("door"), self._known("health")
        preflight = self._known("preflight")
        info = door.document.get("info") if door and door.document else None
        return described(
            preflight.document if preflight else {},
            info.get("version") if isinstance(info, dict) else None,
            health.version if health else None,
        )

    def _known(self, name: str) -> Any:
        """A fact that has been answered; None where it was not."""
        task = self._facts.get(name)
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()

    async def preflight_reply(self) -> Preflight:
        """What the preflight function says of the database.

        Raises:
            UnansweredError: The project cannot be asked.
            ProjectError: The function is missing, denied, or fails.
        """
        await self.ready()
        return await self.once("preflight", self._ask_preflight)

    async def _ask_preflight(self) -> Preflight:
        what = "calling the preflight function"
        reply, _ = await self._in_time(self.project.call_read_only(PREFLIGHT), what)
        return Preflight.read(reply)

    async def preflight(self) -> Preflight:
        """The preflight document, for the probes that need it.

        Raises:
            UnansweredError: There is none.
        """
        try:
            return await self.preflight_reply()
        except Missing:
            raise UnansweredError(
                "the preflight function is not installed", APPLY_PREFLIGHT
            ) from None
        except (ProjectError, ValueError):
            raise UnansweredError(
                "the preflight function gave no document", "see schema.preflight"
            ) from None

    async def responses(self) -> Page:
        """The first page of responses, and how many there are; for limits and volume alike."""
        await self.ready()
        return await self.once("responses", self._page_of_responses)

    async def _page_of_responses(self) -> Page:
        columns = order = ["id"]
        try:
            return await self.project.page(
                "responses", columns, order=order, limit=PAGE, count=True
            )
        except TimedOut:
            # So many that counting them outlasts a statement.
            return await self.project.page("responses", columns, order=order, limit=PAGE)

    def anon_facts(self) -> KeyFacts:
        """What the anon key says about itself.

        Raises:
            UnansweredError: None is configured, or it cannot be read.
        """
        key = self.context.settings.anon_key
        if key is None or self._anon is None:
            raise UnansweredError(
                "SUPABASE_ANON_KEY is not set",
                "set SUPABASE_ANON_KEY to the anon (publishable) key",
            )
        try:
            return read_key(key.reveal(), "SUPABASE_ANON_KEY")
        except ConfigurationError as error:
            raise UnansweredError(error.message, "see authentication.anon_key") from None

    async def anon_refusal(self) -> ProjectError | None:
        """How the project answers a plain read with the anon key: None when it lets it.

        Raises:
            UnansweredError: There is no anon key, or the project cannot be asked.
        """
        self.anon_facts()
        await self.reached()
        return await self.once("anon", self._ask_as_anon)

    async def _ask_as_anon(self) -> ProjectError | None:
        assert self._anon is not None  # noqa: S101 - anon_facts() has seen to it
        try:
            await self._anon.page("questions", ["id"], limit=1)
        except ProjectError as error:
            return error
        return None

    async def anon(self) -> Project:
        """The project with an anon key that it accepts and that is no more than that.

        Raises:
            UnansweredError: There is no such key.
        """
        refusal = await self.anon_refusal()
        if not is_anon(self.anon_facts()) or isinstance(refusal, KeyRefused):
            raise UnansweredError("the anon key cannot be used", "see authentication.anon_key")
        assert self._anon is not None  # noqa: S101 - anon_facts() has seen to it
        return self._anon


def _impatient(project: Project) -> Project:
    """The same connection, repeating a failed request at once or not at all."""
    policy = project.policy
    hurried = copy.copy(project)
    hurried.policy = replace(
        policy,
        attempts=min(policy.attempts, 3),
        base_s=min(policy.base_s, 0.25),
        cap_s=min(policy.cap_s, 1.0),
    )
    return hurried


def may_be_service(key: KeyFacts) -> bool:
    """Whether a key may act as the service role; an opaque secret key always does."""
    return key.kind is KeyKind.SECRET or key.role == "service_role"


def is_anon(key: KeyFacts) -> bool:
    """Whether a key stands for somebody who has not signed in."""
    return key.kind is KeyKind.PUBLISHABLE or key.role == "anon"


async def refusal_met(asked: Awaitable[Any]) -> ProjectError | None:
    """The refusal that a request met, None when it was granted.

    Raises:
        ProjectUnreachable: It was not judged at all.
        UnansweredError: What was asked for does not exist.
    """
    try:
        await asked
    except ProjectUnreachable:
        raise
    except Missing:
        raise UnansweredError("it does not exist in the API", "see the schema probes") from None
    except ProjectError as error:
        if error.status == AMBIGUOUS:
            raise UnansweredError("a call is ambiguous", "see schema.functions") from None
        return error
    return None


def is_denial(refusal: ProjectError | None) -> bool:
    """Whether a refusal is the database's own "permission denied", and not any other error."""
    return isinstance(refusal, Denied) and refusal.code == "42501"


def is_user_list(reply: Any) -> bool:
    """Whether a reply of the auth admin API is a list of users."""
    return isinstance(reply, dict) and isinstance(reply.get("users"), list)
