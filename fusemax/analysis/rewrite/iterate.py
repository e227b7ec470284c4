"""The running form: one loop over the tiles of a rank in which every partial result is repaired as it goes.

``z' = z (*) H(y)^-1 (*) H(y')  op  op_r g(y', x_r)``. Sources: Milakov and Gimelshein (arXiv 1805.02867) for the softmax,
FuseMax (MICRO 2024, arXiv 2406.10491), Cascades 3 and 5; Welford (1962) and Chan et al. (1979) for sums repaired by moments.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy

from fusemax.analysis.rewrite.central import factored, moved
from fusemax.analysis.rewrite.correction import common_weight, parted, tidy
from fusemax.analysis.rewrite.draft import Move, einsum_of, remade
from fusemax.analysis.rewrite.loops import Cannot, Writer, joined, renamed_to
from fusemax.analysis.rewrite.normal import replace_accesses, substitute
from fusemax.analysis.rewrite.separate import Refusal
from fusemax.analysis.rewrite.stages import Stage, told
from fusemax.analysis.rewrite.symbols import symbol, to_sympy, to_syntax
from fusemax.analysis.rewrite.tiles import Frame, at_generation, next_of
from fusemax.cascade.ir import Einsum
from fusemax.errors import ProblemsError
from fusemax.language.syntax import Access, Binary, Call, Expression, Name, Number


def iterate(frame: Frame, guarded: bool) -> Move | Refusal:
    """Return the cascade whose reductions of *frame* run in one loop.

    *guarded* keeps running maxima that are still minus infinity (nothing but masked points so far) out of differences.
    """
    writer = _Running(frame, guarded)
    try:
        einsums = writer.write()
    except Cannot as cannot:
        return Refusal(str(cannot))
    lines = [line for stage in frame.group.stages for line in told(stage, frame.seen.variables)]
    loop = f"iterate: one loop over {frame.outer} holds {', '.join(s.name for s in frame.group.stages)}"
    try:
        cascade = remade(frame.seen.cascade, einsums, frame.ranks)
    except ProblemsError as error:
        return Refusal(f"the loop cannot be written in the language: {error.problems[0].text}")
    return Move(cascade=cascade, kind="iterate", lines=(*lines, loop, *dict.fromkeys(writer.lines)))


class _Running(Writer):
    """Writes the loop: current values are at generation i+1, earlier ones at i."""

    def __init__(self, frame: Frame, guarded: bool) -> None:
        super().__init__(frame, guarded)
        self.loop = frame.outer
        self.running = {name: self.name(f"R{name}", name) for name in self.stage}
        self.running |= {name: self.name(f"R{name}", name) for name in frame.tails if name in self.sources}
        self.plain = {name: self.name(f"L{name}", name) for name in frame.tails if name not in self.sources}
        self.limit = self.limits()
        self.safe = {name: self.name(f"G{name}") for name in self.limit} if guarded else {}
        self.steps: dict[sympy.Symbol, sympy.Expr] = {}

    def current(self, access: Access) -> Access:
        name, here = access.tensor, Name(self.loop)
        if name in self.safe:
            return at_generation(self.safe[name], access, here)
        if name in self.plain:
            return at_generation(self.plain[name], access, here)
        return at_generation(self.running[name], access, next_of(self.loop))

    def previous(self, access: Access) -> Access:
        """Return the value of the iteration before."""
        return at_generation(self.running[access.tensor], access, Name(self.loop))

    def final(self, access: Access) -> Expression:
        """Return the value after the loop."""
        if access.tensor in self.stage:
            return at_generation(self.running[access.tensor], access, self.frame.last)
        return access

    def write(self) -> list[Einsum]:
        """Return all Einsums of the new cascade."""
        before, after = [], []
        for einsum in self.cascade.einsums:
            name = einsum.name
            if name in self.stage or (name in self.frame.body and name not in self.copied):
                continue
            own = einsum.loop is None and not einsum.initial
            moved = self.frame.moved(einsum, within=False) if own and self._parted(einsum) else einsum
            after.append(replace(moved, expression=replace_accesses(moved.expression, self.final)))
        self._loop_in_order()
        for name, stage in self.stage.items():
            if name in self.cascade.outputs:
                output = stage.einsum.output
                after.append(einsum_of(output, self.final(output)))
        before += [
            self._initial(name) for name in (*self.stage, *(t for t in self.frame.tails if t in self.running))
        ]
        return [*before, *self.made, *after]

    def _parted(self, einsum: Einsum) -> bool:
        names = {einsum.name, *(access.tensor for access in einsum.reads)}
        return bool(names & self.frame.outside)

    def _loop_in_order(self) -> None:
        self.body(self.loop)
        tails = list(self.frame.tails)
        for einsum in self.cascade.computed:
            if einsum.name in self.stage:
                self._stage(self.stage[einsum.name])
            elif einsum.name in tails:
                self._tail(einsum)

    def _initial(self, name: str) -> Einsum:
        output = self.cascade.einsum(name).output
        target = at_generation(self.running[name], output, Number(0.0))
        if name in self.stage:
            return einsum_of(target, self.identity(self.stage[name]), initial=True)
        return einsum_of(target, to_syntax(self._tail_start(name)), initial=True)

    def _tail_start(self, name: str) -> sympy.Expr:
        """Return a tail's value before the first tile; where that is undefined any finite value will do: nothing is
        gathered yet."""
        einsum = self.cascade.einsum(name)
        if einsum.action is not None:
            return sympy.Integer(0)
        if name in self.limit:
            return to_sympy(self.limit[name])
        table: dict[Any, Any] = {}
        for access in einsum.reads:
            if access.tensor in self.stage:
                table[symbol(access)] = to_sympy(self.identity(self.stage[access.tensor]))
            elif access.tensor in self.running:
                table[symbol(access)] = self._tail_start(access.tensor)
        counts = {size: Number(0.0) for size in self._sizes()}
        value = to_sympy(substitute(einsum.expression, counts)).subs(table)
        bad = value.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo) and value not in (sympy.oo, -sympy.oo)
        return sympy.Integer(0) if bad else value

    def _sizes(self) -> tuple[str, ...]:
        return (self.seen.variables[0].upper(),)

    def _count(self, generations: Expression) -> Expression:
        """Return how many coordinates of the rank the first *generations* iterations visit."""
        if not self.frame.split:
            return generations
        visited = Binary("*", generations, Name(self.frame.inner[0].upper()))
        return visited if isinstance(generations, Name) else Call("min", (Name(self._sizes()[0]), visited))

    def _folded_beside(self, stage: Stage, count: Expression) -> Expression:
        """Return how many points *stage* has folded: *count* along the rank, times the other ranks that it folds."""
        for variable in stage.einsum.reduced:
            if variable != self.seen.variables[0]:
                count = Binary("*", Name(variable.upper()), count)
        return count

    def _tail(self, einsum: Einsum) -> None:
        counts = {size: self._count(next_of(self.loop)) for size in self._sizes()}
        expression = substitute(einsum.expression, counts)
        if expression != einsum.expression:
            size = self._sizes()[0]
            self.lines.append(
                f"in {einsum.name} the size {size} is the number of points so far; they agree at the end"
            )
        guarded = einsum.name in self.safe
        raw = at_generation(self.running[einsum.name], einsum.output, next_of(self.loop)) if guarded else None
        target = raw or self.current(einsum.output)
        self.made.append(einsum_of(target, self.inside(expression), einsum.action, loop=self.loop))
        if raw is not None:
            self._guard(einsum.name, einsum.output, raw)

    def _stage(self, stage: Stage) -> None:
        output = stage.einsum.output
        old, new = self.previous(output), at_generation(self.running[stage.name], output, next_of(self.loop))
        local = self.local(stage, self.loop)
        kept = self._kept(stage, old) if stage.separation is not None else old
        self.made.append(
            einsum_of(
                new, joined(stage.operator, kept, local, self.cascade.monoid(stage.operator)), loop=self.loop
            )
        )
        if stage.name in self.safe:
            self._guard(stage.name, output, new)

    def _guard(self, name: str, output: Access, new: Access) -> None:
        target = at_generation(self.safe[name], output, Name(self.loop))
        self.guard(target, new, self.limit[name], self.loop)

    def _kept(self, stage: Stage, old: Access) -> Expression:
        """Return the partial result of the iteration before, repaired for this one."""
        before = {symbol(a, self.seen.positive): self.symbol(self.previous(a)) for a in stage.earlier}
        after = {symbol(a, self.seen.positive): self.symbol(self.current(a)) for a in stage.earlier}
        weight = common_weight(stage.separation) if stage.additive and stage.separation else None
        if weight is not None:
            return self._kept_by_weighted_moments(stage, old, weight, before, after)
        if stage.additive:
            return self._kept_by_moments(stage, old, before, after)
        factor = self.factor(stage, before, after, self.loop)
        if factor == (0 if stage.separation and stage.separation.operation == "+" else 1):
            return old
        exact = self._expanded(factor)
        kept = self.repaired(stage, old, factor, exact)
        if not self.frame.inner:
            return kept
        target = at_generation(self.name(f"S{stage.name}", stage.name), stage.einsum.output, Name(self.loop))
        self.made.append(einsum_of(target, kept, loop=self.loop))
        return target

    def _expanded(self, factor: sympy.Expr) -> sympy.Expr:
        """Return a named correction written out again, to see what it divides by."""
        for made in self.made:
            if factor == self.symbol(made.output):
                return to_sympy(made.expression, self.positive)
        return factor

    def _kept_by_moments(
        self, stage: Stage, old: Access, before: dict[Any, Any], after: dict[Any, Any]
    ) -> Expression:
        gathered: dict[str, Access] = {}
        for other in self.frame.group.stages:
            if other.operator == "sum" and other.separation is None:
                term = to_sympy(other.einsum.expression, self.seen.positive)
                gathered[str(term)] = self.previous(other.einsum.output)
        count = self._count(Name(self.loop))
        points = self._folded_beside(stage, count)
        change = self._moved_about_the_mean(stage, before, after, gathered, points)
        if change is None:
            change = self.moved_by_moments(stage, before, after, gathered, points)
        change = self.with_means(stage, change, count)
        self.lines.append(f"correction of {stage.name}: + {to_syntax(change)}")
        return Binary("+", old, self._once_begun(stage, change))

    def _moved_about_the_mean(
        self,
        stage: Stage,
        before: dict[Any, Any],
        after: dict[Any, Any],
        gathered: dict[str, Access],
        points: Expression,
    ) -> sympy.Expr | None:
        """Return the change of a sum of third or higher powers by sums of lower ones; None where these are not in the loop."""
        folded = stage.einsum.reduced

        def linear(value: sympy.Expr) -> sympy.Expr | None:
            total: sympy.Expr = sympy.Integer(0)
            for addend in sympy.Add.make_args(sympy.expand(value)):
                coefficient, varying = parted(addend, folded)
                partial = renamed_to(varying, gathered, folded)
                if varying != 1 and partial is None:
                    return None
                moment = to_sympy(points) if varying == 1 or partial is None else self.symbol(partial)
                total += coefficient.subs(before) * moment
            return total

        def sums(varying: sympy.Expr) -> sympy.Expr | None:
            for other in self.frame.group.stages:
                alike = other.einsum.reduced == folded and other.einsum.conditions == stage.einsum.conditions
                if other.term is None or not alike or not other.additive:
                    continue
                coefficient, theirs = parted(factored(other.term.value), folded)
                if theirs == varying and not coefficient.free_symbols & other.term.earlier:
                    return self.symbol(self.previous(other.einsum.output)) / coefficient
            return linear(varying)

        def step(result: sympy.Symbol) -> sympy.Expr:
            if result not in self.steps:
                access = next(a for a in stage.earlier if symbol(a, self.seen.positive) == result)
                target = at_generation(self.name(f"D{access.tensor}"), access, Name(self.loop))
                value = to_syntax(after[result] - before[result])
                self.made.append(einsum_of(target, value, loop=self.loop))
                self.steps[result] = self.symbol(target)
            return self.steps[result]

        return moved(stage.term, folded, before, step, sums) if stage.term is not None else None

    def _kept_by_weighted_moments(
        self, stage: Stage, old: Access, weight: sympy.Expr, before: dict[Any, Any], after: dict[Any, Any]
    ) -> Expression:
        """Return the partial sum ``F * sum_j h_j M_j`` moved to the new h_j, then to the new weight F."""
        assert stage.separation is not None
        change: Any = sympy.Integer(0)
        for head, rest in stage.separation.terms:
            relative = tidy(head / weight)
            moved = relative.subs(after, simultaneous=True) - relative.subs(before, simultaneous=True)
            coefficient, bare = parted(rest, stage.einsum.reduced)
            if moved != 0:
                change += moved * coefficient * self._weighted_moment(stage, bare, weight, before)
        change = sympy.factor(change)
        factor = tidy(weight.subs(after, simultaneous=True) / weight.subs(before, simultaneous=True))
        self.lines.append(
            f"correction of {stage.name}: + {to_syntax(change)}, then times {to_syntax(factor)}"
        )
        return Binary("*", Binary("+", old, self._once_begun(stage, change)), to_syntax(factor))

    def _once_begun(self, stage: Stage, change: sympy.Expr) -> Expression:
        """Return *change*, or 0 while an earlier result that it is made of is still infinite: nothing is gathered yet."""
        result = to_syntax(change)
        for access in stage.earlier:
            limit = self.limit.get(access.tensor)
            if limit is None:
                continue
            previous = self.previous(access)
            before = self.symbol(previous)
            logarithms = any(before in one.free_symbols for one in change.atoms(sympy.log))
            if before in change.free_symbols and (limit != Number(0.0) or logarithms):
                result = Call("where", (Call("eq", (previous, limit)), Number(0.0), result))
        return result

    def _weighted_moment(
        self, stage: Stage, bare: sympy.Expr, weight: sympy.Expr, before: dict[Any, Any]
    ) -> sympy.Expr:
        """Return ``F * sum of G so far`` made of the partial result of the reduction of the loop that gathers G."""
        for other in self.frame.group.stages:
            known = other.separation
            if known is None or other.operator != "sum" or known.operation != "*" or known.rank != 1:
                continue
            ((head, rest),) = known.terms
            same = (
                other.einsum.reduced == stage.einsum.reduced
                and other.einsum.conditions == stage.einsum.conditions
            )
            coefficient, gathered = parted(rest, other.einsum.reduced)
            if not same or gathered != bare:
                continue
            partial = self.previous(other.einsum.output)
            theirs = {symbol(a, self.seen.positive): self.symbol(self.previous(a)) for a in other.earlier}
            ratio = tidy(weight / head).subs({**before, **theirs}, simultaneous=True) / coefficient
            if not ratio.free_symbols:
                return ratio * self.symbol(partial)
            value = to_syntax(self.symbol(partial) * ratio)
            zero = Number(0.0)
            target = at_generation(self.name(f"W{other.name}"), other.einsum.output, Name(self.loop))
            guarded = Call("where", (Call("eq", (partial, zero)), zero, value))
            self.made.append(einsum_of(target, guarded, loop=self.loop))
            return self.symbol(target)
        raise Cannot(f"the moment {to_syntax(bare)} is not gathered by any reduction of the loop")

    def earlier_value(self, access: Access) -> Access:
        """Return the value of the iteration before of what runs in the loop."""
        return self.previous(access) if access.tensor in self.running else access
