"""Fixtures for every test: private directories, and real sandboxes."""

from __future__ import annotations

import datetime
import gc
from typing import TYPE_CHECKING, Any

import hypothesis
import platformdirs
import psycopg
import pytest

from tests.sandbox.helpers import options as sandbox_options
from tui import redact
from tui.sandbox import Sandbox, start_sandbox_sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Database = psycopg.Connection[tuple[object, ...]]

# No test may depend on how busy the machine is.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

pytest_plugins = ["tests.secrets_plugin", "tests.skips_plugin"]

# Read before any test moves the home: the fetched PostgREST is shared by all of them.
CACHE = platformdirs.user_cache_path("heatmap-tui")
CONSOLE_VARIABLES = (
    "GITHUB_STEP_SUMMARY",
    "HEATMAP_MAX_REFRESH_MS",
    "HEATMAP_MAX_REGRESSION",
    "HEATMAP_REFRESH_RUNS",
    "HEATMAP_SANDBOX_AUTH",
    "HEATMAP_SANDBOX_AUTH_MIGRATIONS",
    "HEATMAP_SANDBOX_PORT",
    "HEATMAP_VERIFY_ALLOW_PROD_UNATTENDED",
    "HEATMAP_DEPLOYMENT_LOG",
    "HEATMAP_SANDBOX_POSTGRES",
    "HEATMAP_SANDBOX_POSTGREST",
    "HEATMAP_VERIFY_BATCH",
    "HEATMAP_VERIFY_CONCURRENCY",
    "HEATMAP_VERIFY_NON_PROD_HOSTS",
    "HEATMAP_VERIFY_PROD_HOSTS",
    "HEATMAP_VERIFY_QUESTIONS",
    "HEATMAP_VERIFY_USERS",
    "SUPABASE_ANON_KEY",
    "SUPABASE_DB_URL",
    "SUPABASE_SERVICE_ROLE_KEY",
    "SUPABASE_URL",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sample-seed",
        type=int,
        default=None,
        help="what samples of sweeps, mutations and properties are drawn with (default: the day)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        config.option.sample_seed = config.workerinput["sample_seed"]
    elif config.option.sample_seed is None:
        config.option.sample_seed = datetime.datetime.now(datetime.UTC).date().toordinal()
    # Another search each day, and the same one all day: what is red is red again.
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(config.option.sample_seed)


def pytest_collection_finish() -> None:
    """What the modules hold lasts as long as the process: the collector need not look at it again.

    Half of the console's tests went into collections that found nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    # Told by the one process that began: a worker may begin on the far side of midnight.
    node.workerinput["sample_seed"] = node.config.option.sample_seed


def pytest_report_header(config: pytest.Config) -> str:
    return f"samples: --sample-seed {config.option.sample_seed} draws these again"


@pytest.fixture(scope="session")
def sample_seed(pytestconfig: pytest.Config) -> int:
    """What a test draws its sample with: another one each day, and told at the top of the run."""
    return int(pytestconfig.option.sample_seed)


@pytest.fixture(autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a home, state, configuration and working directory of its own.

    So no test finds an operator's `.env`, journal or history, and none leaves one behind; nor does
    one mask what another had for a key.
    """
    monkeypatch.setattr(redact, "_live", redact._live)
    home = tmp_path_factory.mktemp("home")
    for name in CONSOLE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE.parent))
    work = home / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return home


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox shared by the session's tests (one for each xdist worker).

    A test that injects faults, stops a part or cannot bear other tests' rows starts its own with
    `start_private_sandbox`.
    """
    running = start_sandbox_sync(sandbox_options())
    try:
        yield running
    finally:
        running.stop_sync()


@pytest.fixture
def start_private_sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Start sandboxes for one test alone; the arguments are those of `SandboxOptions`."""
    started: list[Sandbox] = []

    def start(**options: object) -> Sandbox:
        running = start_sandbox_sync(sandbox_options(**options))
        started.append(running)
        return running

    yield start
    for running in started:
        running.stop_sync()


@pytest.fixture
def database(sandbox: Sandbox) -> Iterator[Database]:
    """A superuser's autocommit connection to the shared sandbox."""
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        yield connection
