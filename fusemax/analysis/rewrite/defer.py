"""Deferral: pull a factor of earlier results out of a reduction, so that the reduction no longer waits for them.

``op_r H(y) (*) G(x_r) = H(y) (*) op_r G(x_r)``; for sums of products, one accumulator per pair. Source: FuseMax (MICRO 2024,
arXiv 2406.10491), Cascade 2 and Einsums 31-32, for any H and G.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import sympy

from fusemax.analysis.rewrite.correction import tidy
from fusemax.analysis.rewrite.draft import Move, beside_last, einsum_of, fresh, remade, variables_in
from fusemax.analysis.rewrite.normal import View, is_map, mentions, replace_accesses, term_of
from fusemax.analysis.rewrite.sampling import sampled
from fusemax.analysis.rewrite.separate import OF, PLACE, Refusal, Separation, separate
from fusemax.analysis.rewrite.symbols import symbol, to_sympy, to_syntax
from fusemax.cascade.ir import Einsum
from fusemax.errors import ProblemsError
from fusemax.language.syntax import (
    Access,
    Binary,
    Call,
    Expression,
    Name,
    Number,
    Populate,
    Reduction,
    accesses,
    names,
)


@dataclass(frozen=True, slots=True)
class Term:
    """g of a reduction as a sympy expression, with the earlier results to be pulled out and the neutral symbols."""

    value: sympy.Expr
    earlier: frozenset[sympy.Symbol]
    neutral: frozenset[sympy.Symbol]


def separation_of(
    seen: View, einsum: Einsum, chosen: tuple[Access, ...], parts: bool = True
) -> tuple[Term, Separation] | Refusal:
    """Return how the term of *einsum* separates with respect to the earlier results *chosen*."""
    through = _reaching(seen, {access.tensor for access in chosen}, parts)
    written = term_of(seen, einsum, lambda tensor: tensor in through, parts)
    if isinstance(written, Refusal):
        return written
    value = to_sympy(written, seen.positive)
    earlier = frozenset(symbol(access, seen.positive) for access in chosen)
    term = Term(value, earlier, _neutral(seen, einsum, written, earlier))
    operator = einsum.action.operator if einsum.action else "sum"
    result = separate(value, earlier, term.neutral, operator)
    if isinstance(result, Refusal) and operator == "sum":
        result = sampled(value, earlier, term.neutral, result)
    return result if isinstance(result, Refusal) else (term, result)


def factors_of(seen: View, einsum: Einsum, waited: tuple[Access, ...]) -> tuple[Access, ...]:
    """Return those of the earlier results *waited* that are a factor of the whole sum: it need not be taken apart for them."""
    found = []
    for access in waited:
        split = separation_of(seen, einsum, (access,))
        if not isinstance(split, Refusal) and split[1].operation == "*" and split[1].rank == 1:
            found.append(access)
    return tuple(found)


def _reaching(seen: View, wanted: set[str], parts: bool) -> set[str]:
    """Return the maps along the rank through which the *wanted* tensors reach a reduction."""
    found: set[str] = set()
    for einsum in seen.cascade.einsums:
        if not is_map(einsum):
            continue
        along = seen.carries(einsum.name) if parts else seen.touches(einsum.name)
        if along and any(access.tensor in wanted | found for access in einsum.reads):
            found.add(einsum.name)
    return found - wanted


def _neutral(
    seen: View, einsum: Einsum, written: Expression, earlier: frozenset[sympy.Symbol]
) -> frozenset[sympy.Symbol]:
    """Return the symbols that neither vary along what is folded nor are to be pulled out."""
    folded = set(einsum.reduced)
    found = {symbol(a, seen.positive) for a in accesses(written) if not folded & set(names(a))}
    found |= {symbol(Name(n), seen.positive) for n in names(written) if n not in folded}
    return frozenset(found) - earlier


def defer(seen: View, name: str, chosen: tuple[Access, ...], keep: bool = False) -> Move | Refusal:
    """Return the cascade in which the reduction *name* no longer waits for the earlier results *chosen*.

    With *keep*, exponentials in H stay with the data, where they are bounded: the sum becomes a few sums under weights, its
    moments, which a running form can repair by one factor each.
    """
    einsum = seen.cascade.einsum(name)
    if not chosen:
        return Refusal(f"{name} waits for no earlier result")
    found = separation_of(seen, einsum, chosen)
    if isinstance(found, Refusal):
        return found
    _, separation = found
    if keep:
        kept = weighted(separation)
        if kept is None:
            return Refusal(f"the sums of {name} have no exponential for a weight")
        separation = kept
    if not keep and all(not head.free_symbols for head, _ in separation.terms):
        return Refusal(f"{name} does not depend on {', '.join(str(access) for access in chosen)} by value")
    writer = _Writer(seen, einsum)
    write = writer.populate if isinstance(einsum.action, Populate) else writer.reduction
    parts = write(separation)
    if isinstance(parts, Refusal):
        return parts
    try:
        cascade = remade(seen.cascade, _replaced(seen, einsum, parts, writer.shared))
    except ProblemsError as error:
        return Refusal(f"the result cannot be written in the language: {error.problems[0].text}")
    return Move(cascade=cascade, kind="defer", lines=_told(seen, einsum, chosen, separation, parts))


def weighted(separation: Separation) -> Separation | None:
    """Return ``sum_j (H_j/F_j) * (F_j*G_j)``, F_j the exponential in H_j, which bounds G_j; None where there is none."""
    if separation.operation != "*" or separation.rank < 2:
        return None
    terms = []
    for head, rest in separation.terms:
        factors = sympy.Mul.make_args(sympy.powsimp(head))
        kept = sympy.Mul(*(factor for factor in factors if isinstance(factor, sympy.exp)))
        terms.append((tidy(head / kept), sympy.powsimp(kept * rest)))
    bare = all(new == old for (_, new), (_, old) in zip(terms, separation.terms, strict=True))
    return None if bare else Separation(tuple(terms), "*", separation.method)


def _replaced(
    seen: View, einsum: Einsum, parts: Iterable[Einsum], shared: Mapping[str, tuple[str, tuple[int, ...]]]
) -> list[Einsum]:
    def change(access: Access) -> Expression:
        if access.tensor not in shared:
            return access
        name, kept = shared[access.tensor]
        return Access(name, tuple(access.indices[n] for n in kept))

    result: list[Einsum] = []
    for old in seen.cascade.einsums:
        for part in parts if old is einsum else (old,):
            renamed = replace(part, expression=replace_accesses(part.expression, change)) if shared else part
            result.append(seen.at_home(renamed, old))
    return result


def _told(
    seen: View, einsum: Einsum, chosen: tuple[Access, ...], separation: Separation, parts: Iterable[Einsum]
) -> tuple[str, ...]:
    names_ = ", ".join(str(access) for access in chosen)
    pairs = "; ".join(f"H = {to_syntax(h)}, G = {to_syntax(g)}" for h, g in separation.terms)
    operator = einsum.action.operator if einsum.action else "sum"
    over = ",".join(einsum.reduced)
    kind = f"separable of rank {separation.rank}" if separation.rank > 1 else "separable"
    return (
        f"barrier: {einsum.name} folds {over} and waits for {names_}, which needs all of {','.join(seen.variables)}",
        f"condition: g is {kind}: {pairs} ({separation.method}); {_distributes(separation.operation, operator)}",
        f"defer: H leaves the {operator}: " + "; ".join(str(part) for part in parts),
    )


def _distributes(operation: str, operator: str) -> str:
    return f"'{operation}' distributes over {operator}"


class _Writer:
    """Writes the Einsums that a deferral leaves."""

    def __init__(self, seen: View, einsum: Einsum) -> None:
        self.seen, self.einsum = seen, einsum
        self.made: list[Einsum] = []
        self.taken: set[str] = set()
        self.shared: dict[
            str, tuple[str, tuple[int, ...]]
        ] = {}  #: lists made once: name, and which indices are left

    def reduction(self, separation: Separation) -> list[Einsum] | Refusal:
        """Return one accumulator per pair, and the result that combines them."""
        einsum, action = self.einsum, self.einsum.action
        assert isinstance(action, Reduction)
        pairs = [_bare(pair, separation.operation) for pair in separation.terms]
        outer = variables_in(Call("max", tuple(to_syntax(head) for head, _ in pairs)), action.variables)
        if len(outer) == len(action.variables):
            return Refusal(f"H of {einsum.name} varies along all of {', '.join(outer)}")
        if outer and einsum.conditions:
            return Refusal(
                f"the sum over {', '.join(outer)} cannot be taken apart: {einsum.name} has conditions"
            )
        inner = tuple(v for v in action.variables if v not in outer)
        total: Expression | None = None
        for head, rest in pairs:
            sum_ = self._accumulated(rest, inner, outer)
            if isinstance(sum_, Refusal):
                return sum_
            negative = total is not None and separation.operation == "*" and head.could_extract_minus_sign()
            piece = combined(separation.operation, to_syntax(-head if negative else head), sum_)
            total = piece if total is None else Binary("-" if negative else "+", total, piece)
        assert total is not None
        self._combine(total, outer)
        return self.made

    def _combine(self, total: Expression, outer: tuple[str, ...]) -> None:
        whole = self.einsum.action
        action = replace(whole, variables=outer) if outer and isinstance(whole, Reduction) else None
        self.made.append(einsum_of(self.einsum.output, total, action))

    def _accumulated(
        self, rest: sympy.Expr, inner: tuple[str, ...], outer: tuple[str, ...]
    ) -> Expression | Refusal:
        """Return ``op[inner] G`` as an expression: an Einsum of its own, one that exists, or a count."""
        einsum, action = self.einsum, self.einsum.action
        assert isinstance(action, Reduction)
        expression = to_syntax(rest)
        present = variables_in(expression, inner)
        absent = [v for v in inner if v not in present]
        if absent and einsum.conditions:
            return Refusal(f"counting the points of {', '.join(absent)} under conditions is not supported")
        value = expression
        if present:
            candidates = beside_last(einsum.output_variables, outer)
            ranks = variables_in(expression, candidates)
            known = self._existing(expression, action.operator, present, ranks)
            if known is not None:
                value = known
            else:
                name = fresh(self.seen.cascade, f"{einsum.name}N", self.taken)
                self.taken.add(name)
                value = Access(name, tuple(Name(v) for v in ranks))
                self.made.append(
                    einsum_of(value, expression, replace(action, variables=present), like=einsum)
                )
        return _counted(value, absent, action.operator)

    def _existing(
        self, expression: Expression, operator: str, over: tuple[str, ...], ranks: tuple[str, ...]
    ) -> Access | None:
        """Return the result of an Einsum that already folds *expression* the same way."""
        for other in (*self.seen.cascade.computed, *self.made):
            same = isinstance(other.action, Reduction) and other.action.operator == operator
            if not same or set(other.reduced) != set(over) or other.conditions != self.einsum.conditions:
                continue
            ranked = other.loop is None and set(other.output_variables) == set(ranks)
            if ranked and self._term(other) == to_sympy(expression, self.seen.positive):
                return other.output
        return None

    def _term(self, other: Einsum) -> sympy.Expr:
        """Return what *other* folds, with maps along the rank written out, as in the sums made here."""
        written = term_of(self.seen, other) if other.name in self.seen.reductions else other.expression
        expression = other.expression if isinstance(written, Refusal) else written
        return to_sympy(expression, self.seen.positive)

    def populate(self, separation: Separation) -> list[Einsum] | Refusal:
        """Return the coordinate operator on G alone; the values that it lists get H afterwards.

        A list that G makes alike for all points of a rank is made once, and read without it (:attr:`shared`).
        """
        einsum, action = self.einsum, self.einsum.action
        assert isinstance(action, Populate)
        ((head, rest),) = separation.terms
        expression = to_syntax(rest)
        alike = [v for v in einsum.output_variables if v != action.target and v not in names(expression)]
        alike = [
            v
            for v in alike
            if not any(mentions(s, (v,)) for c in einsum.conditions for s in (c.left, c.right))
        ]
        outputs = list(einsum.outputs)
        valued = len(outputs) == 2 or action.operator == "sort"
        for number, output in enumerate(outputs):
            value = valued and number == len(outputs) - 1
            if not value and not alike:
                continue
            if not value and output.tensor in self.seen.cascade.outputs:
                told = f"{output.tensor} is an output: the list of {expression} is one for all {', '.join(alike)}"
                return Refusal(f"{told}; write it without, as {without(output, alike)}")
            name = fresh(self.seen.cascade, f"{output.tensor}N", self.taken)
            self.taken.add(name)
            outputs[number] = without(replace(output, tensor=name), alike)
            if not value:
                kept = [n for n, index in enumerate(output.indices) if not mentions(index, tuple(alike))]
                self.shared[output.tensor] = name, tuple(kept)
        self.made.append(replace(einsum, outputs=tuple(outputs), expression=expression))
        if valued:
            total = combined(separation.operation, to_syntax(head), outputs[-1])
            self.made.append(einsum_of(einsum.outputs[-1], total))
        return self.made


def without(access: Access, variables: Iterable[str]) -> Access:
    """Return *access* without the indices that name one of *variables*."""
    return replace(access, indices=tuple(i for i in access.indices if not mentions(i, tuple(variables))))


def _bare(pair: tuple[sympy.Expr, sympy.Expr], operation: str) -> tuple[sympy.Expr, sympy.Expr]:
    """Return the pair with the number in front of G moved to H, so that equal sums are found again."""
    head, rest = pair
    if operation != "*":
        return pair
    coefficient, bare = rest.as_coeff_Mul()
    return head * coefficient, bare


def _counted(value: Expression, absent: list[str], operator: str) -> Expression:
    """Return *value* folded over ranks that it does not have: times their sizes under a sum, itself under an order."""
    for variable in absent:
        size = Name(variable.upper())
        if operator == "sum":
            value = size if value == Number(1.0) else Binary("*", value, size)
        elif operator == "prod":
            value = Binary("**", value, size)
    return value


def combined(operation: str, head: Expression, value: Expression) -> Expression:
    """Return ``head (*) value`` with the head's fractions kept as divisions."""
    if operation in ("max", "min"):
        return Call(operation, (head, value))
    if operation == "**":
        return Binary("**", value, head)
    if operation == OF:
        return _unmarked(head, value)
    joined = to_sympy(head) * PLACE if operation == "*" else to_sympy(head) + PLACE
    return _unmarked(to_syntax(joined), value)


def _unmarked(expression: Expression, value: Expression) -> Expression:
    from fusemax.analysis.rewrite.normal import substitute

    return substitute(expression, {"VALUE_": value})
