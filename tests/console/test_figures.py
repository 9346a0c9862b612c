"""What screens show, computed: the checklist, what enter does, tiles, spans, progress, balance."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.console.fakes import (
    PRODUCTION,
    STAGING,
    Clock,
    FakeSession,
    Moment,
    cycle_events,
    dry_run_events,
    failing,
    make_target,
    probes,
)
from tui.console import theme
from tui.console.app import Preferences
from tui.console.figures import (
    Onward,
    StepState,
    balance,
    checklist,
    expected_duration,
    headless_command,
    like_before,
    onward,
    probe_groups,
    progress,
    restart_command,
    tiles,
)
from tui.console.screens.run import verdict_band, waterfall
from tui.console.state import CHECKLIST, Rates, State, View
from tui.console.theme import ASCII, UNICODE
from tui.console.widgets.frame import BannerText, banner_of
from tui.errors import ConfigurationError
from tui.verify.events import (
    AuditFinished,
    CheckFinished,
    Mode,
    Outcome,
    ProbeStatus,
    RunFinished,
    Stage,
    StageProgress,
    Tally,
)
from tui.verify.result import Result

if TYPE_CHECKING:
    from pathlib import Path

    from tests.console.recorded import Script

BROKEN = failing("schema.index", "the index is gone", "apply sql/analytics_heatmap.sql")


def state_of(session: FakeSession | None = None, *, allow_prod: bool = False) -> State:
    """A state with a session, as after connecting."""
    state = State(Clock(), lambda: None, allow_prod=allow_prod, place="opening https://x")
    state.session = session  # type: ignore[assignment]
    return state


def folded(script: Script, mode: Mode, clock: Clock | None = None) -> Result:
    """What a script comes to."""
    clock = clock or Clock()
    result = Result(mode, clock)
    began = clock.now
    for item in script:
        if isinstance(item, Moment):
            clock.now = began + item.at
        else:
            result.apply(item)
    return result


def ready() -> Result:
    return folded(dry_run_events(make_target(), probes()), Mode.DRY_RUN)


def verified(clock: Clock | None = None) -> Result:
    return folded(cycle_events(make_target()), Mode.CYCLE, clock)


def test_enter_goes_on_from_step_to_step() -> None:
    state = state_of(FakeSession())
    assert onward(state, View.TARGET)[0] is Onward.PROBE
    state.dry_run = ready()
    assert onward(state, View.TARGET)[0] is View.DRY_RUN
    assert onward(state, View.DRY_RUN)[0] is View.REVIEW
    assert onward(state, View.REVIEW)[0] is Onward.START
    state.run = verified()
    assert onward(state, View.RUN)[0] is View.EVIDENCE


def test_enter_asks_again_what_was_not_ready_and_tries_again_what_did_not_connect() -> None:
    state = state_of(FakeSession())
    state.dry_run = folded(dry_run_events(make_target(), probes(BROKEN)), Mode.DRY_RUN)
    assert onward(state, View.DRY_RUN)[0] is Onward.PROBE
    assert onward(state, View.REVIEW)[0] is Onward.WAIT
    state.session, state.connect_error = None, ConfigurationError("no such host")
    assert onward(state, View.TARGET)[0] is Onward.CONNECT


def test_leftovers_lead_to_the_purge() -> None:
    state = state_of(FakeSession())
    result = folded(cycle_events(make_target())[:8], Mode.CYCLE)
    result.apply(RunFinished(Outcome.LEFTOVERS, "left", None, 1.0))
    state.run = result
    assert onward(state, View.RUN)[0] is Onward.PURGE


def test_some_step_is_always_the_one_to_look_at() -> None:
    now = {StepState.NOW, StepState.BUSY, StepState.PROBLEM}
    for target, allow in ((PRODUCTION, False), (PRODUCTION, True), (STAGING, False)):
        state = state_of(FakeSession(target, is_sandbox=False), allow_prod=allow)
        assert any(step.state in now for step in checklist(state))
        state.dry_run = ready()
        assert [step.view for step in checklist(state) if step.state in now] == [View.REVIEW]
    state = state_of()
    assert any(step.state in now for step in checklist(state))


def test_a_step_tells_its_fact() -> None:
    state = state_of(FakeSession())
    state.dry_run, state.run = ready(), verified()
    facts = [step.fact for step in checklist(state)]
    assert facts[:3] == ["sandbox", f"{len(probes())}/{len(probes())} 0.4 s", "10,000 rows"]
    assert facts[3].endswith("s")
    assert [step.view for step in checklist(state)] == list(CHECKLIST)


def test_production_says_how_it_would_be_opened_for_writing() -> None:
    settings = replace(FakeSession().settings, env_file=None)
    session = FakeSession(PRODUCTION, is_sandbox=False, settings=settings)
    assert restart_command(session) == "heatmap-tui --allow-prod"  # type: ignore[arg-type]
    command = headless_command(session, View.RUN)  # type: ignore[arg-type]
    assert "--allow-prod --confirm zyxwvutsrqponmlkjihg" in command
    sandbox = FakeSession()
    assert (
        headless_command(sandbox, View.RUN, refresh_runs=5)  # type: ignore[arg-type]
        == "heatmap-tui --headless --sandbox --refresh-runs 5"
    )
    assert (
        headless_command(sandbox, View.DRY_RUN)  # type: ignore[arg-type]
        == "heatmap-tui --dry-run --sandbox"
    )


def test_groups_count_and_are_clean_where_nothing_asks_for_attention() -> None:
    groups = probe_groups(folded(dry_run_events(make_target(), probes(BROKEN)), Mode.DRY_RUN))
    assert sum(len(each.probes) for each in groups) == len(probes())
    by_name = {each.name: each for each in groups}
    assert by_name["Schema"].count(ProbeStatus.FAIL) == 1
    assert [each.name for each in groups if not each.is_clean] == ["Schema"]


def test_the_balance_adds_up_and_says_what_was_not_counted() -> None:
    session = FakeSession()
    rows = {"users": 62, "questions": 54, "responses": None, "view rows": 576}
    table = {row[0]: row[1:] for row in balance(session, rows)}  # type: ignore[arg-type]
    assert table["users"] == ("62", "+50 = 112", "62")
    assert table["responses"] == ("not counted", "+10,000", "as before")
    assert balance(session, None)[0][1] == "..."  # type: ignore[arg-type]


def stage_lines(result: Result) -> dict[Stage, str]:
    """The lines of the stages as the screen of a run shows them."""
    lines = waterfall(result, 0.0, UNICODE, 120).plain.split("\n")
    return dict(zip(result.stages, lines, strict=True))


def test_stages_stand_where_they_were_in_time() -> None:
    lines = stage_lines(verified())
    users, responses = lines[Stage.USERS], lines[Stage.RESPONSES]
    begun = responses.index(UNICODE.bar_full)
    assert begun >= users.rindex(UNICODE.bar_full), "responses follow their users"
    assert all(line.startswith(UNICODE.done) for line in lines.values())
    assert not any("stopped" in line for line in lines.values())


def test_a_stage_that_a_stop_ended_is_told_as_stopped() -> None:
    events = [each for each in cycle_events(make_target()) if not isinstance(each, Moment)]
    middle = next(
        place
        for place, each in enumerate(events)
        if isinstance(each, StageProgress) and each.stage is Stage.RESPONSES
    )
    result = folded([*events[: middle + 1]], Mode.CYCLE)
    result.cancelling = "esc was pressed"
    result.apply(RunFinished(Outcome.INTERRUPTED, "stopped", None, 1.0))
    lines = stage_lines(result)
    assert lines[Stage.RESPONSES].startswith(UNICODE.warn)
    assert "stopped" in lines[Stage.RESPONSES]
    assert "not run" in lines[Stage.REFRESH]


def test_progress_grows_and_ends_whole() -> None:
    clock = Clock()
    result = Result(Mode.CYCLE, clock)
    seen = [0.0]
    began = clock.now
    for item in cycle_events(make_target()):
        if isinstance(item, Moment):
            clock.now = began + item.at
            continue
        result.apply(item)
        fraction, left = progress(result, clock.now)
        assert fraction >= seen[-1] - 1e-9
        assert left is None or left >= 0
        seen.append(fraction)
    assert seen[-1] == 1.0
    assert any(0.3 < each < 0.9 for each in seen)


def test_tiles_say_what_is_right_and_what_is_not() -> None:
    good = {each.title: each for each in tiles(verified(), [])}
    assert good["Aggregates right"].value == "1,600/1,600"
    assert good["Left behind"].value == "nothing"
    assert good["View"].good is True
    result = verified()
    result.check = CheckFinished(1600, 1344, 256, 0, 0)
    result.audit = AuditFinished(Tally(1, 2, 3), view_restored=False, explanation="other rows")
    bad = {each.title: each for each in tiles(result, [])}
    assert bad["Aggregates right"].good is False
    assert bad["Aggregates right"].note == "256 differ"
    assert bad["Left behind"].note == "1 user, 2 questions, 3 responses"
    assert bad["View"].value == "changed"


def test_earlier_runs_of_the_volume_tell_how_long_one_takes() -> None:
    session = FakeSession()
    state = state_of(session)
    assert "no run" in expected_duration(state)
    session.remember(200, 220, 210)
    state.history = session.archive.history.read()
    assert "the last 3 of this volume" in expected_duration(state)
    assert len(like_before(state)) == 3
    refresh = tiles(verified(), like_before(state))[0]
    assert len(refresh.past) == 4, "three earlier runs, and this one"


def test_rates_are_rows_a_second_over_the_run() -> None:
    rates = Rates(100.0)
    rates.add(StageProgress(Stage.RESPONSES, 500, 10_000), 100.1)
    rates.add(StageProgress(Stage.RESPONSES, 1_500, 10_000), 100.3)
    rates.add(StageProgress(Stage.CLEANUP_RESPONSES, 300, 1_500), 100.6)
    assert rates.per_second(100.8) == [2_000.0, 4_000.0, 1_200.0]
    assert rates.batch == 300


@pytest.mark.parametrize(
    ("outcome", "sign"),
    [
        (Outcome.VERIFIED, UNICODE.done),
        (Outcome.CLEAN, UNICODE.done),
        (Outcome.INTERRUPTED, UNICODE.warn),
        (Outcome.REFUSED, UNICODE.warn),
        (Outcome.FAILED, UNICODE.bad),
        (Outcome.LEFTOVERS, UNICODE.bad),
        (Outcome.UNREACHABLE, UNICODE.bad),
    ],
)
def test_a_verdict_is_a_sign_a_word_and_a_sentence(outcome: Outcome, sign: str) -> None:
    result = Result(Mode.CYCLE)
    ended = RunFinished(outcome, f"{outcome.value}: so it went", "do this", 1.0)
    result.apply(ended)
    first, second, third = verdict_band(result, UNICODE, "").plain.split("\n")
    assert first.startswith(f"{sign} {outcome.value.upper()}")
    assert second.strip() == "so it went", "its word stands there once"
    assert third.strip() == "do this"
    assert verdict_band(result, ASCII, "").plain.isascii()


def test_the_banner_names_place_kind_and_reason() -> None:
    def banner(session: FakeSession | None) -> BannerText:
        return banner_of(state_of(session))

    local = banner(FakeSession(is_sandbox=False))
    assert (local.kind, local.where) == ("local", "127.0.0.1:54321")
    assert banner(FakeSession()).kind == "sandbox"
    assert banner(FakeSession(PRODUCTION)).kind == "production"
    assert (
        banner(FakeSession(STAGING, is_sandbox=False)).reason
        == "is declared in HEATMAP_VERIFY_NON_PROD_HOSTS"
    )
    assert banner(None).kind == "opening"
    failed = state_of()
    failed.connect_error = ConfigurationError("no")
    assert banner_of(failed).kind == "not connected"


def test_choices_are_remembered_and_nonsense_is_not_taken(tmp_path: Path) -> None:
    assert Preferences.load(tmp_path) == Preferences()
    chosen = Preferences(theme.LIGHT_NAME, tells_of_the_end=False)
    assert chosen.save(tmp_path) is None
    assert Preferences.load(tmp_path) == chosen
    (tmp_path / "preferences.json").write_text('{"theme": "dracula", "tells_of_the_end": 1}')
    assert Preferences.load(tmp_path) == Preferences()
    (tmp_path / "preferences.json").write_text("[]")
    assert Preferences.load(tmp_path) == Preferences()
