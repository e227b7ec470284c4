"""What the running form and the split form share: names, indices, corrections and moments inside a tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import sympy

from fusemax.analysis.rewrite.correction import correction, moments, parted
from fusemax.analysis.rewrite.draft import beside_last, einsum_of, fresh
from fusemax.analysis.rewrite.normal import replace_accesses, substitute
from fusemax.analysis.rewrite.separate import Refusal
from fusemax.analysis.rewrite.stages import Stage
from fusemax.analysis.rewrite.symbols import symbol, to_sympy, to_syntax
from fusemax.analysis.rewrite.tiles import Frame, at_generation
from fusemax.cascade.evaluate import IDENTITY
from fusemax.cascade.ir import Einsum, is_variable
from fusemax.cascade.monoid import Monoid
from fusemax.cascade.views import with_names
from fusemax.language.parse import parse_expression
from fusemax.language.syntax import Access, Binary, Call, Expression, Name, Negative, Number, Reduction, names
from fusemax.source import Text

JOIN = {"sum": "+", "prod": "*", "max": "max", "min": "min", "or": "max", "and": "min", "any": "max"}

INFINITE = Number(float("inf"))


class Cannot(Exception):
    """A form that cannot be written, with the reason."""


def joined(operator: str, first: Expression, second: Expression, monoid: Monoid | None = None) -> Expression:
    """Return the two values folded by *operator*, or as *monoid* says."""
    if monoid is not None:
        return with_names(monoid.join[0], {"a": first, "b": second})
    name = JOIN[operator]
    return Call(name, (first, second)) if name in ("max", "min") else Binary(name, first, second)


def identity(operator: str, monoid: Monoid | None = None) -> Expression:
    """Return the identity of *operator*, or of *monoid*."""
    value = IDENTITY[operator] if monoid is None else monoid.identity[0]
    if value in (float("inf"), float("-inf")):
        return Number(float("inf")) if value > 0 else Negative(Number(float("inf")))
    return Number(value)


def renamed_to(value: sympy.Expr, gathered: Mapping[str, Access], folded: tuple[str, ...]) -> Access | None:
    """Return the partial sum of *value* among those *gathered* by term, also where it is one of another index.

    The sum of ``X[d,n]`` is that of ``X[e,n]`` as well, at e in place of d.
    """
    if str(value) in gathered:
        return gathered[str(value)]
    wanted = to_syntax(value) if isinstance(value, sympy.Symbol) else None
    for text, partial in gathered.items():
        have = parse_expression(Text(text)) if isinstance(wanted, Access) else None
        if not isinstance(have, Access) or not isinstance(wanted, Access) or have.tensor != wanted.tensor:
            continue
        table = {
            old.name: new
            for old, new in zip(have.indices, wanted.indices, strict=True)
            if isinstance(old, Name)
        }
        kept = all(new == Name(old) for old, new in table.items() if old in folded)
        if kept and substitute(have, table) == wanted:
            return replace(partial, indices=tuple(substitute(index, table) for index in partial.indices))
    return None


class Writer:
    """Writes Einsums inside a loop or a tile; the two forms say where current and earlier values live."""

    def __init__(self, frame: Frame, guarded: bool) -> None:
        self.frame, self.guarded = frame, guarded
        self.seen, self.cascade = frame.seen, frame.seen.cascade
        self.taken: list[str] = []
        self.made: list[Einsum] = []
        self.lines: list[str] = []
        self.positive = set(frame.seen.positive)
        self.stage = {stage.name: stage for stage in frame.group.stages}
        self.sources = {a.tensor for stage in frame.group.stages for a in stage.earlier}
        self.corrections: dict[str, Access] = {}
        parted = frame.outside if frame.split else frame.after
        needed = {n for n in frame.body if n in frame.after and (n not in parted or self._waits(n))}
        self.copied = needed | frame.before
        self.inner_name = {n: self.name(f"L{n}", n) if n in self.copied else n for n in frame.body}

    def _waits(self, tensor: str) -> bool:
        return bool(self.seen.needs[tensor] & self.frame.group.names)

    def limits(self) -> dict[str, Expression]:
        """Return the earlier results that are infinite while nothing but masked points was seen, with that value."""
        found: dict[str, Expression] = {}
        for name in (*self.stage, *self.frame.tails):
            if name in self.stage and self.identity(self.stage[name]) in (INFINITE, Negative(INFINITE)):
                found[name] = self.identity(self.stage[name])
            elif name in self.stage and self._divides(name):
                found[name] = Number(0.0)
            elif name in self.frame.tails and (start := self.infinite_start(name)) is not None:
                found[name] = start
        return {name: limit for name, limit in found.items() if name in self.sources}

    def _divides(self, name: str) -> bool:
        """Return whether a sum of the loop, 0 after masked points only, is a divisor of a later one, or under a logarithm."""
        result = symbol(self.cascade.einsum(name).output, self.seen.positive)
        heads = [h for s in self.stage.values() if s.separation for h, _ in s.separation.terms]
        under = [part for h in heads for part in (sympy.fraction(h)[1], *h.atoms(sympy.log))]
        return self.stage[name].operator == "sum" and any(result in part.free_symbols for part in under)

    def identity(self, stage: Stage) -> Expression:
        """Return what the reduction of *stage* starts from."""
        return identity(stage.operator, self.cascade.monoid(stage.operator))

    def infinite_start(self, name: str) -> Expression | None:
        """Return the infinity that a tail has before the first point (a log-sum-exp, a bound with a sink), None if finite."""
        einsum = self.cascade.einsum(name)
        if self._is_bound(einsum):
            return self.identity(next(self.stage[a.tensor] for a in einsum.reads if a.tensor in self.stage))
        value = to_sympy(einsum.expression)
        reads = {symbol(a): a.tensor for a in einsum.reads if a.tensor in self.stage}
        if einsum.action is not None or not value.has(sympy.log) or value.free_symbols - set(reads):
            return None
        starts = [float(to_sympy(self.identity(self.stage[tensor]))) for tensor in reads.values()]
        with np.errstate(all="ignore"):
            at_start = sympy.lambdify(list(reads), value, modules="numpy")(*map(np.float64, starts))
        if not np.isinf(at_start):
            return None
        return Number(float("inf")) if at_start > 0 else Negative(Number(float("inf")))

    def _is_bound(self, einsum: Einsum) -> bool:
        """Return whether a tail is the largest (least) of a maximum (minimum) of the loop and of data, which may be masked."""
        call = einsum.expression
        if not isinstance(call, Call) or call.function not in ("max", "min") or einsum.action is not None:
            return False
        read = {access.tensor for access in call.arguments if isinstance(access, Access)}
        folded = [name for name in read if name in self.stage]
        bare = len(read) == len(call.arguments) > len(folded)
        return bare and {self.stage[name].operator for name in folded} == {call.function}

    def guard(self, target: Access, value: Access, limit: Expression, loop: str | None) -> None:
        """Write *target*: *value*, or 0 where that is infinite and 1 where it is 0, so that what uses it stays defined."""
        instead = Number(1.0 if limit == Number(0.0) else 0.0)
        chosen = Call("where", (Call("eq", (value, limit)), instead, value))
        self.made.append(einsum_of(target, chosen, loop=loop))
        self.lines.append(
            f"guard: {target} stands for {value} while that is {limit}, as after masked points only"
        )

    def name(self, wanted: str, like: str | None = None) -> str:
        """Return a fresh name; it counts as positive when the tensor *like* is."""
        found = fresh(self.cascade, wanted, self.taken)
        self.taken.append(found)
        if like in self.seen.positive:
            self.positive.add(found)
        return found

    def current(self, access: Access) -> Access:
        """Return the value of an earlier result that the current tile is to use."""
        raise NotImplementedError

    def earlier_value(self, access: Access) -> Access:
        """Return the value that a partial result was computed with."""
        raise NotImplementedError

    def inside(self, expression: Expression) -> Expression:
        """Return *expression* as it stands within a tile."""

        def change(access: Access) -> Expression:
            if access.tensor in self.stage or access.tensor in self.frame.tails:
                return self.current(access)
            return replace(access, tensor=self.inner_name.get(access.tensor, access.tensor))

        return replace_accesses(self.frame.points(expression), change)

    def body(self, loop: str | None) -> None:
        """Write the Einsums along the rank that the reductions need."""
        for name in self.frame.body:
            moved = self.frame.moved(self.cascade.einsum(name))
            output = replace(moved.output, tensor=self.inner_name[name])
            made = replace(
                moved, outputs=(output,), expression=self.inside(self.cascade.einsum(name).expression)
            )
            self.made.append(replace(made, loop=loop, block=0))

    def local(self, stage: Stage, loop: str | None) -> Expression:
        """Return the fold of one tile: an Einsum of its own, or the bare term when nothing is folded within a tile."""
        einsum = self.frame.moved(stage.einsum)
        action = einsum.action
        assert isinstance(action, Reduction)
        kept = tuple(v for v in action.variables if v not in self.frame.split and v != self.frame.outer)
        kept = (*kept, *(self.frame.inner if self.frame.split else ()))
        term = self.inside(stage.einsum.expression)
        if not kept and not einsum.conditions:
            return term
        target = at_generation(
            self.name(f"L{stage.name}", stage.name), stage.einsum.output, Name(self.frame.outer)
        )
        fold = replace(action, variables=kept) if kept else None
        self.made.append(einsum_of(target, term, fold, like=einsum, loop=loop))
        return target

    def symbol(self, access: Access) -> sympy.Symbol:
        """Return the symbol of a new access, positive where the original is."""
        return symbol(access, self.positive)

    def factor(self, stage: Stage, old: dict[Any, Any], new: dict[Any, Any], loop: str | None) -> sympy.Expr:
        """Return the correction of a partial result as an expression, written as an Einsum of its own when tiled."""
        assert stage.separation is not None
        head = stage.separation.terms[0][0]
        found = correction(head, stage.separation.operation, old, new)
        if isinstance(found, Refusal):
            raise Cannot(found.reason)
        self.lines.append(f"correction of {stage.name}: {to_syntax(found)}")
        if found.is_number or isinstance(found, sympy.Symbol) or not self.frame.inner:
            return found
        key = str(found)
        if key not in self.corrections:
            self.corrections[key] = self._named_factor(stage, found, loop)
        return self.symbol(self.corrections[key])

    def _named_factor(self, stage: Stage, factor: sympy.Expr, loop: str | None) -> Access:
        expression = to_syntax(factor)
        order = [v for v in stage.einsum.output_variables if v in names(expression)]
        order += [v for v in names(expression) if is_variable(v) and v not in (*order, self.frame.outer)]
        order = [v for v in order if v.upper() in self.cascade.ranks]
        target = Access(
            self.name(f"P{stage.earlier[0].tensor}"),
            beside_last(tuple(Name(v) for v in order), (Name(self.frame.outer),)),
        )
        if factor.is_positive:
            self.positive.add(target.tensor)
        self.made.append(einsum_of(target, expression, loop=loop))
        return target

    def repaired(
        self, stage: Stage, value: Access, factor: sympy.Expr, unguarded: sympy.Expr | None = None
    ) -> Expression:
        """Return ``value (*) factor``, guarded where the factor divides by something that may be 0."""
        assert stage.separation is not None
        inner = self.symbol(value)
        plus = stage.separation.operation == "+"
        total = to_syntax(inner + factor if plus else inner * factor)
        if plus:
            return total
        if stage.operator in ("max", "min"):
            empty = self.identity(stage)
            return Call("where", (Call("eq", (value, empty)), empty, total))
        _, under = sympy.fraction(factor if unguarded is None else unguarded)
        if under.is_positive or under.is_number or isinstance(under, sympy.exp):
            return total
        zero = Number(0.0)
        self.lines.append(
            f"guard: where {to_syntax(under)} = 0 there is no inverse; the partial result counts as 0 there"
        )
        return Call("where", (Call("eq", (to_syntax(under), zero)), zero, total))

    def moved_by_moments(
        self,
        stage: Stage,
        old: dict[Any, Any],
        new: dict[Any, Any],
        gathered: dict[str, Access],
        count: Expression,
    ) -> sympy.Expr:
        """Return what a partial sum changes by when the earlier results move on: differences of H times moments."""
        assert stage.separation is not None
        total: sympy.Expr = sympy.Integer(0)
        for head, rest in moments(stage.separation):
            change = head.subs(new, simultaneous=True) - head.subs(old, simultaneous=True)
            coefficient, bare = parted(rest, stage.einsum.reduced)
            partial = renamed_to(bare, gathered, stage.einsum.reduced)
            if bare == 1:
                moment: sympy.Expr = to_sympy(count)
            elif partial is not None:
                moment = self.symbol(partial)
            else:
                raise Cannot(f"the moment {to_syntax(bare)} is not gathered by any reduction of the loop")
            total += change * coefficient * moment
        return total

    def with_means(self, stage: Stage, change: Any, count: Expression) -> Any:
        """Return *change* with sums written as the tails that are made of them times a count, then factored."""
        for access in stage.earlier:
            maker = self.seen.maker(access.tensor)
            if maker is None or access.tensor not in self.frame.tails or maker.action is not None:
                continue
            counted = substitute(maker.expression, {self.seen.variables[0].upper(): count})
            definition: Any = to_sympy(replace_accesses(counted, self.earlier_value), self.positive)
            unknown: list[Any] = [s for s in definition.free_symbols & change.free_symbols if "[" in str(s)]
            mean = self.symbol(self.earlier_value(access))
            linear = len(unknown) == 1 and definition.is_polynomial(unknown[0])
            if linear and sympy.degree(definition, unknown[0]) == 1:
                (solution,) = sympy.solve(sympy.Eq(definition, mean), unknown[0])
                change = change.subs(unknown[0], solution)
        return sympy.factor(change)
