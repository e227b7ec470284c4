"""Sums that a running form needs to repair others by, and that nothing in the cascade computes: they are added for its loop.

``sum A*(D - R)*K`` with R a result of the same loop moves on by ``(R' - R) * sum A*K``. Where no Einsum makes ``sum A*K``, it
is added beside, as an output so that it stays; after the loop is written only its running value is left.
"""

from __future__ import annotations

from dataclasses import replace

import sympy

from fusemax.analysis.rewrite.central import bare, derivatives
from fusemax.analysis.rewrite.correction import common_weight, parted, tidy
from fusemax.analysis.rewrite.defer import Term, separation_of
from fusemax.analysis.rewrite.draft import Move, einsum_of, fresh, remade, variables_in
from fusemax.analysis.rewrite.loops import renamed_to
from fusemax.analysis.rewrite.normal import View, earlier_results, term_of
from fusemax.analysis.rewrite.separate import Refusal, Separation, separate
from fusemax.analysis.rewrite.symbols import symbol, to_sympy, to_syntax
from fusemax.cascade.ir import Cascade, Einsum
from fusemax.errors import ProblemsError
from fusemax.language.syntax import Access, Name, Reduction


def with_moments(seen: View) -> Move | None:
    """Return the cascade with the moments that its sums lack, each an output of its own; None where none lacks one."""
    made: list[Einsum] = []
    for name in seen.reductions:
        einsum = seen.cascade.einsum(name)
        if isinstance(einsum.action, Reduction) and einsum.action.operator == "sum":
            made += _missing(seen, einsum, made)
    if not made:
        return None
    outputs = (*seen.cascade.outputs, *(einsum.name for einsum in made))
    try:
        cascade = remade(replace(seen.cascade, outputs=outputs), (*seen.cascade.einsums, *made))
    except ProblemsError:
        return None
    told = "; ".join(map(str, made))
    return Move(cascade=cascade, kind="gather", lines=(f"gathered beside, to repair sums by: {told}",))


def without_moments(cascade: Cascade, outputs: tuple[str, ...]) -> Cascade:
    """Return *cascade* with *outputs* alone, and without what only others needed."""
    return remade(replace(cascade, outputs=outputs), cascade.einsums)


def _missing(seen: View, einsum: Einsum, made: list[Einsum]) -> list[Einsum]:
    """Return the sums that repairs of *einsum* need and that neither the cascade nor *made* has."""
    waited = _waited(seen, einsum)
    found = separation_of(seen, einsum, waited, parts=False) if waited else None
    if found is None or isinstance(found, Refusal) or found[1].operation != "*" or found[1].rank < 2:
        return []
    term, separation = found
    central = _central(seen, einsum, term, made)
    if central is not None:
        return central
    weight = common_weight(separation)
    kept = sympy.Mul(*(f for f in sympy.Mul.make_args(weight or sympy.Integer(1)) if f.has(sympy.exp)))
    new: list[Einsum] = []
    for head, rest in separation.terms:
        relative = tidy(head / weight) if weight is not None else head
        _, bare = parted(rest, einsum.reduced)
        if not relative.free_symbols or bare == 1 or _gathered(seen, einsum, bare):
            continue
        one = _sum(seen, einsum, sympy.powsimp(kept * bare), (*made, *new))
        if one is not None:
            new.append(one)
    return new


def _central(seen: View, einsum: Einsum, term: Term, made: list[Einsum]) -> list[Einsum] | None:
    """Return the sums of lower powers about its mean that *einsum* lacks; None where it is no sum of such powers."""
    slopes = derivatives(term)
    if slopes is None:
        return None
    have = [
        bare(found[0].value, einsum.reduced)
        for other in (*(seen.cascade.einsum(name) for name in seen.reductions), *made)
        if other.action == einsum.action and other.conditions == einsum.conditions
        if (waited := _waited(seen, other))
        and not isinstance(found := separation_of(seen, other, waited, parts=False), Refusal)
    ]
    new: list[Einsum] = []
    for slope in slopes[1][:-2]:  # the last two are sums and counts
        wanted = bare(slope, einsum.reduced)
        one = None if wanted in have else _sum(seen, einsum, wanted, (*made, *new))
        new += [] if one is None else [one]
    return new


def _waited(seen: View, einsum: Einsum) -> tuple[Access, ...]:
    written = term_of(seen, einsum, parts=False)
    return () if isinstance(written, Refusal) else earlier_results(seen, written, parts=False)


def _gathered(seen: View, einsum: Einsum, bare: sympy.Expr) -> bool:
    """Return whether a sum of the cascade over the same points folds *bare*, whatever factor of results stands with it."""
    for name in seen.reductions:
        other = seen.cascade.einsum(name)
        same = other.action == einsum.action and other.conditions == einsum.conditions
        if not same or other is einsum:
            continue
        waited = _waited(seen, other)
        written = term_of(seen, other, parts=False)
        if isinstance(written, Refusal):
            continue
        earlier = frozenset(symbol(access, seen.positive) for access in waited)
        split = separate(to_sympy(written, seen.positive), earlier, frozenset(), "sum")
        if (
            isinstance(split, Separation)
            and split.rank == 1
            and _same(split.terms[0][1], bare, einsum.reduced)
        ):
            return True
    return False


def _same(rest: sympy.Expr, wanted: sympy.Expr, folded: tuple[str, ...]) -> bool:
    """Return whether the sum of *rest* gives that of *wanted*: up to a factor, or to the name of an index."""
    _, bare = parted(rest, folded)
    return bare == wanted or renamed_to(wanted, {str(bare): Access("", ())}, folded) is not None


def _sum(seen: View, einsum: Einsum, term: sympy.Expr, made: tuple[Einsum, ...]) -> Einsum | None:
    expression = to_syntax(term)
    ranks = variables_in(expression, einsum.output_variables)
    if any(other.expression == expression for other in made):
        return None
    name = fresh(seen.cascade, f"{einsum.name}M", [other.name for other in made])
    return einsum_of(Access(name, tuple(Name(v) for v in ranks)), expression, einsum.action, like=einsum)
