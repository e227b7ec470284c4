"""The operations that an Einsum does, named and counted over the rank variables that they run over.

An operation is counted once for each point of the variables that its operands carry. Factors may come in any order: each
product of a chain runs over all variables of the chain, where it stands, so that none has to wait for another loop. So do
sums. Values made of constants and sizes only cost nothing. Two pairs are also known under one name, for units that do both at
once: a product that is summed (``mac``) and the exponential of a difference (``sub_exp``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fusemax.cascade.ir import Cascade, Einsum
from fusemax.cascade.monoid import Monoid, parts_in
from fusemax.cascade.views import with_names
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
    accesses,
)

BINARY_NAMES: Mapping[str, str] = {"+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow"}
REDUCTION_NAMES: Mapping[str, str] = {
    "sum": "add", "max": "max", "min": "min", "prod": "mul", "or": "or", "and": "and", "any": "or",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of operation of an Einsum.

    Attributes
    ----------
    name
        What a unit of a machine has to offer (``mac``, ``sub_exp``, ``max``).
    variables
        The rank variables over which it is done, one operation for each point.
    operands
        Values that it reads per point.
    parts
        For one name of several operations: those that do the same for a unit without it. An ``accumulate``, the addition to a
        sum of products that a matrix unit may do on the way, has one: ``add``.
    reads
        The tensors among its operands; others are values of operations before it.
    running
        Whether one of its operands is the sum, or other reduction, that it goes on with.
    """

    name: str
    variables: frozenset[str]
    operands: int
    parts: tuple[Operation, ...] = ()
    reads: tuple[str, ...] = ()
    running: bool = False


def operations(cascade: Cascade, einsum: Einsum) -> tuple[Operation, ...]:
    """Return the operations of *einsum*, innermost first.

    >>> from fusemax.cascade.build import load_cascade
    >>> cascade = load_cascade("attention/1-pass")
    >>> [operation.name for operation in operations(cascade, cascade.einsum("SLN"))]
    ['sub_exp']
    """
    if einsum.initial:
        return ()
    asked = cascade.known.setdefault("operations", {})
    known = asked.get(einsum.name)
    if known is None or known[0] is not einsum:
        known = asked[einsum.name] = (einsum, _operations(cascade, einsum))
    return known[1]


def _operations(cascade: Cascade, einsum: Einsum) -> tuple[Operation, ...]:
    found: list[Operation] = []
    variables: frozenset[str] = frozenset()
    for part in parts_in(einsum.expression) or (einsum.expression,):
        variables |= _collect(cascade, part, found)
    if isinstance(einsum.action, Populate):
        reads = _read_by(einsum.expression)
        found.append(Operation(einsum.action.operator, frozenset(einsum.variables), 1, reads=reads))
    elif einsum.action is not None:
        space = variables - {_SCALAR} | frozenset(einsum.reduced)
        monoid = cascade.monoid(einsum.action.operator)
        if monoid is not None:
            return (*found, *_joins(cascade, monoid, space))
        reads = _read_by(einsum.expression)
        reduce = Operation(REDUCTION_NAMES[einsum.action.operator], space, 2, reads=reads, running=True)
        last = found[-1] if found else None
        if (
            einsum.action.operator == "sum"
            and last is not None
            and last.name == "mul"
            and last.variables == space
        ):
            found[-1] = Operation("mac", space, 3, (last, reduce), last.reads, running=True)
        else:
            found.append(reduce)
    return tuple(_accumulated(cascade, operation) for operation in found)


def plain_operations(cascade: Cascade, einsum: Einsum) -> tuple[Operation, ...]:
    """Return the operations of *einsum* without regard to what makes their operands: ``add`` for ``accumulate``."""
    return tuple(one.parts[0] if len(one.parts) == 1 else one for one in operations(cascade, einsum))


def _accumulated(cascade: Cascade, operation: Operation) -> Operation:
    """Return *operation*, as an accumulation if it adds to a sum of products."""
    onto = operation.name == "add" and not operation.running
    onto = onto and any(_is_sum_of_products(cascade, tensor) for tensor in operation.reads)
    return replace(operation, name="accumulate", parts=(operation,)) if onto else operation


def _is_sum_of_products(cascade: Cascade, tensor: str) -> bool:
    """Return whether what makes *tensor* ends in a sum whose terms are products."""
    made = [einsum for einsum in cascade.producers(tensor) if not einsum.initial]
    return bool(made) and all(
        isinstance(einsum.action, Reduction)
        and einsum.action.operator == "sum"
        and isinstance(einsum.expression, Binary)
        and einsum.expression.operator == "*"
        for einsum in made
    )


def _joins(cascade: Cascade, monoid: Monoid, space: frozenset[str]) -> Iterator[Operation]:
    """Yield the operations that join one more value, for each point of *space*."""
    indices = tuple(Name(variable) for variable in sorted(space))
    value = {name: Access(name, indices) for side in "ab" for name in monoid.names(side)}
    found: list[Operation] = []
    for part in monoid.join:
        _collect(cascade, with_names(part, value), found)
    for operation in found:
        yield replace(operation, reads=(), running=True)


def is_view(einsum: Einsum) -> bool:
    """Return whether *einsum* only renames: one access, no action, no condition (``BK[e,m1,m0] = K[e,m1*M0+m0]``).

    An access through another tensor (``BB[BU[l]]``) is a gather, which somebody has to do.
    """
    plain = isinstance(einsum.expression, Access) and einsum.action is None and not einsum.conditions
    plain = plain and len(accesses(einsum.expression)) == 1
    renamed = all(isinstance(index, Name) for index in einsum.output.indices)
    return plain and renamed and not einsum.initial


def _collect(cascade: Cascade, expression: Expression, found: list[Operation]) -> frozenset[str]:
    """Append the operations of *expression* to *found*; return the variables of its value (empty: a constant)."""
    if isinstance(expression, Number):
        return frozenset()
    if isinstance(expression, Name):
        variable = expression.name.upper() in cascade.ranks and expression.name.islower()
        constant = expression.name in cascade.constants or not variable
        return frozenset() if constant else frozenset({expression.name})
    if isinstance(expression, Access):
        return _index_variables(cascade, expression) or frozenset({_SCALAR})
    if isinstance(expression, Negative):
        return _collect(cascade, expression.operand, found)
    if isinstance(expression, Binary):
        return _binary(cascade, expression, found)
    return _call(cascade, expression, found)


_SCALAR = "@scalar"


def _index_variables(cascade: Cascade, access: Access) -> frozenset[str]:
    from fusemax.language.syntax import names

    used = {name for index in access.indices for name in names(index)}
    return frozenset(name for name in used if name.islower() and name.upper() in cascade.ranks)


def _add(
    found: list[Operation], name: str, variables: frozenset[str], operands: int, reads: tuple[str, ...] = ()
) -> frozenset[str]:
    if variables:
        found.append(Operation(name, variables - {_SCALAR}, operands, reads=reads))
    return variables


def _read_by(*operands: Expression) -> tuple[str, ...]:
    """Return the tensors that stand among *operands* themselves, signs aside."""
    plain = [operand.operand if isinstance(operand, Negative) else operand for operand in operands]
    return tuple(operand.tensor for operand in plain if isinstance(operand, Access))


def _binary(cascade: Cascade, expression: Binary, found: list[Operation]) -> frozenset[str]:
    if expression.operator in INVERSES:
        return _chain(cascade, expression, found)
    left = _collect(cascade, expression.left, found)
    right = _collect(cascade, expression.right, found)
    reads = _read_by(expression.left, expression.right)
    return _add(found, BINARY_NAMES[expression.operator], left | right, 2, reads)


#: The inverse of an operator whose operands may come in any order.
INVERSES: Mapping[str, str] = {"*": "/", "/": "/", "+": "-", "-": "-"}


def _chain(cascade: Cascade, expression: Binary, found: list[Operation]) -> frozenset[str]:
    """Append the operations of factors (or terms) that may come in any order, each over all that they carry together.

    What of them does not depend on a variable is one factor. A division by it is a product with its reciprocal.
    """
    inverse = INVERSES[expression.operator]
    direct = "*" if inverse == "/" else "+"
    variables: frozenset[str] = frozenset()
    factors: dict[str, list[Expression]] = {direct: [], inverse: []}
    constants: dict[str, Expression] = {}
    for leaf, operator in _leaves(expression, direct, inverse):
        carried = _collect(cascade, leaf, found)
        variables |= carried
        if carried:
            factors[operator].append(leaf)
        else:
            constants.setdefault(direct if inverse == "/" else operator, leaf)
    if not variables:
        return variables
    for leaves in factors.values():
        if len(leaves) + len(constants) > 2:
            leaves.sort(key=str)
    for operator, leaf in constants.items():
        if operator == direct or direct not in constants:
            factors[operator].append(leaf)
    first, *others = factors[direct] or [None]
    steps = [(BINARY_NAMES[direct], leaf) for leaf in others]
    inverted = [(BINARY_NAMES[inverse], leaf) for leaf in factors[inverse]]
    # a product comes last, where it can be summed at once, and a difference, where its exponential can be taken at once
    for name, leaf in [*inverted, *steps] if direct == "*" else [*steps, *inverted]:
        reads = _read_by(*(operand for operand in (first, leaf) if operand is not None))
        _add(found, name, variables, 2, reads)
        first = None
    return variables


def _leaves(expression: Expression, direct: str, inverse: str) -> Iterator[tuple[Expression, str]]:
    """Yield the factors (or terms) of *expression*, each with the operator before it; brackets after an inverse stay one."""
    if isinstance(expression, Binary) and expression.operator in (direct, inverse):
        yield from _leaves(expression.left, direct, inverse)
        if expression.operator == direct:
            yield from _leaves(expression.right, direct, inverse)
        else:
            yield expression.right, inverse
    else:
        yield expression, direct


def _call(cascade: Cascade, expression: Call, found: list[Operation]) -> frozenset[str]:
    variables: frozenset[str] = frozenset()
    before = len(found)
    for argument in expression.arguments:
        variables |= _collect(cascade, argument, found)
    argument = expression.arguments[0]
    fresh = len(found) > before and found[-1].name == "sub" and found[-1].variables == variables - {_SCALAR}
    difference = isinstance(argument, Binary) and argument.operator in ("+", "-")
    if expression.function == "exp" and difference and fresh:
        difference = found.pop()
        exponential = Operation("exp", difference.variables, 1)
        parts = (difference, exponential)
        found.append(Operation("sub_exp", difference.variables, 2, parts, difference.reads))
        return variables
    if expression.function in ("max", "min") and len(expression.arguments) > 2:
        for _ in expression.arguments[2:]:
            _add(found, expression.function, variables, 2)
    reads = _read_by(*expression.arguments)
    return _add(found, expression.function, variables, min(len(expression.arguments), 2), reads)
