"""The sequential client that the command is compared with, in the shape of the script it replaces.

One request after another, over supabase-py: 231 of them with 50 users and 200 questions, as were
counted for the script. 50 users; one look at `app_users`; questions and responses in batches of 500
(1 and 20); a refresh; responses and questions deleted by the questions' ids, 200 a request; a
refresh; 50 users deleted; all of the tidying a second time, as the script does when it ends; then
its audit: questions by slug, and users, 200 a page. That is 181; the other 50 are taken to be the
cheapest there are, deletions of users that are gone. It compares nothing with the view.

Its time is taken without that of loading Python's libraries, which favours it: the script took
1.39, 11.2 and 36.6 s as a whole process, without latency, with 40 and with 150 ms.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
from postgrest import ReturnMethod
from supabase import ClientOptions, create_client
from supabase_auth.errors import AuthApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supabase import Client

    from tui.settings import Volume

REQUEST_SECONDS = 120.0
BATCH = 500
USERS_PER_PAGE = 200
# 200 ids are the most that a gateway's limit of 8 KiB lets through.
IDS_PER_REQUEST = 200


def run(url: str, key: str, size: Volume) -> None:
    """Write, refresh, delete, refresh, tidy again, look what is left.

    Args:
        url: The project.
        key: Its service-role key.
        size: Users and questions; batch and concurrency are the script's own.
    """
    with httpx.Client(timeout=REQUEST_SECONDS) as http:
        client = create_client(url, key, ClientOptions(httpx_client=http))
        name = secrets.token_hex(6)
        users = [_create_user(client, name, number) for number in range(size.users)]
        for chunk in _chunks(users, IDS_PER_REQUEST):
            client.table("app_users").select("id").in_("id", chunk).execute()
        questions = _questions(name, size.questions)
        _insert(client, "questions", questions)
        ids = [str(each["id"]) for each in questions]
        _insert(client, "responses", _responses(users, ids))
        _refresh(client)
        for _ in range(2):
            for table, column in (("responses", "question_id"), ("questions", "id")):
                for chunk in _chunks(ids, IDS_PER_REQUEST):
                    query = client.table(table).delete(returning=ReturnMethod.minimal)
                    query.in_(column, chunk).execute()
            _refresh(client)
            _delete_users(client, users)
        client.table("questions").select("id,slug").like("slug", f"{_slug(name)}%").execute()
        page = 1
        while len(client.auth.admin.list_users(page, USERS_PER_PAGE)) == USERS_PER_PAGE:
            page += 1
        _delete_users(client, users)


def _slug(name: str) -> str:
    return f"heatmap-verification-{name}"


def _create_user(client: Client, name: str, number: int) -> str:
    mark = {"synthetic": True, "purpose": "heatmap-verification"}
    email = f"heatmap-{name}-{number}@example.com"
    reply = client.auth.admin.create_user(
        {"email": email, "email_confirm": True, "user_metadata": mark}
    )
    return str(reply.user.id)


def _delete_users(client: Client, users: list[str]) -> None:
    for user in users:
        # The second and third time it is gone.
        with contextlib.suppress(AuthApiError):
            client.auth.admin.delete_user(user)


def _refresh(client: Client) -> None:
    client.rpc("analytics_refresh_heatmap", {}).execute()


def _insert(client: Client, table: str, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        client.table(table).insert(batch, returning=ReturnMethod.minimal).execute()


def _questions(name: str, count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": str(uuid.uuid4()),
            "slug": f"{_slug(name)}-{number}",
            "status": "published",
            "stem_md": f"Synthetic stem {number}",
            "explanation_brief_md": f"Synthetic explanation {number}",
            "topic": f"Topic {number % 5}",
            "lesion": f"Lesion {number % 5}",
        }
        for number in range(count)
    ]


def _responses(users: list[str], questions: list[str]) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [
        {
            "id": str(uuid.uuid4()),
            "user_id": user,
            "question_id": question,
            "is_correct": random.random() < 0.5,
            "ms_to_answer": random.randrange(20_000, 50_000),
            "created_at": (now - timedelta(days=7 * random.randrange(8))).isoformat(),
        }
        for question in questions
        for user in users
    ]


def _chunks(ids: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
