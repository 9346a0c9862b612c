"""What a project's key says about itself, read without verifying it. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from tui.errors import ConfigurationError
from tui.guard.hosts import canonical_host, project_ref
from tui.redact import remember

_REF: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# What the vendor's local development stack gives to everybody.
_DEMO_ISSUER: Final = "supabase-demo"
_DEMO_KEYS: Final = frozenset(
    {
        "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz",
        "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH",
    }
)
_OPAQUE: Final = re.compile(r"(sb_secret_|sb_publishable_)[A-Za-z0-9_-]{1,500}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ISSUER_HOST: Final = re.compile(r"(?:[a-z]+://)?([^/:@?#\[\]]+|\[[^\]]+\])(?:[:/].*)?")
_MASKED: Final = re.compile(r"\.\.\.|…|[•●∙·]|\*\*\*")
_LONGEST: Final = 16_384

_HINT: Final = "copy the service_role key or a secret key from the project's API settings"


class KeyKind(StrEnum):
    """The form of a key."""

    LEGACY_JWT = "legacy JWT"
    SECRET = "secret key"  # noqa: S105
    PUBLISHABLE = "publishable key"


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What can be read from a key. Never holds the key.

    Attributes:
        role: The database role a JWT claims; None for opaque keys, which do not tell.
        issuer_host: The host that issued it, or None where its issuer is none.
        is_demo: It is one of those that every local development stack has.
    """

    kind: KeyKind
    role: str | None = None
    ref: str | None = None
    issuer_host: str | None = None
    is_demo: bool = False
    expires_at: datetime | None = None


def read_key(key: str, source: str = "SUPABASE_SERVICE_ROLE_KEY") -> KeyFacts:
    """Read a key's form and claims; from here on it is masked everywhere.

    `source` is the variable it comes from, for messages, which show no part of the key.
    """
    opaque = _OPAQUE.fullmatch(key)
    if opaque:
        remember(key)
        kind = KeyKind.SECRET if opaque.group(1) == "sb_secret_" else KeyKind.PUBLISHABLE
        return KeyFacts(kind, is_demo=key in _DEMO_KEYS)
    problem = _misspelling(key)
    if problem:
        raise ConfigurationError(f"{source} {problem}", hint=_HINT)
    claims = _claims(key, source)
    role, issuer = _word(claims, "role", source), _word(claims, "iss", source)
    issuer_host = _issuer_host(issuer)
    facts = KeyFacts(
        kind=KeyKind.LEGACY_JWT,
        role=role,
        ref=_ref(claims, issuer_host, source),
        issuer_host=issuer_host,
        is_demo=issuer == _DEMO_ISSUER,
        expires_at=_instant(claims, "exp", source),
    )
    remember(key)
    return facts


def _misspelling(key: str) -> str | None:
    slips = {
        "carries its quotes along, which are not part of the key": key.strip("\"'") != key,
        "is masked: only a part of the key was copied": _MASKED.search(key) is not None,
        "has a $ in it: variables are not filled in": "$" in key,
        'starts with "Bearer ", which is not part of the key': key.lower().startswith("bearer "),
        "contains white space or an invisible character": any(
            char.isspace() or not char.isprintable() for char in key
        ),
        "is a personal access token, not a key of a project": key.startswith("sbp_"),
        "is neither a JWT nor a key that starts with sb_secret_": len(key) > _LONGEST
        or _TOKEN.fullmatch(key) is None,
    }
    return next((slip for slip, made in slips.items() if made), None)


def _claims(key: str, source: str) -> dict[str, object]:
    parts: list[object] = []
    for part in key.split(".")[:2]:
        try:
            raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
            parts.append(json.loads(raw))
        except (binascii.Error, ValueError, RecursionError):
            # The decoder's own message quotes what it could not read: keep it out of the chain.
            parts.append(None)
    header, claims = parts
    if not isinstance(header, dict) or "alg" not in header or not isinstance(claims, dict):
        raise ConfigurationError(f"{source} looks like a JWT but cannot be decoded", hint=_HINT)
    return claims


def _malformed(claim: str, source: str) -> ConfigurationError:
    return ConfigurationError(f"{source} is a JWT with a malformed {claim!r} claim", hint=_HINT)


def _word(claims: dict[str, object], claim: str, source: str) -> str | None:
    value = claims.get(claim)
    if value is None:
        return None
    if not isinstance(value, str) or not value.isprintable() or len(value) > 200:
        raise _malformed(claim, source)
    return value


def _issuer_host(issuer: str | None) -> str | None:
    match = _ISSUER_HOST.fullmatch(issuer or "")
    if match is None:
        return None
    try:
        return canonical_host(match[1], "the issuer")
    except ConfigurationError:
        return None


def _ref(claims: dict[str, object], issuer_host: str | None, source: str) -> str | None:
    value = _word(claims, "ref", source)
    if value is not None:
        ref = value.lower()
        if _REF.fullmatch(ref) is None:
            raise _malformed("ref", source)
        return ref
    # A signed-in user's token names its project in the issuer alone.
    return project_ref(issuer_host) if issuer_host else None


def _instant(claims: dict[str, object], claim: str, source: str) -> datetime | None:
    value = claims.get(claim)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _malformed(claim, source)
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        raise _malformed(claim, source) from None
