"""Python source for a graph over a grid: loops over its axes, with each operation as far out as it can be, or in a table.

The text holds two functions. ``block(start, stop, lengths, fixed, values, work, memory, tables, state)`` works out the points
from *start* to *stop* (not included, at most ``BLOCK`` of them), counted in the order of the grid, last axis fastest:

- ``lengths``: uint64[axes], the number of values on each axis;
- ``fixed``: float64[parameters], the parameters in the order of the program (those on an axis are not read);
- ``values``: float64[names, longest axis], a row for each name on an axis, axis after axis;
- ``work``: float64[rows * PITCH], written: the first rows are the outputs, the others hold what the innermost loop reads;
- ``memory``: float64[slots, room], divisors found before; zeros at first;
- ``tables``: float64[entries], groups worked out before; ``state``: uint64[groups], of which outer values; zeros at first.

``evaluate(span, ..., results, ...)`` does so for all points of ``span`` and moves the outputs to ``results``.

Whatever the innermost loop touches is a row of one array, at a distance that the compiler knows: so it becomes vector
instructions. Rows are a little longer than a block, so that they do not fall into the same lines of the processor's cache.
Indices are unsigned, which spares the test for negative ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fusemax.cost.code import SEARCHES, called, helpers
from fusemax.cost.graph import Graph, Node, graph_of, searched_in
from fusemax.cost.program import Program
from fusemax.cost.tables import WEIGHTS, Table, needs_of, tables_of

Axes = Sequence[Sequence[str]]
BLOCK, PITCH = 512, 520
HEAVY = 100  #: weight from which an operation has a loop of its own
ARGUMENTS = "lengths, fixed, values, work, memory, tables, state"

MOVES = '''

def copy(to, where, source, begin, count):
    """Copy *count* numbers."""
    for k in range(count):
        to[where + k] = source[begin + k]


def fill(to, where, value, count):
    """Write one number *count* times."""
    for k in range(count):
        to[where + k] = value


'''
EVALUATE = '''

def evaluate(span, lengths, fixed, values, results, work, memory, tables, state):
    """Write the points of *span* to the rows of *results*, block by block."""
    start = span[0]
    while start < span[1]:
        stop = min(span[1], start + BLOCK)
        block(start, stop, lengths, fixed, values, work, memory, tables, state)
        for row in range(OUTPUTS):
            copy(results[row], start - span[0], work, unsigned(row) * PITCH, stop - start)
        start = stop
'''


@dataclass(frozen=True, slots=True)
class Nest:
    """The source with the room that it needs: rows of the work array, numbers in tables, and groups."""

    text: str
    rows: int
    entries: int
    groups: int


def nest_of(program: Program, outputs: Sequence[str], axes: Axes, lengths: Sequence[int]) -> Nest:
    """Return the nest for *outputs* of *program* over a grid of *axes*, each with its names and so many values."""
    graph, wanted = graph_of(program, outputs)
    return _Nest(program, graph, wanted, axes, lengths).nest()


class _Nest:
    def __init__(
        self, program: Program, graph: Graph, wanted: Sequence[int], axes: Axes, lengths: Sequence[int]
    ) -> None:  # fmt: skip
        self.graph, self.wanted, self.lengths = graph, wanted, lengths
        self.inner = len(lengths) - 1
        names = [(axis, name) for axis, group in enumerate(axes) for name in group]
        self.row_of = {name: row for row, (_, name) in enumerate(names)}
        self.fixed = {name: number for number, name in enumerate(program.parameters)}
        self.needs = needs_of(graph, {name: axis for axis, name in names if lengths[axis] > 1})
        self.searched = searched_in(graph)
        self.readers = self._readers()
        self.tables = tables_of(graph, self.needs, self.readers, wanted, lengths)
        self.table_of = {value: table for table in self.tables for value in table.values}
        self.main = self._closure(wanted, None)
        self.work_rows: dict[int, int] = {}
        for row, node in enumerate(wanted):
            self.work_rows.setdefault(node, row)
        self.rows = len(wanted)

    def nest(self) -> Nest:
        """Return the source and what it needs."""
        body = self._text()
        outputs = f"OUTPUTS, BLOCK, PITCH = {len(self.wanted)}, unsigned({BLOCK}), unsigned({PITCH})\n"
        outputs += "ZERO, ONE = unsigned(0), unsigned(1)\n"
        rows = "".join(f"R{row} = unsigned({row * PITCH})\n" for row in range(self.rows))
        entries = sum(len(t.values) * math.prod(self.lengths[axis] for axis in t.axes) for t in self.tables)
        used = {node.operation for node in self.graph.nodes}
        text = f"{outputs}{rows}{helpers(used)}{MOVES}{body}{EVALUATE}"
        return Nest(text, self.rows, entries, len(self.tables))

    # --- what is worked out where

    def _reads(self, number: int) -> Iterable[int]:
        """Return the nodes that a node reads, those of a tile's search included, the tile itself left out."""
        fit = self.graph.fits.get(number)
        if fit is None:
            return self.graph.nodes[number].operands
        inside = self.searched[number]
        read = [
            fit.count,
            fit.room,
            *(o for m in inside for o in self.graph.nodes[m].operands),
            fit.footprint,
        ]
        return [node for node in dict.fromkeys(read) if node not in inside and node != fit.tile]

    def _readers(self) -> dict[int, frozenset[int]]:
        readers: dict[int, set[int]] = {}
        inside = {node for nodes in self.searched.values() for node in nodes}
        for number in range(len(self.graph.nodes)):
            if number not in inside and self.graph.nodes[number].operation != "tile":
                for read in self._reads(number):
                    readers.setdefault(read, set()).add(number)
        return {node: frozenset(found) for node, found in readers.items()}

    def _closure(self, wanted: Iterable[int], own: Table | None) -> tuple[int, ...]:
        """Return the nodes that *wanted* need, in order; what stands in a table, other than *own*, needs nothing."""
        found: set[int] = set()
        waiting = list(wanted)
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                if self.table_of.get(number) in (None, own):
                    waiting += self._reads(number)
        return tuple(sorted(found))

    def _depth(self, number: int) -> int:
        return max(self.needs[number], default=-1) + 1

    # --- the text

    def _text(self) -> str:
        rows = [f"def block(start, stop, {ARGUMENTS}):", "    rest = start"]
        for axis in reversed(range(self.inner + 1)):
            rows += [f"    n{axis} = lengths[{axis}]", f"    first{axis} = rest % n{axis}"]
            rows += [f"    rest = rest // n{axis}"]
        rows += ["    point = start", *_inside(1, self._places())]
        for axis in range(self.inner + 1):
            rows += _inside(axis + 1, self._level(axis))
            if axis < self.inner:
                rows += _inside(axis + 1, [f"for i{axis} in range(first{axis}, n{axis}):"])
        rows += _inside(self.inner + 1, self._innermost())
        for axis in reversed(range(1, self.inner + 1)):
            rows += _inside(axis + 1, [f"first{axis} = ZERO", "if point >= stop:", "    break"])
        return "\n".join(rows) + "\n"

    def _places(self) -> list[str]:
        """Return where the table of each value begins."""
        rows = ["end = ZERO"] if self.tables else []
        for table in self.tables:
            rows.append(f"size{table.number} = {' * '.join(f'n{axis}' for axis in table.axes) or 'ONE'}")
            for value in table.values:
                rows += [f"at{value} = end", f"end = end + size{table.number}"]
        return rows

    def _level(self, depth: int) -> list[str]:
        """Return what is worked out inside the first *depth* axes, then the tables that are filled there.

        What all these axes decide stands last of the single values: it may be kept in a table without axes of its own.
        """
        here = [number for number in self.main if self._depth(number) == depth]
        tables = sorted((t for t in self.tables if t.depth == depth), key=lambda table: bool(table.axes))
        kept = {value for table in tables if not table.axes for value in table.values}
        rows = [row for number in here if number not in kept for row in self._statement(number, None)]
        for table in tables:
            rows += self._filled(table)
            if not table.axes:
                rows += [row for number in here if number in kept for row in self._statement(number, None)]
        return rows

    def _statement(self, number: int, own: Table | None) -> list[str]:
        """Return the rows that make a node's number: from its operands, or from its table."""
        table = self.table_of.get(number)
        if table is not None and table is not own:
            return [f"t{number} = tables[{self._at(number, table)}]"]
        node = self.graph.nodes[number]
        if node.operation == "tile":
            return []
        if node.operation == "fit":
            fit = self.graph.fits[number]
            inside = [row for member in self.searched[number] for row in self._plain(member)]
            return SEARCHES[fit.kind](fit, f"t{number}", inside)
        return self._plain(number)

    def _plain(self, number: int) -> list[str]:
        node = self.graph.nodes[number]
        if node.operation == "fit":
            return self._statement(number, None)
        if node.operation == "parameter":
            return [f"t{number} = {self._given(str(node.value))}"]
        return [f"t{number} = {_value(node)}"]

    def _given(self, name: str) -> str:
        if name not in self.row_of:
            return f"fixed[{self.fixed[name]}]"
        axes = self.needs[self.graph.numbers[Node("parameter", (), name)]]
        return f"values[{self.row_of[name]}, {f'i{next(iter(axes))}' if axes else 'ZERO'}]"

    def _at(self, number: int, table: Table) -> str:
        """Return where in *table* the value of a node stands now."""
        return f"at{number} + {self._index(table)}" if table.axes else f"at{number}"

    def _index(self, table: Table) -> str:
        """Return the place in *table* of the values that its axes have now."""
        text = f"i{table.axes[0]}"
        for axis in table.axes[1:]:
            text = f"({text}) * n{axis} + i{axis}"
        return text

    def _filled(self, table: Table) -> list[str]:
        """Return the loops that fill *table*, unless it holds what belongs to the outer values that there are now."""
        key = "ONE"
        for axis in range(table.depth):
            key = f"({key}) * n{axis} + i{axis}" if axis else "ONE + i0"
        needed = self._closure(table.values, table)
        known = {n for n in self.main if self._depth(n) <= table.depth}
        known -= set(table.values)
        needed = tuple(n for n in needed if not (n in known and self.needs[n] <= set(range(table.depth))))
        rows: list[str] = []
        for place in range(len(table.axes) + 1):
            for number in needed:
                depth = 1 + max(
                    (table.axes.index(a) for a in self.needs[number] if a in table.axes), default=-1
                )
                if depth == place:
                    rows += _inside(place, self._statement(number, table))
            if place < len(table.axes):
                axis = table.axes[place]
                rows += _inside(place, [f"for i{axis} in range(n{axis}):"])
        stores = [f"tables[{self._at(value, table)}] = t{value}" for value in table.values]
        rows += _inside(len(table.axes), stores)
        state = f"state[{table.number}]"
        key_is = f"key{table.number}"
        return [f"{key_is} = {key}", f"if {state} != {key_is}:", *_inside(1, rows), f"    {state} = {key_is}"]

    # --- the innermost loop

    def _innermost(self) -> list[str]:
        rows = [f"count = min(n{self.inner} - first{self.inner}, stop - point)", "base = point - start"]
        inner = [number for number in self.main if self._depth(number) == self.inner + 1]
        moved, computed = [], []
        for number in inner:
            operation = self.graph.nodes[number].operation
            given = number in self.table_of or operation == "parameter"
            (moved if given else computed).append(number)
        steps = self._steps(computed)
        rows += [self._move(number) for number in moved]
        for members in steps:
            rows += self._loop(members, set(computed))
        rows += self._outputs(set(inner))
        return [*rows, "point = point + count"]

    def _row(self, number: int) -> str:
        """Return the name of where the row of a node begins; it gets one when it has none."""
        if number not in self.work_rows:
            self.work_rows[number] = self.rows
            self.rows += 1
        return f"R{self.work_rows[number]}"

    def _move(self, number: int) -> str:
        """Return the row that copies what the innermost loop reads, or an output, from a table or an axis."""
        table, inner = self.table_of.get(number), self.inner
        to = f"copy(work, {self._row(number)} + base"
        if table is None:
            row = self.row_of[str(self.graph.nodes[number].value)]
            return f"{to}, values[{row}], first{inner}, count)"
        place = self._index(table).removesuffix(f"i{inner}") + f"first{inner}"
        return f"{to}, tables, at{number} + {place}, count)"

    def _steps(self, computed: Sequence[int]) -> list[list[int]]:
        """Return the nodes of the innermost loop in loops of their own: those with searches stand between the others."""
        step_of: dict[int, int] = {}
        among = set(computed)
        for number in computed:
            heavy = WEIGHTS.get(self.graph.nodes[number].operation, 1.0) >= HEAVY
            step = int(heavy)
            for read in self._reads(number):
                if read in among:
                    before = step_of[read]
                    same = before % 2 == heavy or (self.graph.nodes[number].operation == "item")
                    step = max(step, before if same else before + 1)
            step_of[number] = step
        steps: dict[int, list[int]] = {}
        for number, step in step_of.items():
            steps.setdefault(step, []).append(number)
        return [steps[step] for step in sorted(steps)]

    def _loop(self, members: Sequence[int], computed: set[int]) -> list[str]:
        """Return one loop over the points of the innermost axis."""
        mine, rows, read = set(members), [], set[int]()
        wanted = set(self.wanted)
        for number in members:
            for operand in self._reads(number):
                innermost = self._depth(operand) == self.inner + 1
                if innermost and operand not in mine and operand not in read:
                    read.add(operand)
                    rows.append(f"t{operand} = work[{self._row(operand)} + k]")
            rows += self._statement(number, None)
            outside = self.readers.get(number, frozenset()) & computed - mine
            if number in wanted or outside:
                rows.append(f"work[{self._row(number)} + k] = t{number}")
        return ["for k in range(base, base + count):", *_inside(1, rows)]

    def _outputs(self, inner: set[int]) -> list[str]:
        """Return the rows that fill outputs which do not change along the innermost axis, and second ones of one node."""
        rows: list[str] = []
        for row, number in enumerate(self.wanted):
            if number not in inner:
                rows.append(f"fill(work, R{row} + base, t{number}, count)")
            elif self.work_rows[number] != row:
                rows.append(f"copy(work, R{row} + base, work, {self._row(number)} + base, count)")
        return rows


def _value(node: Node) -> str:
    if node.operation == "number":
        return repr(node.value)
    if node.operation == "item":
        return f"t{node.operands[0]}[{node.value}]"
    return called(node)


def _inside(depth: int, rows: Sequence[str]) -> list[str]:
    return [f"{'    ' * depth}{row}" for row in rows]
