"""Every benchmark runs and fills its table. Nothing here judges a time."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench import stack
from tests.bench.__main__ import NAMES
from tests.bench.figures import COLUMNS, Line, Options, Table, Target, in_pairs

if TYPE_CHECKING:
    from tui.sandbox import Sandbox


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_fills_its_table(
    name: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "running", lambda: contextlib.nullcontext(sandbox))
    if name == "scale" and sys.platform != "linux":
        pytest.skip("peak memory is read from /proc")
    module = importlib.import_module(f"tests.bench.bench_{name}")

    table = module.run(Options(quick=True, latencies=(0,)))

    assert table.lines
    for line in table.lines:
        assert line.ours, line.what
        assert all(sample > 0 for sample in line.ours + line.base), line.what
        assert len(line.base) in {0, len(line.ours)}, line.what
        assert not line.verdict, "a tiny run reaches or misses no target"
    assert {len(row) for row in table.cells()} == {len(COLUMNS)}
    assert table.title in str(table)


def test_pairs_are_divided_one_by_one_and_the_target_is_for_their_median() -> None:
    line = Line("x", "s", [2.0, 9.0, 30.0], [4.0, 10.0, 10.0], Target(0.9))

    assert line.ratios == [0.5, 0.9, 3.0]
    assert line.verdict == "ok"
    assert Table("t", [line]).reached
    assert not Table("t", [Line("x", "s", [2.0], [2.0], Target(0.9))]).reached
    assert not Table("t", [Line("x", "s", [2.0], [4.0], Target(0.9, at_least=True))]).reached


def test_who_goes_first_changes_from_pair_to_pair() -> None:
    order: list[str] = []

    def take(name: str, value: float) -> float:
        order.append(name)
        return value

    ours, theirs = in_pairs(3, lambda: take("ours", 1.0), lambda: take("theirs", 2.0))

    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert (ours, theirs) == ([1.0] * 3, [2.0] * 3)
