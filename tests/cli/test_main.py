"""The command as a shell sees it: streams, exit codes, signals, and what bad input gets."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import jwt
import psycopg
import pytest

from tests.verify.conftest import contents
from tui.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tui.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
SMALL = {"HEATMAP_VERIFY_USERS": "9", "HEATMAP_VERIFY_QUESTIONS": "20"}


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, in a directory without a `.env` unless the test made one."""
    return subprocess.run(
        [sys.executable, "-m", "tui", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=200,
        check=False,
    )


def project(sandbox: Sandbox, **more: str) -> dict[str, str]:
    """The environment that points the command at a sandbox, as at any project."""
    return {
        "SUPABASE_URL": sandbox.url,
        "SUPABASE_SERVICE_ROLE_KEY": sandbox.service_role_key,
        "SUPABASE_ANON_KEY": sandbox.anon_key,
        **SMALL,
        **more,
    }


def test_an_interrupt_in_the_middle_of_an_import_keeps_its_exit_code() -> None:
    program = """
import sys

class Cut:
    imports = 0

    def find_spec(self, name, path=None, target=None):
        if name == "asyncio":
            self.imports += 1
            raise KeyboardInterrupt if self.imports == 1 else NameError("it is half there")

sys.meta_path.insert(0, Cut())
from tui.cli.main import main
sys.exit(main(["--sandbox", "--headless"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (4, "heatmap-tui: interrupted\n")


def test_the_whole_job_on_the_sandbox_at_the_default_volume() -> None:
    done = command("--sandbox", "--headless", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["outcome"] == "verified"
    assert document["ready"] is True
    assert document["check"]["matched"] == document["check"]["expected"] == 1_600
    assert document["rows"] == {"users": 50, "questions": 200, "responses": 10_000}
    assert document["leftovers"] == {"users": 0, "questions": 0, "responses": 0}
    assert document["view_restored"] is True
    assert "verified: all 1,600 aggregates are right" in done.stderr


KEYS = {
    "schema",
    "mode",
    "run_id",
    "outcome",
    "exit_code",
    "target",
    "settings",
    "probes",
    "ready",
    "stages",
    "rows",
    "refresh_ms",
    "refresh_runs_ms",
    "final_refresh_ms",
    "check",
    "leftovers",
    "view_restored",
    "total_seconds",
}


def test_the_document_always_has_its_keys(sandbox: Sandbox) -> None:
    documents = [
        command("--headless", "--json", **project(sandbox)).stdout,
        command("--dry-run", "--json", **project(sandbox)).stdout,
        command("--purge", "--json", **project(sandbox)).stdout,
        command("--json", SUPABASE_URL="http//nowhere", SUPABASE_SERVICE_ROLE_KEY="x").stdout,
    ]
    for text in documents:
        document = json.loads(text)
        assert document.keys() >= KEYS
        assert document["schema"] == 1
    assert [json.loads(text)["mode"] for text in documents] == [
        "cycle",
        "dry-run",
        "purge",
        "cycle",
    ]


@pytest.mark.parametrize(
    ("environment", "code", "kind"),
    [
        ({"SUPABASE_SERVICE_ROLE_KEY": "sb_publishable_" + 30 * "x"}, 2, "production"),
        ({"HEATMAP_VERIFY_PROD_HOSTS": "127.0.0.1"}, 3, "production"),
        ({"SUPABASE_URL": "http://127.0.0.1:9"}, 6, "local"),
    ],
)
def test_the_document_names_the_project_also_where_no_run_began(
    sandbox: Sandbox, environment: dict[str, str], code: int, kind: str
) -> None:
    for mode in ("--headless", "--purge"):
        flags = (mode, "--json", "--report", "evidence.md")
        done = command(*flags, **project(sandbox, **environment))
        assert done.returncode == code, done.stderr
        target = json.loads(done.stdout)["target"]
        assert target.keys() == {"host", "ref", "kind", "reason"}
        assert (target["host"], target["ref"], target["kind"]) == ("127.0.0.1", None, kind)
        assert json.loads(Path("evidence.json").read_text())["target"] == target
        assert f"**{kind}**" in Path("evidence.md").read_text()


def test_a_dry_run_is_ready_and_writes_nothing(sandbox: Sandbox) -> None:
    before = contents(sandbox)
    sandbox.clear_requests()
    done = command("--dry-run", "--headless", **project(sandbox))
    assert done.returncode == 0, done.stderr
    assert "ready to write synthetic data" in done.stderr
    assert done.stdout == ""
    assert {seen.method for seen in sandbox.requests()} <= {"GET", "HEAD"}
    assert contents(sandbox) == before


@pytest.mark.parametrize(
    ("environment", "arguments", "says"),
    [
        ({}, (), "SUPABASE_URL is not set"),
        ({"SUPABASE_SERVICE_ROLE_KEY": ""}, (), "SUPABASE_SERVICE_ROLE_KEY is not set"),
        ({"SUPABASE_URL": "http//x.example"}, (), "SUPABASE_URL"),
        ({"SUPABASE_URL": "http://staging.example.org"}, (), "unencrypted"),
        ({"SUPABASE_URL": "https://[::1"}, (), "SUPABASE_URL"),
        ({"SUPABASE_SERVICE_ROLE_KEY": "secret-but-no-key"}, (), "SUPABASE_SERVICE_ROLE_KEY"),
        ({"HEATMAP_VERIFY_USERS": "abc"}, (), "HEATMAP_VERIFY_USERS (environment) is 'abc'"),
        ({"HEATMAP_VERIFY_USERS": "0"}, (), "outside 1 to 10000"),
        ({"HEATMAP_VERIFY_USERS": "-1"}, (), "outside 1 to 10000"),
        ({"HEATMAP_VERIFY_USERS": "1e9"}, (), "not a whole number"),
        ({"HEATMAP_VERIFY_USERS": "1000000000"}, (), "outside 1 to 10000"),
        ({}, ("--users", "1_0"), "HEATMAP_VERIFY_USERS (flag) is '1_0'"),
        ({}, ("--users", "5000", "--questions", "5000"), "25,000,000 responses"),
        ({}, ("--env-file", "nowhere.env"), "there is no such file"),
        ({}, ("--dry-run", "--purge"), "exclude each other"),
        ({}, ("--dry-run", "--purge-unexplained", "0"), "'0' is no number of rows from 1 on"),
        ({}, ("--purge-unexplained", "-1"), "'-1' is no number of rows"),
        ({}, ("--no-such-flag",), "unrecognized arguments"),
        ({"ALL_PROXY": "socks4://x:1", "SUPABASE_URL": "https://a.example"}, (), "ALL_PROXY"),
        ({"SSL_CERT_FILE": "/gone", "SUPABASE_URL": "https://a.example"}, (), "SSL_CERT_FILE"),
        ({"SUPABASE_URL": "postgresql://me:hunter2@db.example/x"}, (), "starts with postgresql://"),
        ({"SUPABASE_ANON_KEY": "sb_publishable_Ab1..."}, (), "SUPABASE_ANON_KEY is masked"),
        ({"HEATMAP_VERIFY_PROD_HOST": "a.example"}, (), "did you mean HEATMAP_VERIFY_PROD_HOSTS"),
        ({"HEATMAP_VERIFY_NON_PROD_HOSTS": "*.example.org"}, (), "HEATMAP_VERIFY_NON_PROD_HOSTS"),
    ],
)
def test_bad_configuration_is_said_in_two_lines(
    sandbox: Sandbox, environment: dict[str, str], arguments: tuple[str, ...], says: str
) -> None:
    base = project(sandbox) if environment or arguments else {}
    sandbox.clear_requests()
    done = command("--headless", "--json", *arguments, **{**base, **environment})
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert json.loads(done.stdout)["exit_code"] == 2
    assert len(done.stderr.strip().splitlines()) <= 2
    assert "Traceback" not in done.stderr
    assert sandbox.service_role_key not in done.stderr + done.stdout
    assert "secret-but-no-key" not in done.stderr
    assert sandbox.requests() == []


def test_an_anon_key_in_place_of_the_service_key(sandbox: Sandbox) -> None:
    environment = project(sandbox, SUPABASE_SERVICE_ROLE_KEY=sandbox.anon_key)
    before = contents(sandbox)
    done = command("--headless", **environment)
    assert done.returncode == 2, done.stderr
    assert "does not hold a service-role key" in done.stderr
    assert sandbox.anon_key not in done.stderr
    dry = command("--dry-run", "--headless", **environment)
    assert dry.returncode == 1
    assert contents(sandbox) == before


def test_a_key_of_another_project_is_refused_before_any_write(sandbox: Sandbox) -> None:
    foreign = jwt.encode({"role": "service_role", "iss": "supabase-demo"}, "x" * 40, "HS256")
    before = contents(sandbox)
    sandbox.clear_requests()
    done = command("--headless", **project(sandbox, SUPABASE_SERVICE_ROLE_KEY=foreign))
    # Its form is right; only the project can tell that it is another's, and the dry run asks.
    assert done.returncode == 1, done.stderr
    assert "FAIL authentication.key" in done.stderr
    assert {seen.method for seen in sandbox.requests()} <= {"GET", "HEAD"}
    assert contents(sandbox) == before
    assert foreign not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_project_that_does_not_answer(sandbox: Sandbox) -> None:
    done = command("--headless", **project(sandbox, SUPABASE_URL="http://127.0.0.1:9"))
    assert done.returncode == 6, done.stderr
    assert "Traceback" not in done.stderr


def test_an_unwritable_state_directory(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    before = contents(sandbox)
    done = command(
        "--headless", **project(sandbox, XDG_STATE_HOME=str(tmp_path / "file" / "state"))
    )
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(sandbox) == before


def test_values_come_from_flag_then_environment_then_file(sandbox: Sandbox) -> None:
    Path(".env").write_text(
        f"SUPABASE_URL={sandbox.url}\n"
        f"SUPABASE_SERVICE_ROLE_KEY='{sandbox.service_role_key}'\n"
        "HEATMAP_VERIFY_USERS=11\nHEATMAP_VERIFY_QUESTIONS=12\nHEATMAP_VERIFY_BATCH=13\n"
    )
    done = command(
        "--dry-run",
        "--json",
        "--users",
        "31",
        HEATMAP_VERIFY_USERS="21",
        HEATMAP_VERIFY_QUESTIONS="22",
    )
    assert json.loads(done.stdout)["settings"] == {
        "users": 31,
        "questions": 22,
        "batch": 13,
        "concurrency": 8,
    }


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_help_needs_neither_textual_nor_supabase(flag: str) -> None:
    program = (
        "import sys\n"
        "from tui.cli.main import main\n"
        "try:\n    main([sys.argv[1]])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'textual', 'supabase', 'httpx', 'plotext', 'asyncio', 'platformdirs', 'dotenv'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, flag],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.fixture
def served() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "--serve-sandbox"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def test_a_served_sandbox_is_a_project_like_any_other(served: subprocess.Popen[str]) -> None:
    assert served.stdout is not None
    lines = [served.stdout.readline().strip() for _ in range(5)]
    Path("sandbox.env").write_text("\n".join(lines))
    assert [line.partition("=")[0] for line in lines] == [
        "SUPABASE_URL",
        "SUPABASE_SERVICE_ROLE_KEY",
        "SUPABASE_ANON_KEY",
        "HEATMAP_VERIFY_NON_PROD_HOSTS",
        "SUPABASE_DB_URL",
    ]
    assert lines[1].startswith("SUPABASE_SERVICE_ROLE_KEY=sb_secret_")
    assert lines[2].startswith("SUPABASE_ANON_KEY=sb_publishable_")
    legacy = [served.stdout.readline() for _ in range(3)]
    assert all(line.startswith("# ") for line in legacy)
    assert "SUPABASE_SERVICE_ROLE_KEY=eyJ" in legacy[1]
    done = command("--headless", "--env-file", "sandbox.env", **SMALL)
    assert done.returncode == 0, done.stderr
    served.send_signal(signal.SIGINT)
    assert served.wait(timeout=20) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_cleans_up_and_exits_4(sandbox: Sandbox, number: signal.Signals) -> None:
    before = contents(sandbox)
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "--headless", "--json", "--users", "40", "--batch", "20"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **project(sandbox)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "users: " in line and "done" in line:
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert json.loads(out)["outcome"] == "interrupted"
    assert json.loads(out)["leftovers"] == {"users": 0, "questions": 0, "responses": 0}
    assert contents(sandbox) == before


def declared_production(sandbox: Sandbox, how: str) -> dict[str, str]:
    match how:
        case "by host":
            return project(sandbox, HEATMAP_VERIFY_PROD_HOSTS="127.0.0.1")
        case "by key":
            key = jwt.encode(
                {
                    **jwt.decode(sandbox.service_role_key, options={"verify_signature": False}),
                    "iss": "supabase",
                    "ref": "abcdefghijklmnopqrst",
                },
                sandbox.jwt_secret,
                "HS256",
            )
            return project(sandbox, SUPABASE_SERVICE_ROLE_KEY=key)
        case _:
            raise AssertionError(how)


@pytest.mark.parametrize("how", ["by host", "by key"])
@pytest.mark.parametrize("arguments", [("--headless",), ("--purge",)])
def test_production_is_refused_without_a_write(
    sandbox: Sandbox, how: str, arguments: tuple[str, ...]
) -> None:
    environment = declared_production(sandbox, how)
    before = contents(sandbox)
    sandbox.clear_requests()
    done = command(*arguments, **environment)
    assert done.returncode == 3, done.stderr
    assert "production" in done.stderr
    assert "--allow-prod" in done.stderr
    assert {seen.method for seen in sandbox.requests()} <= {"GET", "HEAD"}
    assert contents(sandbox) == before
    dry = command("--dry-run", **environment)
    assert dry.returncode == 0, dry.stderr


def test_break_glass_runs_once_it_has_everything_and_is_on_record(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    environment = project(
        sandbox,
        HEATMAP_VERIFY_PROD_HOSTS="127.0.0.1",
        HEATMAP_VERIFY_ALLOW_PROD_UNATTENDED="127.0.0.1",
        HEATMAP_DEPLOYMENT_LOG=str(tmp_path / "log" / "deployments.jsonl"),
    )
    before = contents(sandbox)
    done = command(
        "--headless",
        "--allow-prod",
        "--confirm",
        "127.0.0.1",
        "--justification",
        "restoring the index after the incident of today",
        "--ticket",
        "OPS-1",
        **environment,
    )
    assert done.returncode == 0, done.stderr
    assert contents(sandbox) == before
    shown = command("--log", **environment)
    assert shown.returncode == 0, shown.stderr
    intent, outcome = shown.stdout.splitlines()
    assert "restoring the index after the incident of today" in intent
    assert "OPS-1" in intent
    assert "verified" in outcome
    log = tmp_path / "log" / "deployments.jsonl"
    log.write_text(log.read_text().replace("restoring", "destroying"))
    assert command("--log", **environment).returncode == 1


def test_an_unwritable_log_refuses_break_glass(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    before = contents(sandbox)
    done = command(
        "--headless",
        "--allow-prod",
        "--confirm",
        "127.0.0.1",
        "--justification",
        "restoring the index after the incident of today",
        **project(
            sandbox,
            HEATMAP_VERIFY_PROD_HOSTS="127.0.0.1",
            HEATMAP_VERIFY_ALLOW_PROD_UNATTENDED="127.0.0.1",
            HEATMAP_DEPLOYMENT_LOG=str(tmp_path / "file" / "log.jsonl"),
        ),
    )
    assert done.returncode == 3, done.stderr
    assert "deployment log cannot be written" in done.stderr
    assert contents(sandbox) == before


@pytest.mark.parametrize("arguments", [("--heatmap",), ("--heatmap", "--json"), ("--dry-run",)])
def test_a_terminal_that_knows_ascii_alone_gets_no_more(
    start_private_sandbox: Callable[..., Sandbox], arguments: tuple[str, ...]
) -> None:
    sandbox = start_private_sandbox()
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute("update questions set lesion = 'na\u00efve \u2014 m\u00e9lanome'")
        connection.execute("refresh materialized view analytics_heatmap_agg")
    done = command(*arguments, **project(sandbox, PYTHONIOENCODING="ascii"))
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).isascii()
    if "--json" in arguments:
        rows = json.loads(done.stdout)["heatmap"]["rows"]
        assert {row["lesion"] for row in rows} == {"na\u00efve \u2014 m\u00e9lanome"}
    elif "--heatmap" in arguments:
        assert "melanome" in done.stdout


# --- evidence -------------------------------------------------------------------------------------


def test_the_evidence_of_a_run_is_written_and_there_is_one_document(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    environment = project(sandbox, GITHUB_STEP_SUMMARY=str(summary))
    done = command("--json", "--report", "evidence.md", **environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "verified"
    assert Path("evidence.md").read_text().startswith("# Heatmap verification: verified")
    assert json.loads(Path("evidence.json").read_text())["run_id"]
    assert summary.read_text() == Path("evidence.md").read_text() + "\n"


@pytest.mark.parametrize("verdict", [0, 5])
def test_a_report_that_cannot_be_written_is_a_warning_and_no_second_document(
    start_private_sandbox: Callable[..., Sandbox], verdict: int
) -> None:
    sandbox = start_private_sandbox(seed_learners=False)
    arguments = ["--json", "--report", "evidence.md"]
    if verdict == 5:
        arguments.append("--purge")
        with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
            connection.execute("revoke delete on public.questions from service_role")
            connection.execute(
                "insert into questions (slug, stem_md, explanation_brief_md) "
                "values ('heatmap-verification-a1b2c3-1', 'x', 'x')"
            )
    # Found only when all is over: no file may grow beyond what a journal takes.
    shell = f'ulimit -f {1 if verdict else 4}; exec "$0" -m tui "$@"'
    done = subprocess.run(
        ["bash", "-c", shell, sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **project(sandbox)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == (verdict or 2), done.stderr
    document = json.loads(done.stdout)
    assert document["outcome"] == ("leftovers" if verdict else "verified")
    assert document["exit_code"] == done.returncode
    assert any("evidence." in problem for problem in document["problems"])
    assert "warning: Cannot write " in done.stderr
    # What could be written is whole; nothing is cut short.
    assert not Path("evidence.json").exists()


RESULTS = (("--dry-run", "--json"), ("--heatmap",), ("--json", "--dry-run", "--report", "x.md"))


@pytest.mark.parametrize("arguments", RESULTS)
@pytest.mark.parametrize("stdout", [">/dev/full", ">&-", "| true"])
def test_a_result_that_could_not_be_written_is_no_success(
    sandbox: Sandbox, arguments: tuple[str, ...], stdout: str
) -> None:
    line = f'"$0" -m tui "$@" {stdout}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **project(sandbox)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 1, done.stderr
    assert "the result could not be written: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("--json",), ("--json", "--purge"), ()])
@pytest.mark.parametrize("path", ["/", "", ".", "//", "/dev/null", "x" * 300 + ".md"])
def test_no_path_of_a_report_ends_in_a_traceback(arguments: tuple[str, ...], path: str) -> None:
    done = command("--headless", *arguments, "--report", path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr


def test_a_device_is_not_replaced_by_a_report(sandbox: Sandbox) -> None:
    done = command("--headless", "--report", "/dev/null", **project(sandbox))
    assert done.returncode == 2, done.stderr
    assert "Cannot write the report to '/dev/null': not a plain file." in done.stderr
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("code", [2, 1])
def test_the_last_resort_does_not_raise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    """Whatever breaks where an error is told: a sentence, and the exit code of that error."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("while telling")

    monkeypatch.setattr("tui.cli.output.report_error", broken)
    monkeypatch.setattr("tui.crash.write_private", broken)
    if code == 1:
        monkeypatch.setattr("tui.cli.commands.variables", broken)
    assert main(["--headless"]) == code
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert told[1].startswith("heatmap-tui: an internal error ended the command (RuntimeError); ")


def test_a_summary_that_cannot_be_written_changes_no_verdict(sandbox: Sandbox) -> None:
    environment = project(sandbox, GITHUB_STEP_SUMMARY=str(Path("nowhere") / "summary.md"))
    done = command("--dry-run", "--json", **environment)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["outcome"], document["exit_code"]) == ("ready", 0)
    assert "warning: " in done.stderr


@pytest.mark.parametrize("place", [".", "file/evidence.md", "file/deeper/evidence.md"])
def test_a_report_that_could_never_be_written_is_refused_before_anything_is_asked(
    sandbox: Sandbox, place: str
) -> None:
    Path("file").write_text("in the way")
    sandbox.clear_requests()
    done = command("--json", "--report", place, **project(sandbox))
    assert done.returncode == 2, done.stderr
    assert json.loads(done.stdout)["outcome"] == "unusable"
    assert f"Cannot write the report to '{place}'" in done.stderr
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    ("environment", "arguments", "outcome", "code"),
    [
        ({"HEATMAP_VERIFY_PROD_HOSTS": "127.0.0.1"}, ("--headless",), "refused", 3),
        ({"SUPABASE_SERVICE_ROLE_KEY": "no-key-at-all"}, ("--dry-run",), "unusable", 2),
        ({"HEATMAP_VERIFY_USERS": "abc"}, ("--headless",), "unusable", 2),
    ],
)
def test_what_ended_before_a_run_leaves_evidence_too(
    sandbox: Sandbox,
    environment: dict[str, str],
    arguments: tuple[str, ...],
    outcome: str,
    code: int,
) -> None:
    done = command(
        *arguments,
        *("--report", "evidence.md"),
        **project(sandbox, GITHUB_STEP_SUMMARY="summary.md", **environment),
    )
    assert done.returncode == code, done.stderr
    assert json.loads(Path("evidence.json").read_text())["outcome"] == outcome
    assert outcome in Path("summary.md").read_text()


# --- the exact purge command ----------------------------------------------------------------------


def test_a_run_that_was_left_names_the_command_that_removes_its_rows(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    before = contents(sandbox)
    values = project(sandbox, HEATMAP_VERIFY_USERS="40", HEATMAP_VERIFY_BATCH="20")
    file = Path(".env.my staging")
    file.write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "--headless", "--env-file", str(file)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    told = ""
    for awaited in ("questions: 20 done", "stopping", "still cleaning up"):
        if awaited == "stopping":
            # Nothing is deleted from here on.
            sandbox.set_faults("slow=1,slow_seconds=120")
        for line in process.stderr:
            told += line
            if awaited in line:
                break
        process.send_signal(signal.SIGINT)
    told += process.communicate(timeout=60)[1]
    assert process.returncode == 5, told
    assert "nothing was written" not in told
    sandbox.set_faults(None)
    line = told.partition("remove what is left with: heatmap-tui ")[2].splitlines()[0]
    assert shlex.split(line) == ["--purge", "--env-file", str(file.absolute())]
    assert contents(sandbox) != before
    done = command(*shlex.split(line))
    assert done.returncode == 0, done.stderr
    assert contents(sandbox) == before


def test_the_advised_way_leaves_the_keys_to_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.env"
    file.touch(0o644)
    with file.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tui", "--serve-sandbox"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert process.stderr is not None
    assert any("the sandbox is up" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert "SUPABASE_SERVICE_ROLE_KEY=" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_killed_command_leaves_no_sandbox_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "--serve-sandbox"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("SUPABASE_URL=")
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []
