from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.errors import ExitCode, GuardRefused
from tui.guard.break_glass import (
    APPROVAL_LIFETIME,
    Approval,
    Moment,
    WritePermission,
    authorize_write,
    confirm_unattended,
    effects_of_cycle,
    grant,
    judge_justification,
    tidy,
)
from tui.guard.target import Target, classify, declared_by_database
from tui.redact import remember
from tui.settings import Volume

REF = "prodprodprodprodprod"
KEY = "sb_secret_abcdefghijklmnop"
REASON = "Hotfix for the broken accuracy column, agreed with the head of teaching"
NOW = Moment(1000.0, datetime(2026, 3, 1, 12, tzinfo=UTC))


def target(url: str = f"https://{REF}.supabase.co", word: str | None = None) -> Target:
    found = classify(url, KEY, non_prod_hosts=["staging.example.org", "localhost"])
    return declared_by_database(found, word)


PROD = target()
OTHER = target("https://otherotherotherother.supabase.co")
STAGING = target("https://staging.example.org")
LOCAL = target("http://localhost:54321")


@dataclass
class Announced:
    target_identity: str = REF
    is_open: bool = True


def later(**span: float) -> Moment:
    delta = timedelta(**span)
    return Moment(NOW.monotonic + delta.total_seconds(), NOW.utc + delta)


def approval(at: Target = PROD, now: Moment = NOW) -> Approval:
    return grant(at, confirmation=at.identity, justification=REASON, dry_run_ready=True, now=now)


def refusal(caught: pytest.ExceptionInfo[GuardRefused]) -> str:
    error = caught.value
    assert error.exit_code is ExitCode.REFUSED
    assert error.hint
    assert "\n" not in error.message + error.hint
    assert KEY not in error.message + error.hint
    return error.message


# --- the gate -------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [STAGING, LOCAL])
@pytest.mark.parametrize("allow_prod", [False, True])
def test_the_gate_opens_at_once_where_nothing_is_at_stake(at: Target, allow_prod: bool) -> None:
    permission = authorize_write(at, allow_prod=allow_prod, now=NOW)
    permission.require(at)
    assert permission.target is at
    assert permission.approval is None


@pytest.mark.parametrize("at", [PROD, STAGING, LOCAL])
def test_it_stays_shut_until_the_database_was_asked(at: Target) -> None:
    with pytest.raises(GuardRefused) as caught:
        authorize_write(
            replace(at, asked_database=False),
            allow_prod=True,
            approval=approval(at),
            intent=Announced(at.identity),
            now=NOW,
        )
    assert "database could not be asked" in refusal(caught)
    # A dry run never asks it anew: it says what stands in the way.
    assert "analytics_heatmap_preflight() has to answer" in str(caught.value.hint)


@pytest.mark.parametrize(("allow_prod", "with_approval", "intent", "lacking"), [
    (False, False, None, "--allow-prod was not given"),
    (False, True, Announced(), "--allow-prod was not given"),
    (True, False, Announced(), "nobody confirmed it"),
    (True, True, None, "the deployment log does not announce it"),
    (True, True, Announced(is_open=False), "the deployment log does not announce it"),
    (True, True, Announced("otherotherotherother"), "the deployment log does not announce it"),
])  # fmt: skip
def test_production_takes_all_three(
    allow_prod: bool, with_approval: bool, intent: Announced | None, lacking: str
) -> None:
    obtained = approval() if with_approval else None
    with pytest.raises(GuardRefused) as caught:
        authorize_write(PROD, allow_prod=allow_prod, approval=obtained, intent=intent, now=NOW)
    message = refusal(caught)
    assert lacking in message
    assert PROD.reason in message
    hint = caught.value.hint or ""
    assert "HEATMAP_VERIFY_NON_PROD_HOSTS" in hint
    assert f"--allow-prod --confirm {REF}" in hint
    # A refusal uses nothing up.
    assert obtained is None or obtained.problem(PROD, NOW) is None


@pytest.mark.parametrize("url", ["http://localhost:54321", "https://staging.example.org"])
def test_a_database_that_says_production_shuts_the_gate(url: str) -> None:
    with pytest.raises(GuardRefused) as caught:
        authorize_write(target(url, "production"), allow_prod=False, now=NOW)
    assert "the database declares itself production" in refusal(caught)


def test_a_permission_is_for_one_target_and_one_run() -> None:
    obtained = approval()
    permission = authorize_write(
        PROD, allow_prod=True, approval=obtained, intent=Announced(), now=NOW
    )
    permission.require(PROD)
    with pytest.raises(GuardRefused, match="permitted on"):
        permission.require(OTHER)
    with pytest.raises(GuardRefused, match="that run was started"):
        authorize_write(PROD, allow_prod=True, approval=obtained, intent=Announced(), now=NOW)
    with permission:
        permission.require(PROD)
    with pytest.raises(GuardRefused, match="is over"):
        permission.require(PROD)
    permission.revoke()


def test_a_running_run_may_outlive_its_approval_to_clean_up() -> None:
    permission = authorize_write(
        PROD, allow_prod=True, approval=approval(), intent=Announced(), now=later(minutes=14)
    )
    permission.require(PROD)


def test_a_target_that_turns_out_to_be_production_closes_an_open_permission() -> None:
    permission = authorize_write(STAGING, allow_prod=False, now=NOW)
    with pytest.raises(GuardRefused, match="not known to be production"):
        permission.require(declared_by_database(STAGING, "production"))


def test_neither_permit_nor_permission_can_be_made_elsewhere() -> None:
    with pytest.raises(TypeError, match=r"tui\.guard\.break_glass alone"):
        Approval(object(), PROD, REASON, None, NOW)
    with pytest.raises(TypeError, match=r"tui\.guard\.break_glass alone"):
        WritePermission(None, PROD, None)
    for made in (approval(), authorize_write(LOCAL, allow_prod=False, now=NOW)):
        with pytest.raises(AttributeError):
            made.extra = 1  # type: ignore[union-attr]


# --- approvals ---


def test_an_approval_remembers_what_was_typed() -> None:
    obtained = grant(
        PROD,
        confirmation=REF,
        justification=f"  {REASON}\n\x1b[2J ",
        ticket=" OPS-7\n",
        dry_run_ready=True,
        now=NOW,
    )
    assert obtained.justification == f"{REASON} [2J"
    assert obtained.ticket == "OPS-7"
    assert obtained.target is PROD
    assert obtained.granted_at is NOW


@pytest.mark.parametrize(
    "confirmation",
    [
        "",
        "yes",
        "true",
        REF[:-1],
        f"{REF} ",
        f" {REF}",
        REF.upper(),
        f"{REF}.supabase.co",
        f"{REF}\n",
    ],
)
def test_the_name_must_be_typed_to_the_letter(confirmation: str) -> None:
    with pytest.raises(GuardRefused) as caught:
        grant(PROD, confirmation=confirmation, justification=REASON, dry_run_ready=True, now=NOW)
    assert f"the target is {REF}" in refusal(caught)


def test_no_approval_without_a_ready_dry_run_or_a_reason() -> None:
    with pytest.raises(GuardRefused, match="no dry run was ready in this session"):
        grant(PROD, confirmation=REF, justification=REASON, dry_run_ready=False, now=NOW)
    with pytest.raises(GuardRefused, match="justification has 6 characters"):
        grant(PROD, confirmation=REF, justification="hotfix", dry_run_ready=True, now=NOW)


@pytest.mark.parametrize(("moment", "open_"), [
    (NOW, True),
    (later(minutes=14, seconds=59), True),
    (later(minutes=15), False),
    (later(hours=5), False),
    # The machine slept, and its monotonic clock with it.
    (Moment(NOW.monotonic + 60, NOW.utc + timedelta(minutes=20)), False),
    # Somebody set the clock back.
    (Moment(NOW.monotonic + 901, NOW.utc - timedelta(hours=1)), False),
])  # fmt: skip
def test_an_approval_lives_fifteen_minutes_on_either_clock(moment: Moment, open_: bool) -> None:
    obtained = approval()
    assert (obtained.problem(PROD, moment) is None) == open_
    if open_:
        obtained.consume(PROD, moment)
    else:
        with pytest.raises(GuardRefused, match="expired 15 minutes"):
            obtained.consume(PROD, moment)
    assert timedelta(minutes=15) == APPROVAL_LIFETIME


def test_an_approval_is_for_its_target_and_its_address() -> None:
    obtained = approval()
    for other in (OTHER, replace(PROD, url="http://localhost:54321"), LOCAL):
        with pytest.raises(GuardRefused, match="approval is for"):
            obtained.consume(other, NOW)
    obtained.consume(PROD, NOW)


def test_of_many_runs_started_at_once_one_gets_the_approval() -> None:
    obtained = approval()
    barrier = threading.Barrier(8)
    outcomes: list[bool] = []

    def start() -> None:
        barrier.wait(timeout=30)
        try:
            obtained.consume(PROD, NOW)
        except GuardRefused:
            outcomes.append(False)
        else:
            outcomes.append(True)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(outcomes) == [False] * 7 + [True]


def test_the_present_is_read_from_both_clocks() -> None:
    first, second = Moment.now(), Moment.now()
    assert second.since(first) >= timedelta(0)
    assert first.utc.tzinfo is UTC


# --- pipelines ------------------------------------------------------------------------------------


def test_a_pipeline_must_name_the_project() -> None:
    confirm_unattended(PROD, REF)


@pytest.mark.parametrize(("value", "told"), [
    (None, "no terminal"), ("", "no terminal"), ("true", "only yes"), ("1", "only yes"),
    ("YES", "only yes"), (" on ", "only yes"), ("otherotherotherother", "something else"),
    (f"{REF} ", "something else"), (REF.upper(), "something else"), ("*", "something else"),
])  # fmt: skip
def test_a_pipeline_that_says_less_is_refused(value: str | None, told: str) -> None:
    with pytest.raises(GuardRefused) as caught:
        confirm_unattended(PROD, value)
    assert told in refusal(caught)
    assert f"HEATMAP_VERIFY_ALLOW_PROD_UNATTENDED={REF}" in (caught.value.hint or "")


# --- the justification ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "Hotfix for the broken accuracy column, agreed with the head of teaching",
    "OPS-1412: refresh after restoring last night's backup",
    "Restoring basic functionality of the admin heatmap after incident 4711",
    "Stale cookie, session and caching layers hide the view: refreshing it",
    "Überprüfung nach dem Wiederherstellen der Sicherung",
    "дежурный проверяет витрину после восстановления базы",
    "本番の集計ビューが更新されないため、緊急に検証を行います。",
    "  Rebuilt   the view after  the failed migration, see runbook  ",
])  # fmt: skip
def test_a_reason_will_do(text: str) -> None:
    assert judge_justification(text) is None


@pytest.mark.parametrize(("text", "problem"), [
    ("", "is empty"),
    ("   \n\t \u200b\u202e ", "is empty"),
    ("hotfix", "6 characters"),
    ("hotfix" + " " * 40 + "now", "10 characters"),
    ("fix" + "\u200b" * 11 + " the view", "12 characters"),
    ("a" * 40, "different words"),
    ("." * 40, "different words"),
    ("hotfix deploy hotfix Deploy HOTFIX", "different words"),
    ("あ" * 30, "different words"),
    ("the key is sb_secret_" + "abcdefghijklmnopqrstuvw_12345678", "holds a key"),
    ("connect to postgresql://postgres:hunter2@db.example/x please", "holds a key"),
])  # fmt: skip
def test_what_is_no_reason_is_told_why(text: str, problem: str) -> None:
    assert problem in (judge_justification(text) or "it was accepted")


def test_our_own_key_is_no_reason_in_whatever_form() -> None:
    remember("plainly-a-key-0123456789")
    assert "holds a key" in (judge_justification("It is plainly-a-key-0123456789 of ours") or "")


@given(st.text(max_size=200))
def test_any_text_is_judged_and_tidied_to_one_visible_line(text: str) -> None:
    judge_justification(text)
    tidied = tidy(text)
    assert tidied.isprintable() or tidied == ""
    assert len(tidied.splitlines()) <= 1
    assert tidy(tidied) == tidied
    assert len(tidied) >= 20 or judge_justification(text)


def test_the_effects_are_counted_in_words() -> None:
    told = " ".join(effects_of_cycle(Volume(users=1, questions=200)))
    assert "1 user, 200 questions, 200 responses" in told
