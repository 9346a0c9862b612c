"""No key in any output: of the command, its files, its processes, its errors, its screens.

What every other test shows and writes is scanned by `tests.secrets_plugin`; here the scanner is
shown to find what is planted, and the places that no capture reaches are looked at.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jwt
import pytest

from tests.console.fakes import settle, until
from tests.console.screens.test_end_to_end import console
from tests.secrets_plugin import KEYS, SHAPES, leaks, leaks_in_files, watch_for
from tests.test_architecture import tracked
from tui.cli.main import main
from tui.crash import report_crash
from tui.errors import OperatorError
from tui.guard.target import classify
from tui.project import Project, RetryPolicy
from tui.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tui.sandbox import Sandbox

ROOT: Final = Path(__file__).parents[1]
REASON: Final = "restoring the index after the incident of today"


@pytest.fixture(autouse=True)
def _watch(sandbox: Sandbox) -> None:
    """Know the keys even where the scanner was not loaded before the sandbox started."""
    for kind in KEYS:
        watch_for(kind, getattr(sandbox, kind))


# --- the scanner ----------------------------------------------------------------------------------

PLANTED: Final = """
import logging, subprocess, sys
from pathlib import Path
from urllib.parse import quote
import pytest
from tests.secrets_plugin import watch_for

# Joined while it runs: a sum of strings is folded, and the .pyc would hold the key.
KEY = "".join(["sb_secret_", "planted0", "planted1/", "planted2"])
watch_for("planted key", KEY)

@pytest.fixture
def private_home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")

def test_stdout(): print("the key is", KEY)
def test_stderr(): print(KEY, file=sys.stderr)
def test_log(): logging.getLogger("x").warning("key %s", KEY)
def test_encoded(): print("apikey=" + quote(KEY, safe=""))
def test_part(): print("cut short: " + KEY[10:24] + "...")
def test_home(private_home): (private_home / "history.jsonl").write_text(KEY)
def test_directory(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "screen.svg").write_bytes(b"\\xff" + KEY.encode())
def test_child(): subprocess.run(["echo", "key", KEY], capture_output=True)
def test_child_stderr():
    subprocess.run(f"echo {KEY} >&2", shell=True, capture_output=True, text=True)
def test_failure():
    shown = KEY
    assert shown == "", shown
def test_other_sandbox(): print("".join(["a.eyJpc3MiOiJz", "dXBhYmFzZS1kZW1vIiwi.abc"]))
def test_teardown(request): request.addfinalizer(lambda: print(KEY))

def test_clean_masked(): print("sb_secret_[redacted]", "planted key", KEY[:10])
def test_clean_environment_file(tmp_path): (tmp_path / ".env.staging").write_text(KEY)
def test_clean_served(): subprocess.run(["echo", KEY, "--serve-sandbox"], capture_output=True)
"""


def test_the_scanner_finds_what_is_planted_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "test_planted.py").write_text(PLANTED)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.secrets_plugin", "-rfE", "-q"),
            *("-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path), "."),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    names = set(re.findall(r"^def test_(\w+)", PLANTED, re.MULTILINE))
    found = set(re.findall(r"^(?:FAILED|ERROR) \S+::test_(\w+)", done.stdout, re.MULTILINE))
    assert found == {name for name in names if not name.startswith("clean")}, done.stdout
    assert "planted1" not in done.stdout + done.stderr, "the finding itself must not show the key"


def test_the_scanner_knows_every_key_of_a_sandbox(sandbox: Sandbox) -> None:
    for kind in KEYS:
        key: str = getattr(sandbox, kind)
        assert kind in leaks(f"<{key}>")
        assert kind in leaks(f"...{key[-24:]}")
    assert leaks(f"{sandbox!r} {sandbox.url} heatmap-20260101-9f3c21aa-1@example.com") == []


# --- errors ---------------------------------------------------------------------------------------


FOREIGN: Final = jwt.encode({"role": "service_role"}, "x" * 40, "HS256")


def misspelt(key: str) -> dict[str, str]:
    """A key as it is when it went wrong on its way into the environment."""
    head, claims, signature = key.split(".")
    return {
        "cut short": key[:-10],
        "cut in two": f"{head}.{claims}",
        "a line break in it": f"{key[:80]}\n{key[80:]}",
        "a blank behind an invisible": f"{key}\u200b",
        "bearer": f"Bearer {key}",
        "quoted": f'"{key}"',
        "claims that are no JSON": f"{head}.{claims[:-5]}.{signature}",
        "the name as well": f"SUPABASE_SERVICE_ROLE_KEY={key}",
        "a personal token": f"sbp_{signature}",
        "another prefix": f"sb_sekret_{signature}",
        "an URL": f"https://{key}.example/",
        "of another project": FOREIGN,
    }


MISSPELT: Final = tuple(misspelt("a.b.c"))


@pytest.mark.parametrize("how", MISSPELT)
async def test_an_error_about_a_key_shows_nothing_of_it(sandbox: Sandbox, how: str) -> None:
    key = misspelt(sandbox.service_role_key)[how]
    watch_for("a foreign key", FOREIGN)

    async def use() -> None:
        classify(sandbox.url, key)
        async with Project(sandbox.url, Secret(key), policy=RetryPolicy(attempts=1)) as project:
            await project.rows("questions", ["id"], order=["id"])

    with pytest.raises(OperatorError) as caught:
        await use()
    error: BaseException | None = caught.value
    assert leaks("".join(traceback.format_exception(error))) == []
    while error is not None:
        for shown in (str(error), repr(error), repr(error.args), repr(vars(error))):
            assert leaks(shown) == [], type(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("how", MISSPELT)
def test_the_command_shows_nothing_of_a_misspelt_key(
    sandbox: Sandbox, how: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    key = misspelt(sandbox.service_role_key)[how]
    watch_for("a foreign key", FOREIGN)
    monkeypatch.setenv("SUPABASE_URL", sandbox.url)
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", key)
    assert main(["--dry-run", "--headless", "--json"]) in {1, 2}
    shown = "".join(capfd.readouterr())
    assert shown
    assert leaks(shown) == []


UNATTENDED: Final = "HEATMAP_VERIFY_ALLOW_PROD_UNATTENDED"
# Where a key may be put by mistake, and how the command ends then: a JWT, an opaque key.
PLACES: Final = {
    "SUPABASE_URL": (2, 2),
    "HEATMAP_VERIFY_USERS": (2, 2),
    "HEATMAP_VERIFY_PROD_HOSTS": (2, 2),
    "HEATMAP_VERIFY_NON_PROD_HOSTS": (2, 2),
    "HEATMAP_SANDBOX_PORT": (2, 2),
    "HEATMAP_REFRESH_RUNS": (2, 2),
    UNATTENDED: (3, 3),
    "SUPABASE_ANON_KEY": (1, 1),
    "--users": (2, 2),
    "--env-file": (2, 2),
    "--confirm": (3, 3),
    "--ticket": (0, 0),
    "--justification": (3, 3),
    "--sandbox-faults": (2, 2),
    "url user": (2, 2),
    "url password": (2, 2),
}


@pytest.mark.parametrize("kind", ["service_role_key", "secret_key"])
@pytest.mark.parametrize("place", PLACES)
def test_a_key_in_the_wrong_place_is_not_repeated(
    sandbox: Sandbox,
    place: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    private_home: Path,
) -> None:
    key: str = getattr(sandbox, kind)
    monkeypatch.setenv("SUPABASE_URL", sandbox.url)
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", sandbox.service_role_key)
    arguments = ["--headless", "--questions", "8"]
    if place not in {"--users", "HEATMAP_VERIFY_USERS"}:
        arguments += ["--users", "8"]
    if place.startswith("--"):
        arguments += [place, key]
    elif place.startswith("url"):
        user = key if place == "url user" else f"postgres:{key}"
        monkeypatch.setenv("SUPABASE_URL", f"https://{user}@127.0.0.1:1")
    else:
        monkeypatch.setenv(place, key)
    if place in {"--confirm", "--ticket", "--justification", UNATTENDED}:
        monkeypatch.setenv("HEATMAP_VERIFY_PROD_HOSTS", "127.0.0.1")
        arguments += ["--allow-prod"]
        more = {"--confirm": "127.0.0.1", "--justification": REASON}
        arguments += [part for flag in more if flag != place for part in (flag, more[flag])]
        if place != UNATTENDED:
            monkeypatch.setenv(UNATTENDED, "127.0.0.1")
    assert main(arguments) == PLACES[place][kind == "secret_key"]
    shown = "".join(capfd.readouterr())
    assert shown
    assert leaks(shown) == []
    assert leaks_in_files([private_home]) == []


# --- a whole run ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["service_role_key", "secret_key"])
def test_a_run_with_all_its_records_holds_no_key(
    sandbox: Sandbox,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    private_home: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    Path(".env").write_text(
        f"SUPABASE_URL={sandbox.url}\nSUPABASE_SERVICE_ROLE_KEY={getattr(sandbox, kind)}\n"
        f"SUPABASE_ANON_KEY={sandbox.anon_key}\nHEATMAP_VERIFY_USERS=8\n"
        "HEATMAP_VERIFY_QUESTIONS=8\nHEATMAP_VERIFY_PROD_HOSTS=127.0.0.1\n"
    )
    monkeypatch.setenv(UNATTENDED, "127.0.0.1")
    sandbox.set_faults("seed=3,e503=0.04")
    try:
        code = main(
            [
                *("--json", "--allow-prod", "--confirm", "127.0.0.1", "--justification", REASON),
                *("--ticket", "OPS-1", "--report", "report.md"),
            ]
        )
    finally:
        sandbox.set_faults(None)
    out, err = capfd.readouterr()
    assert code == 0, err
    assert json.loads(out)["outcome"] == "verified"
    for mode in ("--log", "--heatmap", "--purge", "--dry-run"):
        main([mode, "--headless"])
    shown = out + err + "".join(capfd.readouterr()) + caplog.text
    assert "503" in shown, "the retries must have been told"
    assert len(shown) > 5_000
    assert leaks(shown) == []
    written = {path.name for path in private_home.rglob("*") if path.is_file()}
    assert {"deployment-log.jsonl", "report.md"} <= written
    assert leaks_in_files([private_home]) == []


async def test_no_screen_shows_a_key(sandbox: Sandbox) -> None:
    async with console(sandbox) as app, app.run_test(size=(160, 50)) as pilot:
        await until(pilot, lambda: app.state.session)
        await pilot.press("d")
        await until(pilot, lambda: app.state.dry_run and app.state.dry_run.ready)
        for key in ("t", "d", "r", "h", "v", "e", "t", "question_mark"):
            await pilot.press(key)
            await settle(pilot)
            picture = app.export_screenshot()
            # A picture has its text in pieces between marks, and blanks as entities.
            assert leaks(re.sub(r"<[^>]*>|&#160;|\s", "", picture)) == []
        await pilot.press("escape", "q")
        await pilot.pause()


# --- crashes --------------------------------------------------------------------------------------

CRASH: Final = """
import os, sys
from tui.cli.main import main
from tui.verify.session import Session

async def broken(self, emit):
    headers = {"apikey": os.environ["SUPABASE_SERVICE_ROLE_KEY"]}
    raise RuntimeError(f"unexpected: {headers}")

Session._probe = broken
sys.exit(main(["--dry-run", "--headless"]))
"""


@pytest.mark.parametrize("kind", ["service_role_key", "secret_key"])
def test_a_crash_of_the_command_shows_no_key_and_no_traceback(sandbox: Sandbox, kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CRASH],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SUPABASE_URL": sandbox.url,
            "SUPABASE_SERVICE_ROLE_KEY": getattr(sandbox, kind),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert leaks(done.stdout + done.stderr) == []
    assert "Traceback" not in done.stderr
    assert "heatmap-tui" in done.stderr


def test_the_report_of_a_crash_holds_no_key(sandbox: Sandbox, tmp_path: Path) -> None:
    key = Secret(sandbox.secret_key).reveal()
    try:
        try:
            raise ValueError(f"inner {key}")
        except ValueError as inner:
            inner.add_note(f"note {sandbox.service_role_key}")
            raise RuntimeError({"apikey": key}) from inner
    except RuntimeError as error:
        said = report_crash(error, tmp_path)
    (path,) = tmp_path.iterdir()
    assert said == f"the report is in {path}"
    assert "RuntimeError" in path.read_text()
    assert leaks(path.read_text()) == []


# --- processes and logs ---------------------------------------------------------------------------


def below(root: int) -> Iterator[int]:
    """The processes that a process started, and those that they started."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(after_name[1]), []).append(int(stat.parent.name))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += parents.get(pid, [])


def command_lines(root: int) -> list[str]:
    lines = []
    for pid in below(root):
        try:
            lines.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return lines


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no process list to read")
def test_the_process_list_shows_no_key(sandbox: Sandbox) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "--headless", "--dry-run"],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SUPABASE_URL": sandbox.url,
            "SUPABASE_SERVICE_ROLE_KEY": sandbox.service_role_key,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    process.stderr.readline()
    lines = command_lines(os.getpid())
    assert any(line.startswith(f"{sys.executable} -m tui ") for line in lines)
    for part in ("tui.sandbox", "postgrest", "postgres"):
        assert any(part in line for line in lines), part
    assert leaks("\n".join(lines)) == []
    process.communicate(timeout=60)


def test_the_logs_of_the_sandbox_hold_no_key(sandbox: Sandbox) -> None:
    logs = sorted(sandbox.directory.rglob("*.log"))
    assert logs
    assert [log for log in logs if leaks(log.read_text(errors="replace"))] == []


def test_no_file_of_the_project_holds_a_key() -> None:
    mine = {"tests/secrets_plugin.py", "tests/test_secrets.py"}
    for name in sorted({*tracked()} - mine):
        text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
        assert [kind for kind, shape in SHAPES.items() if shape.search(text)] == [], name
