"""The split form: every tile keeps its own results, and a last step repairs and joins them (split-K, flash-decoding).

``z = op over tiles of z_t (*) H(y_t)^-1 (*) H(y)``. The tiles may run in any order or at the same time. Source: the merge of
partial softmax results by Rabe and Staats (arXiv 2112.05682) and flash-decoding, for any invertible H.
"""

from __future__ import annotations

from dataclasses import replace

from fusemax.analysis.rewrite.correction import common_weight
from fusemax.analysis.rewrite.draft import Move, beside_last, einsum_of, remade
from fusemax.analysis.rewrite.loops import Cannot, Writer
from fusemax.analysis.rewrite.normal import substitute
from fusemax.analysis.rewrite.opened import arranged
from fusemax.analysis.rewrite.separate import Refusal
from fusemax.analysis.rewrite.stages import Stage, told
from fusemax.analysis.rewrite.symbols import symbol, to_sympy, to_syntax
from fusemax.analysis.rewrite.tile_points import expanded, points_of_tile
from fusemax.analysis.rewrite.tiles import Frame
from fusemax.cascade.ir import Einsum
from fusemax.errors import ProblemsError
from fusemax.language.syntax import Access, Binary, Expression, Name, Reduction


def merge(frame: Frame, guarded: bool) -> Move | Refusal:
    """Return the cascade whose reductions of *frame* run on each tile by itself and are joined afterwards."""
    if not frame.inner:
        return Refusal(f"rank {frame.outer.upper()} is not in tiles")
    moved = [stage.separation for stage in frame.group.stages if stage.additive and stage.separation]
    if any(map(common_weight, moved)):
        return Refusal("sums repaired by weighted moments are written in the running form only")
    if moved and not frame.split:
        return Refusal("sums repaired by moments are split over a rank that is whole")
    writer = _Split(frame, guarded)
    try:
        einsums = writer.write()
    except Cannot as cannot:
        return Refusal(str(cannot))
    lines = [line for stage in frame.group.stages for line in told(stage, frame.seen.variables)]
    names = ", ".join(stage.name for stage in frame.group.stages)
    step = f"merge: each tile {frame.outer} computes {names} on its own; they are repaired and joined over {frame.outer}"
    try:
        cascade = remade(frame.seen.cascade, einsums, frame.ranks)
    except ProblemsError as error:
        return Refusal(f"the split form cannot be written in the language: {error.problems[0].text}")
    return Move(cascade=cascade, kind="merge", lines=(*lines, step, *dict.fromkeys(writer.lines)))


class _Split(Writer):
    """Writes the tiles: current values are those of the tile, and the joined ones keep the names of the reductions."""

    def __init__(self, frame: Frame, guarded: bool) -> None:
        super().__init__(frame, guarded)
        self.tile: dict[str, str] = {}
        for name in (*self.stage, *frame.tails):
            self.tile[name] = self.name(f"L{name}", name)
        self.limit = self.limits()
        self.safe = {name: self.name(f"G{name}") for name in self.limit} if guarded else {}
        self.whole = {name: self.name(f"W{name}") for name in self.safe}
        self.additive = any(stage.additive for stage in frame.group.stages)

    def _at_tile(self, name: str, access: Access) -> Access:
        return Access(name, beside_last(access.indices, (Name(self.frame.outer),)))

    def current(self, access: Access) -> Access:
        return self._at_tile(self.safe.get(access.tensor, self.tile[access.tensor]), access)

    def _joined_value(self, access: Access) -> Access:
        return replace(access, tensor=self.whole.get(access.tensor, access.tensor))

    def write(self) -> list[Einsum]:
        """Return all Einsums of the new cascade."""
        after = []
        for einsum in self.cascade.einsums:
            name = einsum.name
            if name in self.stage or (name in self.frame.body and name not in self.copied):
                continue
            touched = {name, *(access.tensor for access in einsum.reads)} & self.frame.outside
            own = einsum.loop is None and not einsum.initial
            after.append(self.frame.moved(einsum, within=False) if own and touched else einsum)
        self.body(None)
        for einsum in self.cascade.computed:
            if einsum.name in self.stage:
                self._stage(self.stage[einsum.name])
            elif einsum.name in self.frame.tails:
                self._tail(einsum)
        return arranged(self.seen, self.made, after, frozenset(self.stage))

    def _tail(self, einsum: Einsum) -> None:
        name, output = einsum.name, einsum.output
        target = self._at_tile(self.tile[name], output)
        own = (
            substitute(einsum.expression, {self._size: points_of_tile(self.frame)})
            if self.additive
            else einsum.expression
        )
        if own != einsum.expression:
            self.lines.append(f"in {target.tensor} the size {self._size} is the number of points in the tile")
        self.made.append(einsum_of(target, self.inside(own), einsum.action))
        if name in self.safe:
            self.guard(self._at_tile(self.safe[name], output), target, self.limit[name], None)
            self.guard(replace(output, tensor=self.whole[name]), output, self.limit[name], None)

    def _stage(self, stage: Stage) -> None:
        output = stage.einsum.output
        target = self._at_tile(self.tile[stage.name], output)
        made = self.local(stage, None)
        if isinstance(made, Access) and self.made and self.made[-1].output == made:
            self.made[-1] = replace(self.made[-1], outputs=(target,))
        else:
            self.made.append(einsum_of(target, made, like=self.frame.moved(stage.einsum)))
        if stage.name in self.safe:
            self.guard(self._at_tile(self.safe[stage.name], output), target, self.limit[stage.name], None)
        value: Expression = target
        if stage.separation is not None:
            value = self._by_moments(stage, target) if stage.additive else self._repaired(stage, target)
        assert isinstance(stage.einsum.action, Reduction)
        fold = replace(stage.einsum.action, variables=(self.frame.outer,))
        self.made.append(einsum_of(output, value, fold))
        if stage.name in self.safe:
            self.guard(replace(output, tensor=self.whole[stage.name]), output, self.limit[stage.name], None)

    @property
    def _size(self) -> str:
        return self.seen.variables[0].upper()

    def _by_moments(self, stage: Stage, value: Access) -> Expression:
        """Return the sum of a tile moved to the joined results by sums that the tile has too (Chan's update)."""
        before = {symbol(a, self.seen.positive): self.symbol(self._raw(a)) for a in stage.earlier}
        after = {symbol(a, self.seen.positive): self.symbol(self._joined_value(a)) for a in stage.earlier}
        gathered = {
            str(to_sympy(other.einsum.expression, self.seen.positive)): self._raw(other.einsum.output)
            for other in self.frame.group.stages
            if other.operator == "sum" and other.separation is None
        }
        points = points_of_tile(self.frame)
        count = points
        for variable in stage.einsum.reduced:
            if variable != self.seen.variables[0]:
                count = Binary("*", Name(variable.upper()), count)
        change = self.moved_by_moments(stage, before, after, gathered, count)
        change = self.with_means(stage, change, points)
        self.lines.append(f"correction of {stage.name}: + {to_syntax(change)}")
        return Binary("+", value, to_syntax(change))

    def earlier_value(self, access: Access) -> Access:
        """Return the tile's own value."""
        return self._raw(access) if access.tensor in self.tile else access

    def _repaired(self, stage: Stage, value: Access) -> Expression:
        before = {symbol(a, self.seen.positive): self.symbol(self._raw(a)) for a in stage.earlier}
        after = {symbol(a, self.seen.positive): self.symbol(self._joined_value(a)) for a in stage.earlier}
        factor = self.factor(stage, before, after, None)
        exact = expanded(factor, self.made, self)
        return self.repaired(stage, value, factor, exact)

    def _raw(self, access: Access) -> Access:
        return self._at_tile(self.tile[access.tensor], access)
