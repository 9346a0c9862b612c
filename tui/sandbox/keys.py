"""The keys of one sandbox: a JWT secret, two legacy JWTs and two opaque keys.

The claims are those of the platform's local stack: `iss` is `supabase-demo` and there is no `ref`.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

import jwt

ISSUER = "supabase-demo"
TEN_YEARS = 10 * 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Keys:
    """Every key that opens one sandbox.

    Attributes:
        jwt_secret: Signs and verifies all JWTs of this sandbox (HS256).
        anon: Legacy JWT with role `anon`.
        service_role: Legacy JWT with role `service_role`.
        publishable: Opaque `sb_publishable_...` key standing for `anon`.
        secret: Opaque `sb_secret_...` key standing for `service_role`.
    """

    jwt_secret: str
    anon: str
    service_role: str
    publishable: str
    secret: str

    @classmethod
    def generate(cls) -> Keys:
        """Return fresh random keys."""
        secret = secrets.token_urlsafe(40)
        issued = int(time.time())
        claims = {"iss": ISSUER, "iat": issued, "exp": issued + TEN_YEARS}
        return cls(
            jwt_secret=secret,
            anon=sign(claims | {"role": "anon"}, secret),
            service_role=sign(claims | {"role": "service_role"}, secret),
            publishable=f"sb_publishable_{secrets.token_hex(11)}_{secrets.token_hex(4)}",
            secret=f"sb_secret_{secrets.token_hex(11)}_{secrets.token_hex(4)}",
        )

    def jwt_for(self, api_key: str) -> str | None:
        """Return the legacy JWT that a key stands for, or None when the key is not ours.

        Any JWT that this sandbox's secret signed is a key of its own, so that a hosted project's
        claims can be stood in for; whether it has expired is for the upstream to judge.
        """
        opaque = {self.publishable: self.anon, self.secret: self.service_role}.get(api_key)
        if opaque is not None:
            return opaque
        try:
            jwt.decode(
                api_key,
                self.jwt_secret,
                algorithms=["HS256"],
                options={"verify_aud": False, "verify_exp": False},
            )
        except jwt.InvalidTokenError:
            return None
        return api_key


def sign(claims: dict[str, Any], secret: str) -> str:
    """Return a JWT over the claims, signed with HS256."""
    return jwt.encode(claims, secret, algorithm="HS256")


def verify(token: str, secret: str) -> dict[str, Any]:
    """Return the claims of a JWT.

    Raises:
        jwt.InvalidTokenError: The token is malformed, expired or signed with another secret.
    """
    claims: dict[str, Any] = jwt.decode(
        token, secret, algorithms=["HS256"], options={"verify_aud": False}
    )
    return claims
