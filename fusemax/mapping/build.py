"""Set a mapping file against its cascade and machine: the legal :class:`~fusemax.mapping.nest.Mapped`, or every mistake."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fusemax.analysis.work import is_view
from fusemax.cascade.ir import Cascade
from fusemax.cascade.views import without
from fusemax.errors import FusemaxError, ProblemsError
from fusemax.language.formula import formula_names
from fusemax.language.syntax import Expression
from fusemax.language.value import value_of
from fusemax.machine import Machine
from fusemax.mapping.binding import Binding
from fusemax.mapping.divided import divided_problems
from fusemax.mapping.groups import group_problems
from fusemax.mapping.legality import dataflow_problems
from fusemax.mapping.nest import Mapped, Nest
from fusemax.mapping.nodes import Nodes
from fusemax.mapping.notes import Notes
from fusemax.mapping.spec import MappingFile
from fusemax.mapping.tiles import tile_expression, variables_of
from fusemax.source import Document, KeyPath

__all__ = ["map_onto", "tile_expression", "variables_of"]


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
        self.notes = Notes(document)
        self._same_cascade(cascade)
        self.cascade = self._without_views(cascade)
        self.einsums = {einsum.name: einsum for einsum in self.cascade.computed}

    def _same_cascade(self, cascade: Cascade) -> None:
        """Refuse at once a cascade that no mapping runs, or that this one was plainly not written for."""
        reason = cascade.unmappable()
        if reason is not None:
            raise ProblemsError([self.document.problem(("cascade",), reason, None)])
        mine = {einsum.name for einsum in cascade.computed}
        bound = [entry.partition(".")[0] for entries in self.file.bind.values() for entry in entries]
        strange = [name for name in dict.fromkeys(bound) if name not in mine]
        if cascade.name != self.file.cascade and strange:
            text = f"this mapping is for cascade {self.file.cascade}; {cascade.name} has no Einsum {', '.join(strange)}"
            raise ProblemsError(
                [self.document.problem(("cascade",), text, "choose another mapping or cascade")]
            )

    def build(self) -> Mapped:
        """Return the mapping; raise ProblemsError with every mistake."""
        bound = Binding(self.cascade, self.machine, self.file, self.notes).bound()
        nodes = Nodes(self.cascade, self.machine, self.file, self.notes)
        nests = tuple(nodes.nest(index, node, bound) for index, node in enumerate(self.file.nests))
        self._each_once(nests)
        self._tensor_lists()
        for tensor in self.file.words:
            self.notes.known(tensor, self.cascade.tensors, "tensor", ("words", tensor), key=True)
        mapped = Mapped(
            name=Path(self.document.file).stem,
            title=self.file.title,
            cascade=self.cascade,
            nests=nests,
            bind=bound.bind,
            spill={level: tuple(tensors) for level, tensors in self.file.spill.items()},
            in_place=tuple(tuple(group) for group in self.file.in_place),
            words=dict(self.file.words),
            offload=bound.offload,
            when=self._when(),
        )
        problems = self.notes.problems or dataflow_problems(mapped, self.machine, self.document)
        problems = problems or list(dict.fromkeys(group_problems(mapped, self.machine, self.document)))
        problems = problems or list(dict.fromkeys(divided_problems(mapped, self.machine, self.document)))
        if problems:
            raise ProblemsError(problems)
        return mapped

    def _without_views(self, cascade: Cascade) -> Cascade:
        cascade = cascade.batched()
        names_ = [einsum.name for einsum in cascade.computed]
        absorbed: list[str] = []
        for position, name in enumerate(self.file.absorb):
            if self.notes.known(name, names_, f"Einsum of cascade {cascade.name}", ("absorb", position)):
                try:
                    without(cascade, [name])
                    absorbed.append(name)
                except FusemaxError as error:
                    self.notes.fail(("absorb", position), str(error))
        views = [e.name for e in cascade.computed if is_view(e) and e.name not in cascade.outputs]
        return without(cascade, [*absorbed, *views])

    def _when(self) -> dict[str, Expression]:
        """Return the part of the iterations in which an Einsum is done, by its name."""
        for name, part in self.file.when.items():
            at: KeyPath = ("when", name)
            known = self.notes.known(name, self.einsums, "Einsum of this mapping's cascade", at, key=True)
            if known and not formula_names(part) and not 0 < value_of(part, {}) <= 1:
                self.notes.fail(
                    at,
                    f"{name} is done in {value_of(part, {}):g} of its iterations",
                    "a part is above 0, up to 1",
                )
        return dict(self.file.when)

    def _each_once(self, nests: tuple[Nest, ...]) -> None:
        seen: dict[str, int] = {}
        for nest in nests:
            for body in nest.bodies:
                for einsum in body.einsums:
                    seen[einsum] = seen.get(einsum, 0) + 1
        missing = [name for name in self.einsums if name not in seen]
        if missing:
            self.notes.fail(
                ("nests",), f"done in no nest: {', '.join(missing)}", "add them to a 'do:'", key=True
            )
        for name, times in seen.items():
            if times > 1:
                self.notes.fail(
                    ("nests",), f"{name} is done in {times} places", "an Einsum is done once", key=True
                )

    def _tensor_lists(self) -> None:
        for level, tensors in self.file.spill.items():
            inner = self.machine.level_names[1:]
            if self.notes.known(level, inner, "level that could overflow", ("spill", level), key=True):
                self._each_tensor_once([(("spill", level, n), tensor) for n, tensor in enumerate(tensors)])
        places = [(row, n, t) for row, group in enumerate(self.file.in_place) for n, t in enumerate(group)]
        self._each_tensor_once([(("in_place", row, n), tensor) for row, n, tensor in places])

    def _each_tensor_once(self, named: Sequence[tuple[KeyPath, str]]) -> None:
        """Note what is no tensor among those *named* in a list, each at its place, and what stands there twice."""
        for number, (at, tensor) in enumerate(named):
            known = self.notes.known(tensor, self.cascade.tensors, "tensor", at)
            if known and tensor in [other for _, other in named[:number]]:
                self.notes.fail(at, f"{tensor} stands there twice", "remove one of them")
