"""The house rules that no linter of ours knows."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parents[1]
LONGEST: Final = 700
# A docstring's first line says what the thing is, at a glance.
LONGEST_SUMMARY: Final = 75
# The sandbox reads none of it: it chooses what its processes get of it.
# The HTTP client reads what is meant for every HTTP client: certificates and proxies.
ENVIRONMENT_READERS: Final = {
    "tui/cli/main.py",
    "tui/settings.py",
    "tui/sandbox/client.py",
    "tui/project/http.py",
}
SCREENS: Final = ("tui/console/",)
# Written in two parts, or this file would name them.
REGISTRY_HOSTS: Final = tuple(
    ".".join(parts)
    for parts in (
        *(("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com")),
        *(("yarnpkg", "com"), ("crates", "io"), ("rubygems", "org"), ("proxy", "golang")),
        *(("ghcr", "io"), ("docker", "io"), ("quay", "io"), ("conda", "anaconda")),
    )
)


def tracked() -> list[str]:
    """Every file of the project, but those that are ignored."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a checkout")
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def modules() -> dict[str, str]:
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "tui").rglob("*.py"))
    }


def imported(source: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a module imports, at the top or within."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{each.name}") for each in node.names)


def environment_readers(code: Mapping[str, str]) -> list[str]:
    """Places that read the process environment, by whatever name."""
    names = {"environ", "environb", "getenv", "getenvb"}
    found = []
    for path, source in code.items():
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Attribute(value=ast.Name(id="os" | "posix"), attr=name) if name in names:
                    found.append(f"{path}:{node.lineno}")
        found += [
            f"{path}:{line}"
            for line, name in imported(source)
            if name.partition(".")[0] in {"os", "posix"} and name.rpartition(".")[2] in names
        ]
    return [place for place in found if place.partition(":")[0] not in ENVIRONMENT_READERS]


def importers(code: Mapping[str, str], packages: set[str], allowed: tuple[str, ...]) -> list[str]:
    """Places outside `allowed` that import one of the packages."""
    return [
        f"{path}:{line}: {name}"
        for path, source in code.items()
        if not path.startswith(allowed)
        for line, name in imported(source)
        if name.partition(".")[0] in packages
    ]


def too_long(code: Mapping[str, str]) -> list[str]:
    """Modules of more lines than one reads in one go."""
    lengths = {path: len(source.splitlines()) for path, source in code.items()}
    return [f"{path}: {length} lines" for path, length in lengths.items() if length > LONGEST]


def wordy(code: Mapping[str, str]) -> list[str]:
    """Docstrings whose first line is longer than one takes in at a glance."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        f"{path}:{getattr(node, 'lineno', 1)}: {summary}"
        for path, source in code.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, documented)
        for summary in (ast.get_docstring(node) or "").splitlines()[:1]
        if len(summary) > LONGEST_SUMMARY
    ]


SUPABASE: Final = {"supabase", "postgrest", "supabase_auth", "storage3", "realtime", "httpx"}


def test_only_the_command_and_the_settings_read_the_environment() -> None:
    assert environment_readers(modules()) == []


def test_only_the_console_knows_textual() -> None:
    assert importers(modules(), {"textual"}, SCREENS) == []


def test_only_the_project_package_knows_supabase() -> None:
    assert importers(modules(), SUPABASE, ("tui/project/",)) == []


def test_only_the_command_knows_the_sandbox() -> None:
    inside = ("tui/sandbox/", "tui/cli/")
    found = [
        f"{path}:{line}: {name}"
        for path, source in modules().items()
        if not path.startswith(inside)
        for line, name in imported(source)
        if name.startswith("tui.sandbox") or name == "tui.sandbox"
    ]
    assert found == []


def test_no_docstring_begins_with_a_long_line() -> None:
    assert wordy(modules()) == []
    for head in ("", "class A:\n    ", "def f():\n    ", "async def f():\n    "):
        summary = "x" * LONGEST_SUMMARY
        assert wordy({"tui/new.py": f'{head}"""{summary}\n\n{summary * 2}\n"""'}) == []
        assert wordy({"tui/new.py": f'{head}"""{summary}x"""'})


def test_no_module_is_too_long() -> None:
    assert too_long(modules()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nx = os.environ['A']",
        "import os\nx = os.getenv('A')",
        "import os\nos.environ.get('A')",
        "import os\nos.environb",
        "from os import environ",
        "from os import getenv as g",
    ],
)
def test_a_reader_of_the_environment_is_found(source: str) -> None:
    assert environment_readers({"tui/verify/new.py": source})
    assert environment_readers({"tui/cli/main.py": source}) == []


def test_a_stray_import_and_a_long_module_are_found() -> None:
    late = "def f():\n    from textual.app import App\n"
    assert importers({"tui/verify/new.py": late}, {"textual"}, SCREENS)
    assert importers({"tui/evidence/new.py": "import httpx as h"}, SUPABASE, ("tui/project/",))
    assert too_long({"tui/new.py": "x = 1\n" * (LONGEST + 1)})
    assert too_long({"tui/new.py": "x = 1\n" * LONGEST}) == []


def test_no_package_registry_is_named() -> None:
    found = [
        f"{name}: {host}"
        for name in tracked()
        for text in [(ROOT / name).read_text(encoding="utf-8", errors="replace").casefold()]
        for host in REGISTRY_HOSTS
        if host in text
    ]
    assert found == []


def test_tests_mirror_the_console() -> None:
    """Each package has its tests, and each test package its subject or a purpose of its own."""
    names = {path.parent.relative_to(ROOT / "tui") for path in (ROOT / "tui").rglob("__init__.py")}
    packages = {name.as_posix() for name in names} - {"."}
    held = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    tested = {name.as_posix() for name in held} - {"."}
    assert packages - tested == set()
    others = {"bench", "mutations", "projects", "sql", "sweeps", "terminal"}
    assert {name.partition("/")[0] for name in tested} - packages - others == set()


def test_every_package_of_tests_can_be_imported_by_name() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def circles(code: Mapping[str, str]) -> list[str]:
    """Modules that import each other, directly or by way of others; imports for types count."""
    names = {path.removesuffix(".py").replace("/", "."): source for path, source in code.items()}
    needs = {
        name: {
            each
            for _, found in imported(source)
            for each in (found, found.rpartition(".")[0])
            if each in names and each != name
        }
        for name, source in names.items()
    }
    # What imports nothing that is left is in no circle.
    while free := [name for name, needed in needs.items() if not needed & needs.keys()]:
        for name in free:
            del needs[name]
    return sorted(needs)


def test_the_screens_import_in_no_circle() -> None:
    inside = {path: source for path, source in modules().items() if path.startswith(SCREENS)}
    assert circles(inside) == []


def test_a_circle_of_type_imports_is_found() -> None:
    one = "if TYPE_CHECKING:\n    from tui.console.two import Two\n"
    two = "from tui.console.one import One\n"
    assert circles({"tui/console/one.py": one, "tui/console/two.py": two})
    assert circles({"tui/console/one.py": one, "tui/console/two.py": "x = 1"}) == []
