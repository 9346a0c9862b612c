"""The documents say what is so: their commands run, what is generated is up to date."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jwt
import pytest

from tests.cli.test_main import KEYS
from tests.production import execute
from tests.readme import COMMAND, DOCUMENTS, README, ROOT, block_with, shell_commands, workflow
from tests.secrets_plugin import watch_for
from tests.verify.conftest import contents
from tui.cli.arguments import parser
from tui.evidence.history import HistoryFile
from tui.settings import (
    NON_PROD_HOSTS,
    PROD_HOSTS,
    PROJECT_VARIABLES,
    UNATTENDED,
    load_settings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.sandbox import Sandbox

REF: Final = "abcdefghijklmnopqrst"
PYTHON: Final = ".venv/bin/python "

CONSOLE: Final = [line for line in shell_commands() if line.startswith("heatmap-tui")]
SUITES: Final = [line for line in shell_commands() if line.startswith(f"{PYTHON}-m pytest")]
# Run elsewhere: by .ci/run as they stand there, and by tests/sql/test_applying.py.
SET_UP: Final = [line for line in shell_commands() if line.startswith("python3 -m venv")]
SQL: Final = [
    line for line in shell_commands() if line.startswith(("psql ", "minute=", "cp ", "supabase "))
]


def test_every_command_is_run_by_a_test() -> None:
    known = [*CONSOLE, *SUITES, *SET_UP, *SQL]
    rest = [line for line in shell_commands() if line not in known]
    assert sorted(line.partition(" -d")[0] for line in rest if not line.startswith("curl")) == [
        *(".ci/run", ".venv/bin/python -m tests.bench", ".venv/bin/python -m tests.pictures")
    ]


@pytest.fixture
def staging(sandbox: Sandbox, tmp_path: Path) -> Mapping[str, str]:
    """The environment of an operator with a project in `.env` and in `.env.staging`."""
    program = tmp_path / "bin" / "heatmap-tui"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tui "$@"\n')
    program.chmod(0o755)
    for name in (".env", ".env.staging"):
        Path(name).write_text(
            f"SUPABASE_URL={sandbox.url}\nSUPABASE_SERVICE_ROLE_KEY={sandbox.service_role_key}\n"
            f"SUPABASE_ANON_KEY={sandbox.anon_key}\n"
            "HEATMAP_VERIFY_USERS=9\nHEATMAP_VERIFY_QUESTIONS=20\n"
        )
        Path(name).chmod(0o600)
    return {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }


def shell(line: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=200,
        check=False,
    )


def of_a_hosted_project(sandbox: Sandbox) -> dict[str, str]:
    """URL and keys of the project in the README, for a pipeline that may break glass."""
    claims = jwt.decode(sandbox.service_role_key, options={"verify_signature": False})
    key = jwt.encode({**claims, "iss": "supabase", "ref": REF}, sandbox.jwt_secret, "HS256")
    watch_for("the key of a hosted project", key)
    return {
        "SUPABASE_URL": sandbox.url,
        "SUPABASE_SERVICE_ROLE_KEY": key,
        "SUPABASE_ANON_KEY": sandbox.anon_key,
        "HEATMAP_VERIFY_ALLOW_PROD_UNATTENDED": REF,
    }


@pytest.mark.parametrize(
    "line", [line for line in CONSOLE if not line.startswith("heatmap-tui --serve-sandbox")]
)
def test_a_command_of_the_console_runs(
    sandbox: Sandbox, staging: Mapping[str, str], line: str
) -> None:
    before = contents(sandbox)
    orphan = (
        "insert into questions (slug, stem_md, explanation_brief_md) "
        "values ('heatmap-verification-a1b2c3-1', 'x', 'x')"
    )
    if "--purge" in line:
        execute(sandbox, orphan)  # type: ignore[arg-type]
        assert contents(sandbox) != before
    more = of_a_hosted_project(sandbox) if "--allow-prod" in line else {}
    done = shell(line, {**staging, **more})
    assert done.returncode == 0, done.stderr
    if "--json" in line:
        assert json.loads(done.stdout)["outcome"] == "verified"
    if "--heatmap" in line:
        assert len(done.stdout.splitlines()) > 10
    if "--sandbox-faults" in line:
        assert "503" in done.stderr
    if "--allow-prod" in line:
        assert f"on {REF} [PRODUCTION" in done.stderr
    assert contents(sandbox) == before


def test_a_sandbox_is_served(staging: Mapping[str, str]) -> None:
    (line,) = (line for line in CONSOLE if line.startswith("heatmap-tui --serve-sandbox"))
    with subprocess.Popen(
        ["bash", "-c", f"exec {line}"], env=staging, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            assert any("the sandbox is up" in line for line in process.stderr)
            served = Path("sandbox.env").read_text()
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0
    names = re.findall(r"^([A-Z_]+)=", served, re.MULTILINE)
    assert names[:2] == ["SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"]
    ignored = subprocess.run(["git", "check-ignore", "-q", "sandbox.env"], cwd=ROOT, check=False)
    assert ignored.returncode in {0, 128}, "it holds keys"


@pytest.mark.parametrize("line", SUITES)
def test_a_suite_can_be_called_as_it_says(line: str) -> None:
    """Not run: they are long. But each is there, and takes the options."""
    command = f"{line} --collect-only -q -n 0".replace(PYTHON, f"{shlex.quote(sys.executable)} ")
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "::test_" in done.stdout


def test_the_benchmarks_are_called_by_that_name_and_all_are_named() -> None:
    from tests.bench.__main__ import NAMES

    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sentence = (
        DOCUMENTS["tests/README.md"].partition("-m tests.bench\n```")[2].partition("\n\nThe")[0]
    )
    told = {"cycle": "the cycle", "inserts": "inserts", "keys": "keys during a run"}
    for name in NAMES:
        assert told.get(name, name) in sentence


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_reader_answers_to_curl(sandbox: Sandbox) -> None:
    environment = {
        **os.environ,
        "SUPABASE_URL": sandbox.url,
        "SUPABASE_SERVICE_ROLE_KEY": sandbox.service_role_key,
    }
    done = shell(block_with("curl"), environment)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert rows
    assert {row["lesion"] for row in rows} == {"melanoma"}


def test_there_are_exactly_two_set_up_commands_and_each_is_one_line() -> None:
    gate = (ROOT / ".ci/run").read_text()
    for name, line in zip(("console", "test"), SET_UP, strict=True):
        found = re.findall(rf"<!-- command: {name} -->\n```sh\n(.*?)```", README, re.DOTALL)
        assert found == [f"{line}\n"]
        # As it stands there, and nowhere else.
        assert f"{name}_command=$(command_of {name})" in gate
        assert line not in gate
    assert README.count("<!-- command:") == 2


# --- a pipeline -----------------------------------------------------------------------------------


def test_the_workflow_is_whole(sandbox: Sandbox, staging: Mapping[str, str]) -> None:
    text = workflow()
    keys = re.findall(r"^( *)(?:- )?([a-z-]+|[A-Z_]+):", text, re.MULTILINE)
    depth = {name: len(spaces) for spaces, name in keys}
    assert depth["on"] == depth["jobs"] == 0
    assert depth["runs-on"] == depth["steps"] == 4
    steps = re.findall(r"^ {6}- (uses|run): (.*)$", text, re.MULTILINE)
    assert steps[0] == ("uses", "actions/checkout@v4")
    assert ("run", "pip install -q .") in steps
    given = set(re.findall(r"^ {10}([A-Z_]+): \$\{\{ (?:vars|secrets)\.[A-Z_]+ }}$", text, re.M))
    assert given <= variables()
    assert {"SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "HEATMAP_VERIFY_NON_PROD_HOSTS"} <= given
    (line,) = (what for kind, what in steps if kind == "run" and "heatmap-tui" in what)
    done = shell(line, staging)
    assert done.returncode == 0, done.stderr
    assert json.loads(Path("heatmap.json").read_text())["outcome"] == "verified"
    assert {path.name for path in Path().glob("evidence.*")} == {"evidence.md", "evidence.json"}
    assert sandbox.url


def test_the_keys_of_the_document_are_told() -> None:
    table = COMMAND.partition("| Key | |")[2].partition("\n\n")[0]
    told = re.findall(r"`([a-z_]+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:]))
    assert set(told) == {*KEYS, "message", "problems", "heatmap"}
    assert len(told) == len(set(told))


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", [*CONSOLE, *re.findall(r"`(heatmap-tui [^`]+)`", README + COMMAND)]
)
def test_every_flag_in_it_exists(line: str) -> None:
    words = shlex.split(line.partition(" > ")[0])[1:]
    if words not in (["--help"], ["--version"]):
        parser().parse_args(words)


def test_every_flag_it_names_exists_and_those_for_the_purge_are_named() -> None:
    ours = {option for action in parser()._actions for option in action.option_strings}
    prose = re.sub(r"^```.*?^```$", "", README + COMMAND, flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`(--[a-z-]+)[^`]*`", prose))
    others = {"--questions", "--sample-seed"}
    assert named - ours - others == set()
    assert {"--purge-unexplained", "--purge-run", "--report", "--max-regression"} <= named


def variables() -> set[str]:
    """Every variable that the settings look up."""
    source = (ROOT / "tui" / "settings.py").read_text(encoding="utf-8")
    found = re.findall(r'(?:lookup\.[a-z]+|environ\.get)\(\s*"([A-Z_]+)"', source)
    return {*found, *PROJECT_VARIABLES, PROD_HOSTS, NON_PROD_HOSTS, UNATTENDED}


def test_each_variable_is_in_the_readme_and_in_the_example_and_no_other() -> None:
    assert len(variables()) > 15
    table = COMMAND.partition("| Variable | Default | |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([A-Z_]{4,})`", table)) == variables()
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^(?:# )?([A-Z_]{4,})[=,]", example, re.MULTILINE)) == variables()


def test_the_example_can_be_read_and_changes_nothing(tmp_path: Path) -> None:
    """Copied as it is, it says what goes without saying."""
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    (tmp_path / "empty").mkdir()
    copied = load_settings(environ={}, directory=tmp_path)
    plain = load_settings(environ={}, directory=tmp_path / "empty")
    assert copied.volume == plain.volume
    assert copied.deployment_log == plain.deployment_log
    assert copied.refresh_runs == plain.refresh_runs
    assert (copied.url, copied.prod_hosts, copied.max_refresh_ms) == (None, (), None)


def test_the_map_names_what_is_there_and_all_of_it() -> None:
    house = DOCUMENTS["tui/README.md"]
    named = set(re.findall(r"^\| `([a-z_]+)/` \|", house, re.MULTILINE))
    assert named == {path.parent.name for path in (ROOT / "tui").glob("*/__init__.py")}
    loose = {path.stem for path in (ROOT / "tui").glob("*.py")} - {"__init__", "__main__"}
    assert [name for name in loose if f"`{name}`" not in house] == []
    for path in re.findall(r"`([a-z_]+/[a-z_/]+\.(?:py|md))`", house):
        root = ROOT if path.startswith("tests/") else ROOT / "tui"
        assert (root / path).is_file(), path


def test_the_files_it_names_are_those_that_are_written() -> None:
    chapter = COMMAND.partition("## Files\n")[2]
    for name in ("runs/", "reports/", "crashes/", "history.jsonl", "deployment-log.jsonl"):
        assert f"`{name}" in chapter
    assert HistoryFile


@pytest.mark.parametrize("path", DOCUMENTS)
def test_links_within_the_documents_lead_somewhere(path: str) -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", DOCUMENTS[path]):
        name, _, heading = target.partition("#")
        found = ((ROOT / path).parent / name).resolve() if name else ROOT / path
        assert found.exists(), target
        headings = {
            re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).strip().replace(" ", "-")
            for line in (found.read_text(encoding="utf-8").splitlines() if heading else [])
            if line.startswith("#")
        }
        assert not heading or heading in headings, target


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 170
