"""The auth emulation answers as GoTrue does."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from tests.sandbox.helpers import headers
from tui.sandbox.users import NEVER_NULL, NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tui.sandbox import Sandbox

    Call = Callable[..., httpx.Response]

NEW = {"X-Supabase-Api-Version": "2024-01-01"}


@pytest.fixture
def call(sandbox: Sandbox, database: psycopg.Connection) -> Iterator[Call]:
    """Call a route under /auth/v1 with the service key; users made here are removed afterwards."""

    def send(method: str, path: str, key: str | None = None, **more: Any) -> httpx.Response:
        sent = headers(key or sandbox.service_role_key, **more.pop("headers", {}))
        return httpx.request(method, f"{sandbox.url}/auth/v1/{path}", headers=sent, **more)

    yield send
    database.execute("delete from auth.users where email like 'auth-test-%'")


def email() -> str:
    return f"auth-test-{uuid.uuid4()}@example.com"


def test_create_with_an_id_of_ones_own(call: Call, database: psycopg.Connection) -> None:
    user_id, address = str(uuid.uuid4()), email()
    body = {"id": user_id, "email": address.upper(), "password": "not-a-secret"}
    assert call("POST", "admin/users", json=body).json()["id"] == user_id
    row = database.execute("select encrypted_password from auth.users where id = %s", [user_id])
    assert "not-a-secret" not in str(row.fetchone())
    profile = database.execute("select role::text from app_users where id = %s", [user_id])
    assert profile.fetchone() == ("student",)


def test_a_trigger_on_insert_sees_neither_role_nor_app_metadata(
    call: Call, database: psycopg.Connection
) -> None:
    database.execute("create table public.seen (role text, app jsonb, address text)")
    database.execute(
        "create function public.see() returns trigger language plpgsql security definer as $$"
        " begin insert into public.seen values (new.role, new.raw_app_meta_data, new.email);"
        " return new; end $$;"
        " create trigger see after insert on auth.users for each row execute function public.see()"
    )
    address = email()
    try:
        made = call(
            "POST", "admin/users", json={"email": address, "app_metadata": {"synthetic": True}}
        )
        assert made.json()["app_metadata"]["synthetic"]
        seen = database.execute("select * from public.seen").fetchall()
    finally:
        database.execute("drop trigger see on auth.users; drop function see; drop table seen")
    assert seen == [("", {"provider": "email", "providers": ["email"]}, address)]


@pytest.mark.parametrize("column", NEVER_NULL)
def test_a_user_made_by_sql_with_a_null_fails_the_listings_that_meet_it(
    call: Call, database: psycopg.Connection, column: str
) -> None:
    address = email()
    # As most seeds make them, and as the API then lists them.
    database.execute(
        "insert into auth.users (instance_id, id, aud, role, email, encrypted_password,"
        " confirmation_token, recovery_token, email_change_token_new, email_change, created_at,"
        " updated_at) values (%s, gen_random_uuid(), 'authenticated', 'authenticated', %s, '',"
        " '', '', '', '', now(), now())",
        [NOBODY, address],
    )
    assert call("GET", "admin/users").is_success
    database.execute(f"update auth.users set {column} = null where email = %s", [address])
    met = call("GET", "admin/users")
    if column == "aud":
        assert met.is_success, "such a one is not listed"
        return
    if column == "created_at":
        met = call("GET", "admin/users?per_page=1")
    assert met.status_code == 500
    assert met.json()["msg"] == "Database error finding users"
    assert call("GET", "admin/users?filter=learners.example").is_success


def test_users_made_by_sql_without_instance_id_are_not_listed(
    call: Call, database: psycopg.Connection
) -> None:
    listed = int(call("GET", "admin/users").headers["X-Total-Count"])
    counted = database.execute("select count(*) from auth.users").fetchone()
    assert counted == (listed + 1,), "one learner was made so"


def test_a_lock_that_is_not_given_back_is_a_timeout_and_nothing_is_done(
    call: Call, sandbox: Sandbox, database: psycopg.Connection
) -> None:
    address = email()
    with psycopg.connect(sandbox.db_url) as blocking:
        blocking.execute("lock table auth.users in access exclusive mode")
        late = call("POST", "admin/users", json={"email": address}, timeout=30, headers=NEW)
    assert late.status_code == 504
    assert late.json()["code"] == "request_timeout"
    made = database.execute("select count(*) from auth.users where email = %s", [address])
    assert made.fetchone() == (0,)


EMULATION: dict[str, Any] = {"auth": None, "auth_migrations": None}


def test_what_is_not_emulated_says_so(start_private_sandbox: Callable[..., Sandbox]) -> None:
    running = start_private_sandbox(seed_learners=False, **EMULATION)

    def call(method: str, path: str, key: str) -> httpx.Response:
        return httpx.request(method, f"{running.url}/auth/v1/{path}", headers=headers(key))

    for method, path in (
        ("GET", "settings"),
        ("POST", "signup"),
        ("POST", "invite"),
        ("GET", "admin/audit"),
        ("POST", "admin/generate_link"),
        ("GET", f"admin/users/{uuid.uuid4()}/factors"),
        ("POST", "token?grant_type=refresh_token"),
    ):
        answer = call(method, path, running.secret_key)
        assert (answer.status_code, answer.json()["error_code"]) == (501, "not_implemented")
        assert "does not emulate" in answer.json()["msg"]
    assert call("GET", "admin/audit", running.anon_key).status_code == 403


async def test_a_password_takes_its_time_and_a_hash_does_not(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    running = start_private_sandbox(seed_learners=False, faults="hash_ms=150", **EMULATION)

    async def create(count: int, **more: str) -> float:
        began = time.perf_counter()
        url, sent = f"{running.url}/auth/v1/admin/users", headers(running.secret_key)
        async with httpx.AsyncClient(headers=sent, timeout=30) as client:
            made = await asyncio.gather(
                *(client.post(url, json={"email": email(), **more}) for _ in range(count))
            )
        assert all(answer.is_success for answer in made)
        return time.perf_counter() - began

    # Two at a time: no fewer than three rounds. How long the rest takes is the machine's affair.
    assert await create(6, password="not-a-secret") > 3 * 0.150
    assert await create(6) > 3 * 0.150


def test_only_the_service_role_is_let_in(call: Call, sandbox: Sandbox) -> None:
    for method, path in (
        ("GET", "admin/users"),
        ("POST", "admin/users"),
        ("DELETE", f"admin/users/{uuid.uuid4()}"),
    ):
        for key in (sandbox.anon_key, sandbox.publishable_key):
            answer = call(method, path, key)
            assert answer.status_code == 403
            assert answer.json()["error_code"] == "not_admin"
    forged = call("GET", "admin/users", headers={"Authorization": "Bearer nonsense"})
    assert forged.status_code == 403
    assert forged.json()["error_code"] == "bad_jwt"
    assert call("GET", "admin/users", sandbox.secret_key).is_success


def test_read_change_delete(call: Call) -> None:
    user_id, address = str(uuid.uuid4()), email()
    call("POST", "admin/users", json={"id": user_id, "email": address, "user_metadata": {"a": 1}})
    path = f"admin/users/{user_id}"
    assert call("GET", path).json()["email"] == address
    other = email()
    changed = call(
        "PUT",
        path,
        json={"email": other, "user_metadata": {"a": None, "b": {"c": None}}, "password": "longer"},
    )
    assert changed.json()["email"] == other
    assert changed.json()["user_metadata"] == {"b": {"c": None}}
    assert call("DELETE", path).json() == {}
    for method in ("GET", "PUT", "DELETE"):
        assert call(method, path, json={}).json()["error_code"] == "user_not_found"
    assert call("DELETE", "admin/users/7").status_code == 404


def test_a_learner_signs_in(call: Call, sandbox: Sandbox) -> None:
    user_id, address = str(uuid.uuid4()), email()
    body = {"id": user_id, "email": address, "password": "not-a-secret", "email_confirm": True}
    call("POST", "admin/users", json=body)
    wrong = call("POST", "token?grant_type=password", json={"email": address, "password": "no"})
    assert wrong.status_code == 400
    assert wrong.json()["error_code"] == "invalid_credentials"
    session = call(
        "POST",
        "token?grant_type=password",
        sandbox.anon_key,
        json={"email": address, "password": "not-a-secret"},
    ).json()
    assert session["user"]["id"] == user_id
    learner = {"apikey": sandbox.anon_key, "Authorization": f"Bearer {session['access_token']}"}
    mine = httpx.get(f"{sandbox.url}/rest/v1/app_users?select=id", headers=learner)
    assert mine.json() == [{"id": user_id}]
    denied = httpx.post(f"{sandbox.url}/rest/v1/rpc/analytics_refresh_heatmap", headers=learner)
    assert denied.status_code == 403
    assert denied.json()["code"] == "42501"
    me = httpx.get(f"{sandbox.url}/auth/v1/user", headers=learner)
    assert me.json()["email"] == address
    admin = httpx.get(f"{sandbox.url}/auth/v1/admin/users", headers=learner)
    assert admin.status_code == 403


def test_a_database_that_is_away(start_private_sandbox: Callable[..., Sandbox]) -> None:
    running = start_private_sandbox()
    url = f"{running.url}/auth/v1/admin/users"
    sent = headers(running.service_role_key)
    assert httpx.get(url, headers=sent).is_success
    running.stop_database()
    away = httpx.get(url, headers=sent)
    assert away.status_code == 500
    assert away.json()["msg"] == "Database error finding users"
    running.start_database()
    assert httpx.get(url, headers=sent).is_success
    running.stop_database()
    running.start_database()
    assert httpx.get(url, headers=sent).is_success
