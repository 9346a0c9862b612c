"""Flags, environment and file: which one wins, how a file is read, and what bad values get."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import hypothesis
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.errors import ConfigurationError, ExitCode
from tui.guard.target import TargetKind, environments, target_of
from tui.redact import Secret
from tui.settings import MAX_RESPONSES, MAX_USERS, Volume, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


def refusal(call: Callable[..., object], *args: Any, **kwargs: Any) -> ConfigurationError:
    """The error that a call ends in: a hint, and no line break or NUL."""
    with pytest.raises(ConfigurationError) as caught:
        call(*args, **kwargs)
    error = caught.value
    assert error.exit_code is ExitCode.USAGE
    assert error.hint
    assert "\n" not in error.message + error.hint
    assert "\0" not in error.message + error.hint
    return error


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
    "twice the same": "{n}={v}\n{n}={v}\n",
    "names of others, whatever they hold": "a.b-C=it's # that\n{n}={v}\nX=\n",
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


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", " \t\n", "SUPABASE_URL=\n"])
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
        (" a.example , b.example ", ("a.example", "b.example")),
        ("a.example\n", ("a.example",)),
        # The guard refuses an empty entry: a list may have been cut.
        (",", ("",)),
        ("a.example,", ("a.example", "")),
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
    message = refusal(load, env_file=Path("nowhere.env")).message
    assert "nowhere.env" in message
    assert "there is no such file" in message


def test_a_directory_in_place_of_a_file() -> None:
    Path("dir.env").mkdir()
    assert "dir.env" in refusal(load, env_file=Path("dir.env")).message
    # A virtual environment is sometimes called that: it is no file of ours.
    Path(".env").mkdir()
    assert load().env_file is None


@pytest.mark.parametrize("data", [b"SUPABASE_URL=\xff\xfe\n", b"\xff\xfeS\0U\0", b"A=\x80\n"])
def test_a_file_that_is_not_text(data: bytes) -> None:
    assert (
        refusal(load, file=data).message
        == f"{Path.cwd() / '.env'} cannot be read: it is not UTF-8 text"
    )


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
        assert (
            refusal(load, {name: str(bad)}).message
            == f"{name} (environment) is {bad}, outside {low} to {high}"
        )


HOSTILE: Final = (
    *("abc", "1.0", "1e3", "0x10", "1_000", "1,000", "1 000", "--1", "+-1", "+", "-", "1\n2"),
    *("٣", "५", "\uff19", "²", "½", "Ⅷ", "1٣", "∞", "nan", "inf", "True", "\0", "1\0", "\x1b[31m5"),
    *("9" * 13, "1" * 5_000, "-" + "9" * 400, "0b1", "1e400", "5;", "$(id)", "\u202e5", "5\u200b"),
)


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_not_plainly_a_number_is_refused(name: str, value: str) -> None:
    message = refusal(load, flags={name: value}).message
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
        assert users == (int(value.strip()) if value.strip() else 50)
        assert 1 <= users <= MAX_USERS


def test_the_product_has_a_bound_of_its_own() -> None:
    assert (
        "10000 users x 201 questions are 2,010,000 responses"
        in refusal(load, {USERS: "10000", "HEATMAP_VERIFY_QUESTIONS": "201"}).message
    )
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
    assert refusal(load, flags={name: value}).message.startswith(f"{name} (flag) is ")


@pytest.mark.parametrize("value", ["a\0b", "~nobody-of-this-name/x", "x" * 5_000, "/dev/null"])
def test_an_environment_file_whose_name_cannot_be_one_is_refused(value: str) -> None:
    message = refusal(load, env_file=Path(value)).message
    assert message.startswith("--env-file ")
    assert message.isprintable()


@pytest.mark.parametrize("kind", ["dangling link", "loop", "pipe"])
def test_a_usual_file_that_is_there_and_cannot_be_read_is_no_missing_one(kind: str) -> None:
    path = Path(".env")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere" if kind == "dangling link" else ".env")
    assert refusal(load).message.startswith(".env: ")


HOMELESS: Final = """
import os, pwd, sys
from tui.cli.main import main

def nobody(_):
    raise KeyError

pwd.getpwuid = nobody
sys.exit(main(["--dry-run", "--json"]))
"""


def test_without_a_home_there_is_a_sentence_and_a_document() -> None:
    environ = {k: v for k, v in os.environ.items() if k != "HOME" and not k.startswith("XDG_")}
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS],
        env={**environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert json.loads(done.stdout)["exit_code"] == 2
    assert "HOME is not set" in done.stderr
    assert "XDG_STATE_HOME" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(Path.cwd().iterdir()) == []


# --- lines that cannot be read --------------------------------------------------------------------

HIDDEN: Final = "hunter2.example"
BROKEN: Final = (
    f'HEATMAP_VERIFY_PROD_HOSTS="{HIDDEN}', f"HEATMAP_VERIFY_PROD_HOSTS='{HIDDEN}",
    f"HEATMAP_VERIFY_PROD_HOSTS='{HIDDEN}';", f'HEATMAP_VERIFY_PROD_HOSTS="{HIDDEN}","b"',
    f"HEATMAP_VERIFY_PROD_HOSTS: {HIDDEN}", f"HEATMAP_VERIFY_PROD_HOSTS {HIDDEN}",
    f"set HEATMAP_VERIFY_PROD_HOSTS={HIDDEN}", f"HEATMAP_VERIFY_PROD_HOSTS #{HIDDEN}",
    "HEATMAP_VERIFY_PROD_HOSTS", "export HEATMAP_VERIFY_PROD_HOSTS", f"={HIDDEN}",
    f"HEATMAP_VERIFY_PROD_HOSTS=a.example,\n  {HIDDEN}", f"HEATMAP_VERIFY_PROD_HOSTS=#{HIDDEN}",
    f'HEATMAP_VERIFY_PROD_HOSTS="a.example,\n{HIDDEN}"', f"; {HIDDEN}", f"HEATMAP\u200b={HIDDEN}",
    f"HEATMAP_VERIFY_PROD_HOSTS=a\u2028HEATMAP_VERIFY_PROD_HOSTS={HIDDEN}",
    f"# note\x0bHEATMAP_VERIFY_PROD_HOSTS={HIDDEN}", f"A=\0{HIDDEN}",
    f"'HEATMAP_VERIFY_PROD_HOSTS'={HIDDEN}", f"HEATMAP_VERIFY_PROD_HOSTS='{HIDDEN}'#x",
    f"SUPABASE_URL='https://{HIDDEN}",
)  # fmt: skip


@pytest.mark.parametrize("line", BROKEN)
def test_a_line_that_cannot_be_read_is_refused_by_its_number_alone(line: str) -> None:
    error = refusal(load, file=f"# first\n{line}\nSUPABASE_ANON_KEY=x\n")
    number = 3 if line.startswith("HEATMAP_VERIFY_PROD_HOSTS=a.example,\n") else 2
    assert error.message == f"{Path.cwd() / '.env'}, line {number}, cannot be read as NAME=value"
    assert HIDDEN not in f"{error.message} {error.hint}"


@pytest.mark.parametrize(("name", "near"), [
    ("HEATMAP_VERIFY_PROD_HOST", "HEATMAP_VERIFY_PROD_HOSTS"),
    ("heatmap_verify_prod_hosts", "HEATMAP_VERIFY_PROD_HOSTS"),
    ("HEATMAP-VERIFY-PROD-HOSTS", "HEATMAP_VERIFY_PROD_HOSTS"),
    ("HEATMP_VERIFY_PROD_HOSTS", "HEATMAP_VERIFY_PROD_HOSTS"),
    ("VERIFY_PROD_HOSTS", "HEATMAP_VERIFY_PROD_HOSTS"),
    ("HEATMAP_VERIFY_USER", "HEATMAP_VERIFY_USERS"),
    ("HEATMAP_USERS", "HEATMAP_VERIFY_USERS"),
])  # fmt: skip
def test_a_slip_of_the_pen_is_told_with_the_nearest_name(name: str, near: str) -> None:
    error = refusal(load, file=f"A=1\n{name}=x\n")
    assert f".env, line 2, sets {name}, which is no setting" in error.message
    assert error.hint == f"did you mean {near}?"
    Path(".env").unlink()
    if name.startswith("HEATMAP_"):
        with pytest.raises(ConfigurationError, match=f"the environment sets {name}"):
            load({name: ""})


@pytest.mark.parametrize("name", ["SUPABASE_URL", "HEATMAP_VERIFY_NON_PROD_HOSTS", USERS])
def test_two_lines_that_say_different_things_are_refused(name: str) -> None:
    assert refusal(load, file=f"{name}=1\n\n{name}=2\n").message.endswith(
        f"line 3, sets {name}, as line 1 does, to something else"
    )


def test_unattended_break_glass_is_heard_from_the_process_environment_alone() -> None:
    name = "HEATMAP_VERIFY_ALLOW_PROD_UNATTENDED"
    assert load({name: " 127.0.0.1 "}).unattended == "127.0.0.1"
    with pytest.raises(ConfigurationError, match="from the process environment alone"):
        load(file=f"{name}=127.0.0.1\n")


# --- production, declared anywhere ----------------------------------------------------------------

PROD: Final = "HEATMAP_VERIFY_PROD_HOSTS"


@pytest.mark.parametrize("shell", ["b.example", "", " ", "a.example"])
def test_production_is_united_over_layers_and_lines(shell: str) -> None:
    settings = load(
        {PROD: shell},
        file=f"{PROD}=a.example\n{PROD}='c.example, d.example'\n{PROD}=\n",
    )
    united = {"a.example", "c.example", "d.example", shell.strip()} - {""}
    assert set(settings.prod_hosts) == united


# A file as people and programs write it: each piece is spelled in many ways, whole lines are lost,
# cut, doubled or commented out, and a reader of the text still sees which host is production.
_HOST: Final = "learn.example.org"
_SPELLED = st.sampled_from([_HOST, _HOST.upper(), f"https://{_HOST}", f"{_HOST}:443", f"{_HOST}."])
_LISTS = st.builds(
    lambda before, host, after: "".join((*before, host, *after)),
    st.lists(st.sampled_from(["a.example,", "a.example, ", " ", ",", "${A},", "b;"]), max_size=2),
    _SPELLED,
    st.lists(
        st.sampled_from([",b.example", " , b.example", ",", " ", ";", "\\", ",\\"]), max_size=2
    ),
)
_ASSIGNED = st.sampled_from([
    "{n}={v}", "{n}={v}", "{n}={v}", "export {n}={v}", "  {n} = {v}  ", "{n}='{v}'", '{n}="{v}"',
    "{n}='{v}", '{n}="{v}', "{n}={v}'", '{n}={v}"', "{n}='{v}';", "{n}: {v}", "{n} {v}", "{n}:={v}",
    "{n}={v} # live", "{n}='{v}' # live", "{n}={v}#live", "set {n}={v}", "'{n}'={v}", "{n}=={v}",
    "{n}=\\\n{v}", "{n}=a.example,\n  {v}", '{n}="a.example,\n{v}"', "export\t{n}\t=\t{v}",
    '{n}="a.example","{v}"', "{n}=$({v})", "{n}=`{v}`", "{n}=<{v}>", "\u00a0{n}={v}",
    "{n}=\u200b{v}", "{n}\u200b={v}", "{n}=\u201c{v}\u201d", "- {n}={v}", "{n}=['{v}']",
    "\ufeff{n}={v}", "[{n}]={v}",
])  # fmt: skip
_NAMES = st.sampled_from([
    PROD, PROD, PROD, PROD, "HEATMAP_VERIFY_PROD_HOST", "HEATMAP_PROD_HOSTS", PROD.lower(),
    "HEATMAP_VERIFY_PRODHOSTS", "HEATMAP_VERIFY_PRODUCTION_HOSTS", "HEATMAP.VERIFY.PROD.HOSTS",
])  # fmt: skip
_ASSIGNMENT = st.builds(lambda line, n, v: line.format(n=n, v=v), _ASSIGNED, _NAMES, _LISTS)
_OTHERS = st.sampled_from([
    "", "# a comment", "SUPABASE_ANON_KEY=sb_publishable_abcdefgh", "OTHER='it is'", 'OTHER="a b"',
    'OTHER="quote lost', "OTHER='", f"{PROD}=", f"{PROD}=b.example", "OTHER=it's", "\\", "OTHER=\\",
    "HEATMAP_VERIFY_USERS=5", "HEATMAP_VERIFY_NON_PROD_HOSTS=learn.example.org", "-----BEGIN-----",
])  # fmt: skip
_BREAKS = st.sampled_from(["\n", "\n", "\r\n", "\r", "\u2028", "\x0b", "\x85"])
_FILES = st.builds(
    lambda mark, before, line, after, between: mark + between.join((*before, line, *after, "")),
    st.sampled_from(["", "", "\ufeff", "\ufeff\ufeff"]),
    st.lists(_OTHERS, max_size=4),
    _ASSIGNMENT,
    st.lists(_OTHERS, max_size=4),
    _BREAKS,
)


@hypothesis.settings(max_examples=1500, deadline=None)
@given(_FILES, st.sampled_from([None, "", ",", "other.example", "learn.example.org"]))
def test_whatever_host_a_reader_sees_as_production_is_so_or_the_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str, shell: str | None
) -> None:
    directory = tmp_path_factory.mktemp("any")
    (directory / ".env").write_bytes(text.encode())
    environ = {
        "SUPABASE_URL": f"https://{_HOST}",
        "SUPABASE_SERVICE_ROLE_KEY": KEY,
        "HEATMAP_VERIFY_NON_PROD_HOSTS": _HOST,
    }
    if shell is not None:
        environ[PROD] = shell
    try:
        settings = load_settings(environ=environ, directory=directory)
        target = target_of(replace(settings, anon_key=None))
    except ConfigurationError as error:
        told = f"{error.message} {error.hint}"
        if ".env, line" in told:
            assert _HOST not in told.lower()
        return
    assert target.kind is TargetKind.PRODUCTION, text
    assert "HEATMAP_VERIFY_PROD_HOSTS" in target.reason


def test_the_generated_files_are_read_as_well_as_refused() -> None:
    read = []

    # The same files every time: how many are read is no matter of chance.
    @hypothesis.settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(_FILES)
    def look(text: str) -> None:
        try:
            read.append(bool(load(file=text).prod_hosts))
        except ConfigurationError:
            read.append(False)

    look()
    assert 10 <= sum(read) <= 290


# --- one layer ------------------------------------------------------------------------------------


def own(ref: str) -> str:
    return jwt.encode({"role": "service_role", "ref": ref}, "x" * 40, "HS256")


REF: Final = "stagestagestagestage"
HOSTED: Final = f"https://{REF}.supabase.co"


@pytest.mark.parametrize(("environ", "file", "named", "ok"), [
    ({"SUPABASE_SERVICE_ROLE_KEY": KEY}, f"SUPABASE_URL={HOSTED}\n", False, False),
    ({"SUPABASE_URL": HOSTED}, f"SUPABASE_SERVICE_ROLE_KEY={KEY}\n", False, False),
    ({"SUPABASE_SERVICE_ROLE_KEY": own(REF)}, f"SUPABASE_URL={HOSTED}\n", False, True),
    ({"SUPABASE_SERVICE_ROLE_KEY": own("other" * 4)}, f"SUPABASE_URL={HOSTED}\n", False, False),
    ({"SUPABASE_SERVICE_ROLE_KEY": own(REF)}, "SUPABASE_URL=https://a.example\n", False, False),
    ({"SUPABASE_SERVICE_ROLE_KEY": KEY}, f"SUPABASE_URL={HOSTED}\nSUPABASE_SERVICE_ROLE_KEY={KEY}x",
     False, False),
    ({"SUPABASE_SERVICE_ROLE_KEY": KEY}, f"SUPABASE_URL={HOSTED}\nSUPABASE_SERVICE_ROLE_KEY={KEY}x",
     True, True),
    ({"SUPABASE_SERVICE_ROLE_KEY": KEY}, f"SUPABASE_URL={HOSTED}\n", True, False),
    ({"SUPABASE_ANON_KEY": KEY}, f"SUPABASE_URL={HOSTED}\nSUPABASE_SERVICE_ROLE_KEY={KEY}x\n",
     False, False),
    ({"SUPABASE_URL": HOSTED, "SUPABASE_SERVICE_ROLE_KEY": KEY}, "HEATMAP_VERIFY_USERS=7\n", True,
     True),
])  # fmt: skip
def test_url_and_keys_are_of_one_layer_or_name_each_other(
    environ: dict[str, str], file: str, named: bool, ok: bool
) -> None:
    path = Path("named.env" if named else ".env")
    path.write_text(file)
    settings = load(environ, env_file=path if named else None)
    if ok:
        assert target_of(settings).url in {HOSTED, "https://a.example"}
        if named and "SUPABASE_URL" in file:
            assert settings.service_role_key == Secret(f"{KEY}x")
        return
    message = refusal(target_of, settings).message
    told = ("is from the environment", f"is from {path.absolute()}", "does not name the project")
    alone = f"is not set in {path.absolute()}, which was named and counts alone"
    foreign = "but the key belongs to project"
    assert all(each in message for each in told) or alone in message or foreign in message
    assert KEY not in message


@pytest.mark.parametrize(("value", "told"), [
    (f'"{KEY}"', "quotes"), (f"'{KEY}'", "quotes"), ("sb_secret_Ab1...", "masked"),
    ("sb_secret_Ab1••••••••", "masked"), ("eyJhbGci…", "masked"), ("${KEY}", "variables"),
    (f"{KEY}\udcff", "invisible"), ("questions", "neither a JWT"),
])  # fmt: skip
@pytest.mark.parametrize("name", ["SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_ANON_KEY"])
def test_a_key_that_went_wrong_on_its_way_is_told_as_just_that(
    name: str, value: str, told: str
) -> None:
    settings = load({"SUPABASE_URL": HOSTED, "SUPABASE_SERVICE_ROLE_KEY": KEY, name: value})
    message = refusal(target_of, settings).message
    assert message.startswith(f"{name} ")
    assert told in message
    assert KEY not in message


# --- the files there are --------------------------------------------------------------------------


def test_the_environment_files_there_are_are_listed_with_their_projects(tmp_path: Path) -> None:
    for name, text in {
        ".env": f"SUPABASE_URL={HOSTED}\nSUPABASE_SERVICE_ROLE_KEY={KEY}\n",
        ".env.staging": f"SUPABASE_URL={HOSTED}\nSUPABASE_SERVICE_ROLE_KEY={KEY}\n"
        f"HEATMAP_VERIFY_NON_PROD_HOSTS={REF}\n",
        ".env.broken": "what is this\n",
        ".env.example": "",
        ".envrc": "",
        "env": "",
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / ".env.folder").mkdir()
    found = environments(tmp_path, {"SUPABASE_SERVICE_ROLE_KEY": "of another project"})
    assert [each.path.name for each in found] == [".env", ".env.broken", ".env.staging"]
    kinds = [each.target.kind if each.target else None for each in found]
    assert kinds == [TargetKind.PRODUCTION, None, TargetKind.STAGING]
    assert "line 1, cannot be read" in (found[1].problem or "")
    shell = environments(tmp_path, {PROD: REF})
    assert shell[2].target
    assert shell[2].target.kind is TargetKind.PRODUCTION
    assert environments(tmp_path / "nowhere", {}) == []


def test_the_settings_show_no_key() -> None:
    settings = load(file=f"SUPABASE_SERVICE_ROLE_KEY={KEY}\nSUPABASE_ANON_KEY={KEY}x\n")
    for shown in (repr(settings), str(settings), f"{settings}"):
        assert KEY not in shown
        assert KEY[-8:] not in shown
