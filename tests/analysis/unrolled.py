"""Passes straight from the definition: unroll a cascade on a small shape, look at every task's ancestors.

The slow twin of ``fusemax.analysis``. It shares nothing with it but the cascade's text: no plain form, no
relations.

A task is an Einsum at a point. Its ancestors are all tasks that contribute, directly or not, to what it
reads; a reduction that may end early needs only what every outcome needs. The cone of X is found from the
text; each element of it remembers which elements of X it carries on. A visit groups the tasks of one Einsum
that read along the fibre, with everything outside the fibre fixed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, product

from fusemax.cascade.ir import Cascade, Einsum, affine, is_variable
from fusemax.language.syntax import Access, Binary, Expression, Name, Negative, Number, Reduction

Point = tuple[int, ...]
Element = tuple[str, Point]
COMPARE = {
    "<=": int.__le__, "<": int.__lt__, ">=": int.__ge__, ">": int.__gt__, "==": int.__eq__, "!=": int.__ne__,
}  # fmt: skip


@dataclass
class Task:
    """One Einsum at one point, with the elements that it reads by access."""

    number: int
    einsum: Einsum
    at: Mapping[str, int]
    reads: list[tuple[Access, Element]]
    ancestors: int = 0


@dataclass
class Unrolled:
    """Every task of a cascade in running order."""

    cascade: Cascade
    sizes: Mapping[str, int]
    tasks: list[Task] = field(default_factory=list)

    def __post_init__(self) -> None:
        known: dict[Element, int] = {}
        for task in self._tasks():
            task.number = len(self.tasks)
            for _, element in task.reads:
                task.ancestors |= known.get(element, 0)
            self.tasks.append(task)
            self._contribute(task, known)

    def _contribute(self, task: Task, known: dict[Element, int]) -> None:
        mine = task.ancestors | 1 << task.number
        early = isinstance(task.einsum.action, Reduction) and task.einsum.action.operator in (
            "any",
            "or",
            "and",
        )
        for output in task.einsum.outputs:
            element = (output.tensor, self.point(output, task.at))
            if early and element in known:
                known[element] &= mine
            else:
                known[element] = known.get(element, 0) | mine

    def _tasks(self) -> Iterator[Task]:
        yield from self._inside(self.cascade.einsums, {})

    def _inside(self, einsums: Iterable[Einsum], fixed: Mapping[str, int]) -> Iterator[Task]:
        depth = len(fixed)

        def loop_of(einsum: Einsum) -> tuple | None:
            frames = einsum.loops[depth : depth + 1]
            return (frames[0].variable, frames[0].block, frames[0].down) if frames else None

        for loop, members in groupby(einsums, key=loop_of):
            body = list(members)
            if loop is None:
                for einsum in body:
                    yield from self._of(einsum, fixed)
                continue
            steps = range(self.sizes[loop[0].upper()])
            for step in reversed(steps) if loop[2] else steps:
                yield from self._inside(body, {**fixed, loop[0]: step})

    def _of(self, einsum: Einsum, fixed: Mapping[str, int]) -> Iterator[Task]:
        running = [v for v in einsum.variables if v not in fixed]
        for point in product(*(range(self.sizes[v.upper()]) for v in running)):
            at = {**fixed, **dict(zip(running, point, strict=True))}
            if all(
                COMPARE[c.comparison](self.value(c.left, at), self.value(c.right, at))
                for c in einsum.conditions
            ):
                reads = [(a, (a.tensor, self.point(a, at))) for a in einsum.reads]
                yield Task(0, einsum, at, [read for read in reads if self._exists(*read[1])])

    def _exists(self, name: str, point: Point) -> bool:
        tensor = self.cascade.tensors[name]
        extents = [self.sizes[rank] + (rank in tensor.generations) for rank in tensor.ranks]
        return all(0 <= c < extent for c, extent in zip(point, extents, strict=True))

    def point(self, access: Access, at: Mapping[str, int]) -> Point:
        """Return the coordinates of *access* at a point."""
        return tuple(self.value(index, at) for index in access.indices)

    def value(self, expression: Expression, at: Mapping[str, int]) -> int:
        """Return the value of an index at a point."""
        if isinstance(expression, Number):
            return int(expression.value)
        if isinstance(expression, Name):
            return at[expression.name] if is_variable(expression.name) else self.sizes[expression.name]
        if isinstance(expression, Negative):
            return -self.value(expression.operand, at)
        assert isinstance(expression, Binary)
        left, right = self.value(expression.left, at), self.value(expression.right, at)
        return {"+": left + right, "-": left - right, "*": left * right}[expression.operator]


def along(access: Access, positions: tuple[int, ...]) -> tuple[str, ...] | None:
    """Return the variables that run along the ranks at *positions*, each once; None for other indices."""
    found: list[str] = []
    for position in positions:
        terms = affine(access.indices[position])
        if terms is None or not terms[0] or (len(terms[0]) > 1 and terms[1] is not None):
            return None
        found += sorted(terms[0])
    return tuple(found) if len(set(found)) == len(found) else None


def written_at(output: Access, variables: tuple[str, ...]) -> tuple[int, ...] | None:
    """Return where *variables* stand in the output, each alone or shifted by one."""
    places: list[int] = []
    for variable in variables:
        at = [
            position
            for position, index in enumerate(output.indices)
            if (terms := affine(index)) is not None and set(terms[0]) == {variable}
        ]
        if len(at) != 1:
            return None
        places += at
    return tuple(places)


Member = tuple[str, tuple[int, ...]]


def cone(cascade: Cascade, tensor: str, positions: tuple[int, ...]) -> list[Member]:
    """Return the tensors that carry the fibre on, with the ranks along which they do."""
    members: list[Member] = [(tensor, positions)]
    for name, places in members:
        for einsum, access in _reads(cascade, name):
            variables = along(access, places)
            if variables is None or any(v in einsum.reduced for v in variables):
                continue
            for output in einsum.outputs:
                new = written_at(output, variables)
                if new is not None and (output.tensor, new) not in members:
                    members.append((output.tensor, new))
    return members


def _reads(cascade: Cascade, tensor: str) -> Iterator[tuple[Einsum, Access]]:
    for einsum in cascade.einsums:
        for access in einsum.reads:
            if access.tensor == tensor:
                yield einsum, access


def passes(unrolled: Unrolled, tensor: str, positions: tuple[int, ...]) -> int:
    """Return the passes over the ranks at *positions* of *tensor*, by the definition."""
    members = cone(unrolled.cascade, tensor, positions)
    carries: dict[tuple[Member, Point], set[tuple[Point, Point]]] = defaultdict(set)
    groups: dict[Point, dict[tuple, list[Task]]] = defaultdict(lambda: defaultdict(list))
    covered: dict[Point, dict[tuple, set[Point]]] = defaultdict(lambda: defaultdict(set))
    for task in unrolled.tasks:
        for access, (name, point) in task.reads:
            for member in members:
                variables = along(access, member[1]) if member[0] == name else None
                if variables is None:
                    continue
                carried = carries[member, point] if member != members[0] else {_split(point, positions)}
                _group(task, access, member, variables, carried, groups, covered)
                _carry_on(unrolled, task, member, variables, carried, members, carries)
    ends = _ends(unrolled, tensor, positions)
    return max((_longest(groups[fibre], covered[fibre], ends) for fibre in groups), default=0)


def _ends(unrolled: Unrolled, tensor: str, positions: tuple[int, ...]) -> tuple[set[int], ...]:
    """Return, for each rank, coordinates that a complete visit may leave out: first and last of a state."""
    entry = unrolled.cascade.tensors[tensor]
    ranks = [entry.ranks[position] for position in positions]
    return tuple({0, unrolled.sizes[rank]} if rank in entry.generations else set() for rank in ranks)


def _split(point: Point, positions: tuple[int, ...]) -> tuple[Point, Point]:
    outside = tuple(c for i, c in enumerate(point) if i not in positions)
    return outside, tuple(point[position] for position in positions)


def _group(task, access, member, variables, carried, groups, covered) -> None:
    """Put a task into the visit that it belongs to, for each fibre of which it reads something."""
    index = {
        n for position, i in enumerate(access.indices) if position not in member[1] for n in affine(i)[0]
    }
    outer = sorted((set(task.einsum.output_variables) | index) - set(variables))
    key = (task.einsum.name, access, member, tuple((v, task.at[v]) for v in outer if v in task.at))
    for fibre, coordinate in carried:
        if not groups[fibre][key] or groups[fibre][key][-1] is not task:
            groups[fibre][key].append(task)
        covered[fibre][key].add(coordinate)


def _carry_on(unrolled, task, member, variables, carried, members, carries) -> None:
    """Let the outputs of a task remember what they carry."""
    if any(v in task.einsum.reduced for v in variables):
        return
    for output in task.einsum.outputs:
        new = written_at(output, variables)
        if new is not None and (output.tensor, new) in members:
            carries[(output.tensor, new), unrolled.point(output, task.at)] |= carried


def _longest(groups: Mapping[tuple, list[Task]], covered: Mapping[tuple, set[Point]], ends) -> int:
    """Return the longest chain of visits, each of which is needed as a whole by every task of the next."""
    everything = {
        point
        for points in covered.values()
        for point in points
        if not any(c in left_out for c, left_out in zip(point, ends, strict=True))
    }
    if len(everything) < 2:
        return min(1, len(groups))  # one coordinate: everything that follows it comes after all of it
    complete = [tasks for key, tasks in groups.items() if everything <= covered[key]]
    masks = [sum(1 << task.number for task in tasks) for tasks in complete]
    needs = []
    for tasks in complete:
        common = tasks[0].ancestors
        for task in tasks:
            common &= task.ancestors
        needs.append(common)
    order = sorted(range(len(complete)), key=lambda i: max(task.number for task in complete[i]))
    length = [1] * len(complete)
    for i in order:
        for j in order:
            if i != j and masks[j] & needs[i] == masks[j]:
                length[i] = max(length[i], length[j] + 1)
    return max(length, default=0)
