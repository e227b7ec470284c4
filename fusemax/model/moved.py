"""What a step costs that only moves its numbers: all of them through the outermost level, once; half of them are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

from fusemax.errors import FusemaxError
from fusemax.machine import Machine

START_S = 2e-6  #: from a kernel's launch until all of its cores stream: as the mappings of products in arch/gpu have it
#: Of the bandwidth of a kernel that only reads, the part that one reaches that writes as much: STREAM's copy at 1610 GB/s, its
#: dot at 1750, on an A100 (repository Azure/AI-benchmarking-guide at 8fd0c6e1bd0f).
COPIED = 0.92


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """A *machine* with the ``values`` of its figures, those that are formulas too, as what only moves data needs them."""

    machine: Machine
    values: Mapping[str, float]

    def time_s(self, moved_B: float, recorded: bool = False) -> float:
        """Return the time of a kernel that moves *moved_B*: launch, start, and the bytes over what the level lets through.

        A chip whose kernels take no launch has none of its own to start, and its bandwidth is no measured one. In a *recorded*
        graph a kernel takes the machine's ``graph_launch`` beside its bytes, start included: a measurement of kernels that
        move 64 kB in such a graph holds both.

        Raises
        ------
        FusemaxError
            Where the machine does not say what a kernel of a recorded graph takes.
        """
        if recorded:
            if "graph_launch" not in self.values:
                raise FusemaxError(
                    f"kernels=recorded: {self.machine.title} has no graph_launch"
                    "\n  hint: add what a small kernel takes in a recorded graph to its file, such as graph_launch: 1.3 us"
                )
            return self.values["graph_launch"] + self.streamed_s(moved_B) / COPIED
        launch = self.values.get("launch", 0.0)
        start, reached = (START_S, COPIED) if launch else (0.0, 1.0)
        return launch + start + self.streamed_s(moved_B) / reached

    def streamed_s(self, moved_B: float) -> float:
        """Return the time in which *moved_B* pass the outermost level, half of them each way; 0 where nobody waits for it."""
        level, values = self.machine.outermost, self.values
        whole, half = moved_B, moved_B / 2
        found = [0.0]
        for key, size_B in (("bandwidth", whole), ("read_bandwidth", half), ("write_bandwidth", half)):
            if f"{level}.{key}" in values:
                found.append(_over(size_B, values[f"{level}.{key}"]))
        if f"{level}.ports" in values:
            lines = whole / values[f"{level}.line"]
            found.append(_over(lines, values[f"{level}.ports"] * values["clock"]))
        return max(found)

    def energy_J(self, moved_B: float, time_s: float) -> float:  # noqa: N802 - the unit is a joule
        """Return what moving takes, with what the chip's parts take in that time; NaN where the machine does not say."""
        level, values = self.machine.outermost, self.values
        each = [values.get(f"{level}.energy.{way}", nan) for way in ("read", "write")]
        line_B = values.get(f"{level}.line", nan)
        return moved_B / line_B * sum(each) / 2 + self.idle_W * time_s

    @property
    def idle_W(self) -> float:  # noqa: N802 - the unit is a watt
        """What the chip's parts take whatever they do."""
        cores = self.values["replicas"]
        levels = sum(
            self.values.get(f"{name}.leakage", 0.0) * self._copies(name, cores)
            for name in self.machine.levels
        )
        return levels + sum(self.values.get(f"{name}.leakage", 0.0) * cores for name in self.machine.units)

    def _copies(self, level: str, cores: float) -> float:
        """Return how many of *level* there are on *cores*: one, or one for each core or group of them."""
        if self.machine.of_groups(level):
            return cores / self.values[f"{level}.shared_by"]
        return cores if self.machine.levels[level].per_core else 1.0


def _over(amount: float, rate: float) -> float:
    """Return *amount* over *rate*: endless where nothing passes."""
    return amount / rate if rate else float("inf") if amount else 0.0
