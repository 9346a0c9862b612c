"""How synthetic rows are recognised, and what of them is there.

The tag is kept from the script this console replaces, so that its orphans are found as well:
question slug `heatmap-verification-<run>-<n>`, user email `heatmap-<run>-<n>@example.com`. Where a
project takes no such slug, the run and the number are written in another form; whatever looks for
slugs looks for all of them. The domain example.com is reserved (RFC 2606), so no learner can have
such an address. Rows are found by the exact pattern, which needs no journal and so works from any
machine.

Ids follow from the run id, and those of one kind are neighbours: the rows of a run are counted by a
range of ids as well, whatever has become of the rows they belong to.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from tui.project import IDS_PER_REQUEST, Filter, any_of, one_of
from tui.verify.events import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from tui.project import Project

T = TypeVar("T")

PURPOSE: Final = "heatmap-verification"
_RUN: Final = r"[0-9A-Za-z]+(?:[-_][0-9A-Za-z]+)*"
_NUMBER: Final = r"[0-9]+"
_OURS: Final = re.compile(r"[0-9]{8}-[0-9a-f]{8}\Z", re.ASCII)
# The same text is sent to PostgreSQL (`match`), whose regular expressions agree with Python's
# here, except that `$` there never means "before a final newline": hence \Z in Python.
_EMAIL: Final = re.compile(rf"heatmap-({_RUN})-({_NUMBER})@example\.com\Z", re.ASCII)

SLUG_PREFIX: Final = "heatmap-verification-"
EMAIL_FRAGMENT: Final = "heatmap-"
_DATE, _HEX, _LETTERS = r"[0-9]{8}", r"[0-9a-f]{8}", str.maketrans("0123456789", "ghijklmnop")
_DIGITS: Final = {after: before for before, after in _LETTERS.items()}
_CODE: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
# Digits of a short code that count a run's rows.
COUNTED: Final = 4


@dataclass(frozen=True, slots=True)
class SlugForm:
    """One way of writing a run and a number as a slug.

    Attributes:
        begins: What every such slug begins with.
        run: Regular expression of the run within it.
        rest: Regular expression of what follows it, the number.
        write: A run, alone or with `-` and a number, as it stands in the slug.
        read: A run back from what matches.
    """

    begins: str
    run: str
    rest: str
    write: Callable[[str], str] = str
    read: Callable[[str], str] = str

    def slug(self, run_id: str, number: int) -> str:
        """Slug of a run's question."""
        return self.begins + self.write(f"{run_id}-{number}")

    def pattern(self, run_id: str | None) -> str:
        """Regular expression of the slugs of one run, or of any when None."""
        run = self.run if run_id is None else re.escape(self.write(run_id))
        return f"{self.begins}{run}{self.rest}"


# The first that a project takes is used. All but the first are of runs of this console alone.
SLUG_FORMS: Final = (
    SlugForm(SLUG_PREFIX, _RUN, f"-{_NUMBER}"),
    SlugForm("hv-", f"{_DATE}-{_HEX}", f"-{_NUMBER}"),
    SlugForm(
        "heatmap_verification_",
        f"{_DATE}_{_HEX}",
        f"_{_NUMBER}",
        lambda text: text.replace("-", "_"),
        lambda text: text.replace("_", "-"),
    ),
    SlugForm(
        "hv",
        f"[0-9]{{6}}{_HEX}",
        _NUMBER,
        lambda text: text[2:].replace("-", ""),
        lambda text: f"20{text[:6]}-{text[6:]}",
    ),
    SlugForm(
        SLUG_PREFIX,
        "[g-p]{8}-[a-p]{8}",
        "-[g-p]+",
        lambda text: text.translate(_LETTERS),
        lambda text: text.translate(_DIGITS),
    ),
)
ANY_SLUG: Final = f"^({'|'.join(form.pattern(None) for form in SLUG_FORMS)})$"
_SLUGS: Final = tuple(
    (form, re.compile(f"{form.begins}({form.run}){form.rest}\\Z", re.ASCII)) for form in SLUG_FORMS
)

# Longer than a run takes; see the bounds of a volume in `tui.settings`.
_LONGEST_RUN: Final = timedelta(hours=1)
# A counter of six bytes.
_MOST: Final = 2**48 - 1


def new_run_id(now: datetime | None = None) -> str:
    """A run id: its date in UTC, then 32 random bits, as in `20260131-9f3c21aa`."""
    return f"{(now or datetime.now(UTC)):%Y%m%d}-{secrets.token_hex(4)}"


def is_ours(run_id: str) -> bool:
    """Whether a run id has the form of `new_run_id`, not of the older script's."""
    return _OURS.match(run_id) is not None


def run_date(run_id: str) -> date:
    """The date a run id of ours begins with."""
    return datetime.strptime(run_id.partition("-")[0], "%Y%m%d").replace(tzinfo=UTC).date()


def slug(run_id: str, number: int, form: SlugForm = SLUG_FORMS[0]) -> str:
    """Slug of a run's question."""
    return form.slug(run_id, number)


def label(text: str) -> str:
    """A question's slug as it is shown: without the prefix that all ours have."""
    return text.removeprefix(SLUG_PREFIX)


def email(run_id: str, number: int) -> str:
    """Email of a run's user."""
    return f"heatmap-{run_id}-{number}@example.com"


def marker(run_id: str) -> dict[str, Any]:
    """What a run's users carry as `app_metadata` and `user_metadata`."""
    return {"synthetic": True, "purpose": PURPOSE, "run": run_id}


def slug_pattern(run_id: str | None) -> str:
    """Regular expression, for PostgreSQL, of the slugs of one run, or of any."""
    if run_id is None:
        return ANY_SLUG
    # The script before wrote the first form alone.
    forms = SLUG_FORMS if is_ours(run_id) else SLUG_FORMS[:1]
    return f"^({'|'.join(form.pattern(run_id) for form in forms)})$"


def run_of_slug(text: str) -> str | None:
    """The run a question belongs to, or None when it is not synthetic."""
    for form, pattern in _SLUGS:
        if found := pattern.match(text):
            return form.read(found[1])
    return None


def run_of_email(text: str) -> str | None:
    """The run a user belongs to, or None when the address is not synthetic."""
    found = _EMAIL.match(text)
    return found[1] if found else None


def id_of(run_id: str, kind: str, number: int) -> UUID:
    """The id of a run's user, question or response: a version 8 UUID (RFC 9562).

    Ten bytes of the run, then a counter of six.
    """
    raw = bytearray(hashlib.sha256(f"{run_id}:{kind}".encode()).digest()[:10])
    raw += number.to_bytes(6, "big")
    raw[6] = (raw[6] & 0x0F) | 0x80
    raw[8] = (raw[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(raw))


def code_of(run_id: str, number: int, length: int) -> str:
    """A short text of a row's own: some digits of the run, then the row's number."""
    counted = ""
    for _ in range(COUNTED):
        number, digit = divmod(number, len(_CODE))
        counted = _CODE[digit] + counted
    return hashlib.sha256(run_id.encode()).hexdigest()[: length - COUNTED] + counted


def between(column: str, first: object, last: object) -> list[Filter]:
    """Rows whose id lies between two ids of one run and kind."""
    return [Filter(column, "gte", str(first)), Filter(column, "lte", str(last))]


def ids_of_run(column: str, run_id: str, kind: str) -> list[Filter]:
    """Every row of a run and kind, by its id or by a column that refers to it."""
    return between(column, id_of(run_id, kind, 0), id_of(run_id, kind, _MOST))


def responses_of_run(run_id: str) -> Filter:
    """Responses by a run's users or to its questions, be these there or not."""
    either = (
        f"and({column}.gte.{id_of(run_id, kind, 0)},{column}.lte.{id_of(run_id, kind, _MOST)})"
        for column, kind in (("user_id", "user"), ("question_id", "question"))
    )
    return any_of(*either)


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Items in order, so many at a time."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def these(column: str, ids: Sequence[str]) -> list[Filter]:
    """Rows with some ids of one run: a range of neighbours, else a short list."""
    if len(ids) > 1 and len({each[:-12] for each in ids}) == 1:
        return between(column, min(ids), max(ids))
    return [one_of(column, ids)]


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Rows that carry a run's tag; `questions` and `users` map id to run id.

    Attributes:
        responses: Responses to those questions, per run.
        begun: When the newest user of a run was created, per run, where the auth service tells.
    """

    questions: Mapping[str, str]
    users: Mapping[str, str]
    responses: Counter[str]
    begun: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def tally(self) -> Tally:
        return Tally(len(self.users), len(self.questions), sum(self.responses.values()))

    @property
    def foreign(self) -> int:
        """Responses to synthetic questions that no synthetic user can have given.

        A user answers a question once, so a run explains users x questions of them.
        """
        return sum(
            max(0, tally.responses - tally.users * tally.questions)
            for tally in self.by_run().values()
        )

    def by_run(self) -> dict[str, Tally]:
        questions = Counter(self.questions.values())
        users = Counter(self.users.values())
        return {
            run: Tally(users[run], questions[run], self.responses[run])
            for run in sorted({*questions, *users})
        }

    def chunks(self, size: int) -> list[Sequence[str]]:
        """Question ids in chunks that each belong to one run, neighbours together."""
        by_run: dict[str, list[str]] = defaultdict(list)
        for question_id, run in sorted(self.questions.items()):
            by_run[run].append(question_id)
        return [chunk for ids in by_run.values() for chunk in chunks(ids, size)]

    def without(self, runs: Collection[str]) -> Leftovers:
        """The same, but for the rows of some runs."""
        return Leftovers(
            questions={key: run for key, run in self.questions.items() if run not in runs},
            users={key: run for key, run in self.users.items() if run not in runs},
            responses=Counter({run: n for run, n in self.responses.items() if run not in runs}),
            begun={run: when for run, when in self.begun.items() if run not in runs},
        )


async def find(project: Project, run_id: str | None = None) -> Leftovers:
    """Everything that carries the tag of one run of ours, or of any run."""
    tagged = asyncio.gather(questions_of(project, run_id), users_of(project, run_id))
    if run_id is None:
        questions, (users, begun) = await tagged
        return Leftovers(questions, users, await responses_to(project, questions), begun)
    # By the ids that its questions have, without waiting to hear which of them are there.
    own = project.count("responses", ids_of_run("question_id", run_id, "question"))
    (questions, (users, begun)), there = await asyncio.gather(tagged, own)
    return Leftovers(questions, users, Counter({run_id: there}), begun)


async def responses_to(project: Project, questions: Mapping[str, str]) -> Counter[str]:
    """Responses to questions, given by id with their run, counted per run.

    By the ids alone: to join the question would be ambiguous where the project has a second key, or
    a table of its own, between the two.
    """
    responses: Counter[str] = Counter()

    async def count(chunk: Sequence[str]) -> None:
        # Not `+= await`: that reads the old value before the wait, and loses others' counts.
        there = await project.count("responses", these("question_id", chunk))
        responses[questions[chunk[0]]] += there

    await project.each(Leftovers(questions, {}, responses).chunks(IDS_PER_REQUEST), count)
    return responses


async def count_run(project: Project, run_id: str) -> Tally:
    """What there is of a run of ours, by ids in each table and its users' tag.

    Depends on no other row: a response is counted though its question is gone.
    """
    responses, questions, learners, (users, _) = await asyncio.gather(
        project.count("responses", [responses_of_run(run_id)]),
        project.count("questions", ids_of_run("id", run_id, "question")),
        project.count("app_users", ids_of_run("id", run_id, "user")),
        users_of(project, run_id),
    )
    return Tally(max(learners, len(users)), questions, responses)


async def users_of(
    project: Project, run_id: str | None
) -> tuple[dict[str, str], dict[str, datetime]]:
    """Synthetic users, id to run id; and when each run's newest was created."""
    users: dict[str, str] = {}
    begun: dict[str, datetime] = {}
    fragment = EMAIL_FRAGMENT + (f"{run_id}-" if run_id else "")
    async for page in project.users_matching(fragment):
        for user in page:
            run = run_of_email(user.get("email") or "")
            if run is None or run_id not in (None, run):
                continue
            users[user["id"]] = run
            created = instant(user.get("created_at"))
            if created is not None:
                begun[run] = max(created, begun.get(run, created))
    return users, begun


async def server_time(project: Project) -> datetime | None:
    """The present by the project's own clock, where its replies say."""
    told = (await project.get("/auth/v1/health")).headers.get("Date")
    try:
        return parsedate_to_datetime(told).astimezone(UTC) if told else None
    except ValueError:
        return None


def may_be_under_way(begun: Mapping[str, datetime], now: datetime | None) -> tuple[str, ...]:
    """Runs that another machine, user or home may be in the middle of.

    Those of this console whose newest user was created within the hour by the project's clock; all
    of them where that clock is not known. The older script made other run ids.
    """
    return tuple(
        run
        for run, created in sorted(begun.items())
        if is_ours(run) and (now is None or now - created < _LONGEST_RUN)
    )


def instant(text: Any) -> datetime | None:
    """An instant in UTC, also where it has no offset; None if it is no instant."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


async def questions_of(project: Project, run_id: str | None) -> dict[str, str]:
    """Synthetic questions of one run, or of any: id to run id."""
    conditions = [Filter("slug", "match", slug_pattern(run_id))]
    found: dict[str, str] = {}
    async for page in project.pages("questions", ("id", "slug"), conditions, order=("id",)):
        for row in page:
            run = run_of_slug(row["slug"])
            if run is not None and run_id in (None, run):
                found[row["id"]] = run
    return found
