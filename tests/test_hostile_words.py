"""Two runs against one project: its texts hold keys and control sequences, or harmless words.

The second run masks nothing at all. Where both show the same, no key got out, no control sequence
got in, and nothing was masked that is not secret: compared are stdout, stderr, reports, journals,
history, crash reports, exports, clipboard, what screens show, and pictures of them.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psycopg

from tests.console.fakes import press, settle, text_of, until
from tests.console.screens.test_end_to_end import console
from tests.secrets_plugin import leaks, watch_for
from tui import redact as module
from tui.cli.main import main
from tui.console.widgets.heatmap import HeatmapGrid
from tui.crash import report_crash
from tui.redact import MASK, remember

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tui.sandbox import Sandbox

# Somebody's token: unmistakable in a message, but data like any other in a cell.
FOREIGN: Final = ".".join(["eyJhbGciOiJIUzI1NiJ9", "eyJyZWYiOiJzb21lYm9keSJ9", "c2lnbmF0dXJlLW9m"])
CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
PROMISED: Final = "Basic anatomy, password: hashing, Bearer tokens, cookie: session, api_key= what"

PLANT: Final = """
delete from public.questions where slug like 'planted-%%';
insert into public.questions
  (id, slug, status, stem_md, explanation_brief_md, topic, lesion)
select ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'planted-' || n || %(slug)s, 'published',
  '', '', %(topic)s || n, %(lesion)s
from generate_series(1, 3) n;
insert into public.responses (user_id, question_id, is_correct, created_at)
select u.id, q.id, true, '2026-03-04'
from (select id from public.app_users order by id limit 2) u
cross join (select id from public.questions where slug like 'planted-%%') q;
refresh materialized view public.analytics_heatmap_agg;
do $$ begin
  if exists (select from pg_trigger where tgrelid = 'public.questions'::regclass
             and tgname like 'planted%%') then
    execute (select format('drop trigger %%I on public.questions', tgname) from pg_trigger
             where tgrelid = 'public.questions'::regclass and tgname like 'planted%%');
  end if;
end $$;
create or replace function public.planted() returns trigger language plpgsql as $body$
begin
  if new.slug like 'heatmap-verification-%%' and current_setting('app.refuses', true) = 'yes' then
    raise exception using message = {message}, hint = {hint};
  end if;
  return new;
end $body$;
create trigger {trigger} before insert on public.questions
  for each row execute function public.planted();
"""


def hostile(text: str, key: str) -> str:
    """The text with a key, a token and control sequences where a harmless one has words."""
    return (
        text.replace("{key}", key)
        .replace("{token}", FOREIGN)
        .replace("{osc}", "\x1b]52;c;Zm9yZ2Vk\x07\x9d0;owned\x9c")
        .replace("{bidi}", "\u202e")
    )


def harmless(text: str, token: str) -> str:
    """What an operator should see of it."""
    return (
        text.replace("{key}", MASK)
        .replace("{token}", token)
        .replace("{osc}", " ]52;c;Zm9yZ2Vk  0;owned ")
        .replace("{bidi}", " ")
    )


def plant(sandbox: Sandbox, spell: Callable[[str], str], say: Callable[[str], str]) -> None:
    """Write it into the project: `spell` for data, `say` for messages."""
    message = say(f"the rule {PROMISED} says {{key}} and {{token}} {{osc}}verified")
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        query = PLANT.format(
            message=_quoted(message),
            hint=_quoted(say("give {key}{osc} to {bidi}nobody")),
            trigger='"' + spell("planted {osc}by").replace('"', '""') + '"',
        )
        data = {
            "slug": spell(" {key}{osc}"),
            "topic": spell(f"{PROMISED} {{key}} {{token}} {{osc}}{{bidi}}x"),
            "lesion": spell("kidney{osc}stones {token}"),
        }
        connection.execute(
            psycopg.ClientCursor(connection).mogrify(query, data).encode()  # several statements
        )
        connection.execute("notify pgrst, 'reload schema'")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"


def refuse(sandbox: Sandbox, word: str) -> None:
    """Have the planted trigger refuse a run's questions, or not."""
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute(f"alter role service_role set app.refuses = '{word}'".encode())
        connection.execute(f"alter role authenticator set app.refuses = '{word}'".encode())
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                           " where usename = 'authenticator'")  # fmt: skip


def everything(
    sandbox: Sandbox, home: Path, words: str, capfd: pytest.CaptureFixture[str]
) -> dict[str, str]:
    """All that the console says and writes."""
    said: dict[str, str] = {}
    volume = ["--headless", "--users", "8", "--questions", "8"]
    for name, arguments in {
        "dry run": ["--headless", "--dry-run"],
        "dry run json": ["--headless", "--dry-run", "--json"],
        "heatmap": ["--headless", "--heatmap"],
        "heatmap json": ["--headless", "--heatmap", "--json"],
        "cycle": [*volume, "--report", str(home / "verified.md"), "--json"],
    }.items():
        assert main(arguments) == 0, capfd.readouterr()
        out, err = capfd.readouterr()
        said |= {f"{name}: stdout": out, f"{name}: stderr": err}
    refuse(sandbox, "yes")
    try:
        assert main([*volume, "--report", str(home / "refused.md")]) == 1
    finally:
        refuse(sandbox, "no")
    said["refused: stdout"], said["refused: stderr"] = capfd.readouterr()
    with suppress(RuntimeError):
        try:
            raise RuntimeError(words)
        except RuntimeError as error:
            report_crash(error, home / "crashes")
            raise
    said |= asyncio.run(screens(sandbox))
    for path in sorted(home.rglob("*")):
        if path.is_file():
            name = re.sub(r"\d+", "N", re.sub(r"-[0-9a-f]{8}\b", "-H", path.name))
            said[f"file {name}"] = said.get(f"file {name}", "") + path.read_text()
    return said


async def screens(sandbox: Sandbox) -> dict[str, str]:
    """The console's screens, pictures of them, and its clipboard."""
    said: dict[str, str] = {}
    copied: list[str] = []
    async with console(sandbox) as app, app.run_test(size=(200, 60)) as pilot:
        app.copy_to_clipboard = copied.append  # type: ignore[method-assign]
        await until(pilot, lambda: app.state.session)
        await pilot.press("d")
        await until(pilot, lambda: app.state.dry_run and app.state.dry_run.ready)
        await settle(pilot)
        for key in ("t", "d", "r", "h"):
            await press(pilot, key)
            if key == "h":
                await until(pilot, lambda: app.screen.query_one(HeatmapGrid).grid.rows)
                await settle(pilot)
                await press(pilot, "o", "enter", "c")
                said["screen of rows"] = text_of(app)
                await press(pilot, "escape")
            said[f"screen {key}"] = text_of(app)
            drawn = app.export_screenshot()
            said[f"picture {key}"] = html.unescape(re.sub(r"<[^>]*>", " ", drawn))
        await pilot.press("w")
        await pilot.pause(0.2)
        await pilot.press("r")
        await settle(pilot)
        await press(pilot, "e", "c")
        await press(pilot, "d", "y", "escape")
        said["clipboard"] = "\n".join(copied)
        await pilot.press("escape", "q")
        await pilot.pause()
    return said


def comparable(text: str, home: Path) -> list[str]:
    """Lines without what differs from run to run: names of runs, times, durations, widths."""
    text = text.replace(str(home), "HOME")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "U", text)
    text = re.sub(r'"[0-9a-f]{8,64}"', '"H"', text)
    text = re.sub(r"\b\d{8}(?:T\d+)?-[0-9a-f]{8}\b", "RUN", text)
    text = re.sub(r"\d[\d.,:]*(?:e-?\d+)?(?:\s?(?:ms|s|min|h)\b)?,?", "N", text)
    text = re.sub(r"(?:[^\S\n]|[─━│┃╭╮╰╯▁-█▀-▟⠀-⣿·*\-])+", " ", text)
    # A busy machine's processes may wait for each other's files.
    return sorted(line for line in text.splitlines() if " another process may hold" not in line)


def test_a_hostile_project_shows_what_a_harmless_one_shows(
    start_private_sandbox: Callable[..., Sandbox],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    sandbox = start_private_sandbox()
    key = sandbox.service_role_key
    watch_for("the key in use", key)
    monkeypatch.setenv("SUPABASE_URL", sandbox.url)
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", key)
    monkeypatch.setenv("SUPABASE_ANON_KEY", sandbox.anon_key)
    found: dict[str, dict[str, str]] = {}
    raw = "the cause was {key} and {token} "
    for kind in ("hostile", "harmless"):
        home = tmp_path / kind
        home.mkdir()
        monkeypatch.setenv("XDG_STATE_HOME", str(home))
        if kind == "hostile":
            # Nothing that another test made known.
            monkeypatch.setattr(module, "_live", ())
            remember(key)
            plant(sandbox, lambda text: hostile(text, key), lambda text: hostile(text, key))
            words = hostile(raw, key)
        else:
            monkeypatch.setattr(module, "_SHAPES", ())
            monkeypatch.setattr(module, "redact_known", lambda text: text)
            # Nothing is long enough for a secret.
            monkeypatch.setattr(module, "_SHORTEST", sys.maxsize)
            plant(sandbox, lambda text: harmless(text, FOREIGN), lambda text: harmless(text, MASK))
            words = harmless(raw, MASK)
        found[kind] = everything(sandbox, home, words, capfd)

    shown = found["hostile"]
    assert {name: leaks(text) for name, text in shown.items() if leaks(text)} == {}
    assert [name for name in shown if CONTROL.search(_without_line_ends(shown[name]))] == []
    rows = json.loads(shown["heatmap json: stdout"])["heatmap"]["rows"]
    assert any(FOREIGN in (row["topic"] or "") for row in rows), "a cell is no secret by its shape"
    assert any(PROMISED in (row["topic"] or "") for row in rows)
    for name in (
        "refused: stderr",
        "file refused.md",
        "file crash-NTN.txt",
        "heatmap json: stdout",
    ):
        assert MASK in shown[name].replace("\\", ""), name
    assert set(shown) == set(found["harmless"])
    for name, text in shown.items():
        one = comparable(text, tmp_path / "hostile")
        other = comparable(found["harmless"][name], tmp_path / "harmless")
        assert one == other, name


def _without_line_ends(text: str) -> str:
    # CSV's records end in both.
    return text.replace("\r\n", "\n")
