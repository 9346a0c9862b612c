"""Flags, environment and file: which one wins, how a file is read, and what bad values get."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.errors import ConfigurationError, ExitCode
from tui.settings import MAX_RESPONSES, MAX_USERS, Volume, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.settings import Settings

ROOT: Final = Path(__file__).parents[1]
KEY: Final = "sb_secret_a1b2c3d4e5f6g7h8"
USERS: Final = "HEATMAP_VERIFY_USERS"
NUMBERS: Final = {
    "HEATMAP_VERIFY_USERS": (1, 10_000),
    "HEATMAP_VERIFY_QUESTIONS": (1, 10_000),
    "HEATMAP_VERIFY_BATCH": (1, 5_000),
    "HEATMAP_VERIFY_CONCURRENCY": (1, 64),
    "HEATMAP_REFRESH_RUNS": (1, 50),
    "HEATMAP_SANDBOX_PORT": (0, 65_535),
    "HEATMAP_MAX_REFRESH_MS": (1, 3_600_000),
    "HEATMAP_MAX_REGRESSION": (1, 100_000),
}


def load(
    environ: Mapping[str, str] | None = None,
    *,
    file: str | bytes | None = None,
    flags: Mapping[str, str | None] | None = None,
    env_file: Path | None = None,
) -> Settings:
    """Load from the working directory, which each test has to itself."""
    if file is not None:
        data = file if isinstance(file, bytes) else file.encode()
        (env_file or Path(".env")).write_bytes(data)
    return load_settings(
        environ=environ or {}, directory=Path.cwd(), flags=flags, env_file=env_file
    )


def refusal(caught: pytest.ExceptionInfo[ConfigurationError]) -> str:
    error = caught.value
    assert error.exit_code is ExitCode.USAGE
    assert error.hint
    assert "\n" not in error.message + error.hint
    assert "\0" not in error.message + error.hint
    return error.message


# --- which one wins -------------------------------------------------------------------------------


def test_nothing_configured_leaves_the_defaults() -> None:
    settings = load()
    assert settings.volume == Volume(users=50, questions=200, batch=500, concurrency=8)
    assert settings.volume.responses == 10_000
    assert settings.volume.aggregates == 1_600
    assert (settings.url, settings.service_role_key, settings.anon_key) == (None, None, None)
    assert (settings.prod_hosts, settings.non_prod_hosts) == ((), ())
    assert settings.unattended is None
    assert settings.refresh_runs == 1
    assert settings.env_file is None
    assert settings.sources == {}
    assert settings.deployment_log == settings.state_dir / "deployment-log.jsonl"
    assert settings.state_dir.is_relative_to(os.environ["HOME"])


@pytest.mark.parametrize(
    ("flag", "environment", "in_file", "users", "source"),
    [
        ("1", "2", "3", 1, "flag"),
        (None, "2", "3", 2, "environment"),
        (None, None, "3", 3, "file"),
        ("1", None, "3", 1, "flag"),
        (None, None, None, 50, None),
        ("", " ", "3", 3, "file"),
        ("", "\t", "", 50, None),
    ],
)
def test_flag_then_environment_then_file(
    flag: str | None, environment: str | None, in_file: str | None, users: int, source: str | None
) -> None:
    settings = load(
        {USERS: environment} if environment is not None else {},
        file=f"{USERS}={in_file}\n" if in_file is not None else "",
        flags={USERS: flag},
    )
    assert settings.volume.users == users
    assert settings.sources.get(USERS) == (str(Path.cwd() / ".env") if source == "file" else source)


def test_a_file_that_is_named_replaces_the_usual_one() -> None:
    Path(".env").write_text("SUPABASE_URL=https://usual.example\nHEATMAP_VERIFY_USERS=7\n")
    settings = load(file="SUPABASE_URL=https://named.example\n", env_file=Path(".env.staging"))
    assert settings.url == "https://named.example"
    assert settings.volume.users == 50
    assert settings.env_file == Path.cwd() / ".env.staging"


def test_a_named_file_may_be_anywhere(tmp_path: Path) -> None:
    (tmp_path / "a b.env").write_text("HEATMAP_VERIFY_USERS=7\n")
    assert load(env_file=tmp_path / "a b.env").volume.users == 7
    Path(os.environ["HOME"], "home.env").write_text("HEATMAP_VERIFY_USERS=8\n")
    assert load(env_file=Path("~/home.env")).volume.users == 8


def test_the_file_changes_nothing_for_other_programs() -> None:
    before = dict(os.environ)
    load(file=f"SUPABASE_SERVICE_ROLE_KEY={KEY}\n")
    assert dict(os.environ) == before


# --- how a file is read ---------------------------------------------------------------------------

SPELLINGS: Final = {
    "plain": "{n}={v}\n",
    "without a last line break": "{n}={v}",
    "single quotes": "{n}='{v}'\n",
    "double quotes": '{n}="{v}"\n',
    "export": "export {n}={v}\n",
    "blanks": "  {n} = {v}   \n",
    "comment behind": "{n}={v} # the key\n",
    "comment and blank lines before": "# a file\n\n\n{n}={v}\n",
    "byte order mark": "\ufeff{n}={v}\n",
    "Windows line breaks": "A=1\r\n{n}={v}\r\nB=2\r\n",
    "old Macintosh line breaks": "A=1\r{n}={v}\rB=2\r",
    "byte order mark, Windows, export and quotes": "\ufeffexport {n}='{v}'\r\n",
    "the last of two": "{n}=other\n{n}={v}\n",
    "a line that means nothing": "what is this\n{n}={v}\n",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_file_may_be_spelled_as_people_do(spelling: str) -> None:
    text = SPELLINGS[spelling].format(n="SUPABASE_SERVICE_ROLE_KEY", v=KEY)
    settings = load(file=text)
    assert settings.service_role_key is not None
    assert settings.service_role_key.reveal() == KEY


@pytest.mark.parametrize("value", ["pa$$word${HOME}", "a#b", "a=b=c", "sb_secret_$1", "ключ"])
def test_a_value_is_taken_to_the_letter(value: str) -> None:
    settings = load(file=f"SUPABASE_ANON_KEY='{value}'\n")
    assert settings.anon_key is not None
    assert settings.anon_key.reveal() == value


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "SUPABASE_URL\n", "SUPABASE_URL=\n"])
def test_an_empty_file_or_value_is_as_good_as_none(text: str) -> None:
    settings = load({"SUPABASE_SERVICE_ROLE_KEY": "", "SUPABASE_ANON_KEY": " "}, file=text)
    assert (settings.url, settings.service_role_key, settings.anon_key) == (None, None, None)
    assert settings.sources == {}


def test_the_example_file_is_read_as_it_stands() -> None:
    settings = load(file=(ROOT / ".env.example").read_bytes())
    assert settings.volume == Volume()


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a.example,b.example", ("a.example", "b.example")),
        (" a.example , ,b.example,, ", ("a.example", "b.example")),
        ("a.example\n", ("a.example",)),
        (",", ()),
        ("", ()),
    ],
)
def test_lists_are_split_at_commas(text: str, items: tuple[str, ...]) -> None:
    settings = load({"HEATMAP_VERIFY_PROD_HOSTS": text, "HEATMAP_VERIFY_NON_PROD_HOSTS": "x.y"})
    assert settings.prod_hosts == items
    assert settings.non_prod_hosts == ("x.y",)


def test_a_path_may_start_at_home() -> None:
    settings = load({"HEATMAP_DEPLOYMENT_LOG": "~/logs/deployments.jsonl"})
    assert settings.deployment_log == Path(os.environ["HOME"], "logs", "deployments.jsonl")


# --- bad files ------------------------------------------------------------------------------------


def test_a_named_file_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(env_file=Path("nowhere.env"))
    message = refusal(caught)
    assert "nowhere.env" in message
    assert "there is no such file" in message


def test_a_directory_in_place_of_a_file() -> None:
    Path("dir.env").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        load(env_file=Path("dir.env"))
    assert "dir.env" in refusal(caught)
    # A virtual environment is sometimes called that: it is no file of ours.
    Path(".env").mkdir()
    assert load().env_file is None


@pytest.mark.parametrize("data", [b"SUPABASE_URL=\xff\xfe\n", b"\xff\xfeS\0U\0", b"A=\x80\n"])
def test_a_file_that_is_not_text(data: bytes) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(file=data)
    assert refusal(caught) == f"{Path.cwd() / '.env'} cannot be read: it is not UTF-8 text"


READ_AS_NOBODY: Final = """
import os, sys
from pathlib import Path
from tui.errors import OperatorError
from tui.settings import load_settings
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    load_settings(environ={}, directory=Path(), env_file=Path(sys.argv[1]))
except OperatorError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("shut", [".", "file"])
def test_a_file_that_may_not_be_read(tmp_path: Path, shut: str) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "file").write_text("SUPABASE_URL=https://x.example\n")
    # The directories above are private to whoever runs the tests; another user must pass them.
    above = [tmp_path, *[each for each in tmp_path.parents if each.name.startswith("pytest-")]]
    modes = [each.stat().st_mode for each in above]
    try:
        for each in above:
            each.chmod(0o755)
        (folder / shut).chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", READ_AS_NOBODY, str(folder / "file")],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        (folder / shut).chmod(0o700)
        for each, mode in zip(above, modes, strict=True):
            each.chmod(mode)
    assert done.stdout.startswith("ConfigurationError "), done.stderr
    assert "file cannot be read: Permission denied" in done.stdout


# --- bad values -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_has_bounds_and_says_so(name: str) -> None:
    low, high = NUMBERS[name]
    for good in (low, high):
        load({name: str(good), **({"HEATMAP_VERIFY_QUESTIONS": "1"} if name == USERS else {})})
    for bad in (low - 1, high + 1, -high, 10**11):
        with pytest.raises(ConfigurationError) as caught:
            load({name: str(bad)})
        assert refusal(caught) == f"{name} (environment) is {bad}, outside {low} to {high}"


HOSTILE: Final = (
    *("abc", "1.0", "1e3", "0x10", "1_000", "1,000", "1 000", "--1", "+-1", "+", "-", "1\n2"),
    *("٣", "५", "\uff19", "²", "½", "Ⅷ", "1٣", "∞", "nan", "inf", "True", "\0", "1\0", "\x1b[31m5"),
    *("9" * 13, "1" * 5_000, "-" + "9" * 400, "0b1", "1e400", "5;", "$(id)", "\u202e5", "5\u200b"),
)


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_not_plainly_a_number_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(flags={name: value})
    message = refusal(caught)
    assert message.startswith(f"{name} (flag) is ")
    assert message.endswith("not a whole number")
    assert message.isprintable()
    assert len(message) < 300


@pytest.mark.parametrize("value", ["7", " 7 ", "+7", "007"])
def test_a_number_may_be_spelled_plainly(value: str) -> None:
    assert load({USERS: value}).volume.users == 7


@given(st.text(max_size=30))
def test_any_text_is_a_number_in_bounds_or_refused(value: str) -> None:
    try:
        users = load_settings(environ={USERS: value}, directory=Path("/")).volume.users
    except ConfigurationError as error:
        assert error.message.isprintable()  # noqa: PT017 - either end is right
    else:
        assert users == (int(value) if value.strip() else 50)
        assert 1 <= users <= MAX_USERS


def test_the_product_has_a_bound_of_its_own() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({USERS: "10000", "HEATMAP_VERIFY_QUESTIONS": "201"})
    assert "10000 users x 201 questions are 2,010,000 responses" in refusal(caught)
    volume = load({USERS: "10000", "HEATMAP_VERIFY_QUESTIONS": "200"}).volume
    assert volume.responses == MAX_RESPONSES


PATHS: Final = (
    "HEATMAP_DEPLOYMENT_LOG",
    "HEATMAP_SANDBOX_POSTGREST",
    "HEATMAP_SANDBOX_POSTGRES",
    "GITHUB_STEP_SUMMARY",
)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("value", ["a\0b", "~nobody-of-this-name/x"])
def test_a_path_that_cannot_be_one_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(flags={name: value})
    assert refusal(caught).startswith(f"{name} (flag) is ")


@pytest.mark.parametrize("value", ["a\0b", "~nobody-of-this-name/x", "x" * 5_000])
def test_an_environment_file_whose_name_cannot_be_one_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(env_file=Path(value))
    message = refusal(caught)
    assert message.startswith("--env-file ")
    assert message.isprintable()


def test_the_settings_show_no_key() -> None:
    settings = load(file=f"SUPABASE_SERVICE_ROLE_KEY={KEY}\nSUPABASE_ANON_KEY={KEY}x\n")
    for shown in (repr(settings), str(settings), f"{settings}"):
        assert KEY not in shown
        assert KEY[-8:] not in shown
