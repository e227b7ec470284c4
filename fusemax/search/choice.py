"""Which bindings of a structure are worth a derivation, the most promising first: by what the busiest unit has to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fusemax.search.facts import Facts
from fusemax.search.loads import Sample, sample_of
from fusemax.search.shapes import Skeleton
from fusemax.search.tiles import ALL, Tilings, seeds
from fusemax.search.units import Binding, bindings, shared_out, work_of

FIRST = 0.1  #: before it is known which tilings fit, a binding is as good as at this part of them
IDLE = 2  #: bindings in a row without a gain of a thousandth that end the choice


class Choice:
    """The bindings of one structure that are still to be tried.

    They begin with *known* ones, or else with those for a few typical tilings, and grow by those for the best tiling found.
    Those that cannot be below a price, by the work of their busiest unit, are left out where latency alone counts.
    """

    def __init__(
        self, facts: Facts, skeleton: Skeleton, grid: Tilings, objective: str, known: Sequence[Binding] = ()
    ) -> None:
        self.facts, self.skeleton, self.objective = facts, skeleton, objective
        self.sample: Sample = sample_of(facts, skeleton, grid)
        self.room = np.ones(len(self.sample.numbers), dtype=bool)  # where a binding tried before fits
        self.small = max(facts.sizes.values(), default=1) <= ALL
        self.measured = False  # whether one has been tried
        self.waiting: dict[str, tuple[Binding, np.ndarray]] = {}
        self.tried: set[str] = set()
        self.begun = bool(known)  # whether it begins with bindings that were good for the same loops
        for binding in known:
            self.add(binding)
        for seed in seeds(facts, grid.axes) if not known or self.small else ():
            self.add(bindings(facts, work_of(facts, skeleton, seed), objective))

    def add(self, binding: Binding) -> None:
        """Add *binding* to those that wait."""
        key = key_of(binding)
        if key not in self.tried and key not in self.waiting:
            self.waiting[key] = (binding, self.sample.seconds(binding))

    def next(self, below: float) -> Binding | None:
        """Return the most promising binding, not again; None where none can have a price *below* this one."""
        rated = {key: self._rated(*one) for key, one in self.waiting.items()}
        if not rated:
            return None
        best = min(rated, key=lambda key: rated[key])
        binding, seconds = self.waiting.pop(best)
        self.tried.add(best)
        reachable = seconds[self.room].min(initial=np.inf) if self.measured else seconds.min()
        if self.objective == "latency" and reachable >= below:
            self.waiting.clear()
            return None
        return binding

    def found(self, binding: Binding, fits: np.ndarray, tiles: Mapping[str, int]) -> None:
        """Take note of where *binding* fits, by point of the grid, and add those for its best *tiles*."""
        room = fits[self.sample.numbers]
        if room.any():
            self.room, self.measured = room, True
        works = work_of(self.facts, self.skeleton, tiles)
        if self.objective in ("latency", "edp") and len(self.facts.machine.units) > 1:
            self.add(shared_out(self.facts, works, binding))
        again = bindings(self.facts, works, self.objective)
        self.add(again)
        if self.objective in ("latency", "edp") and len(self.facts.machine.units) > 1:
            self.add(shared_out(self.facts, works, again))

    def _rated(self, binding: Binding, seconds: np.ndarray) -> tuple[float, ...]:
        some = seconds[self.room]
        time = float(some.min() if self.measured else np.quantile(some, FIRST))
        if self.objective == "energy":
            return binding.energy_J, time
        return (time * binding.energy_J if self.objective == "edp" else time), time


def key_of(binding: Binding) -> str:
    """Return what tells bindings apart."""
    return f"{binding.spatial}{sorted(binding.bind.items())}{sorted(binding.taken.items())}"
