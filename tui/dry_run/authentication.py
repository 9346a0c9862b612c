"""Is the key accepted, and is the gate that accepts it real?"""

from __future__ import annotations

import asyncio
import json
import re
import string
from typing import Final

from tui.dry_run.facts import ONE_USER, Facts, is_anon
from tui.dry_run.probe import Finding, Probes, failed, passed, skipped, warned
from tui.errors import ConfigurationError
from tui.project import (
    PREFLIGHT,
    VIEW,
    Denied,
    KeyRefused,
    Missing,
    ProjectError,
    ProjectUnreachable,
)
from tui.redact import Secret

# What no key but the service role's may read.
_VIEW: Final = f"/rest/v1/{VIEW}?select=question_id&limit=1"
_REFUSALS: Final = frozenset({401, 403})

# What rows that the auth server wrote have, and rows made by SQL may lack: it cannot list those.
_MENDED: Final = {
    **dict.fromkeys(
        (
            "confirmation_token",
            "recovery_token",
            "email_change",
            "email_change_token_new",
            "email_change_token_current",
            "phone_change",
            "phone_change_token",
            "reauthentication_token",
        ),
        "''",
    ),
    "email_change_confirm_status": "0",
    "role": "'authenticated'",
    "created_at": "now()",
    "updated_at": "now()",
}
_MEND: Final = (
    "find them: select id, email from auth.users where "  # noqa: S608 - for people to paste
    + " or ".join(f"{column} is null" for column in _MENDED)
    + "; mend them: update auth.users set "
    + ", ".join(f"{column} = coalesce({column}, {value})" for column, value in _MENDED.items())
)

_SIGNS: Final = string.ascii_letters + string.digits
_SHIFTED: Final = str.maketrans(_SIGNS, _SIGNS[1:] + _SIGNS[0])

PROBES: Final = Probes()


@PROBES.add(
    "authentication.key",
    "the project accepts the key",
    f"GET /rest/v1/ and {PREFLIGHT}() with the service key",
    "the key is of another project, revoked, expired or mistyped",
    "copy the service-role (secret) key of this very project anew",
    vital=True,
    needs=("target.reachable",),
)
async def _key_accepted(facts: Facts) -> Finding:
    refusal = await facts.trouble()
    if isinstance(refusal, KeyRefused):
        return failed(refusal.message, refusal.hint)
    return passed("the key is accepted")


@PROBES.add(
    "authentication.admin",
    "the auth admin API answers to the key",
    f"users by the tag in their address, as a purge asks; GET {ONE_USER}",
    "it refuses the key, or does not answer; it cannot list everybody (warns)",
    "use the service-role key; where the auth server is self-hosted, check its JWT secret",
    vital=True,
    needs=("authentication.key", "target.key"),
)
async def _admin(facts: Facts) -> Finding:
    listed, reply = await asyncio.gather(
        facts.users(),
        facts.project.get_json(ONE_USER, "listing users"),
        return_exceptions=True,
    )
    if isinstance(listed, Denied | KeyRefused):
        return failed(listed.message)
    if isinstance(listed, BaseException):
        raise listed
    if isinstance(reply, ProjectError) and not isinstance(reply, ProjectUnreachable):
        return warned(
            f"listing synthetic users works, listing all of them fails: {reply.message}; usually "
            "rows of auth.users made by SQL, with NULL where the auth server needs a value",
            _MEND,
        )
    if isinstance(reply, BaseException):
        raise reply
    if not isinstance(reply.get("users"), list):
        return skipped("cannot tell: the reply holds no list of users")
    return passed("the admin API lists users")


@PROBES.add(
    "authentication.wrong_key",
    "a wrong key is refused",
    f"one row of {VIEW}, and of users, with a key of the same shape",
    "either is answered: then no key protects the data; it counts as anon (warns)",
    "put a gateway that checks keys in front, and give PostgREST its own JWT secret",
    needs=("authentication.key",),
)
async def _wrong_key(facts: Facts) -> Finding:
    wrong = Secret(misspelt(facts.project.key.reveal()))
    let_in, as_anon, untold = [], [], []
    paths = (_VIEW, ONE_USER)
    answers = await asyncio.gather(
        *(facts.project.get(path, key=wrong) for path in paths), return_exceptions=True
    )
    for path, response in zip(paths, answers, strict=True):
        name = path.partition("?")[0]
        if isinstance(response, ProjectError):
            untold.append(response.message)
            continue
        if isinstance(response, BaseException):
            raise response
        status, code = response.status_code, _code(response.text)
        if response.is_success:
            let_in.append(f"{name} answers {status}")
        elif code == "42501":
            as_anon.append(name)
        elif status not in _REFUSALS:
            untold.append(f"{name} answers {code or status}")
    if let_in:
        return failed(f"a wrong key is not refused: {', '.join(let_in)}")
    if untold:
        return skipped(f"cannot tell: {'; '.join(untold)}")
    if as_anon:
        return warned(
            "a wrong key counts as anon: the gateway checks no key, and gives it no more than that",
            "put a gateway that checks keys in front; the local development stack has none",
        )
    return passed("a wrong key is refused by the REST and the auth API")


def _code(text: str) -> str | None:
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return str(body["code"]) if isinstance(body, dict) and "code" in body else None


@PROBES.add(
    "authentication.anon_key",
    "the anon key is one",
    "one row of questions with the anon key",
    "it is a service-role key, or the project refuses it; skipped when none is set",
    "set SUPABASE_ANON_KEY to the project's anon (publishable) key",
    needs=("target.reachable",),
)
async def _anon_key(facts: Facts) -> Finding:
    """Is the anon key one, so that the negative probes mean something?"""
    try:
        key = facts.anon_facts()
    except ConfigurationError as error:
        return failed(error.message)
    if not is_anon(key):
        return failed(f"SUPABASE_ANON_KEY is a {key.kind.value} of role {key.role or 'unknown'}")
    try:
        await facts.anon.page("questions", ["id"], limit=1)
    except KeyRefused as error:
        return failed(f"the project refuses it: {error.message}")
    except (Denied, Missing):
        # It was let in, and may not read: that is for row level security to say.
        pass
    return passed(f"{key.kind.value}, accepted as that of somebody not signed in")


def misspelt(key: str) -> str:
    """A key of the same shape that is not the same key.

    A JWT keeps its claims and gets another signature; an opaque key changes throughout.
    """
    head, dot, secret = key.rpartition(".")
    if not dot:
        prefix = re.match(r"sb_[a-z]+_", key)
        head, secret = (prefix[0], key[prefix.end() :]) if prefix else ("", key)
    # Not the last character alone: of a base64 ending, some bits carry nothing.
    return head + dot + secret.translate(_SHIFTED)
