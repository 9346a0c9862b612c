from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.heatmap.samples import aggregate_rows, row
from tui.heatmap.grid import (
    FADED,
    LEVELS,
    ZERO,
    ColumnAxis,
    GridSpec,
    Metric,
    Order,
    Origin,
    RowAxis,
    Scale,
    build_grid,
    cell_of,
    position,
    wilson_lower,
)
from tui.heatmap.rows import AggregateRow


def naive_row(axis: RowAxis, each: AggregateRow) -> object:
    match axis:
        case RowAxis.LESION:
            return each.lesion
        case RowAxis.TOPIC:
            return each.topic
        case RowAxis.QUESTION:
            return each.question_id.int
        case RowAxis.LESION_TOPIC:
            return (each.lesion, each.topic)


def naive_value(rows: list[AggregateRow], metric: Metric) -> Fraction | None:
    attempts = sum(each.attempts for each in rows)
    if metric is Metric.ATTEMPTS:
        return Fraction(attempts)
    if metric is Metric.ACCURACY:
        return Fraction(sum(each.correct_attempts for each in rows), attempts)
    timed = [each for each in rows if each.median_duration_ms is not None]
    if not timed:
        return None
    weights = sum(each.attempts for each in timed)
    return sum(
        (Fraction(each.median_duration_ms) * each.attempts for each in timed), Fraction(0)
    ) / Fraction(weights)


@given(
    rows=aggregate_rows(),
    axis=st.sampled_from(RowAxis),
    columns=st.sampled_from(ColumnAxis),
    metric=st.sampled_from(Metric),
    order=st.sampled_from(Order),
    text=st.sampled_from(["", "tear", "TEAR", "no lesion", "b a", "000000000001"]),
    origin=st.sampled_from(Origin),
    synthetic=st.sets(st.integers(1, 6).map(lambda number: UUID(int=number))),
)
def test_every_cell_equals_a_naive_computation(
    rows, axis, columns, metric, order, text, origin, synthetic
):
    grid = build_grid(
        rows,
        GridSpec(
            axis, columns, metric, order, text, origin, frozenset(synthetic), scale=Scale.RANGE
        ),
    )

    labels = {each.key: each.label for each in grid.rows}
    kept = []
    for each in rows:
        if origin is Origin.SYNTHETIC and each.question_id not in synthetic:
            continue
        if origin is Origin.REAL and each.question_id in synthetic:
            continue
        kept.append(each)
    if text:
        # Independent of the code under test: the label is rebuilt from the stored tags.
        def shown(tag, absent):
            return absent if tag is None else tag or "(empty)"

        def haystack(each):
            lesion, topic = shown(each.lesion, "(no lesion)"), shown(each.topic, "(no topic)")
            return {
                RowAxis.LESION: lesion,
                RowAxis.TOPIC: topic,
                RowAxis.QUESTION: f"{each.question_id} {lesion} {topic}",
                RowAxis.LESION_TOPIC: f"{lesion} · {topic}",
            }[axis].casefold()

        kept = [
            each for each in kept if all(word in haystack(each) for word in text.casefold().split())
        ]

    assert grid.rows_read == len(rows)
    assert grid.rows_used == len(kept)
    assert len(labels) == len(grid.rows) == len({naive_row(axis, each) for each in kept})
    expected: dict[tuple[object, object], list[AggregateRow]] = {}
    for each in kept:
        column = each.week if columns is ColumnAxis.WEEK else each.topic
        expected.setdefault((naive_row(axis, each), column), []).append(each)

    seen = set()
    for place, grid_row in enumerate(grid.rows):
        mine = [each for each in kept if naive_row(axis, each) == grid_row.key]
        assert grid_row.total.attempts == sum(each.attempts for each in mine)
        assert grid_row.total.correct == sum(each.correct_attempts for each in mine)
        assert close(grid_row.total.value(metric), naive_value(mine, metric))
        for number, column in enumerate(grid.columns):
            key = (grid_row.key, column.week if columns is ColumnAxis.WEEK else column.key)
            cell, source = grid.cell(place, number), expected.get(key)
            if source is None:
                assert cell is None
                continue
            seen.add(key)
            assert cell is not None
            assert sorted(map(repr, cell.rows)) == sorted(map(repr, source))
            assert cell.attempts == sum(each.attempts for each in source)
            assert cell.correct == sum(each.correct_attempts for each in source)
            timed = [each for each in source if each.median_duration_ms is not None]
            assert cell.median_exact is (len(timed) <= 1)
            if len(timed) == 1:
                assert cell.median_ms == timed[0].median_duration_ms
            assert close(cell.value(metric), naive_value(source, metric))
    assert seen == set(expected)

    values = [v for v in (naive_value(each, metric) for each in expected.values()) if v is not None]
    scaled = [
        naive_value(each, metric)
        for each in expected.values()
        if sum(one.attempts for one in each) >= GridSpec().least
        and naive_value(each, metric) is not None
    ]
    low, high = grid.ends or (None, None)
    assert close(low, min(scaled or values, default=None))
    assert close(high, max(scaled or values, default=None))
    assert (grid.whole.total.attempts if grid.whole else 0) == sum(each.attempts for each in kept)
    for column, total in zip(grid.columns, column_totals(grid), strict=True):
        mine = [
            each
            for each in kept
            if (each.week if columns is ColumnAxis.WEEK else each.topic)
            == (column.week if columns is ColumnAxis.WEEK else column.key)
        ]
        assert (total.attempts if total else 0) == sum(e.attempts for e in mine)
        if total:
            assert close(total.value(metric), naive_value(mine, metric))


def column_totals(grid) -> list:
    return list(grid.whole.cells) if grid.whole else []


def close(value: float | None, expected: Fraction | None) -> bool:
    if value is None or expected is None:
        return value is None and expected is None
    return abs(Fraction(value) - expected) <= Fraction(1, 10**9) * max(1, abs(expected))


@given(rows=aggregate_rows(), order=st.sampled_from(Order), metric=st.sampled_from(Metric))
def test_order_does_not_depend_on_the_order_of_reading(rows, order, metric):
    spec = GridSpec(RowAxis.LESION_TOPIC, metric=metric, order=order)
    grid = build_grid(rows, spec)
    shuffled = [each.key for each in build_grid(rows[::-1], spec).rows]
    # Pairs that read the same, such as a stored "(no lesion)" and an absent one, may swap.
    looks = {each.key: (each.label, each.total.attempts) for each in grid.rows}
    assert [looks[key] for key in shuffled] == [looks[each.key] for each in grid.rows]


def test_accuracy_comes_from_summed_counts_not_from_rates():
    rows = [row(1, attempts=1, correct=1), row(2, attempts=99, correct=0)]
    cell = build_grid(rows, GridSpec()).cell(0, 0)
    assert cell.value(Metric.ACCURACY) == pytest.approx(0.01)
    assert cell.short(Metric.ACCURACY, 4) == "1%"


def test_a_median_over_several_rows_is_weighted_and_says_so():
    rows = [row(1, attempts=3, median=1000), row(2, attempts=1, median=2000)]
    cell = build_grid(rows, GridSpec()).cell(0, 0)
    assert (cell.median_ms, cell.median_exact) == (Decimal(1250), False)
    assert cell.short(Metric.MEDIAN, 6).startswith("≈")
    assert "weighted median time ≈ 1.3 s" in cell.describe()


def test_a_median_is_exact_when_one_row_holds_all_durations():
    rows = [row(1, median="1500.5"), row(2, median=None)]
    cell = build_grid(rows, GridSpec()).cell(0, 0)
    assert (cell.median_ms, cell.median_exact) == (Decimal("1500.5"), True)
    assert "median time 1.5005 s" in cell.describe()
    assert "weighted" not in cell.describe()


def test_a_cell_without_durations_has_no_median_and_sorts_last():
    rows = [row(1, lesion="none", median=None), row(2, lesion="fast", median=1)]
    grid = build_grid(rows, GridSpec(metric=Metric.MEDIAN))
    assert [each.label for each in grid.rows] == ["fast", "none"]
    assert grid.cell(1, 0).value(Metric.MEDIAN) is None
    assert "no durations" in grid.cell(1, 0).describe()


def test_weeks_without_rows_are_columns_without_data():
    grid = build_grid([row(week=0), row(week=5)], GridSpec())
    assert [column.week for column in grid.columns] == [
        date(2025, 12, 1) + timedelta(weeks=number) for number in range(6)
    ]
    assert [total is None for total in column_totals(grid)] == [False, *[True] * 4, False]
    assert grid.cell(0, 3) is None


@pytest.mark.parametrize("day", [date(1970, 1, 1), date(2000, 2, 28), date(2100, 12, 31)])
def test_a_week_is_the_iso_week(day):
    monday = day - timedelta(days=day.weekday())
    rows = [AggregateRow(UUID(int=1), None, None, monday.isoformat(), 1, 1, Decimal(1), None)]
    assert build_grid(rows, GridSpec()).columns[0].week == monday


def test_an_absent_tag_is_not_a_stored_one_that_reads_the_same():
    rows = [row(1, lesion=None), row(2, lesion="(no lesion)"), row(3, lesion="")]
    grid = build_grid(rows, GridSpec(order=Order.LABEL))
    assert [(each.key, each.label) for each in grid.rows] == [
        ("", "(empty)"),
        ("(no lesion)", "(no lesion)"),
        (None, "(no lesion)"),
    ]


@pytest.mark.parametrize(
    ("metric", "first"),
    [(Metric.ACCURACY, "wrong"), (Metric.ATTEMPTS, "rare"), (Metric.MEDIAN, "slow")],
)
def test_worst_first(metric, first):
    rows = [
        row(1, lesion="wrong", attempts=10, correct=1, median=10),
        row(2, lesion="rare", attempts=1, correct=1, median=20),
        row(3, lesion="slow", attempts=10, correct=9, median=30),
    ]
    assert build_grid(rows, GridSpec(metric=metric)).rows[0].label == first


def test_most_attempts_first_and_by_label():
    rows = [row(1, lesion="b", attempts=9), row(2, lesion="A", attempts=5), row(3, lesion=None)]
    by_attempts = build_grid(rows, GridSpec(order=Order.ATTEMPTS))
    assert [each.label for each in by_attempts.rows] == ["b", "A", "(no lesion)"]
    by_label = build_grid(rows, GridSpec(order=Order.LABEL))
    assert [each.label for each in by_label.rows] == ["A", "b", "(no lesion)"]


def test_questions_are_named_where_a_name_is_known():
    spec = GridSpec(RowAxis.QUESTION, names={UUID(int=1): "knee-\x1b[31m-1"}, order=Order.LABEL)
    labels = {each.label for each in build_grid([row(1), row(2)], spec).rows}
    assert labels == {"knee-\ufffd[31m-1", "00000000"}


def test_every_word_of_a_filter_must_occur_in_upper_or_lower_case():
    rows = [row(1, lesion="rotator cuff tear"), row(2, lesion="Cuff"), row(3, lesion="tear")]
    grid = build_grid(rows, GridSpec(text="  TEAR cuff "))
    assert [each.label for each in grid.rows] == ["rotator cuff tear"]
    assert (grid.rows_used, grid.rows_read) == (1, 3)


def test_a_filter_on_questions_also_finds_id_lesion_and_topic():
    rows = [row(1, lesion="cyst"), row(2, topic="hip"), row(3)]
    for text, number in (("cyst", 1), ("hip", 2), ("0003", 3)):
        grid = build_grid(rows, GridSpec(RowAxis.QUESTION, text=text))
        assert [each.key for each in grid.rows] == [number]


def test_scale_of_each_metric():
    rows = [row(1, week=0, attempts=4, median=100), row(1, week=1, attempts=8, median=300)]
    scales = {
        (metric, scale): build_grid(rows, GridSpec(metric=metric, scale=scale, least=1)).ends
        for metric in Metric
        for scale in Scale
    }
    assert scales == {
        (Metric.ACCURACY, Scale.FIXED): (0.0, 1.0),
        (Metric.ACCURACY, Scale.RANGE): (0.25, 0.5),
        (Metric.ACCURACY, Scale.DEVIATION): (pytest.approx(1 / 6), 0.5),
        (Metric.ATTEMPTS, Scale.FIXED): (0.0, 8.0),
        (Metric.ATTEMPTS, Scale.RANGE): (4.0, 8.0),
        (Metric.ATTEMPTS, Scale.DEVIATION): (4.0, 8.0),
        (Metric.MEDIAN, Scale.FIXED): (0.0, 300.0),
        (Metric.MEDIAN, Scale.RANGE): (100.0, 300.0),
        (Metric.MEDIAN, Scale.DEVIATION): (100.0, pytest.approx(1100 / 3)),
    }
    spec = GridSpec(metric=Metric.MEDIAN, scale=Scale.RANGE, least=1)
    grid = build_grid(rows, spec)
    assert [position(value, grid.ends) for value in (0, 100, 200, 300, 999)] == [0, 0, 0.5, 1, 1]
    assert position(100, build_grid(rows[:1], spec).ends) == 0.5


def test_an_empty_grid_is_empty():
    grid = build_grid([], GridSpec())
    assert (grid.rows, grid.columns, grid.whole, grid.ends) == ((), (), None, None)
    assert build_grid([row()], GridSpec(text="nothing like it")).rows_read == 1


def test_cells_of_few_attempts_are_faded_and_do_not_stretch_the_scale():
    rows = [
        row(1, week=0, attempts=10, correct=4),
        row(1, week=1, attempts=10, correct=6),
        row(1, week=2, attempts=1, correct=0),
        row(1, week=3, attempts=5, correct=0),
    ]
    spec = GridSpec(scale=Scale.RANGE, least=5)
    [levels] = [each.levels for each in build_grid(rows, spec).rows]
    assert build_grid(rows[:3], spec).ends == (0.4, 0.6)
    assert list(levels) == [1 + int(0.4 / 0.6 * LEVELS), LEVELS, ZERO + FADED, ZERO]
    everything = build_grid(rows[2:3], spec)
    assert everything.ends == (0.0, 0.0), "where all are faded, they have the scale to themselves"
    unfaded = build_grid(rows, GridSpec(least=1))
    assert not any(level >= FADED for level in unfaded.rows[0].levels)


@given(st.integers(1, 10**7).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_lower_bound_is_below_the_rate_and_nears_it(counts):
    count, of = counts
    assert 0 <= wilson_lower(count, of) <= count / of
    assert wilson_lower(count * 100, of * 100) >= wilson_lower(count, of)


def test_the_lower_bound_by_hand():
    assert wilson_lower(1, 1) == pytest.approx(0.2065, abs=1e-4)
    assert wilson_lower(40, 50) == pytest.approx(0.6696, abs=1e-4)
    assert wilson_lower(0, 7) == 0


def test_single_attempts_do_not_rank_worst():
    rows = [
        row(1, lesion="single", attempts=1, correct=0),
        row(2, lesion="weak", attempts=50, correct=10),
        row(3, lesion="fair", attempts=50, correct=30),
        row(4, lesion="perfect", attempts=50, correct=50),
    ]
    labels = [each.label for each in build_grid(rows, GridSpec()).rows]
    assert labels == ["weak", "fair", "single", "perfect"]


def test_the_slowest_of_few_attempts_come_last():
    rows = [
        row(1, lesion="one slow answer", attempts=1, median=600_000),
        row(2, lesion="slow", attempts=50, median=60_000),
        row(3, lesion="quick", attempts=50, median=1_000),
        row(4, lesion="untimed", attempts=50, median=None),
    ]
    grid = build_grid(rows, GridSpec(metric=Metric.MEDIAN))
    assert [each.label for each in grid.rows] == ["slow", "quick", "one slow answer", "untimed"]


IMPOSSIBLE = ["infinity", "-infinity", "0044-03-13 BC", "55840-01-01"]


@pytest.mark.parametrize("columns", list(ColumnAxis))
def test_weeks_that_no_calendar_holds_are_counted_named_and_left_out(columns):
    rows = [row(1), *(replace(row(n), week_start=week) for n, week in enumerate(IMPOSSIBLE, 2))]
    grid = build_grid([*rows, replace(row(9), week_start="infinity")], GridSpec(columns=columns))
    assert (grid.rows_read, grid.rows_used) == (6, 1)
    assert grid.undated == {"infinity": 2} | dict.fromkeys(IMPOSSIBLE[1:], 1)
    assert len(grid.columns) == 1
    assert grid.rows[0].total.attempts == 4
    assert grid.describe_undated() == (
        "left out: 5 rows of impossible weeks (-infinity, 0044-03-13 BC, 55840-01-01 and 1 more)"
    )
    alone = build_grid(rows[1:], GridSpec(columns=columns))
    assert (alone.rows, alone.columns, alone.rows_used) == ((), (), 0)
    assert "4 rows" in alone.describe_undated()
    assert build_grid([row(1)], GridSpec()).describe_undated() == ""


def test_a_week_far_from_all_others_does_not_make_columns_of_the_years_between():
    rows = [replace(row(1), week_start="0001-01-01"), row(2, week=0), row(2, week=4)]
    grid = build_grid([*rows, replace(row(3), week_start="9998-12-28")], GridSpec())
    assert [column.label for column in grid.columns] == [
        "0001-01-01", "2025-12-01", "2025-12-08", "2025-12-15", "2025-12-22", "2025-12-29",
        "9998-12-28",
    ]  # fmt: skip


def test_what_is_shown_and_kept_out_is_said():
    spec = GridSpec(text=" knee\x1b[2J  burn ", origin=Origin.REAL, scale=Scale.DEVIATION)
    assert spec.filters == ["real only", 'matching "knee\ufffd[2J burn"']
    assert spec.words == [
        "lesion by week", "accuracy", "worst first", "deviation from the mean", *spec.filters,
    ]  # fmt: skip


def test_the_rows_behind_a_cell_are_gone_through_once_for_its_median():
    class Counted(list):
        times = 0

        def __iter__(self):
            self.times += 1
            return super().__iter__()

    rows = Counted([row(1, week=0, median=100), row(1, week=1, median=300)])
    cell = cell_of(rows)
    assert cell.value(Metric.MEDIAN) == 200
    before = rows.times
    assert not cell.median_exact
    assert cell.short(Metric.MEDIAN, 9) == "≈200ms"
    assert cell.describe().endswith("weighted median time ≈ 200.0 ms")
    assert rows.times == before, "a page of cells is painted at each move of the cursor"
