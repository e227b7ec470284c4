"""One point, or many, of a cost program; what does not fit is refused with the tensor, the level and the bytes."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fusemax.cascade.sizes import MissingSizeError, SizeError, resolve_sizes
from fusemax.cost.lower import point_text, run
from fusemax.cost.power import HELD
from fusemax.cost.program import Label, Line, Program
from fusemax.errors import FusemaxError
from fusemax.language.figure import is_figure
from fusemax.mapping.nest import Mapped
from fusemax.nearest import meant
from fusemax.quantity import format_quantity

TILE_HINT = (
    "use smaller tiles, keep less at {}, or let tensors share a place ('in_place:') or spill ('spill:'); "
    "what is taken in blocks and never there whole is kept with 'buffers: 0'"
)
WHOLE_HINT = "inputs, outputs and what passes between nests are there as a whole; take smaller sizes or a larger 'size'"


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
        return self.values.get(HELD, self.parameters["clock"])

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


def check_not_given(mapped: Mapped, program: Program, given: Collection[str]) -> None:
    """Raise SizeError where a size is *given* that the mapping says itself: a tile, or what is as long as one."""
    tiles = program.tiles_given()
    cut = sorted(name for name in given if name in tiles)
    if cut:
        raise SizeError(f"{', '.join(cut)} cannot be set: mapping {mapped.name} cuts it under 'tiles:'")
    sizes = {line.label.tensor for line in program.labelled("size")}
    following = sorted(name for name in given if name in sizes)
    if following:
        raise SizeError(
            f"{', '.join(following)} cannot be set: it is as long as a tile that mapping {mapped.name} cuts under 'tiles:'"
        )


def sizes_for(mapped: Mapped, program: Program, given: Mapping[str, int]) -> dict[str, int]:
    """Return every size that *program* needs, from the *given* ones; raise SizeError naming what is missing."""
    check_not_given(mapped, program, given)
    tiles = program.tiles_given()
    needed = [name for name, value in program.parameters.items() if value is None]
    cascade = mapped.cascade
    extra = [name for name in tiles if name in cascade.size_symbols() and name not in given]
    known, other = (resolve_sizes(cascade, {**dict.fromkeys(extra, tile), **given}) for tile in (1, 2))
    loose = sorted(name for name in needed if known.get(name) != other.get(name))
    if loose:
        raise SizeError(
            f"{', '.join(loose)} would follow from a tile that mapping {mapped.name} cuts under 'tiles:'\n"
            f"  hint: give {', '.join(loose)} instead of its parts"
        )
    missing = [name for name in needed if name not in known]
    if missing:
        raise MissingSizeError(f"mapping {mapped.name}", sorted(missing))
    return {name: known[name] for name in needed}


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
    def text(self) -> str:
        """The kernel's text."""
        return point_text(self.program, list(self.labels))

    def cost(self, sizes: Mapping[str, int], figures: Mapping[str, float] | None = None) -> Cost:
        """Return the cost of one point, as :func:`cost` does."""
        (answer,) = self.costs([(sizes, figures or {})])
        check_tiles(self.mapped, answer)
        return answer

    def costs(self, points: Sequence[tuple[Mapping[str, int], Mapping[str, float]]]) -> list[Cost]:
        """Return the costs of many points, as :func:`costs` does."""
        given = [_parameters(self.mapped, self.program, sizes, figures) for sizes, figures in points]
        order = list(self.program.parameters)
        matrix = np.array([[point[name] for name in order] for point in given], dtype=np.float64)
        results = run(self.program, list(self.labels), matrix, self.text).tolist()
        return [
            Cost(dict(zip(self.labels, values, strict=True)), self.labels, point)
            for values, point in zip(results, given, strict=True)
        ]


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


def _parameters(
    mapped: Mapped, program: Program, sizes: Mapping[str, int], figures: Mapping[str, float]
) -> dict[str, float]:
    unknown = [name for name in figures if name not in program.parameters]
    if unknown:
        hint = meant(unknown[0], [name for name in program.parameters if is_figure(name)])
        raise FusemaxError(f"no such figure of the machine: {', '.join(unknown)}\n  hint: {hint}")
    parameters = {name: value for name, value in program.parameters.items() if value is not None}
    given = Program(
        parameters={name: figures.get(name, value) for name, value in program.parameters.items()},
        lines=program.lines,
    )
    parameters |= {name: float(value) for name, value in sizes_for(mapped, given, sizes).items()}
    return parameters | {name: float(value) for name, value in figures.items()}


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
        parts = ", ".join(
            f"{tensor} {_bytes(value)}" for tensor, value in sorted(rooms.items(), key=lambda r: -r[1])
        )
        whole = any(
            (lab.nest, lab.level, lab.action) == (label.nest, label.level, "whole")
            for lab in answer.table("room")
        )
        hint = WHOLE_HINT if whole else TILE_HINT.format(label.level)
        mistakes.append(
            f"{label.level} is too small in nest {label.nest} of mapping {mapped.name}: "
            f"{_bytes(needed)} needed ({parts}), {_bytes(have)} there\n  hint: {hint}"
        )
    if mistakes:
        raise CapacityError("\n".join(mistakes))


def _bytes(value: float) -> str:
    exact = f" ({value:,.0f} B)" if value >= 1024 else ""
    return format_quantity(value, "B") + exact
