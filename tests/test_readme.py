"""The README says what is so: its commands run, its generated chapter is up to date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tui.flags import parser
from tui.verify.probes.page import probes_page

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# Where each command of the README is run. A new command needs a line here, and a test behind it.
RUN_BY = {
    "python3 -m venv .venv && .venv/bin/pip install -q '.[sandbox]'"
    " && .venv/bin/heatmap-tui --sandbox": ".ci/run",
    "python3 -m venv .venv && .venv/bin/pip install -q -e '.[sandbox,dev]'"
    " && .venv/bin/python -m pytest": ".ci/run",
    "heatmap-tui --sandbox --headless --json": "tests/test_cli.py",
    "heatmap-tui --dry-run --headless --env-file .env.staging": "tests/test_cli.py",
    "heatmap-tui --purge": "tests/test_cli.py",
    "heatmap-tui --sandbox --heatmap": "tests/test_cli.py",
    "heatmap-tui --serve-sandbox > sandbox.env": "tests/test_cli.py",
    "heatmap-tui --headless --allow-prod --confirm abcdefghijklmnopqrst --justification "
    '"Restoring the index after incident 4711, staging cannot reproduce it"': "tests/test_cli.py",
    ".ci/run": ".ci/run",
    ".venv/bin/python -m pytest tests/sweeps --full-sweep -n 0 -s": "tests/sweeps/conftest.py",
    ".venv/bin/python -m pytest tests/mutations --all-mutations": "tests/mutations/conftest.py",
    ".venv/bin/python -m tests.bench": "tests/bench/__main__.py",
}


def shell_commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [
        line
        for block in blocks
        for line in block.replace("\\\n", " ").splitlines()
        if line and not re.match(r"[A-Z_]+=", line)
    ]


def test_every_command_is_run_somewhere() -> None:
    ours = [
        line
        for line in shell_commands()
        if not line.startswith(("psql", "cp ", "supabase", "curl"))
    ]
    assert sorted(ours) == sorted(RUN_BY)
    for where in RUN_BY.values():
        assert (ROOT / where).exists()


def test_there_are_exactly_two_set_up_commands_and_each_is_one_line() -> None:
    for name in ("console", "test"):
        found = re.findall(rf"<!-- command: {name} -->\n```sh\n(.*?)```", README, re.DOTALL)
        assert len(found) == 1
        assert found[0].count("\n") == 1
    assert README.count("<!-- command:") == 2


@pytest.mark.parametrize("line", [c for c in RUN_BY if c.startswith("heatmap-tui")])
def test_every_flag_in_it_exists(line: str) -> None:
    import shlex

    words = shlex.split(line.partition(" > ")[0])[1:]
    parser().parse_args(words)


def test_the_probe_chapter_is_made_from_the_registry() -> None:
    chapter = README.partition("<!-- probes:begin -->")[2].partition("<!-- probes:end -->")[0]
    assert chapter.strip() == probes_page().strip()


def test_links_within_it_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).strip().replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(#([^)]+)\)", README):
        assert target in headings, target
    for target in re.findall(r"\]\((?!#|http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_variables_it_names_are_read_and_the_example_has_no_other() -> None:
    settings = (ROOT / "tui" / "settings.py").read_text()
    named = set(re.findall(r"`((?:SUPABASE|HEATMAP)_[A-Z_]+)`", README))
    assert all(f'"{name}"' in settings for name in named), named
    example = (ROOT / ".env.example").read_text()
    for name in re.findall(r"^([A-Z_]+)=", example, re.MULTILINE):
        assert f'"{name}"' in settings
