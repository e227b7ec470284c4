"""Python source for a graph of operations: nested loops over the axes of a grid, with each operation as far out as it can be.

The text holds one function, ``evaluate(span, lengths, fixed, values, results, memory)``:

- ``span``: int64[2], the first point and the one after the last, counted in the order of the grid (last axis fastest);
- ``lengths``: int64[axes], the number of values on each axis;
- ``fixed``: float64[parameters], the parameters in the order of the program (those on an axis are not read);
- ``values``: float64[names, longest axis], a row for each name on an axis, axis after axis;
- ``results``: float64[outputs, points], written;
- ``memory``: float64[slots, room], divisors found before; zeros at first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from fusemax.cost import (
    band,
    deal,
    lattice,
    lattice_tasks,
    lattice_visits,
    ragged,
    ratio,
    union_visits,
    visits,
)
from fusemax.cost.graph import Fit, Graph, Node, graph_of
from fusemax.cost.program import Program
from fusemax.language.functions import FUNCTIONS

Axes = Sequence[Sequence[str]]
SLOTS, ROOM, KNOWN = 64, 6722, 9.6e11  #: numbers below KNOWN have at most 6720 divisors

DIVISORS = '''
def divisors(number, memory):
    """Return the row of *memory* that holds number, how many divisors it has, and these in rising order."""
    slot = int(number) % memory.shape[0]
    row = memory[slot]
    if row[0] == number:
        return slot
    small = 0
    large = row.shape[0]
    row[2] = 1.0
    k = 1.0
    while k * k <= number:
        quotient = floor(number / k)
        if quotient * k == number:
            row[2 + small] = k
            small += 1
            if quotient != k:
                large -= 1
                row[large] = quotient
        k += 1.0
    count = small + row.shape[0] - large
    for step in range(row.shape[0] - large):
        row[2 + small + step] = row[large + step]
    row[1] = count
    row[0] = number
    return slot


def largest_divisor(number, most, memory):
    """Return the largest divisor of *number* up to *most*.

    Numbers with many digits are not taken apart: divisors are tried downwards from *most*, the other factor upwards.
    """
    if most >= number:
        return number
    if number < KNOWN:
        row = memory[divisors(number, memory)]
        low = 0
        high = int(row[1]) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if row[2 + middle] <= most:
                low = middle
            else:
                high = middle - 1
        return row[2 + low]
    divisor = most
    times = ceil(number / most)
    while True:
        if floor(number / divisor) * divisor == number:
            return divisor
        if floor(number / times) * times == number:
            return number / times
        divisor -= 1.0
        times += 1.0
'''.replace("KNOWN", repr(KNOWN))

#: Functions of :mod:`fusemax.cost.band` and :mod:`fusemax.cost.deal` that formulas call, with how many values each takes.
SEVERAL = {
    "band_pairs": 7,
    "band_kinds": 7,
    "band_turns": 8,
    "band_most": 7,
    "busiest_core": 17,
    "dealt_tiles": 21,
    "window_sum": 8,
    "window_most": 8,
}
#: All modules whose functions stand as text in the code, each after those that it needs.
TEXTS = (band, deal, visits, ragged, lattice, lattice_visits, union_visits, lattice_tasks, ratio)
#: Functions of :mod:`fusemax.cost.visits`, :mod:`fusemax.cost.ragged` and :mod:`fusemax.cost.ratio`: each takes one list of
#: values, and needs those modules.
LISTED: Mapping[str, tuple[ModuleType, ...]] = {
    "tiles_moved": (band, deal, visits, ragged),
    "dealt_tasks": (band, deal, visits, ragged),
    "region_tiles": (band, lattice),
    "region_moved": (band, visits, lattice, lattice_visits),
    "union_moved": (band, visits, lattice, union_visits),
    "region_tasks": (band, deal, visits, ragged, lattice, lattice_tasks),
    "cycle_ratio": (ratio,),
}


def _call(name: str, count: int) -> str:
    return f"{name}({', '.join(f'{{{number}}}' for number in range(count))})"


FORMS: Mapping[str, str] = {
    **{name: function.code for name, function in FUNCTIONS.items()},
    "+": "{0} + {1}",
    "*": "{0} * {1}",
    "/": "{0} / {1}",
    "**": "{0} ** {1}",
    "repeated": "{1} if {0} > 1.0 else {2}",
    "at_most": "1.0 if {0} <= {1} else 0.0",
    "less": "1.0 if {0} < {1} else 0.0",
    "equal": "1.0 if {0} == {1} else 0.0",
    **{name: _call(name, count) for name, count in SEVERAL.items()},
}


def functions_of(module: ModuleType) -> str:
    """Return the functions of *module* as source: what comes after its docstring and imports."""
    return "\n\n" + Path(str(module.__file__)).read_text(encoding="utf-8").partition("\n\n\n")[2]


def helpers(used: Collection[str]) -> str:
    """Return as source the functions that the operations *used* call."""
    needed = [module for operation in used for module in LISTED.get(operation, ())]
    needed += [module for module in (band, deal) if any(operation in SEVERAL for operation in used)]
    modules = [module for module in TEXTS if module in needed]
    limits = (
        f"\n\nVISITS, BOXES = {visits.VISITS}, {lattice.BOXES}\n" if {visits, lattice} & set(modules) else ""
    )
    return DIVISORS + limits + "".join(functions_of(module) for module in modules)


def called(node: Node) -> str:
    """Return as source the value of *node*, from those of its operands."""
    operands = [f"t{operand}" for operand in node.operands]
    if node.operation in LISTED:
        return f"{node.operation}([{', '.join(operands)}])"
    return FORMS[node.operation].format(*operands)


def kernel_text(program: Program, outputs: Sequence[str], axes: Axes) -> str:
    """Return the source of ``evaluate`` for *outputs* of *program* over a grid of *axes*, each with its names."""
    return graph_text(program, *graph_of(program, outputs), axes)


def graph_text(program: Program, graph: Graph, wanted: Sequence[int], axes: Axes) -> str:
    """Return what :func:`kernel_text` does, from the operations of *program* and those *wanted*."""
    return _Writer(program, graph, axes).text(wanted)


NO_TILES = frozenset[int]()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an operation stands: inside how many axes, and in the searches of which tiles."""

    depth: int
    tiles: frozenset[int]


class _Writer:
    def __init__(self, program: Program, graph: Graph, axes: Axes) -> None:
        self.graph, self.axes = graph, axes
        self.rows = {name: (axis, row) for row, (axis, name) in enumerate(_flat(axes))}
        self.fixed = {name: number for number, name in enumerate(program.parameters)}
        self.places = self._places()
        self.searches = {fit.tile: number for number, fit in graph.fits.items()}

    def _places(self) -> list[_Place]:
        places: list[_Place] = []
        for number, node in enumerate(self.graph.nodes):
            depth = self.rows[node.value][0] + 1 if node.value in self.rows else 0
            for operand in node.operands:
                depth = max(depth, places[operand].depth)
            inside = [places[operand].tiles for operand in node.operands if places[operand].tiles]
            tiles = frozenset[int]().union(*inside) if inside else NO_TILES
            if node.operation == "tile":
                tiles = frozenset({number})
            elif node.operation == "fit":
                tiles -= {self.graph.fits[number].tile}
            places.append(_Place(depth, tiles))
        return places

    def text(self, wanted: Sequence[int]) -> str:
        """Return the source of the whole function."""
        rows = ["def evaluate(span, lengths, fixed, values, results, memory):"]
        rows += ["    start = span[0]", "    stop = span[1]", "    rest = start"]
        for axis in reversed(range(len(self.axes))):
            rows += [f"    n{axis} = lengths[{axis}]", f"    first{axis} = rest % n{axis}"]
            rows += [f"    rest = rest // n{axis}"]
        rows += ["    point = start"]
        rows += _inside(1, self._block(0))
        for axis in range(len(self.axes)):
            last = axis == len(self.axes) - 1
            end = f"min(n{axis}, first{axis} + stop - point)" if last else f"n{axis}"
            rows += _inside(axis + 1, [f"for i{axis} in range(first{axis}, {end}):"])
            rows += _inside(axis + 2, self._block(axis + 1))
        inner = [f"results[{number}, point - start] = t{node}" for number, node in enumerate(wanted)]
        rows += _inside(len(self.axes) + 1, [*inner, "point += 1"])
        for axis in reversed(range(1, len(self.axes))):
            rows += _inside(axis + 1, [f"first{axis} = 0", "if point >= stop:", "    break"])
        used = {node.operation for node in self.graph.nodes}
        return helpers(used) + "\n\n" + "\n".join(rows) + "\n"

    def _block(self, depth: int) -> list[str]:
        rows: list[str] = []
        for number, node in enumerate(self.graph.nodes):
            place = self.places[number]
            if place.depth == depth and not place.tiles and node.operation != "tile":
                rows += self._node(number, node)
        return rows

    def _node(self, number: int, node: Node) -> list[str]:
        if node.operation == "number":
            return [f"t{number} = {node.value!r}"]
        if node.operation == "parameter":
            name = str(node.value)
            if name in self.rows:
                axis, row = self.rows[name]
                return [f"t{number} = values[{row}, i{axis}]"]
            return [f"t{number} = fixed[{self.fixed[name]}]"]
        if node.operation == "fit":
            fit = self.graph.fits[number]
            return SEARCHES[fit.kind](fit, f"t{number}", self._footprint(fit))
        if node.operation == "item":
            return [f"t{number} = t{node.operands[0]}[{node.value}]"]
        return [f"t{number} = {called(node)}"]

    def _footprint(self, fit: Fit) -> list[str]:
        """Return the operations that depend on the tile of *fit*."""
        rows: list[str] = []
        for number, node in enumerate(self.graph.nodes):
            if fit.tile in self.places[number].tiles and number != fit.tile:
                rows += self._node(number, node)
        return rows


def _flat(axes: Axes) -> list[tuple[int, str]]:
    return [(axis, name) for axis, names in enumerate(axes) for name in names]


def _inside(depth: int, rows: Sequence[str]) -> list[str]:
    return [f"{'    ' * depth}{row}" for row in rows]


def _by_divisors(fit: Fit, target: str, footprint: list[str]) -> list[str]:
    tile, count = f"t{fit.tile}", f"t{fit.count}"
    rising = [
        *_by_halving(fit, target, footprint),
        f"{target} = largest_divisor({count}, {target}, memory)",
    ]
    if fit.rises:
        return rising
    found = [*footprint, f"if t{fit.footprint} <= t{fit.room}:", f"    {target} = {tile}", "    break"]
    every = [f"{target} = 1.0", f"{tile} = {count}", f"while {tile} > 1.0:"]
    every += _inside(1, [*found, f"{tile} = largest_divisor({count}, {tile} - 1.0, memory)"])
    return [f"if {count} < {KNOWN}:", *_inside(1, every), "else:", *_inside(1, rising)]


def _by_powers(fit: Fit, target: str, footprint: list[str]) -> list[str]:
    tile = f"t{fit.tile}"
    steps = [*footprint, f"if t{fit.footprint} <= t{fit.room}:", f"    {target} = {tile}"]
    steps += ["else:", "    break"] if fit.rises else []
    start = [f"{target} = 1.0", f"{tile} = 1.0", f"while {tile} <= t{fit.count}:"]
    return [*start, *_inside(1, [*steps, f"{tile} = {tile} * 2.0"])]


def _by_halving(fit: Fit, target: str, footprint: list[str]) -> list[str]:
    tile = f"t{fit.tile}"
    steps = [f"{tile} = ceil((lowest + highest) / 2.0)", *footprint, f"if t{fit.footprint} <= t{fit.room}:"]
    steps += [f"    lowest = {tile}", "else:", f"    highest = {tile} - 1.0"]
    start = ["lowest = 1.0", f"highest = t{fit.count}", "while lowest < highest:"]
    return [*start, *_inside(1, steps), f"{target} = lowest"]


SEARCHES = {"divisors": _by_divisors, "power_of_two": _by_powers, "any": _by_halving}
