"""Set a mapping file against its cascade and machine: the legal :class:`~fusemax.mapping.nest.Mapped`, or every mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from fusemax.analysis.work import is_view, operations
from fusemax.cascade.build import load_cascade
from fusemax.cascade.ir import Cascade, is_variable
from fusemax.cascade.views import without
from fusemax.errors import FusemaxError, Problem, ProblemsError
from fusemax.language.formula import formula, formula_names, substituted
from fusemax.language.syntax import Expression, Name, names
from fusemax.machine import Machine, figures
from fusemax.mapping.legality import dataflow_problems
from fusemax.mapping.nest import Body, Digit, Mapped, Nest, Residence, Root
from fusemax.mapping.spec import Fit, MappingFile, Node, Overlap, Rule, Stall, load_mapping_file
from fusemax.mapping.tiles import TileError, written_out
from fusemax.mapping.units import missing_operations, offload_of
from fusemax.quantity import QuantityError
from fusemax.source import Document, KeyPath


def load_mapping(name: str, machine: Machine, machine_path: Path) -> Mapped:
    """Return the mapping called *name*, with the cascade that it names, set against *machine*."""
    file, document = load_mapping_file(name, machine_path)
    return map_onto(load_cascade(file.cascade), machine, file, document)


def map_onto(cascade: Cascade, machine: Machine, file: MappingFile, document: Document) -> Mapped:
    """Return *cascade* mapped onto *machine* as *file* says.

    Raises
    ------
    ProblemsError
        Naming every mistake with its place: unknown names, Einsums without a unit or body, operations that a unit cannot
        do, tensors that leave their body unkept, fusion that the data flow forbids, schedules that miss an Einsum.
    """
    return _Builder(cascade, machine, file, document).build()


class _Builder:
    def __init__(self, cascade: Cascade, machine: Machine, file: MappingFile, document: Document) -> None:
        self.machine, self.file, self.document = machine, file, document
        self.problems: list[Problem] = []
        self._same_cascade(cascade)
        self.cascade = self._without_views(cascade)
        self.einsums = {einsum.name: einsum for einsum in self.cascade.computed}

    def _same_cascade(self, cascade: Cascade) -> None:
        """Refuse at once a cascade that the mapping was plainly not written for."""
        mine = {einsum.name for einsum in cascade.computed}
        bound = [entry.partition(".")[0] for entries in self.file.bind.values() for entry in entries]
        strange = [name for name in dict.fromkeys(bound) if name not in mine]
        if cascade.name != self.file.cascade and strange:
            text = f"this mapping is for cascade {self.file.cascade}; {cascade.name} has no Einsum {', '.join(strange)}"
            raise ProblemsError(
                [self.document.problem(("cascade",), text, "choose another mapping or cascade")]
            )

    def build(self) -> Mapped:
        bind = self._bind()
        nests = tuple(self._nest(index, node, bind) for index, node in enumerate(self.file.nests))
        self._each_once(nests)
        self._tensor_lists()
        words = {tensor: self._word(tensor, value) for tensor, value in self.file.words.items()}
        offload, mistakes = offload_of(self.file, self.document, self.cascade, self.machine)
        self.problems += mistakes
        mapped = Mapped(
            name=Path(self.document.file).stem,
            title=self.file.title,
            cascade=self.cascade,
            nests=nests,
            bind=bind,
            spill={level: tuple(tensors) for level, tensors in self.file.spill.items()},
            in_place=tuple(tuple(group) for group in self.file.in_place),
            words=words,
            offload=offload,
        )
        if not self.problems:
            self.problems += dataflow_problems(mapped, self.machine, self.document)
        if self.problems:
            raise ProblemsError(self.problems)
        return mapped

    def _fail(self, path: KeyPath, text: str, hint: str | None = None, key: bool = False) -> None:
        self.problems.append(self.document.problem(path, text, hint, key))

    def _known(self, name: str, known: Iterable[str], what: str, path: KeyPath, key: bool = False) -> bool:
        known = list(known)
        if name in known:
            return True
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
        self._fail(path, f"{name!r} is no {what}", hint, key)
        return False

    def _without_views(self, cascade: Cascade) -> Cascade:
        cascade = cascade.batched()
        names_ = [einsum.name for einsum in cascade.computed]
        absorbed: list[str] = []
        for position, name in enumerate(self.file.absorb):
            if self._known(name, names_, f"Einsum of cascade {cascade.name}", ("absorb", position)):
                try:
                    without(cascade, [name])
                    absorbed.append(name)
                except FusemaxError as error:
                    self._fail(("absorb", position), str(error))
        views = [e.name for e in cascade.computed if is_view(e) and e.name not in cascade.outputs]
        return without(cascade, [*absorbed, *views])

    def _word(self, tensor: str, value: object) -> Expression:
        self._known(tensor, self.cascade.tensors, "tensor", ("words", tensor), key=True)
        try:
            return formula(value, "B")  # type: ignore[arg-type]
        except QuantityError as error:
            self._fail(("words", tensor), str(error))
            return Name("word")

    # --- which unit does what

    def _bind(self) -> dict[tuple[str, int], str]:
        bind: dict[tuple[str, int], str] = {}
        for unit, entries in self.file.bind.items():
            if not self._known(unit, self.machine.units, "unit of this machine", ("bind", unit), key=True):
                continue
            for position, entry in enumerate(entries):
                self._bind_entry(unit, entry, ("bind", unit, position), bind)
        missing = [
            f"{name} ({operation.name})"
            for name, einsum in self.einsums.items()
            for index, operation in enumerate(operations(self.cascade, einsum))
            if (name, index) not in bind
        ]
        if missing:
            text = f"no unit is bound to {', '.join(missing)}"
            self._fail(("bind",), text, f"add them to: {', '.join(self.machine.units)}", key=True)
        return bind

    def _bind_entry(self, unit: str, entry: str, path: KeyPath, bind: dict[tuple[str, int], str]) -> None:
        name, _, operation = entry.partition(".")
        if not self._known(name, self.einsums, "Einsum of this mapping's cascade", path):
            return
        todo = operations(self.cascade, self.einsums[name])
        wanted = [i for i, o in enumerate(todo) if operation in ("", o.name)]
        if operation and not wanted:
            self._fail(
                path, f"{name} has no operation {operation!r}", f"it has: {', '.join(o.name for o in todo)}"
            )
        for index in wanted:
            if (name, index) in bind:
                self._fail(path, f"{name} is bound to {bind[name, index]} already", "an Einsum has one unit")
                continue
            bind[name, index] = unit
            for missing in missing_operations(self.machine, unit, todo[index]):
                text = f"unit {unit} cannot do {missing!r}, which {name} needs"
                known = ", ".join(self.machine.units[unit].operations)
                self._fail(path, text, f"it does: {known}; bind {name} to another unit or add the operation")

    # --- roots and digits

    def _roots(self, tiles: Mapping[str, Rule], path: KeyPath) -> dict[str, Root]:
        digits: dict[str, list[tuple[int, str, object]]] = {}
        tiles = self._written_out(tiles, path)
        for key, rule in tiles.items():
            at = self._tile_place(key, path)
            self._check_rule(rule, at)
            match = re.fullmatch(r"(.+?)(\d+)", key)
            base = match.group(1) if match else key
            if key in self.cascade.ranks and self._partition_of(key) is not None:
                continue
            if not match or base not in self.cascade.ranks:
                known = [f"{name}0" for name in self.cascade.ranks if self._partition_of(name) is None]
                self._known(key, known, "tile of a rank of this cascade", at, key=True)
                continue
            digits.setdefault(base, []).append((int(match.group(2)), key.lower(), rule))
        roots: dict[str, Root] = {}
        for name, rank in self.cascade.ranks.items():
            if self._partition_of(name) is None:
                roots[name.lower()] = self._root(name, rank.size, digits.get(name, []), tiles, path)
        return roots

    def _written_out(self, tiles: Mapping[str, Rule], path: KeyPath) -> dict[str, Rule]:
        rules: dict[str, Rule] = {}
        for key, rule in tiles.items():
            try:
                rules[key] = written_out(key, tiles)
            except TileError as error:
                self._fail(self._tile_place(key, path), str(error))
                rules[key] = rule
        return rules

    def _tile_place(self, key: str, path: KeyPath) -> KeyPath:
        return (*path, "tiles", key) if path and key in self._own_tiles(path) else ("tiles", key)

    def _own_tiles(self, path: KeyPath) -> Mapping[str, object]:
        return self.file.nests[int(path[1])].tiles

    def _root(
        self, name: str, size: Expression | None, cuts: list[tuple[int, str, object]], tiles: Mapping[str, object],
        path: KeyPath,
    ) -> Root:  # fmt: skip
        parts = self._parts(name, size)
        if parts:
            digits = [Digit(parts[0].lower(), None)]
            for part in parts[1:]:
                rule = tiles.get(part, Name(part))
                digits.append(Digit(part.lower(), rule))  # type: ignore[arg-type]
            if parts[0] in tiles:
                text = f"{parts[0]} is the outermost digit of {name} and takes what is left"
                self._fail((*path, "tiles", parts[0]) if path else ("tiles", parts[0]), text, "remove it")
            return Root(name.lower(), tuple(digits))
        if not cuts:
            return Root(name.lower(), (Digit(name.lower(), None),))
        cuts = sorted(cuts, reverse=True)
        if [number for number, _, _ in cuts] != list(range(len(cuts) - 1, -1, -1)):
            self._fail(("tiles",), f"tiles of {name} must be {name}0, {name}1, ... without a gap", key=True)
        outer = Digit(f"{name.lower()}{len(cuts)}", None)
        return Root(name.lower(), (outer, *(Digit(key, rule) for _, key, rule in cuts)))  # type: ignore[misc]

    def _parts(self, name: str, size: Expression | None) -> tuple[str, ...]:
        if size is None or isinstance(size, Name):
            return ()
        used = names(size)
        variables = {v for e in self.cascade.einsums for v in e.variables}
        is_product = (
            all(n in self.cascade.ranks for n in used) and "+" not in str(size) and "-" not in str(size)
        )
        return used if is_product and len(used) > 1 and any(n.lower() in variables for n in used) else ()

    def _partition_of(self, name: str) -> str | None:
        for whole, rank in self.cascade.ranks.items():
            if whole != name and name in self._parts(whole, rank.size):
                return whole
        return None

    def _check_rule(self, rule: object, path: KeyPath) -> None:
        if isinstance(rule, Fit):
            inner = [n for n in self.machine.level_names if n != self.machine.outermost]
            self._known(rule.level, inner, "level that a tile could fit", path)
            return
        known = {*figures(self.machine), *self.cascade.ranks, *self.cascade.size_symbols()}
        for used in formula_names(rule):  # type: ignore[arg-type]
            self._known(used, sorted(known), "figure of the machine or size of a rank", path)

    # --- nests

    def _nest(self, index: int, node: Node, bind: Mapping[tuple[str, int], str]) -> Nest:
        path: KeyPath = ("nests", index)
        roots = self._roots({**self.file.tiles, **node.tiles}, path)
        bodies: list[Body] = []
        residences: list[Residence] = []
        self._node(node, path, (index,), (), {}, roots, bodies, residences)
        name = node.name or (bodies[-1].einsums[-1] if bodies and bodies[-1].einsums else f"nest {index}")
        nest = Nest(
            name=name, roots=roots, bodies=tuple(bodies), residences=tuple(residences),
            schedule=node.schedule if node.schedule is not None else self.file.schedule, spread=tuple(node.spread),
            deal=node.deal or "longest_first",
        )  # fmt: skip
        for position, loop in enumerate(node.spread):
            self._known(loop, _common(bodies), "loop around all of this nest", (*path, "spread", position))
        where: KeyPath = (*path, "schedule") if node.schedule is not None else ("schedule",)
        self._schedule(nest, bind, where)
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
        if len(path) > 2 and (node.tiles or node.spread or node.deal or node.schedule is not None):
            self._fail(path, "tiles, spread, deal and schedule belong to a top-level nest", key=True)
        for staged, table, label in ((False, node.keep, "keep"), (True, node.stage, "stage")):
            for level, entries in table.items():
                names = [entry.tensor for entry in entries]
                for position, entry in enumerate(entries):
                    if entry.tensor in names[:position]:
                        text = f"{entry.tensor} stands under {label} at {level} twice"
                        self._fail((*path, label, level, position), text, "remove one of them")
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
            self._fail((*path, "do"), "nothing is done here", "list Einsums or nests")
        done = [
            e for i, e in enumerate(node.do) if self._known(str(e), self.einsums, "Einsum", (*path, "do", i))
        ]
        bodies.append(Body(node=number, opened=opened, spatial=spatial, einsums=tuple(str(e) for e in done)))

    def _loops(self, node: Node, path: KeyPath, outer: tuple[str, ...], roots: Mapping[str, Root]) -> None:
        known = [digit.name for root in roots.values() for digit in root.digits]
        seen = list(outer)
        for position, loop in enumerate(node.loops):
            at = (*path, "for", position)
            if not self._known(loop, known, "loop of this mapping", at):
                continue
            if loop in seen:
                self._fail(at, f"loop {loop} is open already")
            root = next(r for r in roots.values() if any(d.name == loop for d in r.digits))
            inner = [d.name for d in root.inner_to(loop) if d.name in seen]
            if inner:
                self._fail(at, f"loop {loop} stands inside {inner[0]}, a smaller tile of {root.size_name}")
            seen.append(loop)

    def _spatial(
        self, node: Node, path: KeyPath, loops: tuple[str, ...], roots: Mapping[str, Root]
    ) -> dict[str, Mapping[str, str]]:
        known = [digit.name for root in roots.values() for digit in root.digits]
        good: dict[str, Mapping[str, str]] = {}
        for unit, dimensions in node.spatial.items():
            at: KeyPath = (*path, "spatial", unit)
            if not self._known(unit, self.machine.units, "unit of this machine", at, key=True):
                continue
            for digit, dimension in dimensions.items():
                here: KeyPath = (*at, digit)
                if self._known(digit, known, "digit of a rank", here, key=True) and digit in loops:
                    self._fail(here, f"{digit} is a loop around this and cannot be spatial as well", key=True)
                shape = self.machine.units[unit].shape
                self._known(dimension, shape, f"dimension of unit {unit}", here)
            good[unit] = dimensions
        return good

    def _residence_ok(self, level: str, tensor: str, path: KeyPath, position: int, staged: bool) -> bool:
        places = [*self.machine.level_names, *self.machine.units]
        if not self._known(level, places, "level or unit of this machine", path, key=True):
            return False
        if level in self.machine.units and self.machine.units[level].registers is None:
            self._fail(path, f"unit {level} has no registers to keep {tensor} in", key=True)
            return False
        return self._known(tensor, self.cascade.tensors, "tensor of this cascade", (*path, position))

    # --- the whole

    def _each_once(self, nests: tuple[Nest, ...]) -> None:
        seen: dict[str, int] = {}
        for nest in nests:
            for body in nest.bodies:
                for einsum in body.einsums:
                    seen[einsum] = seen.get(einsum, 0) + 1
        missing = [name for name in self.einsums if name not in seen]
        if missing:
            self._fail(("nests",), f"done in no nest: {', '.join(missing)}", "add them to a 'do:'", key=True)
        for name, times in seen.items():
            if times > 1:
                self._fail(
                    ("nests",), f"{name} is done in {times} places", "an Einsum is done once", key=True
                )

    def _tensor_lists(self) -> None:
        for level, tensors in self.file.spill.items():
            inner = self.machine.level_names[1:]
            if self._known(level, inner, "level that could overflow", ("spill", level), key=True):
                for position, tensor in enumerate(tensors):
                    self._known(tensor, self.cascade.tensors, "tensor", ("spill", level, position))
        for row, group in enumerate(self.file.in_place):
            for position, tensor in enumerate(group):
                self._known(tensor, self.cascade.tensors, "tensor", ("in_place", row, position))

    def _hidden(self, schedule: Overlap, path: KeyPath) -> None:
        for position, name in enumerate(schedule.hidden):
            at: KeyPath = (*path, "hidden", position)
            if (
                self._known(name, self.machine.level_names, "level", at)
                and not self.machine.levels[name].per_core
            ):
                self._fail(at, f"{name} is no memory inside a core", "others always work behind the units")

    def _schedule(self, nest: Nest, bind: Mapping[tuple[str, int], str], path: KeyPath) -> None:
        if isinstance(nest.schedule, Overlap):
            self._hidden(nest.schedule, path)
        if isinstance(nest.schedule, str | Overlap):
            return
        mine = [e for body in nest.bodies for e in body.einsums]
        wanted = {(e, unit) for e in mine for (name, _), unit in bind.items() if name == e}
        wanted |= {(e.partition(".")[0], u) for e, units in self.file.offload.items() for u in units}
        wanted = {(e, unit) for e, unit in wanted if e in mine}
        seen: set[tuple[str, str]] = set()
        for row, step in enumerate(nest.schedule):
            if isinstance(step, Stall):
                self._check_rule(step.stall, (*path, row, "stall"))
                continue
            for unit, entries in step.items():
                for position, entry in enumerate(entries):
                    at: KeyPath = (*path, row, unit, position)
                    if not self._known(entry, self.einsums, "Einsum", at):
                        continue
                    if (entry, unit) not in wanted and entry in mine:
                        self._fail(at, f"{entry} is not bound to {unit}", "see 'bind:'")
                    elif (entry, unit) in seen:
                        self._fail(at, f"{entry} is scheduled on {unit} twice")
                    seen.add((entry, unit))
        missing = [f"{entry} on {unit}" for entry, unit in sorted(wanted - seen)]
        if missing:
            self._fail(
                path, f"in no step of the schedule: {', '.join(missing)}", "add them to steps", key=True
            )


def _common(bodies: list[Body]) -> tuple[str, ...]:
    """Return the loops that all *bodies* run inside together."""
    first, *others = bodies
    return min((first.shared_with(other) for other in others), key=len, default=first.loops)


def tile_expression(rule: Expression) -> Expression:
    """Return a tile rule with dotted figures under their full names."""
    return substituted(rule, {})


def variables_of(expression: Expression) -> tuple[str, ...]:
    """Return the rank variables in an index expression."""
    return tuple(name for name in names(expression) if is_variable(name))
