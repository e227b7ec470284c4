"""When a search ends: by work that is the same however busy the machine is, and not for what only makes it quicker."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from fusemax.cascade.build import load_cascade
from fusemax.machine import load_machine
from fusemax.search import candidate, clock, price
from fusemax.search.answer import Answer, best_mapping
from fusemax.search.candidate import Tally
from fusemax.search.price import Compiling

SIZES = {"B": 2, "H": 4, "M": 512, "P": 384, "E": 64, "F": 64}


def _answer(seconds: float) -> Answer:
    cascade, machine = load_cascade("attention/1-pass"), load_machine("h100")[0]
    return best_mapping(cascade, machine, SIZES, seconds=seconds, by_work=True)


@pytest.mark.parametrize(("seconds", "stopped"), [(0.5, "time"), (60.0, "done")])
def test_the_answer_does_not_depend_on_how_busy_the_machine_is(
    seconds: float, stopped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock on which everything takes a hundred times as long, the same structures and tilings are tried."""
    before = _answer(seconds)
    ticks = count(0.0, 0.5)
    monkeypatch.setattr(candidate, "monotonic", lambda: next(ticks))
    after = _answer(seconds)

    assert before.stopped == after.stopped == stopped
    assert (before.text, before.structures, before.tilings) == (after.text, after.structures, after.tilings)


def test_work_ends_at_last_by_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which work takes far longer than on a common one is not waited for without end; who was told knows."""
    now = 0.0
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    ends = clock.steady(10.0, Tally())
    half = ends.half()
    assert not half.over(found=True)
    assert not ends.cut
    now = 1e4
    assert half.over(found=True)
    assert ends.cut


def test_nothing_is_compiled_that_would_take_the_time_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first search on an empty cache calls the plain function instead, which has the same bits."""

    def compiled(name: str) -> None:
        raise AssertionError(name)

    monkeypatch.setattr(price, "is_compiled", lambda name: False)
    monkeypatch.setattr(price, "compiled_rows", compiled)
    rows = np.arange(600, dtype=float)
    found = price._vector("band_most", lambda one: one + 1.0, compiling=Compiling(lambda: 4.0))(rows)

    assert found.tolist() == [one + 1.0 for one in rows]
    with pytest.raises(AssertionError, match="band_most"):
        price._vector("band_most", lambda one: one + 1.0, compiling=Compiling(lambda: 60.0))(rows)


def test_what_took_as_long_as_compiling_it_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows at a time are called as they are, until that has taken longer; a walk is never called so where code is kept."""
    monkeypatch.setattr(price, "is_compiled", lambda name: name == "region_tasks")
    choice = Compiling(lambda: 60.0)
    assert not choice.pays("tiles_moved", 2, 2000)
    choice.spent_s["tiles_moved"] = 4.5
    assert choice.pays("tiles_moved", 2, 2000)
    assert choice.pays("region_tasks", 1, 500)
    assert not choice.pays("cycle_ratio", 90, 2000)
