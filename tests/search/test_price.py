"""Prices on arrays are those of plain code, whichever way a function is called."""

from __future__ import annotations

import re

import numpy as np
import pytest

from fusemax.cascade.build import load_cascade
from fusemax.cost.rows import _source, compiled_rows, plain
from fusemax.machine import load_machine
from fusemax.search.answer import best_mapping
from fusemax.search.candidate import Tally, structure_of
from fusemax.search.facts import facts_of
from fusemax.search.tiles import axes_for, tilings

ROWS = {
    "band_pairs": [(40, 7, 33, 5, -40, 0, 1), (64, 8, 64, 16, -5, 3, 1), (9, 2, 11, 4, 3, 12, -1)],
    "band_most": [(40, 7, 33, 5, -40, 0, 1), (64, 8, 64, 16, -5, 3, 1), (9, 2, 11, 4, 3, 12, -1)],
    "busiest_core": [
        (3, 4, 10, 1, 8, *[0] * 12),
        (2, 3, 10, 5, 1, *[0] * 12),
        (132, 500, 3, 9, 2, 1, 1, *[0] * 10),
    ],
    "cycle_ratio": [
        (3, 4, 2, 2, 2, 0, 1, 0, 1, 2, 0, 2, 0, 1, 1, 0, 2),
        (3, 4, 5, 1, 2, 0, 1, 0, 1, 2, 0, 2, 0, 1, 1, 0, 2),
    ],
    "dealt_tiles": [
        (0, 2, 3, 4, 40, 14, 7, 33, 15, 5, -40, 0, 1, 9, 8, 7, 6, 3, 2, 2, 1),
        (1, 5, 1, 3, 64, 16, 8, 64, 32, 16, -5, 3, 1, 4, 4, 4, 4, 1, 1, 1, 1),
    ],
}


@pytest.mark.parametrize("name", ROWS)
def test_many_rows_at_once_are_each_row_alone(name: str) -> None:
    """The compiled form for many rows gives the bits of the plain function."""
    rows = np.array(ROWS[name], dtype=np.float64)
    found = compiled_rows(name)(rows)

    assert found.tolist() == [list(np.atleast_1d(plain(name)(*row))) for row in rows.tolist()]


def test_code_for_rows_holds_only_what_it_calls() -> None:
    """A first search does not wait for the compilation of what it does not ask for."""
    source = _source("busiest_core")

    assert {"busiest_core", "busiest_core_rows", "_heaviest_left"} <= set(
        re.findall(r"^def (\w+)", source, re.M)
    )
    assert "band" not in source


@pytest.mark.parametrize("over", [False, True])
def test_a_grid_is_priced_as_each_of_its_points(over: bool) -> None:
    """What depends on few axes is computed along these alone; when the time is up, the rest lacks all."""
    cascade, machine = load_cascade("attention/1-pass"), load_machine("fusemax")[0]
    facts = facts_of(cascade, machine, {"B": 1, "H": 2, "M": 300, "P": 100, "E": 16, "F": 16})
    answer = best_mapping(cascade, machine, facts.sizes, seconds=2)
    (best,) = answer.plan.phases
    structure = structure_of(facts, best.phase, Tally())
    assert structure is not None
    grid = tilings(facts, axes_for(facts, best.phase.cuts, best.phase.block.einsums, {}))
    found = structure.prices(grid, Tally(), over=lambda known: over)
    sizes = {name: size.astype(float) for name, size in grid.sizes.items()}
    alone = structure.pricer({**structure.values, **sizes}, (grid.points,))
    reached = np.isfinite(found.lack_B)

    assert len(grid.axes) == 3
    assert reached.all() != over
    assert reached.any()
    assert found.latency_s[reached].tolist() == alone.latency_s[reached].tolist()
    assert found.lack_B[reached].tolist() == alone.lack_B[reached].tolist()
    assert np.isinf(found.latency_s[~reached]).all()
