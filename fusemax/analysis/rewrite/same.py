"""Whether two cascades are the same up to names, the order of Einsums, and the order of factors and addends."""

from __future__ import annotations

from dataclasses import dataclass, field

from fusemax.cascade.ir import Cascade, Einsum, is_variable
from fusemax.language.syntax import (
    Access,
    Binary,
    Call,
    Expression,
    Name,
    Negative,
    Number,
    Populate,
    Reduction,
)

COMMUTATIVE = frozenset({"max", "min", "eq"})


def same_up_to_names(first: Cascade, second: Cascade) -> bool:
    """Return whether renaming tensors and ranks of *first* gives *second*.

    Inputs and outputs are matched in any order; products, sums, max and min in any order; nothing else is rewritten.
    """
    if len(first.einsums) != len(second.einsums) or len(first.outputs) != len(second.outputs):
        return False
    return _outputs(first, second, list(first.outputs), list(second.outputs), _Names())


@dataclass(frozen=True)
class _Names:
    """A one-to-one renaming of tensors and rank variables found so far (sizes follow their variables)."""

    forth: dict[str, str] = field(default_factory=dict)
    back: dict[str, str] = field(default_factory=dict)

    def bound(self, left: str, right: str) -> _Names | None:
        """Return the renaming with left -> right, None if it contradicts what is known."""
        if self.forth.get(left, right) != right or self.back.get(right, left) != left:
            return None
        return _Names({**self.forth, left: right}, {**self.back, right: left})


def _outputs(first: Cascade, second: Cascade, left: list[str], right: list[str], known: _Names) -> bool:
    if not left:
        return True
    return any(
        (found := _tensor(first, second, left[0], candidate, known)) is not None
        and _outputs(first, second, left[1:], [r for r in right if r != candidate], found)
        for candidate in right
    )


def _tensor(first: Cascade, second: Cascade, left: str, right: str, known: _Names) -> _Names | None:
    """Match two tensors, then everything that makes them."""
    key = f"tensor {left}"
    if key in known.forth:
        return known if known.forth[key] == f"tensor {right}" else None
    found = known.bound(key, f"tensor {right}")
    if found is None or (left in first.inputs) != (right in second.inputs):
        return None
    makers = first.producers(left), second.producers(right)
    if len(makers[0]) != len(makers[1]):
        return None
    for a, b in zip(sorted(makers[0], key=_kind), sorted(makers[1], key=_kind), strict=True):
        found = _einsum(first, second, a, b, found)
        if found is None:
            return None
    return found


def _kind(einsum: Einsum) -> bool:
    return einsum.initial


def _einsum(first: Cascade, second: Cascade, a: Einsum, b: Einsum, known: _Names) -> _Names | None:
    shape = (len(a.outputs), a.initial, a.loop is None, len(a.conditions), type(a.action))
    if shape != (len(b.outputs), b.initial, b.loop is None, len(b.conditions), type(b.action)):
        return None
    match = _Matcher(first, second)
    scoped: _Names | None = _Names({k: v for k, v in known.forth.items()}, dict(known.back))
    if a.loop is not None and b.loop is not None:
        scoped = match.variable(a.loop, b.loop, scoped)
    for x, y in zip(a.outputs, b.outputs, strict=True):
        scoped = scoped and match.indices(x, y, scoped)
        scoped = scoped and scoped.bound(f"tensor {x.tensor}", f"tensor {y.tensor}")
    scoped = scoped and match.action(a, b, scoped)
    scoped = scoped and match.value(a.expression, b.expression, scoped)
    for c, d in zip(a.conditions, b.conditions, strict=True):
        if scoped is None or c.comparison != d.comparison:
            return None
        scoped = match.value(c.left, d.left, scoped)
        scoped = scoped and match.value(c.right, d.right, scoped)
    return scoped


class _Matcher:
    """Matches expressions, following accesses into the Einsums that make them."""

    def __init__(self, first: Cascade, second: Cascade) -> None:
        self.first, self.second = first, second

    def variable(self, left: str, right: str, known: _Names | None) -> _Names | None:
        if known is None or is_variable(left) != is_variable(right):
            return None
        if left in self.first.constants or right in self.second.constants:
            same = self.first.constants.get(left) == self.second.constants.get(right)
            return known.bound(left, right) if same else None
        left, right = _root(self.first, left), _root(self.second, right)
        return known.bound(left.lower(), right.lower())

    def indices(self, left: Access, right: Access, known: _Names) -> _Names | None:
        if len(left.indices) != len(right.indices):
            return None
        found: _Names | None = known
        for x, y in zip(left.indices, right.indices, strict=True):
            found = found and self.value(x, y, found)
        return found

    def action(self, a: Einsum, b: Einsum, known: _Names) -> _Names | None:
        if isinstance(a.action, Populate) and isinstance(b.action, Populate):
            if a.action.operator != b.action.operator:
                return None
            found = self.variable(a.action.source, b.action.source, known)
            return self.variable(a.action.target, b.action.target, found)
        if isinstance(a.action, Reduction) and isinstance(b.action, Reduction):
            same = a.action.operator == b.action.operator and len(a.reduced) == len(b.reduced)
            return known if same else None
        return known

    def value(self, left: Expression, right: Expression, known: _Names) -> _Names | None:
        if isinstance(left, Access) and isinstance(right, Access):
            found = self.indices(left, right, known)
            return found and _tensor(self.first, self.second, left.tensor, right.tensor, found)
        if isinstance(left, Name) and isinstance(right, Name):
            return self.variable(left.name, right.name, known)
        if isinstance(left, Number) or isinstance(right, Number):
            return known if left == right else None
        if isinstance(left, Call) and isinstance(right, Call):
            if left.function != right.function or len(left.arguments) != len(right.arguments):
                return None
            if left.function in COMMUTATIVE:
                return self.unordered(_signed(left.arguments), _signed(right.arguments), known)
            return self.ordered(left.arguments, right.arguments, known)
        for operators in ("+-", "*/"):
            parts = _chain(left, operators), _chain(right, operators)
            if len(parts[0]) == len(parts[1]) and len(parts[0]) > 1:
                return self.unordered(*parts, known)
        if isinstance(left, Binary) and isinstance(right, Binary) and left.operator == right.operator == "**":
            return self.ordered((left.left, left.right), (right.left, right.right), known)
        if isinstance(left, Negative) and isinstance(right, Negative):
            return self.value(left.operand, right.operand, known)
        return None

    def ordered(
        self, left: tuple[Expression, ...], right: tuple[Expression, ...], known: _Names
    ) -> _Names | None:
        found: _Names | None = known
        for x, y in zip(left, right, strict=True):
            found = found and self.value(x, y, found)
        return found

    def unordered(
        self, left: list[tuple[bool, Expression]], right: list[tuple[bool, Expression]], known: _Names
    ) -> _Names | None:
        if not left:
            return known
        (sign, head), *rest = left
        for place, (other_sign, other) in enumerate(right):
            if sign != other_sign:
                continue
            found = self.value(head, other, known)
            if found is not None:
                done = self.unordered(rest, right[:place] + right[place + 1 :], found)
                if done is not None:
                    return done
        return None


def _root(cascade: Cascade, name: str) -> str:
    """Return the rank that *name* stands for when its size is another rank's."""
    rank = cascade.ranks.get(name.upper())
    return _root(cascade, rank.size.name) if rank and isinstance(rank.size, Name) else name


def _signed(values: tuple[Expression, ...]) -> list[tuple[bool, Expression]]:
    return [(True, value) for value in values]


def _chain(expression: Expression, operators: str, sign: bool = True) -> list[tuple[bool, Expression]]:
    """Return the operands of a chain of + and - (or * and /) with whether each counts straight."""
    if isinstance(expression, Binary) and expression.operator in operators:
        straight = expression.operator == operators[0]
        return _chain(expression.left, operators, sign) + _chain(
            expression.right, operators, sign == straight
        )
    if isinstance(expression, Negative) and operators == "+-":
        return _chain(expression.operand, operators, not sign)
    return [(sign, expression)]
