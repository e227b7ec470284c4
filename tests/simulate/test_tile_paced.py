"""Runs of the clock as Python, compiled, and from one to the other in between: the same numbers."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fusemax.compiled
from fusemax.compiled import told_of_compiling
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile import kernel, paced
from fusemax.simulate.tile.loads import Sharing
from fusemax.simulate.tile.paced import EVERY_STEP, Paced
from fusemax.simulate.tile.plan import Prepared, prepare
from fusemax.simulate.tile.room import geometry_of
from fusemax.simulate.tile.state import State
from fusemax.simulate.tile.together import together
from fusemax.simulate.tile.values import point_of
from tests.simulate.tile_cases import Case, attention, product


def prepared_of(case: Case) -> Prepared:
    """Return the first nest of *case*, ready to run."""
    nest = case.mapped.nests[0]
    point = point_of(case.mapped, case.machine, case.sizes, {})
    whole = geometry_of(case.mapped, case.machine, nest, point)
    alike = together(case.mapped, nest, whole, case.mapped.task_loops(nest))
    return prepare(case.mapped, case.machine, nest, alike, point, Sharing())


def arrays_of(prepared: Prepared) -> tuple[State, tuple[Any, ...]]:
    """Return the state before the first cycle, and what the clock runs on."""
    state = State.fresh(prepared, 20)
    return state, (
        prepared.plan,
        prepared.fixed,
        state.streams,
        state.chip,
        state.segments,
        state.trace,
        state.seen,
    )


@settings(max_examples=20)
@given(case=st.one_of(attention(), product()), before=st.integers(1, 40))
def test_python_and_compiled_code_go_the_same_way(case: Case, before: int) -> None:
    """All of it in Python, some events in Python and the rest compiled, and all of it compiled end in the same arrays."""
    prepared = prepared_of(case)
    compiled = kernel.clock().compile()
    ends = []
    for steps in (EVERY_STEP, before, 0):
        state, arrays = arrays_of(prepared)
        done = bool(steps) and kernel.go(*arrays, steps)
        assert done or compiled(*arrays, EVERY_STEP)
        state.chip[clock.STAMP] = 0
        ends.append(state)
    for other in ends[1:]:
        for mine, theirs in zip(
            (ends[0].streams, ends[0].chip, ends[0].segments, ends[0].trace),
            (other.streams, other.chip, other.segments, other.trace),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, theirs)


def fake(kept_s: float, cold_s: float) -> tuple[Paced, list[str]]:
    """Return a run of 1,000 steps that notes who takes it, and whose compiled twin is not on disk."""
    log: list[str] = []
    left = [1_000]

    def take(who: str, most: int) -> bool:
        log.append(who)
        left[0] -= min(most, left[0])
        return not left[0]

    class Compiled:
        signatures = (1,)
        py_func = take

        class stats:  # noqa: N801 - as numba calls it
            cache_path = None

        def __call__(self, most: int) -> bool:
            return take("compiled", most)

    return Paced(lambda most: take("python", most), Compiled, (kernel.sources()[0],), kept_s, cold_s), log


def test_a_short_run_stays_in_python() -> None:
    """1,000 steps are over long before 8 seconds are."""
    run, log = fake(0.0, 8.0)
    run()

    assert ["python"] * 16 == log


def test_a_long_run_goes_on_compiled() -> None:
    """Once more than ``cold_s`` is spent, the rest is done at once, by this run and all later ones."""
    run, log = fake(0.0, 1e-9)
    run()

    assert ["python", "compiled"] == log
    run()
    assert ["python", "compiled", "compiled"] == log


def test_a_long_run_says_once_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On no terminal: one line, after a while, with the part that is done; the answer is not changed."""
    monkeypatch.setattr(paced, "SILENT_S", 0.0)
    monkeypatch.setattr(paced, "STEPS_COMPILED", 300)
    run, log = fake(0.0, 1e-9)
    run.part = lambda: 0.25
    run()

    assert log == ["python", *["compiled"] * 4]
    assert capsys.readouterr().err.count("25.0% of the tasks done") == 1


def test_compiling_is_told_after_a_while(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A function that has no code by then is named on standard error; one that has it is not."""

    class Empty:
        signatures: tuple[int, ...] = ()

    class Full:
        signatures = (1,)

    monkeypatch.setattr(fusemax.compiled, "SILENT_S", 0.01)
    for function in (Full(), Empty()):
        with told_of_compiling(function, "the arrays", 8):
            time.sleep(0.1)

    assert (
        capsys.readouterr().err
        == "compiling the arrays: once after an installation or a change, some 8 s ...\n"
    )
