"""Two sums taken in the other order, so that the sum over the rank comes first.

``sum_m a(m) * (sum_f b(f, m) * c(f)) = sum_f c(f) * (sum_m a(m) * b(f, m))``. It turns the row sum D of attention's backward
pass from P*dP over keys into dO*O over features, and (Q K) V into Q (K V) where nothing stands between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sympy

from fusemax.analysis.rewrite.draft import Move, beside_last, einsum_of, fresh, remade, variables_in
from fusemax.analysis.rewrite.given import Given
from fusemax.analysis.rewrite.normal import View, inlined, is_map, replace_accesses, substitute
from fusemax.analysis.rewrite.separate import Refusal
from fusemax.analysis.rewrite.symbols import to_sympy, to_syntax
from fusemax.cascade.ir import Einsum
from fusemax.errors import ProblemsError
from fusemax.language.syntax import Access, Expression, Name, Reduction, accesses, names


def reorder(seen: View, given: Given) -> Iterator[tuple[str, Move]]:
    """Yield the reductions over the rank whose inner sum can be exchanged with theirs, with the rewritten cascades.

    A new inner sum that an Einsum of the cascade or a *given* result equals is not computed again.
    """
    for name in seen.reductions:
        einsum = seen.cascade.einsum(name)
        if not isinstance(einsum.action, Reduction) or einsum.action.operator != "sum":
            continue
        written = inlined(
            seen, einsum, einsum.expression, lambda t: seen.carries(t) and is_map(seen.maker(t))
        )
        if isinstance(written, Refusal):
            continue
        for access in dict.fromkeys(accesses(written)):
            moved = _exchanged(seen, einsum, written, access, given)
            if moved is not None:
                yield name, moved


def _exchanged(seen: View, einsum: Einsum, written: Expression, access: Access, given: Given) -> Move | None:
    inner = seen.maker(access.tensor)
    assert isinstance(einsum.action, Reduction)
    if inner is None or not seen.carries(access.tensor) or not _is_sum(inner):
        return None
    if inner.conditions and not _covered(einsum, access, inner):
        return None
    flat = _flattened(seen, written, access, inner)
    if flat is None:
        return None
    expression, fresh_variables = flat
    factors = sympy.Mul.make_args(to_sympy(expression))
    first = [f for f in factors if variables_in(to_syntax(f), einsum.reduced)]
    rest = [f for f in factors if f not in first]
    inside, outside = to_syntax(sympy.Mul(*first)), to_syntax(sympy.Mul(*rest))
    if not variables_in(outside, fresh_variables) or not variables_in(inside, fresh_variables):
        return None
    ranks = variables_in(inside, (*fresh_variables, *einsum.output_variables))
    known = _known(seen, einsum, inside, ranks, given)
    parts = []
    if known is None:
        order = beside_last(tuple(v for v in ranks if v not in fresh_variables), fresh_variables)
        known = Access(fresh(seen.cascade, f"{einsum.name}N"), tuple(Name(v) for v in order))
        parts.append(einsum_of(known, inside, einsum.action, like=einsum))
    total = to_syntax(sympy.Mul(*rest) * to_sympy(known))
    parts.append(einsum_of(einsum.output, total, replace(einsum.action, variables=fresh_variables)))
    everything = [p for old in seen.cascade.einsums for p in (parts if old is einsum else [old])]
    wider = replace(seen.cascade, tensors={**{t.name: t for t in given.tensors}, **seen.cascade.tensors})
    inputs = tuple(dict.fromkeys((*seen.cascade.inputs, *given.names)))
    try:
        cascade = remade(wider, everything, inputs=inputs)
    except ProblemsError:
        return None
    lines = (
        f"reorder: {einsum.name} sums over {','.join(einsum.reduced)} what {access.tensor} sums over "
        f"{','.join(fresh_variables)}; the sums change places: " + "; ".join(map(str, parts)),
    )
    return Move(cascade=cascade, kind="reorder", lines=lines)


def _covered(einsum: Einsum, access: Access, inner: Einsum) -> bool:
    """Return whether *einsum*, which reads *inner* at its own place, has every condition of it: none is lost then."""
    own = {str(condition) for condition in einsum.conditions}
    return access.indices == inner.output.indices and {str(c) for c in inner.conditions} <= own


def _is_sum(einsum: Einsum) -> bool:
    return isinstance(einsum.action, Reduction) and einsum.action.operator == "sum"


def _flattened(
    seen: View, written: Expression, access: Access, inner: Einsum
) -> tuple[Expression, tuple[str, ...]] | None:
    """Return the term with the inner sum's term in place of its result, when the term is a multiple of the result."""
    value = to_sympy(written)
    symbol = to_sympy(access)
    if symbol not in sympy.Mul.make_args(value) or (value / symbol).has(symbol):
        return None
    taken = {n.lower() for n in seen.cascade.ranks} & set(names(written))
    if taken & set(inner.reduced):
        return None
    table = {
        index.name: given
        for index, given in zip(inner.output.indices, access.indices, strict=True)
        if isinstance(index, Name)
    }
    body = substitute(inner.expression, table)
    return replace_accesses(written, lambda a: body if a == access else a), inner.reduced


def _known(
    seen: View, einsum: Einsum, inside: Expression, ranks: tuple[str, ...], given: Given
) -> Access | None:
    """Return the result of an Einsum that computes the new inner sum already, written-out maps included."""
    wanted = to_sympy(inside)
    for other in (*given.einsums, *seen.cascade.computed):
        if (
            other is einsum
            or not _is_sum(other)
            or set(other.reduced) != set(einsum.reduced)
            or other.conditions
        ):
            continue
        written = inlined(seen, other, other.expression, lambda t: seen.carries(t) and is_map(seen.maker(t)))
        same = not isinstance(written, Refusal) and to_sympy(written) == wanted
        if same and set(other.output_variables) == set(ranks):
            return other.output
    return None
