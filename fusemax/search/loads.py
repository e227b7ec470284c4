"""What the busiest unit has to do under a binding, at many tilings at once: by it bindings are ordered, none derived yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.search.facts import Facts, Item, Piece
from fusemax.search.lanes import Spatial, over_lanes
from fusemax.search.shapes import Part, Skeleton, variable_of
from fusemax.search.tiles import Tilings
from fusemax.search.units import Binding, offering
from fusemax.search.useful import cases_of, share

SAMPLE = 1_000  #: tilings of a grid that are looked at


@dataclass(frozen=True, slots=True)
class _Body:
    """Extents of the digits inside a body by name, and the iterations around it: float64[tilings] each."""

    part: Part
    extents: Mapping[str, np.ndarray]
    iterations: np.ndarray


@dataclass(frozen=True, slots=True)
class Sample:
    """Some tilings of a grid with the work of every body under each; ``numbers`` are their places in the grid."""

    facts: Facts
    bodies: tuple[_Body, ...]
    numbers: np.ndarray
    left: Mapping[
        tuple[str, frozenset[str]], float
    ]  #: by Einsum and variables, the least part that conditions leave

    def seconds(self, binding: Binding) -> np.ndarray:
        """Return the seconds of the busiest unit after the start of a phase, all cores at work all the time: float64[tilings].

        Tiles at the end of a rank count by what is there of them.
        """
        facts = self.facts
        loads = {owner: np.zeros(len(self.numbers)) for owner in facts.owners}
        for body, spatial in zip(self.bodies, binding.spatial, strict=True):
            for name in body.part.einsums:
                for item in facts.items[name]:
                    for unit, piece, part in _doers(facts, item, binding):
                        steps = _steps(facts, body, unit, spatial.get(unit, {}), piece)
                        left = self.left[name, piece.variables]
                        loads[facts.physical[unit]] += part * left * piece.cycles * steps
        busiest = np.max(list(loads.values()), axis=0)
        return busiest / facts.figures["clock"] / facts.cores + facts.figures["launch"]


def sample_of(facts: Facts, skeleton: Skeleton, grid: Tilings) -> Sample:
    """Return some tilings of *grid*, evenly picked, with the work of the bodies of *skeleton* under them."""
    count = min(SAMPLE, grid.points)
    numbers = np.unique(np.linspace(0, grid.points - 1, count).round().astype(np.int64))
    tiles = {name: sizes[numbers].astype(np.float64) for name, sizes in grid.sizes.items()}
    sizes = {
        digit: size
        for rank in facts.ranks
        for digit, size in _digit_sizes(
            facts, rank, facts.digits(rank, skeleton.cuts.get(rank, 0)), tiles
        ).items()
    }
    pieces = {
        (name, piece.variables)
        for name in skeleton.einsums
        for item in facts.items[name]
        for one in (*item.units.values(), *(tuple(part.values()) for part in item.parts))
        for piece in one
    }
    cases = cases_of(facts, coarse=True)
    left = {(name, some): min(share(facts, name, some, case) for case in cases) for name, some in pieces}
    bodies = tuple(_body(facts, skeleton, body, sizes, numbers) for body in skeleton.bodies)
    return Sample(facts, bodies, numbers, left)


def _body(
    facts: Facts, skeleton: Skeleton, part: Part, sizes: Mapping[str, np.ndarray], numbers: np.ndarray
) -> _Body:
    loops = {*skeleton.batch, *skeleton.outer, *part.loops}
    variables = {v for name in part.einsums for v in facts.carried[name]}
    iterations = np.ones(len(numbers))
    for loop in loops & sizes.keys():
        iterations = iterations * sizes[loop]
    inside = {d: s for d, s in sizes.items() if d not in loops and variable_of(facts, d) in variables}
    return _Body(part, inside, iterations)


def _digit_sizes(
    facts: Facts, rank: str, digits: Sequence[str], tiles: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the extents of the *digits* of a rank; of the outermost one the part of a tile at the end counts as a part."""
    one = np.ones(())
    whole = one * facts.sizes[rank] if rank not in facts.follows else tiles.get(facts.follows[rank], one)
    inner = [np.minimum(tiles.get(d.upper(), one * facts.sizes.get(d.upper(), 1)), whole) for d in digits[1:]]
    total = np.prod(np.broadcast_arrays(*inner), axis=0) if inner else one
    return dict(zip(digits, [np.maximum(1.0, whole / total), *inner], strict=True))


def _doers(facts: Facts, item: Item, binding: Binding) -> list[tuple[str, Piece, float]]:
    """Return the units that do *item* under *binding*, each with what it does and its part of that."""
    home = binding.bind[item.einsum, item.indices[0]]
    found: list[tuple[str, Piece, float]] = []
    for number, piece in enumerate(item.units[home]):
        rest = 1.0
        for (entry, unit), part in binding.taken.items():
            if entry == (item.einsum, piece.operation) and unit != home:
                found.append((unit, offering(facts, item, number, piece)[unit], part))
                rest -= part
        if rest > 0:
            found.append((home, piece, rest))
    return found


def _steps(facts: Facts, body: _Body, unit: str, spatial: Spatial, piece: Piece) -> np.ndarray:
    steps = body.iterations
    lanes: dict[str, np.ndarray] = {}
    along = over_lanes(facts, unit, spatial, body.extents, piece)
    for digit, extent in body.extents.items():
        if variable_of(facts, digit) not in piece.variables:
            continue
        dimension = along.get(digit)
        if dimension is None:
            steps = steps * extent
        else:
            lanes[dimension] = lanes.get(dimension, np.ones(())) * extent
    for dimension, extent in lanes.items():
        steps = steps * np.ceil(extent / facts.lanes[unit][dimension])
    return steps
