"""Reads of elements that a condition left out: such an element is 0, which is hardly ever meant where a maximum is taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from fusemax.analysis.filters import filter_of
from fusemax.cascade.ir import Cascade, Einsum, is_variable
from fusemax.errors import Place
from fusemax.language.functions import FUNCTIONS
from fusemax.language.syntax import (
    Access,
    Binary,
    Call,
    Condition,
    Expression,
    Name,
    Negative,
    Number,
    Reduction,
    accesses,
    children,
    names,
)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An Einsum that folds a tensor also where that has no element, and the conditions that say where it has."""

    einsum: Einsum
    read: Access
    missing: tuple[Condition, ...]
    place: Place | None

    def __str__(self) -> str:
        told = ", ".join(map(str, self.missing))
        line = f" (line {self.place.line})" if self.place else ""
        name, tensor = self.einsum.name, self.read.tensor
        return (
            f"{name}{line} folds {self.read} also where {tensor} has no element, and there it counts as 0; "
            f"to leave those out, write | {told} on {name} as well"
        )


def zeros_folded(cascade: Cascade) -> tuple[LeftOut, ...]:
    """Return where elements that a condition left out are folded as something else than what changes nothing.

    >>> from fusemax.cascade.build import cascade_from_text
    >>> rows = ["S[m,p] = X[m]*X[p] | m <= p", "G[p] = S[m,p] :: max[m]", "D[p] = S[m,p] :: sum[m]"]
    >>> text = "title: t\\nsource: own\\nsame: [[P, M]]\\ninputs: {X: [M]}\\neinsums: |\\n  " + "\\n  ".join(rows)
    >>> [found.einsum.name for found in zeros_folded(cascade_from_text(text, "t"))]
    ['G']
    """
    return tuple(one for one in _found(cascade) if not _changes_nothing(one.einsum, one.read))


def with_conditions_of_makers(cascade: Cascade) -> Cascade:
    """Return *cascade* with sums under the conditions of what they sum, where that leaves only zeros out."""
    more: dict[int, tuple[Condition, ...]] = {}
    for one in _found(cascade):
        if one.einsum.loop is None and _changes_nothing(one.einsum, one.read):
            number = cascade.einsums.index(one.einsum)
            known = more.get(number, one.einsum.conditions)
            more[number] = (*known, *(c for c in one.missing if c not in known))
    if not more:
        return cascade
    changed = (replace(e, conditions=more.get(n, e.conditions)) for n, e in enumerate(cascade.einsums))
    return replace(cascade, einsums=tuple(changed))


def _found(cascade: Cascade) -> Iterator[LeftOut]:
    for einsum in cascade.einsums:
        if not isinstance(einsum.action, Reduction):
            continue
        have = {filter_of(condition).words for condition in einsum.conditions}
        for access in dict.fromkeys(_unguarded(einsum.expression)):
            makers = [e for e in cascade.producers(access.tensor) if not e.initial]
            missing = _conditions_at(makers[0], access) if len(makers) == 1 else ()
            missing = tuple(c for c in missing if filter_of(c).words not in have)
            if missing and {n for c in missing for n in _variables(c)} <= set(einsum.variables):
                yield LeftOut(einsum, access, missing, einsum.place)


def _variables(condition: Condition) -> Iterable[str]:
    return (name for side in (condition.left, condition.right) for name in names(side) if is_variable(name))


def _unguarded(expression: Expression) -> Iterator[Access]:
    """Return the accesses of *expression* that no ``where`` chooses."""
    if isinstance(expression, Access):
        yield expression
    elif not (isinstance(expression, Call) and expression.function == "where"):
        for child in children(expression):
            yield from _unguarded(child)


def _conditions_at(maker: Einsum, access: Access) -> tuple[Condition, ...]:
    """Return the conditions under which *maker* wrote the element that *access* reads; nothing where indices are no names."""
    pairs = list(zip(maker.output.indices, access.indices, strict=True))
    plain = all(isinstance(w, Name) and isinstance(r, Name) and not accesses(r) for w, r in pairs)
    if not plain or not maker.conditions:
        return ()
    table = {w.name: r for w, r in pairs if isinstance(w, Name)}
    if any(name not in table for condition in maker.conditions for name in _variables(condition)):
        return ()
    return tuple(
        replace(c, left=_renamed(c.left, table), right=_renamed(c.right, table)) for c in maker.conditions
    )


def _renamed(expression: Expression, table: dict[str, Expression]) -> Expression:
    if isinstance(expression, Name):
        return table.get(expression.name, expression)
    if isinstance(expression, Negative):
        return replace(expression, operand=_renamed(expression.operand, table))
    if isinstance(expression, Binary):
        return replace(
            expression, left=_renamed(expression.left, table), right=_renamed(expression.right, table)
        )
    if isinstance(expression, Call):
        return replace(expression, arguments=tuple(_renamed(a, table) for a in expression.arguments))
    return expression


def _changes_nothing(einsum: Einsum, read: Access) -> bool:
    """Return whether a sum has nothing more from points where *read* is 0."""
    assert isinstance(einsum.action, Reduction)
    return einsum.action.operator in ("sum", "or") and _is_zero(einsum.expression, read)


def _is_zero(expression: Expression, read: Access) -> bool:
    """Return whether *expression* is certainly 0 where *read* is."""
    if expression == read:
        return True
    if isinstance(expression, Number):
        return expression.value == 0
    if isinstance(expression, Negative):
        return _is_zero(expression.operand, read)
    if isinstance(expression, Binary):
        left, right = _is_zero(expression.left, read), _is_zero(expression.right, read)
        if expression.operator == "**":
            return left and isinstance(expression.right, Number) and expression.right.value > 0
        return {"*": left or right, "/": left}.get(expression.operator, left and right)
    if isinstance(expression, Call) and len(expression.arguments) == 1:
        return FUNCTIONS[expression.function].value(0.0) == 0 and _is_zero(expression.arguments[0], read)
    return False
