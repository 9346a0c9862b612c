"""Is this the project we think it is, and does it answer?"""

from __future__ import annotations

import asyncio
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from tui.dry_run.facts import Facts, Preflight, UnansweredError, may_be_service
from tui.dry_run.probe import Finding, Probes, failed, passed, warned
from tui.guard.hosts import is_loopback, project_ref
from tui.guard.target import declared_by_database
from tui.project import APPLY_PREFLIGHT, PREFLIGHT, ProjectError, ProjectUnreachable
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SLOW_MS: Final = 300.0
_SOON: Final = timedelta(days=14)
_OLDEST_POSTGRES: Final = 150_000
_OLDEST_POSTGREST: Final = 12

PROBES: Final = Probes()


@PROBES.add(
    "target.reachable",
    "the project answers",
    f"GET /rest/v1/, and {PREFLIGHT}() by GET",
    "neither is answered by PostgREST: name, network, TLS, a gateway's page (a paused or "
    "restricted project's, a firewall's), or nothing in time",
    "check SUPABASE_URL, the network and any proxy; a paused project has to be resumed",
    vital=True,
)
async def _reachable(facts: Facts) -> Finding:
    trouble = await facts.trouble()
    if isinstance(trouble, ProjectUnreachable):
        return failed(trouble.message, trouble.hint)
    milliseconds = (await facts.description()).ms
    return passed(f"{facts.context.target.url} answered in {milliseconds:.0f} ms")


@PROBES.add(
    "target.tls",
    "the key travels encrypted",
    "the certificate of the connection",
    "plain HTTP to another machine of this network, or a certificate with under 14 days left",
    "use https://, and renew the certificate",
)
async def _tls(facts: Facts) -> Finding:
    target = facts.context.target
    if target.url.startswith("http:"):
        if is_loopback(target.host):
            return passed("plain HTTP that does not leave this machine")
        # Where it is not private and declared, the guard has refused it.
        return warned(f"the key travels unencrypted to {target.host}")
    if isinstance(await facts.trouble(), ProjectUnreachable):
        raise UnansweredError("the project does not answer", cause="target.reachable")
    response = await facts.project.get("/auth/v1/health")
    stream = response.extensions.get("network_stream")
    tunnel = stream.get_extra_info("ssl_object") if stream is not None else None
    certificate = tunnel.getpeercert() if isinstance(tunnel, ssl.SSLObject) else None
    return judge_certificate(certificate or {}, datetime.now(UTC))


def judge_certificate(certificate: Mapping[str, object], now: datetime) -> Finding:
    """Will a certificate last beyond the next two weeks?"""
    until = certificate.get("notAfter")
    if not isinstance(until, str):
        return passed("the certificate is valid for this host")
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC)
    seen = f"the certificate is valid until {ends:%Y-%m-%d}"
    return passed(seen) if ends - now > _SOON else warned(seen)


@PROBES.add(
    "target.latency",
    "requests are answered quickly",
    "GET /auth/v1/health, three times",
    f"even the fastest takes more than {_SLOW_MS:.0f} ms: a run will be slow",
    "run from nearer to the project",
    severity=ProbeStatus.WARN,
    needs=("target.reachable",),
)
async def _latency(facts: Facts) -> Finding:
    health = await facts.health()
    seen = f"{health.fastest_ms:.0f} ms, the fastest of three"
    return passed(seen) if health.fastest_ms <= _SLOW_MS else warned(seen)


@PROBES.add(
    "target.versions",
    "the servers are new enough",
    "the API description, GET /auth/v1/health, the preflight function",
    "PostgreSQL older than 15 (fails) or PostgREST older than 12 (warns)",
    "upgrade the project",
    needs=("authentication.key",),
)
async def _versions(facts: Facts) -> Finding:
    info = ((await facts.description()).document or {}).get("info")
    rest = str(info.get("version", "")).split(" ")[0] if isinstance(info, dict) else ""
    preflight = await facts.preflight_reply()
    number, postgres = None, "unknown"
    if isinstance(preflight, Preflight):
        number = preflight.at("server", "version_num")
        postgres = str(preflight.at("server", "version"))
    try:
        auth = (await facts.health()).version or "unknown"
    except ProjectError:
        auth = "unknown"
    seen = f"PostgreSQL {postgres}, PostgREST {rest or 'unknown'}, auth {auth}"
    return judge_versions(number, rest, seen)


def judge_versions(postgres: int | None, postgrest: str, seen: str) -> Finding:
    """Are `server_version_num` and PostgREST's version, where known, new enough?"""
    if postgres is not None and postgres < _OLDEST_POSTGRES:
        return failed(seen, "upgrade the project to PostgreSQL 15 or newer")
    major = postgrest.partition(".")[0]
    if major.isdigit() and int(major) < _OLDEST_POSTGREST:
        return warned(seen, "upgrade the project: functions' timeouts count from PostgREST 12 on")
    if postgres is None and not major.isdigit():
        raise UnansweredError(f"cannot tell: {seen}", cause="schema.preflight")
    return passed(seen)


@PROBES.add(
    "target.writable",
    "the database takes writes",
    f"{PREFLIGHT}(): read-only by default, in recovery",
    "it is a replica, recovers, or was made read-only (a full disk)",
    "have the database take writes again",
    needs=("schema.preflight",),
)
async def _writable(facts: Facts) -> Finding:
    preflight = await facts.preflight()
    if preflight.at("server", "in_recovery"):
        return failed(
            "the database is a replica, or in recovery: it takes no writes",
            "set SUPABASE_URL to the primary; a database that recovers has to finish first",
        )
    if preflight.at("server", "default_read_only"):
        by = preflight.at("server", "read_only_by")
        reset = "reset default_transaction_read_only"
        if by in {"user", "database user"}:
            where = " in database postgres" if by == "database user" else ""
            return failed(
                "the API's role may only read: default_transaction_read_only is on for it",
                f"alter role authenticator{where} {reset}; then restart the API, whose "
                "connections keep the setting",
            )
        return failed(
            "the database is read-only (default_transaction_read_only is on), as the platform sets "
            "it when the disk is full",
            "free disk space, then, in a session that begins with set session characteristics as "
            f"transaction read write: alter database postgres {reset}",
        )
    return passed("the database takes writes")


@PROBES.add(
    "target.key",
    "the key may act as the service role",
    "the key's own form and claims",
    "it is an anon, publishable or other key",
    "set SUPABASE_SERVICE_ROLE_KEY to the project's service_role or secret key",
)
async def _key_role(facts: Facts) -> Finding:
    key = facts.context.target.key
    said = key.kind.value + (f", role {key.role}" if key.role else "")
    return passed(said) if may_be_service(key) else failed(said)


@PROBES.add(
    "target.key_project",
    "key and URL belong to one project",
    "the project ref in URL and key",
    "they name different projects",
    "take URL and key from the same project's API settings",
)
async def _key_project(facts: Facts) -> Finding:
    target = facts.context.target
    in_url, in_key = project_ref(target.host), target.key.ref
    if in_key is None:
        return passed("the key names no project; that it is accepted has to do")
    if in_url is None:
        return passed(f"the key is of project {in_key}; the URL names none")
    if in_url != in_key:
        return failed(f"the URL is of project {in_url}, the key of project {in_key}")
    return passed(f"project {in_key}, in the URL and in the key")


@PROBES.add(
    "target.expiry",
    "the key is valid for long enough",
    "the key's exp claim",
    "it has expired (fails) or has under 14 days left (warns)",
    "make a new key in the project's API settings and set SUPABASE_SERVICE_ROLE_KEY",
)
async def _expiry(facts: Facts) -> Finding:
    ends = facts.context.target.key.expires_at
    if ends is None:
        return passed("the key does not expire")
    left = ends - datetime.now(UTC)
    if left <= timedelta():
        return failed(f"the key expired on {ends:%Y-%m-%d %H:%M} UTC")
    seen = f"the key expires on {ends:%Y-%m-%d %H:%M} UTC"
    return passed(seen) if left > _SOON else warned(seen)


@PROBES.add(
    "target.declared",
    "the database agrees about what it is",
    "declared_environment of the preflight function",
    "it declares itself production, or by a word that is not known to be harmless, and the "
    "console takes it for something else",
    "point SUPABASE_URL elsewhere, or add the host to HEATMAP_VERIFY_PROD_HOSTS",
    needs=("schema.preflight",),
)
async def _declared(facts: Facts) -> Finding:
    target = facts.context.target
    word = (await facts.preflight()).at("declared_environment")
    if word is not None and not isinstance(word, str):
        return failed(f"declared_environment is no text but {type(word).__name__}", APPLY_PREFLIGHT)
    told = declared_by_database(target, word)
    if told.kind is not target.kind:
        return failed(f"{told.reason}; taken for {target.kind.value}")
    said = f"declares itself {word}" if word else "declares nothing"
    return passed(f"the database {said}; taken for {target.kind.value}: {target.reason}")


@PROBES.add(
    "target.env_file",
    "the file with the keys is private",
    "mode of the environment file; git ls-files, git check-ignore",
    "it is committed to git (fails); others may read it, or git does not ignore it (warns)",
    "chmod 600 the file and add it to .gitignore",
)
async def _env_file(facts: Facts) -> Finding:
    path = facts.context.settings.env_file
    if path is None:
        return passed("no environment file is in use")
    return await asyncio.to_thread(_judge_file, path)


def _judge_file(path: Path) -> Finding:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return warned(f"{path} cannot be looked at: {error.strerror}")
    if _git(path, "ls-files", "--error-unmatch") == 0:
        return failed(
            f"{path.name} is committed to git",
            f"git rm --cached {path.name}, add it to .gitignore, and replace the keys in it",
        )
    problems, hints = [], []
    if sys.platform != "win32" and mode & 0o077:
        problems.append(f"others on this machine may read it (mode {mode:04o})")
        hints.append(f"chmod 600 {path.name}")
    if _git(path, "rev-parse", "--git-dir") == 0 and _git(path, "check-ignore", "-q") == 1:
        problems.append("git does not ignore it")
        hints.append("add it to .gitignore")
    if problems:
        return warned(f"{path.name}: {', and '.join(problems)}", "; ".join(hints))
    return passed(f"{path.name} is private, and git will not take it")


def _git(path: Path, *command: str) -> int | None:
    """Exit code of a git command about a file; None where there is no git."""
    about = [] if command[0] == "rev-parse" else ["--", path.name]
    try:
        return subprocess.run(
            ["git", *command, *about],
            cwd=path.resolve().parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=5,
            check=False,
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        return None
