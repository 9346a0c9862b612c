"""The sequential client that the cycle is compared with: the same work, one request after another.

It does what the script does that the console replaces, over supabase-py: users one at a time, one
batch at a time, refresh, then look up what is to be deleted and delete it by ids, users one at a
time, refresh again. It checks nothing. Where the script's ways are not known, the quicker one is
taken: replies carry no rows that were sent, no user is given a password, rows hold the fewest
columns, and the database makes their ids.

With 50 users and 200 questions that makes 236 requests, and 3.24 s without and 11.5 to 13.2 s with
40 ms of latency were measured for the script. `kind` leaves the responses to the cascade that
deleting their questions starts: 125 requests, fewer than the script can have made.
"""

from __future__ import annotations

import random
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
from postgrest import ReturnMethod
from supabase import ClientOptions, create_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supabase import Client

    from tui.settings import Volume

REQUEST_SECONDS = 120.0
PAGE = 1_000
IDS_PER_DELETE = 100
# 200 ids are the most that a gateway's limit of 8 KiB lets through.
QUESTIONS_PER_REQUEST = 200


def run(url: str, key: str, size: Volume, *, kind: bool = False) -> None:
    """Write, refresh, delete, refresh; check nothing.

    Args:
        url: The project.
        key: Its service-role key.
        size: How much to write; its concurrency is not used.
        kind: Let the responses cascade away with their questions.
    """
    with httpx.Client(timeout=REQUEST_SECONDS) as http:
        client = create_client(url, key, ClientOptions(httpx_client=http))
        name = secrets.token_hex(6)
        users = [_create_user(client, name, number) for number in range(size.users)]
        questions = _write_questions(client, name, size)
        rows = _responses(users, questions)
        for start in range(0, len(rows), size.batch):
            batch = rows[start : start + size.batch]
            client.table("responses").insert(batch, returning=ReturnMethod.minimal).execute()
        client.rpc("analytics_refresh_heatmap", {}).execute()
        _delete(client, name, kind=kind)
        for user in users:
            client.auth.admin.delete_user(user)
        client.rpc("analytics_refresh_heatmap", {}).execute()


def _create_user(client: Client, name: str, number: int) -> str:
    mark = {"synthetic": True, "purpose": "heatmap-verification"}
    reply = client.auth.admin.create_user(
        {
            "email": f"heatmap-{name}-{number}@example.com",
            "email_confirm": True,
            "app_metadata": mark,
            "user_metadata": mark,
        }
    )
    return str(reply.user.id)


def _write_questions(client: Client, name: str, size: Volume) -> list[str]:
    rows = [
        {
            "slug": f"heatmap-verification-{name}-{number}",
            "status": "published",
            "stem_md": "Synthetic.",
            "explanation_brief_md": "Synthetic.",
            "topic": f"Topic {number % 5}",
            "lesion": f"Lesion {number % 7}",
        }
        for number in range(size.questions)
    ]
    ids: list[str] = []
    for start in range(0, len(rows), size.batch):
        # Here the rows must come back: the database makes the ids.
        reply = client.table("questions").insert(rows[start : start + size.batch]).execute()
        ids += [row["id"] for row in _rows(reply.data)]
    return ids


def _responses(users: list[str], questions: list[str]) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [
        {
            "user_id": user,
            "question_id": question,
            "is_correct": random.random() < 0.7,
            "ms_to_answer": random.randrange(1_000, 120_000),
            "created_at": (now - timedelta(days=7 * random.randrange(1, 9))).isoformat(),
        }
        for question in questions
        for user in users
    ]


def _delete(client: Client, name: str, *, kind: bool) -> None:
    questions: list[str] = []
    while True:
        reply = (
            client.table("questions")
            .select("id")
            .like("slug", f"heatmap-verification-{name}-%")
            .order("id")
            .range(len(questions), len(questions) + PAGE - 1)
            .execute()
        )
        page = [row["id"] for row in _rows(reply.data)]
        questions += page
        if len(page) < PAGE:
            break
    for chunk in _chunks(questions, QUESTIONS_PER_REQUEST):
        if not kind:
            _delete_responses(client, chunk)
        client.table("questions").delete(returning=ReturnMethod.minimal).in_("id", chunk).execute()


def _delete_responses(client: Client, questions: list[str]) -> None:
    while True:
        query = client.table("responses").select("id").in_("question_id", questions)
        found = [row["id"] for row in _rows(query.limit(PAGE).execute().data)]
        for chunk in _chunks(found, IDS_PER_DELETE):
            query_ = client.table("responses").delete(returning=ReturnMethod.minimal)
            query_.in_("id", chunk).execute()
        if len(found) < PAGE:
            return


def _chunks(ids: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _rows(data: Any) -> list[dict[str, Any]]:
    return list(data)
