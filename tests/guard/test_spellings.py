"""Ways to write that this machine is production: each is heard, or the file is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import jwt
import pytest

from tui.errors import ConfigurationError
from tui.guard.target import TargetKind, target_of
from tui.settings import load_settings

DEMO: Final = jwt.encode({"iss": "supabase-demo", "role": "service_role"}, "s" * 40, "HS256")
OPAQUE: Final = "sb_secret_" + "abcdefghijklmnopqrstuv_12345678"

# LIST is the variable's name, HERE is 127.0.0.1.
LINES: Final = [
    "LIST=HERE", "LIST = HERE", "export LIST=HERE", "export\tLIST=HERE", "set LIST=HERE",
    "setx LIST HERE", "LIST:HERE", "LIST: HERE", "LIST=HERE # prod", "LIST=HERE# prod",
    "LIST='HERE' # prod", "LIST='HERE'# prod", "LIST=a.example,\\\nHERE", "LIST=a.example,\n HERE",
    "LIST=a.example,\nHERE\n", "LIST='a.example\nHERE'", 'LIST="a.example,\nHERE"', "LIST=`HERE`",
    "LIST=\u201cHERE\u201d", "LIST=\u2018HERE\u2019", "LIST\u00a0=\u00a0HERE", "LIST\uff1dHERE",
    "\ufeffLIST=HERE", "LIST=HERE\r", "LIST=HERE\r\r\n", "LIST=x.example\x0bHERE",
    "LIST=x.example\x0cLIST=HERE", "LIST=x.example\u2028LIST=HERE", "A=1\x85LIST=HERE",
    "heatmap_verify_prod_hosts=HERE", "HEATMAP-VERIFY-PROD-HOSTS=HERE", "LISTS=HERE", "LIST_=HERE",
    "HEATMAP_PROD_HOSTS=HERE", "HEATMAP_VERIFY_PRODUCTION_HOSTS=HERE", "VERIFY_PROD_HOSTS=HERE",
    "PROD_HOSTS=HERE", "HEATMAP_VERIFY_PROD_HOST=HERE", "HEATMAPVERIFY_PROD_HOSTS=HERE",
    "HEATMAP VERIFY PROD HOSTS=HERE", "LIST+=HERE", "LIST?=HERE", "LIST:=HERE", "LIST==HERE",
    "LIST='HERE", 'LIST="HERE', "LIST=HERE'", "LIST='HERE';", "LIST=HERE;",
    "LIST=HERE; export LIST", "LIST=[HERE]", "LIST=(HERE)", 'LIST=["HERE"]', "LIST=HERE b.example",
    "LIST=HERE;b.example", "LIST=b.example|HERE", "LIST=HERE/", "LIST=http://HERE",
    "LIST=http://HERE:54321/rest/v1", "LIST=HERE:1", "LIST=127.1", "LIST=0177.0.0.1",
    "LIST=2130706433", "LIST=::1", "LIST=[::1]:54321", "LIST=::ffff:HERE", "LIST=localhost",
    "LIST=LOCALHOST.", "LIST=127.0.0.2", "LIST=HERE.", "LIST=\uff11\uff12\uff17.0.0.1", "LIST=$H",
    "H=HERE\nLIST=${H}", "LIST=HERE%lo", "LIST=user@HERE", "LIST=*.0.0.1", "LIST=127.*",
    "LIST=127.0.0.0/8", "LIST=HERE,", "LIST=,HERE", "LIST=HERE\nLIST=", "LIST=\nLIST=HERE",
    "LIST='HERE'\nLIST='b.example'", "#LIST=b.example\nLIST=HERE", "LIST=HERE\\", "LIST=HERE\\n",
    'LIST="HERE\\n"', "LIST='HERE\\'", "LIST=\"'HERE'\"", "LIST={HERE}", "LIST\n=HERE", "LIST",
    "LIST HERE", "- LIST=HERE", "  LIST: 'HERE'", "; LIST=HERE", "// LIST=HERE", "REM LIST=HERE",
    "[section]\nLIST=HERE", "LIST=HERE\x00", "LIST=\x1b[0mHERE", "LIST=\u200bHERE", "env LIST=HERE",
    "declare -x LIST=HERE", "$env:LIST='HERE'", "LIST=HERE \\\n# x", "LIST<<EOF\nHERE\nEOF",
    "LIST=$(echo HERE)",
]  # fmt: skip
# Spellings of a host that is declared as both, of which production wins.
URLS: Final = [
    "https://db.prod.example", "https://DB.PROD.EXAMPLE", "https://db.prod.example.",
    "https://db.prod.example:443/", "https://db.prod.example:0443", "https://db。prod。example",
    "https://db.prod.example/rest/v1", "https://db.prod.example?x", "https://db.prod.example#",
    "https://staging.example@db.prod.example", "https://staging.example\\@db.prod.example",
    "https://db%2eprod.example", "https://db.prod.example%00.staging.example",
    "https:/db.prod.example", "https:db.prod.example", "//db.prod.example", "db.prod.example",
    "https://db.pro\u00add.example", "https://db.prod.example ,https://staging.example",
    "https://db.prod.example;", "http://db.prod.example", "https://[db.prod.example]",
    "https://db.prod.example:99999", "https://$HOST",
]  # fmt: skip


def kind_of(text: str, environ: dict[str, str] | None = None) -> TargetKind | None:
    """How the project of an environment file is judged; None where the file is refused."""
    Path(".env").write_bytes(text.encode())
    try:
        found = load_settings(environ=environ or {}, directory=Path())
        return target_of(found).kind
    except ConfigurationError:
        return None


PROJECT: Final = f"SUPABASE_URL=http://127.0.0.1:54321\nSUPABASE_SERVICE_ROLE_KEY={DEMO}\n"


@pytest.mark.parametrize("line", LINES)
def test_however_it_is_written_this_machine_is_production_or_refused(line: str) -> None:
    assert kind_of(PROJECT) is TargetKind.LOCAL
    line = line.replace("LIST", "HEATMAP_VERIFY_PROD_HOSTS").replace("HERE", "127.0.0.1")
    assert kind_of(PROJECT + line + "\n") in {TargetKind.PRODUCTION, None}


@pytest.mark.parametrize("name", [
    "HEATMAP_VERIFY_PROD_HOSTS", "heatmap_verify_prod_hosts", "HEATMAP_VERIFY_PROD",
    "HEATMAP_VERIFY_PROD_HOSTS ", "HEATMAP__VERIFY_PROD_HOSTS",
])  # fmt: skip
@pytest.mark.parametrize("value", [
    "127.0.0.1", "'127.0.0.1'", "127.0.0.1\n", "\ufeff127.0.0.1", "b.example;127.0.0.1",
])  # fmt: skip
def test_the_shell_is_heard_too(name: str, value: str) -> None:
    assert kind_of(PROJECT, {name: value}) in {TargetKind.PRODUCTION, None}


@pytest.mark.parametrize("url", URLS)
def test_no_spelling_of_a_url_escapes_the_list(url: str) -> None:
    text = (
        f"SUPABASE_URL={url}\nSUPABASE_SERVICE_ROLE_KEY={OPAQUE}\n"
        "HEATMAP_VERIFY_PROD_HOSTS=db.prod.example\n"
        "HEATMAP_VERIFY_NON_PROD_HOSTS=db.prod.example,staging.example\n"
    )
    assert kind_of(text) in {TargetKind.PRODUCTION, None}
