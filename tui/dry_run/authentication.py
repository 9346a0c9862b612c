"""Is the key accepted, and is the gate that accepts it real?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tui.dry_run.facts import ONE_USER, UnansweredError, is_anon, is_user_list
from tui.dry_run.probe import Finding, Probe, failed, passed, skipped
from tui.project import Denied, KeyRefused
from tui.redact import Secret
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from tui.dry_run.facts import Facts

_TABLE: Final = "/rest/v1/questions?select=id&limit=1"
_REFUSALS: Final = frozenset({401, 403})


async def key_accepted(facts: Facts) -> Finding:
    """Does the project accept the key?"""
    door = await facts.reached()
    if isinstance(door.error, KeyRefused):
        return failed(door.error.message, door.error.hint)
    return passed("the key is accepted")


async def admin(facts: Facts) -> Finding:
    """Does the auth server's admin API answer to the key?"""
    try:
        reply = await facts.first_user()
    except (Denied, KeyRefused) as error:
        return failed(error.message)
    if not is_user_list(reply):
        return failed("the reply is no list of users", "check what serves /auth/v1 at this URL")
    return passed("the admin API lists users")


async def wrong_key(facts: Facts) -> Finding:
    """Is a key refused that nobody has been given?"""
    await facts.reached()
    wrong = Secret(misspelt(facts.project.key.reveal()))
    let_in = []
    for path in (_TABLE, ONE_USER):
        status = (await facts.project.get(path, key=wrong)).status_code
        if status not in _REFUSALS:
            let_in.append(f"{path.partition('?')[0]} answers {status}")
    if let_in:
        return failed(f"a wrong key is not refused: {', '.join(let_in)}")
    return passed("a wrong key is refused by the REST and the auth API")


async def anon_key(facts: Facts) -> Finding:
    """Is the anon key one, so that the negative probes mean something?"""
    try:
        key = facts.anon_facts()
    except UnansweredError as error:
        if facts.context.settings.anon_key is None or facts.context.anon is None:
            return skipped(error.reason, error.hint)
        return failed(error.reason)
    if not is_anon(key):
        return failed(f"SUPABASE_ANON_KEY is a {key.kind.value} of role {key.role or 'unknown'}")
    refusal = await facts.anon_refusal()
    if isinstance(refusal, KeyRefused):
        return failed(f"the project refuses it: {refusal.message}")
    return passed(f"{key.kind.value}, accepted as that of somebody not signed in")


def misspelt(key: str) -> str:
    """A key of the same shape that is not the same key.

    A JWT keeps its claims and loses its signature's meaning; an opaque key changes throughout.
    """
    head, dot, secret = key.rpartition(".")
    if not dot:
        prefix = re.match(r"sb_[a-z]+_", key)
        head, secret = (prefix[0], key[prefix.end() :]) if prefix else ("", key)
    # Not the last character alone: of a base64 ending, some bits carry nothing.
    return head + dot + secret.translate(_SHIFT)


_SHIFT: Final = {
    ord(char): ord(alphabet[(at + 1) % len(alphabet)])
    for alphabet in ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789")
    for at, char in enumerate(alphabet)
}

_FAIL: Final = ProbeStatus.FAIL

PROBES: Final = (
    Probe(
        "authentication.key",
        "the project accepts the key",
        "GET /rest/v1/ with the service key",
        "the key is of another project, revoked, expired or mistyped",
        "copy the service-role (secret) key of this very project anew",
        _FAIL,
        key_accepted,
    ),
    Probe(
        "authentication.admin",
        "the auth admin API answers to the key",
        f"GET {ONE_USER}",
        "it refuses the key, is absent, or answers something else",
        "use the service-role key; where the auth server is self-hosted, check its JWT secret",
        _FAIL,
        admin,
    ),
    Probe(
        "authentication.wrong_key",
        "a wrong key is refused",
        "one row of questions, and of users, with a key of the same shape",
        "either is answered: then no key protects the data",
        "put a gateway that checks keys in front, and give PostgREST its own JWT secret",
        _FAIL,
        wrong_key,
    ),
    Probe(
        "authentication.anon_key",
        "the anon key is one",
        "one row of questions with the anon key",
        "it is a service-role key, or the project refuses it; skipped when none is set",
        "set SUPABASE_ANON_KEY to the project's anon (publishable) key",
        _FAIL,
        anon_key,
    ),
)
