"""The order of tasks that a schedule asks for: steps as written, or an epoch found by modulo scheduling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from fusemax.language.formula import substituted
from fusemax.language.value import finite_value_of
from fusemax.machine import Machine
from fusemax.mapping.dependence import deepest_body, dependences
from fusemax.mapping.lives import in_order
from fusemax.mapping.modulo import Edge, Kernel, Task, modulo_schedule
from fusemax.mapping.nest import Mapped, Nest
from fusemax.mapping.spec import Overlap, Stall
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.flow import LAST, WINDOW, ZERO, Flow, Need, by_einsum
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.streams import COMPUTE, Stream, shared_loops
from fusemax.simulate.tile.values import Point, whole_cycles

POLICIES: Mapping[str, int] = {
    "overlapped": clock.OVERLAPPED,
    "serial": clock.SERIAL,
    "auto": clock.AUTO,
}


class Order:
    """The schedule of *nest* for its streams, of which each task holds its unit for *held* cycles, results *latency* later."""

    def __init__(
        self, mapped: Mapped, machine: Machine, nest: Nest, geometry: Geometry, point: Point, streams: tuple[Stream, ...],
        held: Sequence[int], latency: Sequence[int],
    ) -> None:  # fmt: skip
        self.mapped, self.machine, self.nest, self.geometry, self.point = (
            mapped,
            machine,
            nest,
            geometry,
            point,
        )
        self.streams, self.held, self.latency = streams, held, latency
        self.kernel = self._find()

    def policy(self) -> int:
        """Return how tasks are chosen; units that a mapping says to overlap in part overlap as their data allow."""
        schedule = self.nest.schedule
        if isinstance(schedule, Overlap):
            return clock.OVERLAPPED
        return POLICIES[schedule] if isinstance(schedule, str) else clock.STEPS

    def _find(self) -> Kernel | None:
        """Return the epoch that modulo scheduling finds for the deepest body; None where the mapping fixes the order."""
        if self.nest.schedule != "auto":
            return None
        body = deepest_body(self.nest)
        mine = [n for n, s in enumerate(self.streams) if s.body is body]
        place = {n: k for k, n in enumerate(mine)}
        tasks = [
            Task(self.streams[n].name, self._physical(n), Fraction(self.held[n]), Fraction(self.latency[n]))
            for n in mine
        ]
        parts = by_einsum(self.streams)
        edges = [
            Edge(place[a], place[b], 0)
            for steps in parts.values()
            for one, two in pairwise(steps)
            for a in one for b in two if a in place
        ]  # fmt: skip
        for found in dependences(self.mapped, body):
            distance = 0 if found.carried is None else self._epochs_inside(body.loops, found.carried)
            for writer in parts[found.writer][-1]:
                for reader in (n for step in parts[found.reader] for n in step):
                    edges.append(Edge(place[writer], place[reader], distance))
        return modulo_schedule(tasks, edges)

    def _physical(self, number: int) -> str | None:
        """Return the unit whose lanes do the work of a stream; None for one without work."""
        unit = self.streams[number].unit
        return None if unit is None else self.machine.physical(unit)

    def _epochs_inside(self, loops: tuple[str, ...], carried: str) -> int:
        """Return the iterations of the loops inside *carried* in one of its own."""
        at = loops.index(carried)
        outer = dict.fromkeys(loops[: at + 1], 0)
        return max(1, self.geometry.points(loops[at + 1 :], outer))

    def widened(self, number: int, needs: tuple[Need, ...]) -> tuple[Need, ...]:
        """Return *needs* with as many places in registers as the found epoch keeps values alive."""

        assert self.kernel is not None
        names = [task.name for task in self.kernel.tasks]
        alive = {
            (self.kernel.tasks[e.writer].name, self.kernel.tasks[e.reader].name): self.kernel.alive(e)
            for e in self.kernel.edges
            if e.distance == 0
        }
        widened: list[Need] = []
        for need in needs:
            pair = (self.streams[number].name, self.streams[need.on].name)
            wider = need.kind == WINDOW and pair[0] in names and pair in alive
            places = max(need.buffers, alive.get(pair, 0))
            widened.append(replace(need, buffers=places) if wider else need)
        return tuple(widened)

    def reference(self) -> int:
        body = deepest_body(self.nest)
        return max(n for n, s in enumerate(self.streams) if s.body is body)

    def epoch_source(self, number: int) -> list[int]:
        """Return the map from a stream to the epoch it belongs to: the last one before it, or the first one after it."""
        reference = self.streams[self.reference()]
        stream = self.streams[number]
        shared = shared_loops(self.nest, stream.node, reference.node)
        return [
            k if k < shared
            else stream.loops.index(loop) if loop in stream.loops
            else LAST if self.is_after(number) else ZERO
            for k, loop in enumerate(reference.loops)
        ]  # fmt: skip

    def is_after(self, number: int) -> bool:
        """Return whether a stream belongs to the last epoch before it, not to the first one after it."""
        return self.streams[number].key >= self.streams[self.reference()].key

    def steps(self) -> tuple[list[int], list[int], list[int], list[int]]:
        count = len(self.streams)
        if self.kernel is not None:
            return self._order_of_kernel(count)
        if self.policy() != clock.STEPS:
            return [0] * count, [-1] * count, [0] * count, [0]
        step, position = [-1] * count, [0] * count
        stalls: list[int] = []
        assert isinstance(self.nest.schedule, list | tuple)
        for row, entry in enumerate(self.nest.schedule):
            stalls.append(self._stall(entry))
            for unit, name, _, place in in_order(self.machine, entry):
                for n, s in enumerate(self.streams):
                    if s.einsum == name and s.unit == unit:
                        step[n], position[n] = row, place
        return self._stages(step, position), step, position, stalls

    def _stall(self, entry) -> int:

        if not isinstance(entry, Stall):
            return 0
        return whole_cycles(finite_value_of(substituted(entry.stall, {}), self._known()))

    def _known(self) -> dict[str, float]:
        return {**self.point.known, **{d.upper(): float(v) for d, v in self.geometry.tiles.items()}}

    def _order_of_kernel(self, count: int) -> tuple[list[int], list[int], list[int], list[int]]:
        assert self.kernel is not None
        body = deepest_body(self.nest)
        mine = [n for n, s in enumerate(self.streams) if s.body is body]
        stage, position = [0] * count, [0] * count
        order = sorted(range(len(mine)), key=lambda k: (self.kernel.starts[k], k))  # type: ignore[union-attr]
        for place, k in enumerate(order):
            position[mine[k]] = place
            stage[mine[k]] = self.kernel.stages[k]
        return stage, [-1] * count, position, [0]

    def _stages(self, step: list[int], position: list[int]) -> list[int]:
        """Return by how many epochs each stream runs behind: one more wherever a value is made later in the epoch."""
        stage = [0] * len(self.streams)
        flow = Flow(self.mapped, self.machine, self.nest, self.streams, clock.UNLIMITED)
        for n, stream in enumerate(self.streams):
            for need in flow.needs(n):
                writer = self.streams[need.on]
                same_epoch = need.kind == 0 and all(code >= LAST for code in need.source)
                if not same_epoch or writer.kind != COMPUTE or writer.key > stream.key or step[n] < 0:
                    continue
                later = (step[need.on], position[need.on]) > (step[n], position[n])
                behind = step[need.on] > step[n] or (
                    step[need.on] == step[n] and self._physical(need.on) == self._physical(n) and later
                )
                stage[n] = max(stage[n], stage[need.on] + int(behind))
        return stage
