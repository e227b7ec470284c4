"""Means written inside a term, as values of their own: ``X[m] - S[]/M`` and ``X[m] - MU[]`` are treated alike.

A mean that stands by itself can run along in a loop as the mean of the points so far, so that partial sums of squares stay
small; ``S[]/M`` inside a term would divide by all points from the start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fusemax.analysis.rewrite.draft import fresh, remade
from fusemax.analysis.rewrite.folds import folds_of
from fusemax.analysis.rewrite.normal import View, rebuild, view
from fusemax.cascade.ir import Cascade, Einsum, is_variable
from fusemax.errors import ProblemsError
from fusemax.language.syntax import Access, Binary, Expression, Name, Reduction, names


def spelled_out(cascade: Cascade, rank: str) -> Cascade | None:
    """Return *cascade* with sizes taken out of its sums over *rank*, and every inline mean that a sum needs named.

    None if nothing changes.
    """
    bare = _divided_after(view(cascade, rank))
    return with_means(view(bare or cascade, rank)) or bare


def _divided_after(seen: View) -> Cascade | None:
    """Return the cascade with ``MU = X/D :: sum[d]`` as a sum and a division of it; None if there is no such sum."""
    result: list[Einsum] = []
    taken: list[str] = []
    folds = folds_of(seen)
    for einsum in seen.cascade.einsums:
        term = einsum.expression
        summed = isinstance(einsum.action, Reduction) and einsum.action.operator == "sum"
        over = isinstance(term, Binary) and term.operator == "/" and _is_count(term.right)
        plain = einsum.name in folds and not einsum.conditions
        if not (summed and over and plain and isinstance(term, Binary)):
            result.append(einsum)
            continue
        name = fresh(seen.cascade, f"{einsum.name}SUM", tuple(taken))
        taken.append(name)
        total = Access(name, einsum.output.indices)
        result.append(replace(einsum, outputs=(total,), expression=term.left))
        result.append(replace(einsum, expression=replace(term, left=total), action=None))
    try:
        return remade(seen.cascade, result) if taken else None
    except ProblemsError:
        return None


def with_means(seen: View) -> Cascade | None:
    """Return the cascade of *seen* with every inline mean of a sum over the rank named; None if there is none."""
    means: dict[str, tuple[Access, Expression]] = {}
    taken: list[str] = []

    def change(expression: Expression) -> Expression:
        if isinstance(expression, Binary) and _is_mean(seen, expression):
            key = str(expression)
            if key not in means:
                sums = expression.left
                assert isinstance(sums, Access)
                name = fresh(seen.cascade, f"{sums.tensor}MEAN", tuple(taken))
                taken.append(name)
                means[key] = Access(name, sums.indices), expression
            return means[key][0]
        return rebuild(expression, change)

    wanted = _summed(seen)
    einsums = [_renamed(seen, e, change) if e.name in wanted else e for e in seen.cascade.einsums]
    if not means:
        return None
    result: list[Einsum] = []
    for einsum in einsums:
        result.append(einsum)
        for target, expression in means.values():
            sums = expression.left if isinstance(expression, Binary) else expression
            if isinstance(sums, Access) and sums.tensor == einsum.output.tensor:
                result.append(
                    replace(einsum, outputs=(target,), expression=expression, action=None, conditions=())
                )
    try:
        return remade(seen.cascade, result)
    except ProblemsError:
        return None


def _summed(seen: View) -> frozenset[str]:
    """Return the Einsums that are reductions over the rank, or that one of those is made of."""
    found: set[str] = set()
    todo = list(folds_of(seen))
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [access.tensor for einsum in seen.cascade.producers(name) for access in einsum.reads]
    return frozenset(found)


def _renamed(seen: View, einsum: Einsum, change: Callable[[Expression], Expression]) -> Einsum:
    along = set(einsum.variables) & set(seen.variables)
    if einsum.initial or not along:
        return einsum
    return replace(einsum, expression=change(einsum.expression))


def _is_mean(seen: View, expression: Binary) -> bool:
    """Return whether *expression* is a sum over the rank by a size, at plain variables."""
    sums, count = expression.left, expression.right
    if expression.operator != "/" or not isinstance(sums, Access) or not _is_count(count):
        return False
    plain = all(isinstance(i, Name) and is_variable(i.name) for i in sums.indices)
    whole = not set(names(sums)) & set(seen.variables) and sums.tensor in folds_of(seen)
    maker = seen.maker(sums.tensor)
    alike = maker is not None and maker.output.indices == sums.indices
    return plain and whole and alike


def _is_count(value: Expression) -> bool:
    """Return whether *value* is a size or a product of sizes."""
    if isinstance(value, Binary):
        return value.operator == "*" and _is_count(value.left) and _is_count(value.right)
    return isinstance(value, Name) and not is_variable(value.name)
