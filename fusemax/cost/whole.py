"""Can a mapping fit at all? Its tiles of fixed size, whole, with every other size as small as it can be."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fusemax.cost.evaluate import CapacityError, Cost, check_tiles, evaluate_lines
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.language.formula import formula_names
from fusemax.machine import Machine, figures
from fusemax.mapping.nest import Mapped, Root
from fusemax.mapping.spec import Fit


def check_whole_tiles(mapped: Mapped, machine: Machine) -> None:
    """Raise CapacityError when tiles that the mapping gives in numbers, or in figures of the machine, do not fit as wholes.

    Ranks cut so are as long as one whole tile, all others one long: more is never less. Only a rank shorter than its own tile
    takes less. Mappings whose tiles need sizes to be known are left to the point that gives them.
    """
    program = derive(mapped, machine)
    names = [name for name, value in program.parameters.items() if value is None]
    small = _rooms(program, dict.fromkeys(names, 1))
    tiles = {(label.nest, label.tensor): value for label, value in small.table("tile").items()}
    known = set(figures(machine))
    sizes = dict.fromkeys(names, 1)
    for nest in mapped.nests:
        own = {tensor: value for (name, tensor), value in tiles.items() if name == nest.name}
        for root in nest.roots.values():
            if root.size_name in sizes:
                sizes[root.size_name] = max(sizes[root.size_name], _whole(root, own, known))
    answer = _rooms(program, sizes)
    if not all(1 <= value < math.inf and value == int(value) for value in answer.table("tile").values()):
        return
    try:
        check_tiles(mapped, answer)
    except CapacityError as error:
        raise CapacityError(f"{error}\n  (whole tiles, every other size 1)") from None


def _rooms(program: Program, sizes: Mapping[str, int]) -> Cost:
    """Return tiles and rooms at *sizes*, and nothing else of the cost."""
    lines = [line for line in program.lines if line.label.kind in ("tile", "occupancy", "capacity", "room")]
    given = {name: value for name, value in program.parameters.items() if value is not None}
    given |= {name: float(size) for name, size in sizes.items()}
    (values,) = evaluate_lines(program, lines, [given])
    names = [line.name for line in lines]
    return Cost(dict(zip(names, values, strict=True)), {line.name: line.label for line in lines}, given)


def _whole(root: Root, tiles: dict[str, float], known: set[str]) -> int:
    """Return the length of one whole tile of *root*: the product of the digits that need no size."""
    fixed = [
        tiles.get(digit.size_name, 1.0)
        for digit in root.digits
        if digit.rule is not None
        and not isinstance(digit.rule, Fit)
        and set(formula_names(digit.rule)) <= known
    ]
    length = math.prod(fixed)
    return int(length) if math.isfinite(length) and length >= 1 else 1
