"""Nests of a mapping file: loops, what is kept inside them, and bodies."""

from __future__ import annotations

from collections.abc import Mapping

from fusemax.cascade.ir import Cascade
from fusemax.machine import Machine
from fusemax.mapping.binding import Bound
from fusemax.mapping.nest import Body, Nest, Residence, Root, together
from fusemax.mapping.notes import Notes
from fusemax.mapping.ranks import Ranks
from fusemax.mapping.schedules import Schedules
from fusemax.mapping.spec import MappingFile, Node
from fusemax.source import KeyPath


class Nodes:
    """Reads the nodes of *file*; mistakes go to *notes*."""

    def __init__(self, cascade: Cascade, machine: Machine, file: MappingFile, notes: Notes) -> None:
        self.cascade, self.machine, self.file, self.notes = cascade, machine, file, notes
        self.einsums = {einsum.name: einsum for einsum in cascade.computed}
        self.ranks = Ranks(cascade, machine, file, notes)
        self.schedules = Schedules(self.einsums, machine, self.ranks, notes)

    def nest(self, index: int, node: Node, bound: Bound) -> Nest:
        """Return the nest that the top-level *node* number *index* describes."""
        path: KeyPath = ("nests", index)
        roots = self.ranks.roots({**self.file.tiles, **node.tiles}, path)
        bodies: list[Body] = []
        residences: list[Residence] = []
        self._node(node, path, (index,), (), {}, roots, bodies, residences)
        name = node.name or (bodies[-1].einsums[-1] if bodies and bodies[-1].einsums else f"nest {index}")
        nest = Nest(
            name=name, roots=roots, bodies=tuple(bodies), residences=tuple(residences),
            schedule=node.schedule if node.schedule is not None else self.file.schedule, spread=tuple(node.spread),
            deal=node.deal or "longest_first", beside=tuple(node.side_by_side),
        )  # fmt: skip
        for position, loop in enumerate(node.spread):
            self.notes.known(
                loop, _common(bodies), "loop around all of this nest", (*path, "spread", position)
            )
        for position, loop in enumerate(node.side_by_side):
            self.notes.known(loop, node.spread, "loop in spread", (*path, "side_by_side", position))
        where: KeyPath = (*path, "schedule") if node.schedule is not None else ("schedule",)
        self.schedules.check(nest, bound, where)
        return nest

    def _node(
        self, node: Node, path: KeyPath, number: tuple[int, ...], outside: tuple[tuple[str, ...], ...],
        spatial: Mapping[str, Mapping[str, str]], roots: Mapping[str, Root], bodies: list[Body],
        residences: list[Residence],
    ) -> None:  # fmt: skip
        outer = tuple(loop for opened in outside for loop in opened)
        self._loops(node, path, outer, roots)
        opened = (*outside, tuple(node.loops))
        loops = (*outer, *node.loops)
        spatial = {**spatial, **self._spatial(node, path, loops, roots)}
        own = node.tiles or node.spread or node.side_by_side or node.deal or node.schedule is not None
        if len(path) > 2 and own:
            text = "tiles, spread, side_by_side, deal and schedule belong to a top-level nest"
            self.notes.fail(path, text, key=True)
        for staged, table, label in ((False, node.keep, "keep"), (True, node.stage, "stage")):
            for level, entries in table.items():
                names = [entry.tensor for entry in entries]
                for position, entry in enumerate(entries):
                    if entry.tensor in names[:position]:
                        text = f"{entry.tensor} stands under {label} at {level} twice"
                        self.notes.fail((*path, label, level, position), text, "remove one of them")
                    elif self._residence_ok(level, entry.tensor, (*path, label, level), position, staged):
                        residences.append(
                            Residence(
                                tensor=entry.tensor, level=level, node=number, loops=loops,
                                buffers=entry.buffers, staged=staged,
                            )
                        )  # fmt: skip
        children = [child for child in node.do if isinstance(child, Node)]
        if children:
            for position, child in enumerate(children):
                inside: KeyPath = (*path, "do", position)
                self._node(child, inside, (*number, position), opened, spatial, roots, bodies, residences)
            return
        if not node.do:
            self.notes.fail((*path, "do"), "nothing is done here", "list Einsums or nests")
        done = [
            e
            for i, e in enumerate(node.do)
            if self.notes.known(str(e), self.einsums, "Einsum", (*path, "do", i))
        ]
        bodies.append(Body(node=number, opened=opened, spatial=spatial, einsums=tuple(str(e) for e in done)))

    def _loops(self, node: Node, path: KeyPath, outer: tuple[str, ...], roots: Mapping[str, Root]) -> None:
        known = [digit.name for root in roots.values() for digit in root.digits]
        seen = list(outer)
        for position, loop in enumerate(node.loops):
            at = (*path, "for", position)
            if not self.notes.known(loop, known, "loop of this mapping", at):
                continue
            if loop in seen:
                self.notes.fail(at, f"loop {loop} is open already")
            root = next(r for r in roots.values() if any(d.name == loop for d in r.digits))
            inner = [d.name for d in root.inner_to(loop) if d.name in seen]
            if inner:
                self.notes.fail(
                    at, f"loop {loop} stands inside {inner[0]}, a smaller tile of {root.size_name}"
                )
            seen.append(loop)

    def _spatial(
        self, node: Node, path: KeyPath, loops: tuple[str, ...], roots: Mapping[str, Root]
    ) -> dict[str, Mapping[str, str]]:
        known = [digit.name for root in roots.values() for digit in root.digits]
        good: dict[str, Mapping[str, str]] = {}
        for unit, dimensions in node.spatial.items():
            at: KeyPath = (*path, "spatial", unit)
            if not self.notes.known(unit, self.machine.units, "unit of this machine", at, key=True):
                continue
            for digit, names in dimensions.items():
                here: KeyPath = (*at, digit)
                if self.notes.known(digit, known, "digit of a rank", here, key=True) and digit in loops:
                    self.notes.fail(
                        here, f"{digit} is a loop around this and cannot be spatial as well", key=True
                    )
                shape = self.machine.units[unit].shape
                for dimension in names:
                    self.notes.known(dimension, shape, f"dimension of unit {unit}", here)
                self._not_apart(unit, dimensions, digit, here)
            good[unit] = {digit: together(names) for digit, names in dimensions.items()}
        return good

    def _not_apart(
        self, unit: str, dimensions: Mapping[str, tuple[str, ...]], digit: str, path: KeyPath
    ) -> None:
        """Note dimensions of *unit* that *digit* takes twice, or with others than an earlier digit does."""
        mine = dimensions[digit]
        if len(set(mine)) < len(mine):
            self.notes.fail(path, f"{digit} runs over one dimension of {unit} twice")
        for other, names in dimensions.items():
            if other == digit:
                return
            both = sorted(set(names) & set(mine))
            if both and names != mine:
                text = f"{both[0]} of {unit} is taken by {other} together with other dimensions"
                self.notes.fail(path, text, f"let both run over [{', '.join(names)}], or over others")

    def _residence_ok(self, level: str, tensor: str, path: KeyPath, position: int, staged: bool) -> bool:
        places = self.machine.places
        if not self.notes.known(level, places, "level or unit of this machine", path, key=True):
            return False
        if level in self.machine.units and level not in self.machine.lane_memories:
            self.notes.fail(path, f"unit {level} has no registers to keep {tensor} in", key=True)
            return False
        return self.notes.known(tensor, self.cascade.tensors, "tensor of this cascade", (*path, position))


def _common(bodies: list[Body]) -> tuple[str, ...]:
    """Return the loops that all *bodies* run inside together."""
    first, *others = bodies
    return min((first.shared_with(other) for other in others), key=len, default=first.loops)
