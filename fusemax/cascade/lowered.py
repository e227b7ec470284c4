"""Forms that are short for others: conditions on data, and outputs at places that data tell.

``Y[p] = X[m] :: sum[m] | D[m] == L[p]`` is ``Y[p] = where(eq(D[m], L[p]), X[m], 0) :: sum[m]``: every point is there, and one
that the data leave out contributes what changes nothing. ``Y[I[n]] = X[n] :: sum[n]`` is the same with the condition
``k == I[n]`` for a rank variable k of Y's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fusemax.cascade.ir import is_variable
from fusemax.cascade.monoid import KNOWN, PARTS, Monoid
from fusemax.cascade.recurrences import assignments
from fusemax.errors import Problem
from fusemax.language.syntax import (
    Access,
    Assignment,
    Call,
    Condition,
    Expression,
    Loop,
    Name,
    Negative,
    Number,
    Populate,
    Program,
    Reduction,
    Statement,
    accesses,
    names,
    walk,
)

#: What changes nothing, by reduction or coordinate operator.
NEUTRAL: Mapping[str, Expression] = {
    **{operator: Number(0.0) for operator in ("sum", "or", "any")},
    **{operator: Number(1.0) for operator in ("prod", "and")},
    **{
        operator: Negative(Number(float("inf")))
        for operator in ("max", "topk", "topk_index", "sort", "argmax")
    },
    **{operator: Number(float("inf")) for operator in ("min", "argmin")},
}
_FUNCTIONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "eq"}


def lowered(program: Program, reductions: Mapping[str, Monoid]) -> tuple[Program, list[Problem]]:
    """Return *program* with every short form written out, and what is wrong with those that mean nothing."""
    problems: list[Problem] = []
    known = _plain_indices(program)

    def one(statement: Assignment) -> Assignment:
        placed, mistakes = _placed(statement, known)
        problems.extend(mistakes)
        return _tested(placed, reductions)

    def every(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(replace(s, body=every(s.body)) if isinstance(s, Loop) else one(s) for s in statements)

    return Program(every(program.statements)), problems


def _plain_indices(program: Program) -> Mapping[tuple[str, int], str]:
    """Return the variable with which each dimension of a tensor is read or written plainly."""
    found: dict[tuple[str, int], str] = {}
    for statement in assignments(program.statements):
        read = (*accesses(statement.expression), *statement.outputs)
        for access in read:
            for place, index in enumerate(access.indices):
                if isinstance(index, Name) and is_variable(index.name):
                    found.setdefault((access.tensor, place), index.name)
    return found


def _placed(statement: Assignment, known: Mapping[tuple[str, int], str]) -> tuple[Assignment, list[Problem]]:
    """Return *statement* with its output at plain variables; where data tell the place, that is a condition."""
    if not any(accesses(index) for output in statement.outputs for index in output.indices):
        return statement, []
    (output, *others) = statement.outputs
    if others or not isinstance(statement.action, Reduction):
        text = f"{output} is written where data tell, and two points may meet there"
        return statement, [Problem(output.place, text, "say how they are joined: ':: sum[...]'")]
    used = _variables(statement)
    indices: list[Expression] = []
    conditions = list(statement.conditions)
    for place, index in enumerate(output.indices):
        if not accesses(index):
            indices.append(index)
            continue
        name = known.get((output.tensor, place), f"{output.tensor.lower()}{place}")
        while name in used:
            name += "_"
        used.add(name)
        indices.append(Name(name, output.place))
        conditions.append(Condition(Name(name, output.place), "==", index, output.place))
    written = replace(output, indices=tuple(indices))
    return replace(statement, outputs=(written,), conditions=tuple(conditions)), []


def _variables(statement: Assignment) -> set[str]:
    sides = (side for c in statement.conditions for side in (c.left, c.right))
    return {name for part in (statement.expression, *statement.outputs, *sides) for name in names(part)}


def _tested(statement: Assignment, reductions: Mapping[str, Monoid]) -> Assignment:
    """Return *statement* with conditions on data as a choice between its value and one that changes nothing."""
    on_data = [c for c in statement.conditions if _reads(c)]
    if not on_data:
        return statement
    action = statement.action
    operator = action.operator if isinstance(action, Reduction | Populate) else "sum"
    monoid = reductions.get(operator) or KNOWN.get(operator)
    expression = statement.expression
    if monoid is None:
        expression = _chosen(expression, NEUTRAL[operator], on_data)
    elif isinstance(expression, Call) and expression.function == PARTS:
        sides = zip(expression.arguments, monoid.identity, strict=False)
        arguments = tuple(_chosen(part, literal(neutral), on_data) for part, neutral in sides)
        expression = replace(expression, arguments=arguments)
    else:
        expression = _chosen(expression, literal(monoid.identity[0]), on_data)
    others = tuple(c for c in statement.conditions if not _reads(c))
    return replace(statement, expression=expression, conditions=others)


def _chosen(value: Expression, neutral: Expression, conditions: Sequence[Condition]) -> Expression:
    """Return *value* where all *conditions* hold, else *neutral*."""
    for condition in reversed(conditions):
        compared = (condition.left, condition.right)
        test = Call(_FUNCTIONS[condition.comparison], compared, condition.place)
        sides = (neutral, value) if condition.comparison == "!=" else (value, neutral)
        value = Call("where", (test, *sides), condition.place)
    return value


def literal(value: float) -> Expression:
    """Return a number as it is written."""
    return Number(value) if value >= 0 else Negative(Number(-value))


def _reads(condition: Condition) -> bool:
    return any(isinstance(node, Access) for side in (condition.left, condition.right) for node in walk(side))
