"""One point, or many, of a cost program; what does not fit is refused with the tensor, the level and the bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy as np

from fusemax.cost.code import graph_text
from fusemax.cost.direct import values_of
from fusemax.cost.graph import Graph, graph_of
from fusemax.cost.lower import run
from fusemax.cost.power import HELD
from fusemax.cost.program import Label, Line, Program
from fusemax.errors import FusemaxError
from fusemax.mapping.given import Said, sizes_given
from fusemax.mapping.nest import Mapped
from fusemax.mapping.refused import check_figures, too_small


class CapacityError(FusemaxError):
    """Tiles that do not fit where the mapping keeps them."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one point: every line of the program with its value, and the few numbers that everybody wants."""

    values: Mapping[str, float]
    labels: Mapping[str, Label]
    parameters: Mapping[str, float]

    @property
    def latency_s(self) -> float:
        """Time from start to end."""
        return self.values["latency_s"]

    @property
    def clock_Hz(self) -> float:  # noqa: N802 - the unit is a hertz
        """The clock of the work: the machine's, or the lower one that it holds under this load (``sustained:``)."""
        return self.values.get(HELD, self.full_clock_Hz)

    @property
    def full_clock_Hz(self) -> float:  # noqa: N802 - the unit is a hertz
        """The machine's clock, a number or what its formula gives."""
        return self.parameters["clock"] if "clock" in self.parameters else self.values["clock"]

    @property
    def bound_s(self) -> float:
        """The largest of all resources' own times: a lower bound for every schedule."""
        return self.values["bound_s"]

    @property
    def slowest_s(self) -> float:
        """The time in which nothing is hidden: all resources' own times one after another."""
        return self.values["slowest_s"]

    @property
    def traffic_B(self) -> float:  # noqa: N802 - the unit is a byte
        """Bytes that cross the outermost level's border, reads and writes together."""
        return self.values["traffic_B"]

    @property
    def energy_J(self) -> float:  # noqa: N802 - the unit is a joule
        """Energy of all components; NaN when the machine does not give all of them."""
        return self.values.get("energy_J", float("nan"))

    @property
    def energy_most_J(self) -> float:  # noqa: N802 - the unit is a joule
        """Energy if the board took its whole power all the time; NaN when the machine does not say that power."""
        return self.values.get("energy_most_J", float("nan"))

    @property
    def area_m2(self) -> float:
        """Area of all components; NaN when the machine gives none."""
        return self.values.get("area_m2", float("nan"))

    def table(self, kind: str) -> dict[Label, float]:
        """Return the values of one kind of line by label, e.g. ``cycles`` or ``words``."""
        return {label: self.values[name] for name, label in self.labels.items() if label.kind == kind}

    def utilization(self) -> dict[str, float]:
        """Return busy lane-cycles over all lane-cycles, by unit."""
        return {label.unit: value for label, value in self.table("utilization").items()}

    def limits(self) -> dict[str, str]:
        """Return, for each nest, what its time is: the schedule of its units, or one level."""
        limits: dict[str, str] = {}
        for phase, total in self.table("phase").items():
            computing = [v for lab, v in self.table("computing").items() if lab.nest == phase.nest]
            levels = {
                lab.level: v for lab, v in self.table("time").items() if lab.nest == phase.nest and lab.level
            }
            waits = total not in computing and levels
            limits[phase.nest] = max(levels, key=lambda name: levels[name]) if waits else "schedule"
        return limits


def sizes_for(mapped: Mapped, program: Program, given: Mapping[str, int]) -> dict[str, int]:
    """Return every size that *program* needs, from the *given* ones; raise SizeError naming what is missing."""
    needed = [name for name, value in program.parameters.items() if value is None]
    return sizes_given(mapped, needed, given, needed)


@dataclass(frozen=True)
class Evaluator:
    """A cost program made ready once for any number of points: one more takes well under a millisecond."""

    mapped: Mapped
    program: Program

    @cached_property
    def labels(self) -> Mapping[str, Label]:
        """The label of every line."""
        return {line.name: line.label for line in self.program.lines}

    @cached_property
    def operations(self) -> tuple[Graph, tuple[int, ...]]:
        """The operations of all lines, and which of them are the lines' values."""
        return graph_of(self.program, list(self.labels))

    @cached_property
    def text(self) -> str:
        """The kernel's text."""
        return graph_text(self.program, *self.operations, [tuple(self.program.parameters)])

    @cached_property
    def asked(self) -> Iterator[int]:
        """Numbers of the calls: a kernel pays from the second one on."""
        return count()

    def cost(self, sizes: Mapping[str, int], figures: Mapping[str, float] | None = None) -> Cost:
        """Return the cost of one point, as :func:`cost` does."""
        (answer,) = self.costs([(sizes, figures or {})])
        check_tiles(self.mapped, answer)
        return answer

    def costs(self, points: Sequence[tuple[Mapping[str, int], Mapping[str, float]]]) -> list[Cost]:
        """Return the costs of many points, as :func:`costs` does."""
        given = [self._parameters(sizes, figures) for sizes, figures in points]
        results = self._rows(given)
        return [
            Cost(dict(zip(self.labels, values, strict=True)), self.labels, point)
            for values, point in zip(results, given, strict=True)
        ]

    def _parameters(self, sizes: Mapping[str, int], figures: Mapping[str, float]) -> dict[str, float]:
        if figures:
            lines = [line.name for line in self.program.labelled("figure")]
            check_figures(figures, self.program.parameters, lines)
        needed = [name for name in self._open if name not in figures]
        found = sizes_given(self.mapped, needed, sizes, needed, self._said)
        numbers = {name: float(value) for name, value in (*found.items(), *figures.items())}
        return {**self._known, **numbers}

    @cached_property
    def _said(self) -> Said:
        return Said(self.mapped)

    @cached_property
    def _known(self) -> Mapping[str, float]:
        return {name: value for name, value in self.program.parameters.items() if value is not None}

    @cached_property
    def _open(self) -> tuple[str, ...]:
        return tuple(name for name, value in self.program.parameters.items() if value is None)

    def _rows(self, points: Sequence[Mapping[str, float]]) -> list[list[float]]:
        if len(points) == 1 and next(self.asked) == 0:
            found = values_of(self.program, self.labels, points[0])
            if found is not None:
                return [found]
        order = list(self.program.parameters)
        matrix = np.array([[point[name] for name in order] for point in points], dtype=np.float64)
        return run(self.program, list(self.labels), matrix, self.text).tolist()


def cost(
    mapped: Mapped, program: Program, sizes: Mapping[str, int], figures: Mapping[str, float] | None = None
) -> Cost:
    """Return the cost of one point.

    Parameters
    ----------
    sizes
        Sizes of ranks, e.g. ``{"B": 64, "M": 4096, ...}``.
    figures
        Figures of the machine to replace, e.g. ``{"L3.size": 2**25}``.

    Raises
    ------
    SizeError, CapacityError, FusemaxError
        For sizes that are missing or unknown, tiles that do not fit, and figures that the machine does not have.
    """
    return Evaluator(mapped, program).cost(sizes, figures)


def costs(
    mapped: Mapped, program: Program, points: Sequence[tuple[Mapping[str, int], Mapping[str, float]]]
) -> list[Cost]:
    """Return the costs of many points, each of sizes and figures; :func:`check_tiles` says whether one has tiles that fit.

    Raises
    ------
    SizeError, FusemaxError
        For sizes that are missing or unknown, and figures that the machine does not have.
    """
    return Evaluator(mapped, program).costs(points)


def evaluate_lines(
    program: Program, lines: Sequence[Line], points: Sequence[Mapping[str, float]]
) -> list[list[float]]:
    """Return the values of *lines* at each of *points* (full sets of parameters)."""
    order = list(program.parameters)
    matrix = np.array([[point[name] for name in order] for point in points], dtype=np.float64)
    return run(program, [line.name for line in lines], matrix).tolist()


def check_tiles(mapped: Mapped, answer: Cost) -> None:
    """Raise CapacityError when a tile is no whole number from 1, or when something that may not spill does not fit.

    The message names the tile, or tensors, level and bytes.
    """
    tiles = {(label.tensor, label.nest): value for label, value in answer.table("tile").items()}
    broken = [
        f"tile {tile} of nest {nest} in mapping {mapped.name} is {value:g}, but a tile is a whole number from 1\n"
        f"  hint: its formula under 'tiles:' does not suit these sizes; see floor, ceil, min and max"
        for (tile, nest), value in tiles.items()
        if not (1 <= value < math.inf and value == int(value))
    ]
    broken += _broken_groups(mapped, answer)
    if broken:
        raise CapacityError("\n".join(broken))
    _check_room(mapped, answer)


def _broken_groups(mapped: Mapped, answer: Cost) -> list[str]:
    """Return what is wrong with groups of cores: unequal ones, and more iterations side by side than cores in one."""
    known = {**answer.parameters, **answer.values}
    found = [
        f"{known[f'{label.level}.shared_by']:g} cores share {label.level}, which does not divide all {known['replicas']:g}\n"
        f"  hint: change {label.level}.shared_by or replicas"
        for label, groups in answer.table("groups").items()
        if groups != int(groups)
    ]
    return found + [
        f"nest {label.nest} of mapping {mapped.name} has {trips:g} iterations side by side, and {label.level} is shared by"
        f" {known[f'{label.level}.shared_by']:g} cores\n  hint: cut the loops under side_by_side by the cores of a group"
        for label, trips in answer.table("beside").items()
        if trips > known[f"{label.level}.shared_by"]
    ]


def _check_room(mapped: Mapped, answer: Cost) -> None:
    capacity = {(lab.nest, lab.level): value for lab, value in answer.table("capacity").items()}
    mistakes: list[str] = []
    for label, needed in answer.table("occupancy").items():
        have = capacity[label.nest, label.level]
        if needed <= have or mapped.spill.get(label.level):
            continue
        rooms = {
            lab.tensor: value
            for lab, value in answer.table("room").items()
            if (lab.nest, lab.level) == (label.nest, label.level) and value > 0
        }
        whole = any(
            (lab.nest, lab.level, lab.action) == (label.nest, label.level, "whole")
            for lab in answer.table("room")
        )
        mistakes.append(
            too_small(
                label.level, label.nest, mapped.name, needed, rooms, have, whole, label.action == "divided"
            )
        )
    if mistakes:
        raise CapacityError("\n".join(mistakes))
