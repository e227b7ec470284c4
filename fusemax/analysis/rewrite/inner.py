"""A sum over another rank whose terms need earlier results, taken apart into sums that need none and sums without the rank.

Scores of keys less their mean, ``QK[m,p] = Q[e,p]*(K[e,m] - MU[e]) :: sum[e]``, are ``QKN[m,p] - QKC[p]``: a product of
inputs, and a number for each query, which a maximum or an exponential over m lets out. Scores under one scale for all keys,
``Q[e,p]*K[e,m]*S[]``, are ``S[]*QKN[m,p]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import sympy

from fusemax.analysis.rewrite.draft import Move, einsum_of, fresh, remade, variables_in
from fusemax.analysis.rewrite.normal import View, earlier_results, mentions, term_of
from fusemax.analysis.rewrite.separate import Refusal, Separation, separate
from fusemax.analysis.rewrite.symbols import symbol, to_sympy, to_syntax
from fusemax.cascade.ir import Einsum
from fusemax.errors import ProblemsError
from fusemax.language.syntax import Access, Binary, Expression, Name, Reduction, accesses, names


def apart_inside(seen: View) -> Iterator[tuple[str, Move | Refusal]]:
    """Yield the sums over other ranks, along that of *seen*, that need earlier results: taken apart, or why they cannot be."""
    for einsum in seen.cascade.computed:
        action = einsum.action
        plain = einsum.loop is None and isinstance(action, Reduction) and action.operator == "sum"
        inner = plain and not set(einsum.reduced) & set(seen.variables) and seen.touches(einsum.name)
        if inner and seen.needs[einsum.name]:
            yield einsum.name, _apart(seen, einsum)


def _apart(seen: View, einsum: Einsum) -> Move | Refusal:
    written = term_of(seen, einsum, parts=False)
    if isinstance(written, Refusal):
        return written
    stuck = [a for a in accesses(written) if mentions(a, seen.variables) and seen.needs[a.tensor]]
    if stuck:
        return Refusal(f"it sums {stuck[0]}, which needs an earlier result and is no map of it")
    if any(mentions(side, einsum.reduced) for c in einsum.conditions for side in (c.left, c.right)):
        return Refusal(f"conditions on {', '.join(einsum.reduced)} keep its terms together")
    earlier = frozenset(symbol(a, seen.positive) for a in earlier_results(seen, written, parts=False))
    still = {symbol(a, seen.positive) for a in accesses(written) if not mentions(a, seen.variables)}
    still |= {symbol(Name(n), seen.positive) for n in names(written) if n not in seen.variables}
    found = separate(to_sympy(written, seen.positive), earlier, frozenset(still) - earlier, "sum")
    if isinstance(found, Refusal):
        return found
    parts = _Parts(seen, einsum).written(found)
    if isinstance(parts, Refusal):
        return parts
    everything = [part for old in seen.cascade.einsums for part in (parts if old is einsum else [old])]
    try:
        cascade = remade(seen.cascade, everything)
    except ProblemsError as error:
        return Refusal(f"its parts cannot be written in the language: {error.problems[0].text}")
    told = "; ".join(map(str, parts))
    line = f"apart: {einsum.name} sums over {','.join(einsum.reduced)} what needs earlier results: {told}"
    return Move(cascade=cascade, kind="apart", lines=(line,))


@dataclass(slots=True)
class _Parts:
    """The Einsums that stand for a sum which was taken apart."""

    seen: View
    einsum: Einsum
    made: list[Einsum] = field(default_factory=list)

    def written(self, separation: Separation) -> list[Einsum] | Refusal:
        """Return a sum for each pair, and the map that joins them."""
        total: Expression | None = None
        for head, rest in separation.terms:
            along = mentions(to_syntax(rest), self.seen.variables)
            varies = variables_in(to_syntax(head), self.einsum.reduced)
            if along and varies:
                told = f"{to_syntax(head)} varies along {', '.join(varies)}, which is summed with the data"
                return Refusal(f"{told} {to_syntax(rest)}")
            piece = self._piece(head, rest, along)
            negative = total is not None and piece.could_extract_minus_sign()
            term = to_syntax(-piece if negative else piece)
            total = term if total is None else Binary("-" if negative else "+", total, term)
        assert total is not None
        if len(separation.terms) == 1 and not separation.terms[0][0].free_symbols:
            return Refusal("it depends on no earlier result by value")
        self.made.append(einsum_of(self.einsum.output, total, like=self.einsum))
        return self.made

    def _piece(self, head: sympy.Expr, rest: sympy.Expr, along: bool) -> sympy.Expr:
        """Return ``head * sum rest``, or ``sum head*rest`` where neither is along the rank."""
        factor = head if along else sympy.Integer(1)
        coefficient, bare = (rest if along else head * rest).as_coeff_Mul()
        expression = to_syntax(bare)
        present = variables_in(expression, self.einsum.reduced)
        counts = [symbol(Name(v.upper())) for v in self.einsum.reduced if v not in present]
        scale = sympy.Mul(factor, coefficient, *counts)
        if not present and not along:
            return scale * bare
        return scale * to_sympy(self._sum(expression, present, along), self.seen.positive)

    def _sum(self, expression: Expression, present: tuple[str, ...], along: bool) -> Access:
        action = self.einsum.action
        assert isinstance(action, Reduction)
        ranks = variables_in(expression, self.einsum.output_variables)
        if along:  # a sum for each place at which the whole was made, conditions included
            used = [n for c in self.einsum.conditions for s in (c.left, c.right) for n in names(s)]
            ranks = tuple(v for v in self.einsum.output_variables if v in ranks or v in used)
        taken = [one.name for one in self.made]
        name = fresh(self.seen.cascade, f"{self.einsum.name}{'N' if along else 'C'}", taken)
        target = Access(name, tuple(Name(v) for v in ranks))
        fold = replace(action, variables=present) if present else None
        like = self.einsum if along else None
        self.made.append(einsum_of(target, expression, fold, like=like))
        return target
