"""What the mapper finds can be simulated: not more tasks than are dealt one by one, no task that waits for too many others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.mapper import sizes_of
from fusemax.cascade.build import load_cascade
from fusemax.machine import load_machine
from fusemax.mapping.space import Block, Phase
from fusemax.search.answer import best_mapping
from fusemax.search.candidate import Structure, Tally
from fusemax.search.price import Prices
from fusemax.search.tiles import Axis, Tilings
from fusemax.simulate.tiles import simulate


class _Free:
    """Prices of nothing, wherever they are asked for."""

    walks = 0

    def work_s(self, points: int, evenly: bool = False) -> float:
        return 0.0

    def __call__(self, values: dict[str, Any], shape: tuple[int, ...], evenly: bool = False) -> Prices:
        free = np.zeros(shape)
        return Prices(latency_s=free, energy_J=free, traffic_B=free, lack_B=free)


@pytest.mark.parametrize(("heads", "fits"), [(64, [0, 0, 1, 1]), (1, [1, 1, 1, 1]), (8192, [1, 1, 1, 1])])
def test_tasks_are_not_more_than_can_be_dealt(heads: int, fits: list[int]) -> None:
    """64 x 4096 x 4096 elements are 2**30: with 64 in a task there are 2**24 tasks. Where all tilings have more, all stay."""
    values = (1, 2, 64, 128)
    grid = Tilings((Axis("P", "P0", values),), {"P0": np.array(values)})
    dealt = ((float(heads), ()), (4096.0, ()), (4096.0, ("P0",)))
    pricer: Any = _Free()
    phase = Phase(block=Block((), ()), cuts={}, bind={})
    found = Structure(phase, pricer, {}, False, dealt).prices(grid, Tally())
    assert found.fits.tolist() == fits


def test_a_body_of_many_operands_is_simulated() -> None:
    """The last Einsum of RWKV-7 in chunks waits for 29 tiles of others where all stand in one phase."""
    name, machine = "state-space/rwkv-7-chunked", load_machine("tpu-v5e")[0]
    cascade = load_cascade(name)
    answer = best_mapping(cascade, machine, sizes_of(name, cascade), seconds=1, by_work=True)
    assert simulate(answer.mapped, machine, answer.facts.sizes, {}).latency_s >= 0.99 * answer.cost.bound_s
