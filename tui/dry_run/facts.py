"""What the probes know of a project: each fact asked for once, and shared."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Self, TypeVar

from tui.guard.api_key import KeyFacts, KeyKind, read_key
from tui.project import (
    APPLY_PREFLIGHT,
    PAGE,
    PREFLIGHT,
    VIEW,
    KeyRefused,
    Missing,
    ProjectError,
    ProjectUnreachable,
    TimedOut,
)
from tui.verify.dataset import Dataset
from tui.verify.events import ProjectDescribed
from tui.verify.leftovers import new_run_id, users_of
from tui.verify.plan import Refusals, plain_type

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from datetime import datetime

    from tui.guard.target import Target
    from tui.project import Page, Project
    from tui.settings import Settings
    from tui.verify.dataset import Samples
    from tui.verify.events import Fill
    from tui.verify.result import Pace

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT_S: Final = 10.0
ONE_USER: Final = "/auth/v1/admin/users?page=1&per_page=1"
# What is read of each table, and how many rows.
READ: Final[Mapping[str, tuple[tuple[str, ...], int]]] = {
    "questions": (("id", "slug"), 1),
    "responses": (("user_id", "question_id"), PAGE),
    "app_users": (("id",), 1),
}

# Classes of SQLSTATE by which a relation or a function says that it is broken, whoever asks: not
# supported, bad data, wrong names, wrong state, an error of its own.
_BROKEN: Final = frozenset({"0A", "22", "42", "55", "P0"})

# Share of a probe's time after which a fact that several wait for is given up, so that one of them
# tells the cause and the others, in time, that they could not ask.
_PATIENCE: Final = 0.8

# Waiting longer than this for a server that asks to wait is no work for a probe.
_LONGEST_WAIT_S: Final = 2.0

# So often a run's rows are changed until the database takes them.
_MOST_PLANS: Final = 8

# PostgREST's word for a call that several functions fit.
AMBIGUOUS: Final = "PGRST203"

# Version of the preflight document that this console reads.
SCHEMA: Final = 1
# PostgREST's word for a function that it does not know. A 404 without it may come from anywhere.
_NO_SUCH_FUNCTION: Final = "PGRST202"
# What gateways answer, in a page of their own, to a URL that is too long for them.
_TOO_LONG: Final = frozenset({400, 414, 431})


@dataclass(frozen=True, slots=True)
class DryRunContext:
    """What a dry run is about.

    Attributes:
        anon: The same project with the anon (publishable) key, or None when none is configured.
        alive: Runs of this machine that are under way; what they wrote is not left behind.
        purge: The command line that removes what earlier runs left.
        run_id: The run whose rows the database is shown.
        known: The preflight document as it was last told; empty where none was.
        timeout_s: Seconds a probe has.
    """

    project: Project
    anon: Project | None
    target: Target
    settings: Settings
    past: Pace | None = None
    alive: frozenset[str] = frozenset()
    purge: str = "heatmap-tui --purge"
    run_id: str = field(default_factory=new_run_id)
    known: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float = TIMEOUT_S


class UnansweredError(ValueError):
    """What a probe needs to know cannot be known; the probe is skipped.

    `hint` is the line that makes it possible, where no other probe gives it; `cause` is the id of
    the probe that says why.
    """

    def __init__(self, reason: str, hint: str | None = None, *, cause: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.cause = cause


class _Told(dict[str, Any]):
    """An object of the preflight document; what it lacks is unanswered."""

    def __missing__(self, key: str) -> Any:
        raise UnansweredError(f"the preflight function does not report {key!r}", APPLY_PREFLIGHT)


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a database says of itself.

    Attributes:
        dataset: The rows that it was shown; None where they could not be fitted to it.
        unread: Why they could not, in the interpreter's words.
        unshown: Why it could be shown no rows: the URL that holds them is too long for a gateway.
    """

    document: dict[str, Any]
    dataset: Dataset | None = None
    unread: str = ""
    unshown: str = ""

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """Take a document of the function.

        Raises:
            ProjectError: It is of another version.
        """
        if document["schema"] != SCHEMA:
            raise _unreadable(
                f"the document is of version {document['schema']}; this console reads {SCHEMA}"
            )
        return cls(document)

    def at(self, *path: str) -> Any:
        """The value at a path of keys; None where the database has nothing to say."""
        value: Any = self.document
        for number, key in enumerate(path, 1):
            if not isinstance(value, dict) or key not in value:
                raise UnansweredError(
                    f"the preflight function does not report {'.'.join(path[:number])}",
                    APPLY_PREFLIGHT,
                )
            value = value[key]
        return _Told(value) if isinstance(value, dict) else value

    def many(self, *path: str) -> list[dict[str, Any]]:
        """The list of objects at a path of keys."""
        value = self.at(*path)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise UnansweredError(
                f"the preflight function reports {'.'.join(path)} in another form", APPLY_PREFLIGHT
            )
        return [_Told(each) for each in value]


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a database says of itself: its environment's name, and the document.

    `could_be_asked`: it has a function that says so.
    `dataset`: the run that it was asked about, fitted to the project.
    """

    word: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    could_be_asked: bool = True
    dataset: Dataset | None = None


async def ask_about(project: Project, dataset: Dataset, known: Mapping[str, Any]) -> Preflight:
    """Ask the preflight about the rows of a run, fitted until they are taken.

    Where the rows are taken at once, this is one request.

    Args:
        dataset: The run, as it means to write.
        known: The document as it was last told; empty where it was not.

    Raises:
        ProjectError: It cannot be asked, or its reply cannot be read.
    """
    refusals = Refusals()
    preflight: Preflight | None = None
    unfitted, plans = dataset, 0
    try:
        if known:
            dataset = dataset.fitted(known)
        while True:
            samples = dataset.samples()
            preflight = await _show(project, samples)
            plans += 1
            said = preflight.document.get("rows")
            if said:
                shown = {table: rows.all for table, rows in samples.items()}
                known_needs = len(refusals.needed)
                refusals.take(dataset.plan, shown, said)
                refused = any(told["refused"] for told in said.values() if told)
                if dataset.plan.fills and not refused and len(refusals.needed) == known_needs:
                    return replace(preflight, dataset=dataset)
            dataset = dataset.fitted(preflight.document, refusals)
            if not said or dataset.samples() == samples or plans == _MOST_PLANS:
                return replace(preflight, dataset=dataset)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # Some version of the document tells its tables in another form.
        if preflight is None:
            preflight = await _show(project, unfitted.samples())
        return replace(preflight, unread=f"{type(error).__name__}: {error}")


async def _show(project: Project, samples: Mapping[str, Samples]) -> Preflight:
    """The preflight document, about these rows where the function takes any."""
    # It goes into a URL: without blanks.
    sample = json.dumps(
        {table: rows.written() for table, rows in samples.items()}, separators=(",", ":")
    )
    unshown = ""
    try:
        document = await project.preflight({"sample": sample})
    except ProjectError as error:
        if error.code is None and error.status in _TOO_LONG:
            unshown = error.message
        elif error.code != _NO_SUCH_FUNCTION:
            raise
        # An earlier version of it takes no rows, and some gateways no URL as long as they make it.
        document = await project.preflight()
    return replace(Preflight.read(document), unshown=unshown)


def fills_of(dataset: Dataset | None) -> tuple[Fill, ...]:
    """What a run fills and from where, where it was fitted to the project."""
    return () if dataset is None else dataset.plan.fills


async def ask_declaration(
    project: Project,
    dataset: Dataset | None = None,
    known: Mapping[str, Any] | None = None,
) -> Declaration:
    """Ask the database by the preflight, or by the function that says only this.

    A database without either declares nothing.

    Args:
        dataset: A run whose rows it is shown as well.
        known: The document as it was last told.

    Raises:
        ProjectError: It cannot be asked, or its answer cannot be read for certain.
    """
    try:
        if dataset is None:
            preflight = Preflight.read(await project.preflight())
        else:
            preflight = await ask_about(project, dataset, known or {})
    except Missing as error:
        if error.code != _NO_SUCH_FUNCTION:
            raise
        said = await _ask_environment(project)
        return replace(said, dataset=dataset and await _fit_to_description(project, dataset))
    try:
        word = preflight.at("declared_environment")
    except UnansweredError as error:
        raise _unreadable(str(error)) from error
    if word is not None and not isinstance(word, str):
        raise _unreadable(f"the declared environment is no text but {type(word).__name__}")
    return Declaration(word, preflight.document, dataset=preflight.dataset)


async def _fit_to_description(project: Project, dataset: Dataset) -> Dataset | None:
    """A run fitted to the API description: lengths, labels and NOT NULL."""
    try:
        definitions = (await project.openapi())["definitions"]
        tables = {
            table: {
                "columns": [
                    each for each in _described_columns(definitions[table]) if each["name"] != "id"
                ]
            }
            for table in dataset.samples()
        }
        fitted = dataset.fitted({"tables": tables})
    except (ProjectError, AttributeError, KeyError, TypeError):
        return None
    return replace(fitted, plan=replace(fitted.plan, has_id=True, lacking=()))


async def _ask_environment(project: Project) -> Declaration:
    try:
        return Declaration(await project.declared_environment())
    except Missing as error:
        if error.code != _NO_SUCH_FUNCTION:
            raise
        return Declaration(could_be_asked=False)


def _described_columns(relation: dict[str, Any]) -> list[dict[str, Any]]:
    """Columns by the API description, as the preflight tells of them.

    It marks NOT NULL, but knows only simple defaults.
    """
    properties, not_null = relation.get("properties"), relation.get("required")
    columns = []
    for name, each in properties.items() if isinstance(properties, dict) else ():
        about = each if isinstance(each, dict) else {}
        labels = about.get("enum")
        length = f"({about['maxLength']})" if "maxLength" in about else ""
        columns.append(
            {
                "name": name,
                "type": f"{about.get('format', '')}{length}",
                "labels": [str(label) for label in labels] if isinstance(labels, list) else [],
                "not_null": isinstance(not_null, list) and name in not_null,
                "default": about.get("default"),
            }
        )
    return columns


def _unreadable(why: str) -> ProjectError:
    return ProjectError(f"calling {PREFLIGHT}: {why}", hint=APPLY_PREFLIGHT)


@dataclass(frozen=True, slots=True)
class Described:
    """How the project answered when it was asked for the API description."""

    document: dict[str, Any] | None
    error: ProjectError | None
    ms: float


@dataclass(frozen=True, slots=True)
class Column:
    """A column, by the preflight function or else the API description.

    Attributes:
        type: PostgreSQL's name of the type without modifier; of a domain, the type under it.
        labels: Of an enum; empty where it is none or where that is not known.
        required: NOT NULL without a default; None where that is not known.
    """

    type: str
    labels: tuple[str, ...] = ()
    required: bool | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The auth server's health route: its fastest reply (ms) and its version."""

    fastest_ms: float
    version: str | None


def _shared(
    ask: Callable[Concatenate[Facts, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Facts, P], asyncio.Future[T]]:
    """A fact that is asked for by the first that wants it.

    A probe that runs out of time leaves the fact to the others.
    """

    @functools.wraps(ask)
    def asked(self: Facts, /, *given: P.args, **named: P.kwargs) -> asyncio.Future[T]:
        key = (ask.__name__, *given)
        if key not in self.asked:
            self.asked[key] = asyncio.create_task(ask(self, *given, **named))
        return asyncio.shield(self.asked[key])

    return asked


class Facts:
    """Facts about one project, each asked for when first needed and then shared.

    Requests are repeated less often than in a run, so that the cause is known within a probe's
    time. That the project answers and accepts the key is said by probes that others need; what is
    asked here takes it for granted.

    To be made within the event loop, when the probes start.
    """

    def __init__(self, context: DryRunContext) -> None:
        self.context = context
        self.project = _impatient(context.project)
        self._anon = None if context.anon is None else _impatient(context.anon)
        self.asked: dict[tuple[object, ...], asyncio.Task[Any]] = {}

    async def aclose(self) -> None:
        """Stop asking for what nobody waits for any more."""
        for task in self.asked.values():
            task.cancel()
        await asyncio.gather(*self.asked.values(), return_exceptions=True)

    def begin(self) -> None:
        """Send the first requests, which nearly every probe waits for, together."""
        self.description()
        self.preflight_reply()

    @_shared
    async def description(self) -> Described:
        """The API description, asked for first of all. Never raises a `ProjectError`."""
        started = time.perf_counter()
        document: dict[str, Any] | None = None
        error: ProjectError | None = None
        try:
            document = await self._in_time(self.project.openapi(), "reading the API description")
            if "swagger" not in document and "openapi" not in document:
                raise ProjectUnreachable(
                    "reading the API description: what answers is not PostgREST",
                    hint="check SUPABASE_URL",
                )
        except ProjectError as caught:
            document, error = None, caught
        return Described(document, error, (time.perf_counter() - started) * 1_000)

    @_shared
    async def preflight_reply(self) -> Preflight | ProjectError:
        """The preflight document, or why there is none."""
        context = self.context
        volume = context.settings.volume
        run = Dataset(context.run_id, users=volume.users, questions=volume.questions)
        try:
            return await self._in_time(
                ask_about(self.project, run, context.known), "calling the preflight function"
            )
        except ProjectError as error:
            return error

    async def trouble(self) -> ProjectError | None:
        """Why the project does not answer, or refuses the key.

        By the description, or else by the preflight function: either may be refused, or be out of
        order, by itself.
        """
        first = (await self.description()).error
        second = await self.preflight_reply()
        if isinstance(second, ProjectUnreachable) and second.code is not None:
            # PostgREST's word that its database is away; the description it may know by heart.
            return second
        if not isinstance(first, ProjectUnreachable | KeyRefused):
            return None
        if isinstance(second, KeyRefused):
            return second
        # Without a code, nothing shows that the reply is PostgREST's.
        return first if isinstance(second, ProjectError) and second.code is None else None

    async def answers(self) -> bool:
        """Whether the project answers and takes the key, by the first that says so."""
        if self.context.known:
            # It did when the session began; whatever changed since, an answer's needs tell.
            return True
        first: list[asyncio.Future[Any]] = [self.description(), self.preflight_reply()]
        for answer in asyncio.as_completed(first):
            reply = await answer
            if isinstance(reply, Preflight) or getattr(reply, "document", None) is not None:
                return True
        return False

    async def _in_time(self, asked: Awaitable[T], what: str) -> T:
        """The answer, or `ProjectUnreachable` before probes that share it give up."""
        seconds = self.context.timeout_s * _PATIENCE
        try:
            async with asyncio.timeout(seconds):
                return await asked
        except TimeoutError:
            raise ProjectUnreachable(
                f"{what}: no reply within {seconds:g} s",
                hint="look at the project's status page, and at any proxy between",
                transient=True,
            ) from None

    async def preflight(self) -> Preflight:
        """The preflight document."""
        reply = await self.preflight_reply()
        if isinstance(reply, ProjectError):
            raise UnansweredError(
                "the preflight function gives no document", cause="schema.preflight"
            )
        return reply

    async def columns(self, relation: str) -> dict[str, Column] | None:
        """Columns of a table or the view, in order; None without such a relation.

        By the preflight function, or else by the API description.
        """
        reply = await self.preflight_reply()
        if isinstance(reply, Preflight):
            return _told_columns(reply, relation)
        definitions = ((await self.description()).document or {}).get("definitions")
        if not isinstance(definitions, dict):
            raise UnansweredError(
                "neither the preflight function nor the API description says", APPLY_PREFLIGHT
            )
        described = definitions.get(relation)
        if not isinstance(described, dict):
            return None
        return {
            each["name"]: Column(
                plain_type(each["type"]),
                tuple(each["labels"]),
                None if each["not_null"] and each["default"] is None else False,
            )
            for each in _described_columns(described)
        }

    @_shared
    async def table(self, name: str) -> Page:
        """Rows of a table (a page of responses) and how many there are."""
        columns, limit = READ[name]

        async def page(*, count: bool) -> Page:
            asked = self.project.page(name, columns, limit=limit, count=count)
            return await self._in_time(asked, f"reading {name}")

        try:
            return await page(count=True)
        except TimedOut:
            # So many that counting them outlasts a statement.
            return await page(count=False)

    @_shared
    async def users(self) -> tuple[dict[str, str], dict[str, datetime]]:
        """Synthetic users, listed as a purge lists them; see `users_of`."""
        return await self._in_time(users_of(self.project, None), "listing users")

    @_shared
    async def health(self) -> Health:
        """Latency and version of the auth server, which touches no table for it."""

        async def beat() -> tuple[float, Any]:
            started = time.perf_counter()
            response = await self.project.get("/auth/v1/health")
            return (time.perf_counter() - started) * 1_000, response

        # The first may have to wait for a connection.
        first, _ = await beat()
        (second, response), (third, _) = await asyncio.gather(beat(), beat())
        try:
            body = response.json()
        except ValueError:
            body = None
        version = body.get("version") if isinstance(body, dict) else None
        return Health(min(first, second, third), str(version) if version else None)

    def described(self) -> ProjectDescribed:
        """What the project said of itself, as far as the probes know by now."""
        about, health = self._known("description"), self._known("health")
        preflight = self._known("preflight_reply")
        info = about.document.get("info") if about and about.document else None
        return ProjectDescribed.read(
            preflight.document if isinstance(preflight, Preflight) else {},
            info.get("version") if isinstance(info, dict) else None,
            health.version if health else None,
            fills_of(preflight.dataset if isinstance(preflight, Preflight) else None),
        )

    def _known(self, fact: str) -> Any:
        task = self.asked.get((fact,))
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()

    def anon_facts(self) -> KeyFacts:
        """What the anon key says about itself."""
        key = self.context.settings.anon_key
        if key is None or self._anon is None:
            raise UnansweredError(
                "SUPABASE_ANON_KEY is not set",
                "set SUPABASE_ANON_KEY to the anon (publishable) key",
            )
        return read_key(key.reveal(), "SUPABASE_ANON_KEY")

    @property
    def anon(self) -> Project:
        """The project with the anon key, where one is configured."""
        if self._anon is None:
            raise UnansweredError("SUPABASE_ANON_KEY is not set", cause="authentication.anon_key")
        return self._anon


def _told_columns(preflight: Preflight, relation: str) -> dict[str, Column] | None:
    path = ("view",) if relation == VIEW else ("tables", relation)
    if not preflight.at(*path, "exists"):
        return None
    # Of the view's columns, name and type are told.
    required = () if relation == VIEW else preflight.at(*path, "required")
    return {
        each["name"]: Column(
            plain_type(each.get("base") or each["type"]),
            tuple(each.get("labels") or ()),
            each["name"] in required,
        )
        for each in preflight.many(*path, "columns")
    }


def _impatient(project: Project) -> Project:
    """The same connection, repeating a failed request sooner."""
    policy = project.policy
    return project.under(
        replace(
            policy,
            # All is asked at once: where requests are counted, most are refused at first.
            busy_attempts=2 * policy.attempts,
            base_s=min(policy.base_s, 0.25),
            # All repeats of a request have to end within a probe's time.
            cap_s=min(policy.cap_s, 0.6),
            patience_s=_LONGEST_WAIT_S,
        )
    )


def may_be_service(key: KeyFacts) -> bool:
    """Whether a key may act as the service role, as an opaque secret key does."""
    return key.kind is KeyKind.SECRET or key.role == "service_role"


def is_anon(key: KeyFacts) -> bool:
    """Whether a key stands for somebody who has not signed in."""
    return key.kind is KeyKind.PUBLISHABLE or key.role == "anon"


def is_broken(code: str | None) -> bool:
    """Whether the database says that what was asked for is itself out of order."""
    return code == AMBIGUOUS or (code is not None and len(code) == 5 and code[:2] in _BROKEN)
