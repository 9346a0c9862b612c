"""The auth emulation answers as GoTrue does."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.sandbox.helpers import headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

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
    answer = call(
        "POST",
        "admin/users",
        json={
            "id": user_id,
            "email": address.upper(),
            "password": "not-a-secret",
            "email_confirm": True,
            "app_metadata": {"synthetic": True},
            "user_metadata": {"run": "r1"},
        },
    )
    assert answer.status_code == 200
    user = answer.json()
    assert user["id"] == user_id
    assert user["email"] == address
    assert user["aud"] == user["role"] == "authenticated"
    assert user["app_metadata"] == {
        "provider": "email",
        "providers": ["email"],
        "synthetic": True,
    }
    assert user["user_metadata"] == {"run": "r1"}
    assert user["email_confirmed_at"] is not None
    row = database.execute("select encrypted_password from auth.users where id = %s", [user_id])
    assert "not-a-secret" not in str(row.fetchone())
    profile = database.execute("select role::text from app_users where id = %s", [user_id])
    assert profile.fetchone() == ("student",)


def test_create_refuses(call: Call) -> None:
    address, user_id = email(), str(uuid.uuid4())
    assert call("POST", "admin/users", json={"email": address, "id": user_id}).is_success
    taken = call("POST", "admin/users", json={"email": address})
    assert taken.status_code == 422
    assert taken.json() == {
        "code": 422,
        "error_code": "email_exists",
        "msg": "A user with this email address has already been registered",
    }
    doubled = call("POST", "admin/users", json={"email": email(), "id": user_id})
    assert doubled.status_code == 500
    assert doubled.json()["msg"] == "Database error creating new user"
    for body, status, code in (
        ({}, 400, "validation_failed"),
        ({"email": "nonsense"}, 400, "validation_failed"),
        ({"email": email(), "id": "7"}, 400, "validation_failed"),
        ({"email": email(), "password": "short"}, 422, "weak_password"),
    ):
        answer = call("POST", "admin/users", json=body)
        assert (answer.status_code, answer.json()["error_code"]) == (status, code), body
    assert call("POST", "admin/users", content=b"{").json()["error_code"] == "bad_json"


def test_both_error_shapes(call: Call) -> None:
    path = f"admin/users/{uuid.uuid4()}"
    old = call("GET", path)
    assert old.status_code == 404
    assert old.json() == {"code": 404, "error_code": "user_not_found", "msg": "User not found"}
    new = call("GET", path, headers=NEW)
    assert new.status_code == 404
    assert new.json() == {"code": "user_not_found", "message": "User not found"}
    assert new.headers["X-Supabase-Api-Version"] == "2024-01-01"


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


def test_pages_newest_first(call: Call, database: psycopg.Connection) -> None:
    mark = uuid.uuid4().hex
    made = [f"auth-test-{mark}-{n}@example.com" for n in range(5)]
    for address in made:
        assert call("POST", "admin/users", json={"email": address}).is_success
    first = call("GET", f"admin/users?filter={mark}&per_page=2")
    assert [user["email"] for user in first.json()["users"]] == [made[4], made[3]]
    assert first.json()["aud"] == "authenticated"
    assert first.headers["X-Total-Count"] == "5"
    assert first.headers["Link"] == (
        f'</admin/users?filter={mark}&page=2&per_page=2>; rel="next", '
        f'</admin/users?filter={mark}&page=3&per_page=2>; rel="last"'
    )
    last = call("GET", f"admin/users?filter={mark}&per_page=2&page=3")
    assert [user["email"] for user in last.json()["users"]] == [made[0]]
    assert 'rel="next"' not in last.headers["Link"]
    everybody = call("GET", "admin/users")
    assert len(everybody.json()["users"]) == 50
    total = database.execute("select count(*) from auth.users").fetchone()
    assert total is not None
    assert everybody.headers["X-Total-Count"] == str(total[0])
    assert call("GET", "admin/users?page=x").status_code == 400


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


def test_health(call: Call) -> None:
    assert call("GET", "health").json()["name"] == "GoTrue"
    assert call("GET", "nowhere").status_code == 404
