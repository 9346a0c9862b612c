"""The requests by which the auth emulation is held to the vendor's server, one after another."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import psycopg

if TYPE_CHECKING:
    from tui.sandbox import Sandbox

RECORDED = Path(__file__).with_name("recorded_auth.json")
NEW = {"X-Supabase-Api-Version": "2024-01-01"}
BCRYPT = "$2a$10$" + "abcdefghijklmnopqrstuu" + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcde"
ARGON2 = "$argon2id$v=19$m=16,t=2,p=1$c29tZXNhbHQ$OJ9RsxrgU1LKCHwJvTRqVA"
# What of a reply's headers means something to a client.
HEADERS = ("allow", "content-type", "link", "x-sb-error-code", "x-supabase-api-version")


def user_id(name: str) -> str:
    """Return the id that a user of these requests is made with."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"auth-requests:{name}"))


def email(name: str) -> str:
    return f"parity-{name}@example.com"


@dataclass(frozen=True)
class Asked:
    """One request.

    Attributes:
        path: Below `/auth/v1/`.
        key: Whose token is sent: a name of `Sandbox`'s keys, `session` for that of the latest
            sign-in, `expired`, `forged`, or `none`.
        body: Sent as JSON; `bytes` are sent as they are.
    """

    method: str
    path: str
    body: Any = None
    key: str = "service_role_key"
    headers: dict[str, str] = field(default_factory=dict)


def _create(name: str | None, **more: Any) -> Asked:
    given = {} if name is None else {"id": user_id(name), "email": email(name)}
    return Asked("POST", "admin/users", given | more)


def _at(name: str) -> str:
    return f"admin/users/{user_id(name)}"


SIGN_IN = "token?grant_type=password"
REQUESTS: dict[str, Asked] = {
    "health": Asked("GET", "health"),
    # Creating.
    "create": _create("ada", password="not-a-secret", app_metadata={"synthetic": True}),
    "create confirmed": _create(
        "bea", email_confirm=True, user_metadata={"run": "r1"}, app_metadata={"provider": None}
    ),
    "create in upper case": _create("cem", email=email("cem").upper()),
    "create with a bcrypt hash": _create("dan", password_hash=BCRYPT, email_confirm=True),
    "create with an argon2 hash": _create("eva", password_hash=ARGON2),
    "create with a bad hash": _create("x1", password_hash="nonsense"),
    "create with a short hash": _create("x1", password_hash="$2a$10$abc"),
    "create with password and hash": _create("x1", password="not-a-secret", password_hash=BCRYPT),
    "create with a weak password": _create("fay", password="x"),
    "create with an empty password": _create("fin", password=""),
    "create with 72 bytes": _create("gil", password="p" * 72),
    "create with 73 bytes": _create("x1", password="p" * 73),
    "create with a role and an aud": _create("hal", role="editor", aud="elsewhere"),
    "create banned": _create("ida", ban_duration="24h"),
    "create banned for none": _create("jon", ban_duration="none"),
    "create with a bad ban": _create("x1", ban_duration="forever"),
    "create with null metadata": _create("kai", app_metadata=None, user_metadata=None),
    "create by phone": _create(None, id=user_id("lea"), phone="+1 555 0100"),
    "create by phone, confirmed": _create(
        None, id=user_id("mia"), phone="15550101", phone_confirm=True
    ),
    "create by both": _create("ned", phone="15550102", email_confirm=True, phone_confirm=True),
    "create by a bad phone": _create(None, phone="call me"),
    "create by a phone that is taken": _create(None, phone="15550101"),
    "create without anything": _create(None),
    "create with an email that is taken": _create(None, email=email("ada")),
    "create with an email taken in upper case": _create(None, email=email("ada").upper()),
    "create with an id that is taken": _create("ada", email=email("x1")),
    "create with a bad email": _create(None, email="nonsense"),
    "create with a bad id": _create("x1", id="7"),
    "create with the nil id": _create("x1", id="00000000-0000-0000-0000-000000000000"),
    "create with an email that is a number": _create(None, email=7),
    "create from broken JSON": Asked("POST", "admin/users", b"{"),
    "create from nothing": Asked("POST", "admin/users", b""),
    "create from a list": Asked("POST", "admin/users", b"[]"),
    "create, taken, new errors": Asked("POST", "admin/users", {"email": email("ada")}, headers=NEW),
    "create, id taken, new errors": Asked(
        "POST", "admin/users", {"id": user_id("ada"), "email": email("x1")}, headers=NEW
    ),
    # Reading.
    "get": Asked("GET", _at("bea")),
    "get by phone": Asked("GET", _at("lea")),
    "get nobody": Asked("GET", _at("nobody")),
    "get nobody, new errors": Asked("GET", _at("nobody"), headers=NEW),
    "get no uuid": Asked("GET", "admin/users/7"),
    "list": Asked("GET", "admin/users?filter=parity-"),
    "list a page": Asked("GET", "admin/users?filter=parity-&per_page=2"),
    "list the last page": Asked("GET", "admin/users?filter=parity-&per_page=4&page=3"),
    "list beyond the end": Asked("GET", "admin/users?filter=parity-&per_page=2&page=99"),
    "list page 0": Asked("GET", "admin/users?filter=parity-&per_page=5&page=0"),
    "list page x": Asked("GET", "admin/users?page=x"),
    "list page -1": Asked("GET", "admin/users?page=-1"),
    "list per_page 0": Asked("GET", "admin/users?per_page=0"),
    "list per_page x": Asked("GET", "admin/users?per_page=x"),
    "list upwards": Asked("GET", "admin/users?filter=parity-&per_page=2&sort=created_at+asc"),
    "list by a bad field": Asked("GET", "admin/users?sort=email"),
    "list in a bad direction": Asked("GET", "admin/users?sort=created_at+up"),
    "list nobody": Asked("GET", "admin/users?filter=nobody-here"),
    # Changing.
    "update": Asked(
        "PUT",
        _at("bea"),
        {"user_metadata": {"run": None, "b": {"c": None}}, "app_metadata": {"x": 1}},
    ),
    "update the email": Asked("PUT", _at("cem"), {"email": email("CEM2"), "email_confirm": True}),
    "update to an email that is taken": Asked("PUT", _at("cem"), {"email": email("ada")}),
    "update the phone": Asked("PUT", _at("cem"), {"phone": "+15550103", "phone_confirm": True}),
    "update to a weak password": Asked("PUT", _at("bea"), {"password": "x"}),
    "update to a weak password, new errors": Asked(
        "PUT", _at("bea"), {"password": "x"}, headers=NEW
    ),
    "update the password": Asked("PUT", _at("bea"), {"password": "another-secret"}),
    "update the ban": Asked("PUT", _at("jon"), {"ban_duration": "1h30m"}),
    "update the ban away": Asked("PUT", _at("jon"), {"ban_duration": "none"}),
    "update to a bad ban": Asked("PUT", _at("jon"), {"ban_duration": "1 day"}),
    "update the role": Asked("PUT", _at("jon"), {"role": "editor"}),
    "update nothing": Asked("PUT", _at("jon"), {}),
    "update nobody": Asked("PUT", _at("nobody"), {}),
    # Signing in.
    "sign in": Asked("POST", SIGN_IN, {"email": email("bea"), "password": "another-secret"}),
    "user": Asked("GET", "user", key="session"),
    "user by the service key": Asked("GET", "user"),
    "logout": Asked("POST", "logout", key="session"),
    "user after the logout": Asked("GET", "user", key="session"),
    "logout again": Asked("POST", "logout", key="session"),
    "logout by the service key": Asked("POST", "logout"),
    "sign in, wrong": Asked("POST", SIGN_IN, {"email": email("bea"), "password": "no"}),
    "sign in, nobody": Asked("POST", SIGN_IN, {"email": email("x1"), "password": "no"}),
    "sign in, wrong, new errors": Asked(
        "POST", SIGN_IN, {"email": email("bea"), "password": "no"}, headers=NEW
    ),
    "sign in, not confirmed": Asked(
        "POST", SIGN_IN, {"email": email("ada"), "password": "not-a-secret"}
    ),
    "sign in, banned": Asked("POST", SIGN_IN, {"email": email("ida"), "password": "not-a-secret"}),
    "sign in, nothing given": Asked("POST", SIGN_IN, {}),
    "sign in by a hash of nothing": Asked(
        "POST", SIGN_IN, {"email": email("dan"), "password": "not-a-secret"}
    ),
    "sign in without a grant": Asked("POST", "token", {"email": email("bea"), "password": "x"}),
    "sign in by an unknown grant": Asked("POST", "token?grant_type=magic", {}),
    # Who is let in.
    "list as anon": Asked("GET", "admin/users", key="anon_key"),
    "list without a token": Asked("GET", "admin/users", key="none"),
    "list by a forged token": Asked("GET", "admin/users", key="forged"),
    "list by an expired token": Asked("GET", "admin/users", key="expired"),
    "list by nonsense": Asked("GET", "admin/users", key="nonsense"),
    "list by nonsense, new errors": Asked("GET", "admin/users", key="nonsense", headers=NEW),
    "create as anon": Asked("POST", "admin/users", {"email": email("x1")}, key="anon_key"),
    # Routes.
    "no path": Asked("GET", "nowhere"),
    "no path for admins": Asked("GET", "admin/nowhere"),
    "no path for admins, as anon": Asked("GET", "admin/nowhere", key="anon_key"),
    "no method": Asked("PATCH", "admin/users"),
    "no method on a user": Asked("POST", _at("ada"), {}),
    "no method for health": Asked("POST", "health"),
    "no method for a token": Asked("GET", "token"),
    "a slash at the end": Asked("GET", "admin/users/?filter=nobody-here"),
    "jwks": Asked("GET", ".well-known/jwks.json"),
    # Deleting.
    "soft delete": Asked("DELETE", _at("bea"), {"should_soft_delete": True}),
    "get the soft deleted": Asked("GET", _at("bea")),
    "soft delete again": Asked("DELETE", _at("bea"), {"should_soft_delete": True}),
    "soft delete by phone": Asked("DELETE", _at("mia"), {"should_soft_delete": True}),
    "get the soft deleted by phone": Asked("GET", _at("mia")),
    "sign in, soft deleted": Asked(
        "POST", SIGN_IN, {"email": email("bea"), "password": "another-secret"}
    ),
    "delete": Asked("DELETE", _at("ada")),
    "delete again": Asked("DELETE", _at("ada")),
    "delete again, new errors": Asked("DELETE", _at("ada"), headers=NEW),
    "delete no uuid": Asked("DELETE", "admin/users/7"),
    "delete by broken JSON": Asked("DELETE", _at("cem"), b"{"),
    "delete the soft deleted": Asked("DELETE", _at("bea")),
}


def conversation(sandbox: Sandbox) -> dict[str, Any]:
    """Send every request to a sandbox without users.

    Returns:
        `replies` by the names of the requests, and `audit`, what was written to the audit log; what
        differs each time is masked.
    """
    client = httpx.Client(base_url=f"{sandbox.url}/auth/v1/", trust_env=False, timeout=30)
    session = ""
    replies = {}
    with client:
        for name, asked in REQUESTS.items():
            answer = _ask(client, sandbox, asked, session)
            body = _decoded(answer)
            if isinstance(body, dict):
                session = body.get("access_token", session)
            shown = {each: answer.headers[each] for each in HEADERS if each in answer.headers}
            if "allow" in shown:
                # In another order each time.
                shown["allow"] = ", ".join(sorted(shown["allow"].split(", ")))
            replies[name] = {
                "status": answer.status_code,
                "headers": shown,
                "body": masked(body),
            }
    with psycopg.connect(sandbox.db_url) as database:
        rows = database.execute(
            "select payload from auth.audit_log_entries order by created_at"
        ).fetchall()
    return {"replies": replies, "audit": [payload for (payload,) in rows]}


def _ask(client: httpx.Client, sandbox: Sandbox, asked: Asked, session: str) -> httpx.Response:
    tokens = {
        "none": None,
        "nonsense": "nonsense",
        "session": session,
        "forged": jwt.encode({"role": "service_role"}, "x" * 40, "HS256"),
        "expired": jwt.encode(
            {"role": "service_role", "exp": 1_700_000_000}, sandbox.jwt_secret, "HS256"
        ),
    }
    token = tokens[asked.key] if asked.key in tokens else getattr(sandbox, asked.key)
    sent = {"apikey": sandbox.service_role_key, **asked.headers}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    if isinstance(asked.body, bytes):
        return client.request(asked.method, asked.path, headers=sent, content=asked.body)
    return client.request(asked.method, asked.path, headers=sent, json=asked.body)


MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+"), "<token>"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "<url>"),
)


def _decoded(answer: httpx.Response) -> Any:
    try:
        return json.loads(answer.text)
    except ValueError:
        return answer.text


def masked(value: Any, name: str = "") -> Any:
    """Return a reply with its times, tokens and random ids replaced by what they are."""
    if isinstance(value, dict):
        return {key: masked(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [masked(each, name) for each in value]
    if name in {"expires_at", "refresh_token", "identity_id", "error_id"}:
        return f"<{name}>"
    if isinstance(value, str):
        for pattern, word in MASKS:
            value = pattern.sub(word, value)
    return value
