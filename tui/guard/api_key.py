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

_REF: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_OPAQUE: Final = re.compile(r"(sb_secret_|sb_publishable_)[A-Za-z0-9_-]{1,500}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ISSUER: Final = re.compile(r"https://([^/:@?#\[\]]+)/auth/v1/?")
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
        kind: Its form.
        role: The database role a JWT claims; None for opaque keys, which do not tell.
        ref: The hosted project it belongs to, or None where the key names none.
        expires_at: The `exp` claim in UTC, or None.
    """

    kind: KeyKind
    role: str | None = None
    ref: str | None = None
    expires_at: datetime | None = None


def read_key(key: str, source: str = "SUPABASE_SERVICE_ROLE_KEY") -> KeyFacts:
    """Read a key's form and claims.

    Args:
        key: A legacy JWT, or an opaque key starting with sb_secret_ or sb_publishable_.
        source: The variable it comes from, for messages.

    Raises:
        ConfigurationError: It is none of these. The message shows no part of the key.
    """
    opaque = _OPAQUE.fullmatch(key)
    if opaque:
        is_secret = opaque.group(1) == "sb_secret_"
        return KeyFacts(KeyKind.SECRET if is_secret else KeyKind.PUBLISHABLE)
    problem = _misspelling(key)
    if problem:
        raise ConfigurationError(f"{source} {problem}", hint=_HINT)
    claims = _claims(key, source)
    role, issuer = _word(claims, "role", source), _word(claims, "iss", source)
    return KeyFacts(
        kind=KeyKind.LEGACY_JWT,
        role=role,
        ref=_ref(claims, issuer, source),
        expires_at=_instant(claims, "exp", source),
    )


def _misspelling(key: str) -> str | None:
    if key.lower().startswith("bearer "):
        return 'starts with "Bearer ", which is not part of the key'
    if any(char.isspace() or not char.isprintable() for char in key):
        return "contains white space or an invisible character"
    if key.startswith("sbp_"):
        return "is a personal access token, not a key of a project"
    if len(key) > _LONGEST or _TOKEN.fullmatch(key) is None:
        return "is neither a JWT nor a key that starts with sb_secret_"
    return None


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


def _ref(claims: dict[str, object], issuer: str | None, source: str) -> str | None:
    value = _word(claims, "ref", source)
    if value is not None:
        ref = value.lower()
        if _REF.fullmatch(ref) is None:
            raise _malformed("ref", source)
        return ref
    # A signed-in user's token names its project in the issuer alone.
    match = _ISSUER.fullmatch(issuer or "")
    return project_ref(canonical_host(match.group(1), source)) if match else None


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
