"""A cascade with its algebra done, so that two ways of writing one computation can be compared.

Maps are written out where they are read, and factors that do not vary along a sum stand in front of it:
``sum_m a(m)*b = b * sum_m a(m)``. Fractions of a sum are then taken term by term. Nothing else is used, so equal
canonical forms compute the same in exact arithmetic wherever both are finite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sympy

from fusemax.analysis.rewrite.draft import fresh, remade
from fusemax.analysis.rewrite.normal import rebuild, substitute
from fusemax.analysis.rewrite.same import same_up_to_names
from fusemax.analysis.rewrite.symbols import to_sympy, to_syntax
from fusemax.cascade.ir import Cascade, Einsum
from fusemax.language.syntax import Access, Expression, Name, Reduction, names


def same_up_to_algebra(first: Cascade, second: Cascade) -> bool:
    """Return whether renaming tensors and ranks of *first* gives *second* once both are in canonical form."""
    return same_up_to_names(canonical(first), canonical(second))


def canonical(cascade: Cascade) -> Cascade:
    """Return *cascade* with its maps written out and its sums free of constant factors.

    Einsums that cannot be written out (conditions, coordinate operators, running values) stay as they are.
    """
    table: dict[str, tuple[Einsum, Expression]] = {}
    kept: list[Einsum] = []
    taken: list[str] = []
    for einsum in cascade.einsums:
        written = replace(einsum, expression=_canonical(_written_out(einsum.expression, einsum, table)))
        if _is_plain_sum(written):
            written, core = _freed(cascade, written, taken)
            known = next((other for other in kept if core is not None and _equal(other, core)), None)
            if core is not None and known is None:
                kept.append(core)
            if core is not None and known is not None:
                same = substitute_tensor(written.expression, core.name, known.name)
                written = replace(written, expression=same)
        if _is_inlined(cascade, written):
            table[written.name] = written, written.expression
        else:
            kept.append(written)
        if written.name in cascade.outputs and written.name in table:
            kept.append(written)
    return remade(cascade, kept)


def substitute_tensor(expression: Expression, old: str, new: str) -> Expression:
    """Return *expression* with the tensor *old* called *new*."""
    inner = rebuild(expression, lambda child: substitute_tensor(child, old, new))
    return replace(inner, tensor=new) if isinstance(inner, Access) and inner.tensor == old else inner


def _written_out(
    expression: Expression, reader: Einsum, table: Mapping[str, tuple[Einsum, Expression]]
) -> Expression:
    """Return *expression* with the maps in *table* put in place; those of another loop are left."""
    inner = rebuild(expression, lambda child: _written_out(child, reader, table))
    if not isinstance(inner, Access) or inner.tensor not in table:
        return inner
    maker, value = table[inner.tensor]
    indices = {
        written.name: index
        for written, index in zip(maker.output.indices, inner.indices, strict=True)
        if isinstance(written, Name)
    }
    return substitute(value, indices)


def _is_inlined(cascade: Cascade, einsum: Einsum) -> bool:
    """Return whether *einsum* is a map of whole coordinates that holds everywhere."""
    plain = einsum.action is None and not einsum.initial and not einsum.conditions
    named = all(isinstance(index, Name) for index in einsum.output.indices)
    return plain and named and len(cascade.producers(einsum.name)) <= 1


def _is_plain_sum(einsum: Einsum) -> bool:
    """Return whether *einsum* is a sum written to whole coordinates of one tensor, without conditions."""
    action = einsum.action
    named = all(isinstance(index, Name) for index in einsum.output.indices)
    return isinstance(action, Reduction) and action.operator == "sum" and named and not einsum.conditions


def _freed(cascade: Cascade, einsum: Einsum, taken: list[str]) -> tuple[Einsum, Einsum | None]:
    """Return *einsum* as a map of constant factors and a bare sum, and that sum; or *einsum* itself and None."""
    assert isinstance(einsum.action, Reduction)
    folded = set(einsum.action.variables)
    factors = sympy.Mul.make_args(to_sympy(einsum.expression))
    front = [factor for factor in factors if not folded & set(names(to_syntax(factor)))]
    rest = [factor for factor in factors if factor not in front]
    if not front or not rest:
        return einsum, None
    name = fresh(cascade, f"{einsum.name}S", taken)
    taken.append(name)
    output = replace(einsum.output, tensor=name)
    core = replace(einsum, outputs=(output,), expression=to_syntax(sympy.Mul(*rest)))
    marker: Any = to_sympy(output)
    whole = to_syntax(sympy.Mul(*front) * marker)
    return replace(einsum, expression=whole, action=None), core


def _equal(one: Einsum, other: Einsum) -> bool:
    """Return whether two Einsums fold the same expression the same way, index for index."""
    alike = (one.expression, one.action, one.conditions, one.loop, one.initial)
    theirs = (other.expression, other.action, other.conditions, other.loop, other.initial)
    return alike == theirs and one.output.indices == other.output.indices


def _canonical(expression: Expression) -> Expression:
    """Return *expression* with the fraction of a sum taken term by term, when sympy knows all of its parts."""
    value = to_sympy(expression)
    return to_syntax(sympy.expand_mul(value))
