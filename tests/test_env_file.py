"""A new environment file: read back as it was meant, private, and never over another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from tui.env_file import EnvironmentDraft, environment_files, free_name, render, write_new
from tui.errors import ConfigurationError
from tui.redact import Secret
from tui.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sb_secret_" + "k" * 20
PRINTABLE = st.characters(exclude_categories=("C", "Zl", "Zp"), exclude_characters="\xa0\u3000")


@given(st.text(PRINTABLE, max_size=40).filter(str.isprintable))
def test_what_is_written_is_read_back(value: str) -> None:
    import io

    read = dotenv_values(stream=io.StringIO(render({"NAME": value})), interpolate=False)
    assert read == {"NAME": value}


@pytest.mark.parametrize("value", ["a\nSUPABASE_URL=x", "a\rb", "a\0b", "a\x1b[0m", "a\u2028b"])
def test_a_value_that_spans_lines_is_refused(value: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="NAME holds a line break") as refused:
        write_new(tmp_path / ".env", {"NAME": value})
    assert value not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_the_file_is_private_and_means_what_was_typed(tmp_path: Path) -> None:
    draft = EnvironmentDraft("https://abc.example.org", Secret(KEY), Secret("anon $k'"), True)
    write_new(tmp_path / ".env", draft.values())
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    settings = load_settings(environ={}, directory=tmp_path)
    assert settings.url == "https://abc.example.org"
    assert settings.service_role_key == Secret(KEY)
    assert settings.anon_key == Secret("anon $k'")
    assert settings.non_prod_hosts == ("abc.example.org",)


def test_a_host_is_production_unless_it_was_said_otherwise() -> None:
    values = EnvironmentDraft("https://abc.example.org", Secret(KEY)).values()
    assert set(values) == {"SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"}


@pytest.mark.parametrize("url", ["abc", "https://", "http://[", ""])
def test_a_url_without_a_host_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no URL with a host"):
        EnvironmentDraft(url, Secret(KEY)).values()


@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_nothing_is_written_over(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ".env"
    other = tmp_path / "other"
    if kind == "file":
        path.write_text("A=1\n")
    else:
        path.symlink_to(other)
    if kind == "link":
        other.write_text("A=1\n")
    with pytest.raises(ConfigurationError, match="there already") as refused:
        write_new(path, {"A": "2"})
    assert ".env.staging" in (refused.value.hint or "")
    assert other.exists() is (kind == "link")
    assert kind == "dangling" or path.read_text() == "A=1\n"


@pytest.mark.parametrize("name", ["env", ".env.", ".env.a.b", ".envrc", ".env.a b", "x.env"])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="no name for an environment file"):
        write_new(tmp_path / name, {"A": "1"})


def test_a_directory_that_takes_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_new(tmp_path / "missing" / ".env", {"A": "1"})


def test_files_are_listed_and_a_free_name_is_offered(tmp_path: Path) -> None:
    assert environment_files(tmp_path / "missing") == []
    assert free_name(tmp_path) == ".env"
    for name in (".env.staging", ".env", ".env.example", ".envrc", "env"):
        (tmp_path / name).touch()
    (tmp_path / ".env.folder").mkdir()
    assert [path.name for path in environment_files(tmp_path)] == [".env", ".env.staging"]
    assert free_name(tmp_path) == ".env.staging2"


def test_a_draft_shows_no_key() -> None:
    assert KEY not in repr(EnvironmentDraft("https://a.example.org", Secret(KEY)))
