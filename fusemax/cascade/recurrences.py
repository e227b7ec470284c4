"""Loops in their one form: each running tensor is written one step ahead and read one step behind.

In the one form a loop over t writes ``S[t+1]`` from ``S[t]``, with ``S[0]`` before it; a descending one writes ``S[t]`` from
``S[t+1]``, with ``S[T]`` before it. ``S[t+2] = S[t+1] + S[t]`` is short for two running tensors: S, and ``S_1``, which holds
what S was one step before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from fusemax.cascade.ir import affine, is_variable
from fusemax.errors import Problem
from fusemax.language.syntax import (
    Access,
    Assignment,
    Binary,
    Call,
    Expression,
    Loop,
    Name,
    Negative,
    Number,
    Program,
    Statement,
    accesses,
    names,
)

Place = tuple[
    int, int | None
]  #: an offset, and what it is counted from: a variable or size by number, None for a constant
DEEPEST = 8  #: steps that a recurrence may reach back


@dataclass(frozen=True, slots=True)
class Step:
    """How a tensor runs along a loop's variable: at which position, how far it is moved, how many steps back it is read."""

    tensor: str
    position: int
    variable: str
    shift: int
    back: int
    down: bool

    def earlier(self, steps: int) -> str:
        """Return the tensor that holds what this one was so many *steps* before."""
        return self.tensor if steps == 0 else f"{self.tensor}_{steps}"


def normalised(program: Program) -> tuple[Program, Mapping[tuple[str, str], bool], list[Problem]]:
    """Return *program* with its loops in their one form, what runs along which variable and whether down, and mistakes."""
    problems = _starts_inside(program)
    steps: dict[str, list[Step]] = {}
    for loop, writer in _written(program.statements, ()):
        for output in writer.outputs:
            step = _step(program, loop, output, problems)
            if step is not None:
                steps.setdefault(output.tensor, []).append(step)
    problems += _directions(program.statements, steps)
    if problems:
        return program, {}, problems
    found = {(step.tensor, step.variable): step.down for group in steps.values() for step in group}
    for step in (step for group in steps.values() for step in group):
        if step.shift or step.back > 1:
            program = _moved(program, step)
            found |= {(step.earlier(back), step.variable): step.down for back in range(1, step.back)}
    return program, found, problems


def _starts_inside(program: Program) -> list[Problem]:
    """Return the first values of inner loops that stand inside an outer one, each said once."""
    inside = {
        id(output): (loop, output)
        for loop, writer in _written(program.statements, ())
        for output in writer.outputs
        if any(_constant(index) for index in output.indices)
    }
    hint = (
        "first values stand before all loops, and may have the outer loop's variable: X[t,0,e] = ...; what a step of the"
        " outer loop makes can go into the inner loop's terms"
    )
    return [
        Problem(output.place, f"{output} is a first value, and stands inside 'loop {loop.variable}:'", hint)
        for loop, output in inside.values()
    ]


def _written(
    statements: tuple[Statement, ...], around: tuple[Loop, ...]
) -> Iterator[tuple[Loop, Assignment]]:
    """Yield each assignment with each loop around it."""
    for statement in statements:
        if isinstance(statement, Loop):
            yield from _written(statement.body, (*around, statement))
        else:
            yield from ((loop, statement) for loop in around)


def assignments(statements: tuple[Statement, ...]) -> Iterator[Assignment]:
    """Yield every assignment, those of loops included."""
    for statement in statements:
        if isinstance(statement, Loop):
            yield from assignments(statement.body)
        else:
            yield statement


def offset_of(index: Expression, variable: str) -> int | None:
    """Return c of an index ``variable + c``; None for any other."""
    terms = affine(index)
    if terms is None or terms[0] != {variable: None}:
        return None
    return _integer(terms[1])


def _integer(expression: Expression | None) -> int | None:
    if expression is None:
        return 0
    if isinstance(expression, Number):
        return int(expression.value) if float(expression.value).is_integer() else None
    if isinstance(expression, Negative):
        inner = _integer(expression.operand)
        return None if inner is None else -inner
    if isinstance(expression, Binary) and expression.operator in "+-":
        left, right = _integer(expression.left), _integer(expression.right)
        if left is None or right is None:
            return None
        return left + right if expression.operator == "+" else left - right
    return None


def _constant(index: Expression) -> tuple[str, int] | None:
    """Return the size and the whole number of a constant index ``T - 1`` (no size: a number); None for others."""
    terms = affine(index)
    if terms is None or terms[0]:
        return None
    number = _integer(terms[1])
    if number is not None:
        return "", number
    return _sized(terms[1])


def _sized(expression: Expression | None) -> tuple[str, int] | None:
    if isinstance(expression, Name):
        return expression.name, 0
    if isinstance(expression, Binary) and expression.operator in "+-":
        left, right = _sized(expression.left), _integer(expression.right)
        if left is not None and right is not None:
            return left[0], left[1] + (right if expression.operator == "+" else -right)
    return None


def _step(program: Program, loop: Loop, output: Access, problems: list[Problem]) -> Step | None:
    """Return how *output* runs along *loop*; None when it is made anew in each step."""
    at = [(p, offset_of(index, loop.variable)) for p, index in enumerate(output.indices)]
    places = [(p, w) for p, w in at if w is not None]
    if len(places) != 1:
        return None
    (position, written) = places[0]
    first = _first_values(program, output.tensor, position)
    if written == 0 and not first:
        return None
    reads = [
        (access, offset)
        for statement in assignments(loop.body)
        for access in _every(statement)
        if access.tensor == output.tensor and position < len(access.indices)
        for offset in (offset_of(access.indices[position], loop.variable),)
        if offset is not None
    ]
    ahead = [access for access, offset in reads if offset > written]
    behind = [access for access, offset in reads if offset < written]
    if ahead and behind:
        text = f"{output.tensor} is read before and after the place at which it is written, {output}"
        problems.append(Problem(ahead[0].place, text, "a loop runs up or down: read on one side of it only"))
        return None
    down = bool(ahead) or (not behind and any(size for size, _ in first))
    back = max((abs(offset - written) for _, offset in reads), default=1)
    step = Step(output.tensor, position, loop.variable, -written if down else 1 - written, max(back, 1), down)
    problems += _wrong_start(program, loop, output, step, first)
    return step


def _every(statement: Assignment) -> tuple[Access, ...]:
    sides = (side for c in statement.conditions for side in (c.left, c.right))
    inside = (index for output in statement.outputs for index in output.indices)
    return tuple(access for part in (statement.expression, *sides, *inside) for access in accesses(part))


def _first_values(program: Program, tensor: str, position: int) -> list[tuple[str, int]]:
    """Return the constant places along *position* at which *tensor* is written outside loops."""
    found: list[tuple[str, int]] = []
    for statement in program.statements:
        for output in () if isinstance(statement, Loop) else statement.outputs:
            if output.tensor == tensor and position < len(output.indices):
                constant = _constant(output.indices[position])
                found += [] if constant is None else [constant]
    return found


def _wrong_start(
    program: Program, loop: Loop, output: Access, step: Step, first: list[tuple[str, int]]
) -> list[Problem]:
    """Return what is wrong with the values before the loop: each place that is read first has one."""
    if step.back > DEEPEST:
        text = f"{output.tensor} is read {step.back} steps back; {DEEPEST} are the most"
        return [
            Problem(output.place, text, "keep what is needed for longer in a tensor with a rank of its own")
        ]
    size = loop.variable.upper()
    if step.down:
        wanted = [(size, k - step.shift) for k in range(step.back)]
    else:
        wanted = [("", -k - step.shift) for k in range(step.back)]
    missing = [place for place in wanted if place not in first]
    spare = [place for place in first if place not in wanted]
    if not first or not (missing or spare):
        return []  # that there is none at all is said where tensors are checked
    shown = " and ".join(_shown(output, step.position, place) for place in wanted)
    text = f"{output} is read {step.back} step{'s'[: step.back - 1]} back, and starts with {shown}"
    if missing:
        absent = ", ".join(_shown(output, step.position, place) for place in missing)
        return [Problem(output.place, f"{text}: there is no {absent}", "write it before the loop")]
    extra = ", ".join(_shown(output, step.position, place) for place in spare)
    return [Problem(output.place, f"{text}: {extra} is written by the loop, or never read", "remove it")]


def _shown(output: Access, position: int, place: tuple[str, int]) -> str:
    size, number = place
    here = f"{size}{number:+d}" if size and number else size or str(number)
    plain = [here if p == position else ",".join(names(i)) or str(i) for p, i in enumerate(output.indices)]
    return f"{output.tensor}[{','.join(plain)}]"


def _directions(statements: tuple[Statement, ...], steps: Mapping[str, list[Step]]) -> list[Problem]:
    """Return the loops in which one tensor runs up and another down."""
    problems: list[Problem] = []
    for statement in statements:
        if not isinstance(statement, Loop):
            continue
        inside = dict.fromkeys(o.tensor for s in assignments(statement.body) for o in s.outputs)
        mine = [s for name in inside for s in steps.get(name, ()) if s.variable == statement.variable]
        ups, downs = ([s.tensor for s in mine if s.down == down] for down in (False, True))
        if ups and downs:
            text = f"loop {statement.variable} runs up for {', '.join(ups)} and down for {', '.join(downs)}"
            problems.append(Problem(statement.place, text, "write two loops"))
        problems += _directions(statement.body, steps)
    return problems


def _moved(program: Program, step: Step) -> Program:
    """Return *program* with the tensor of *step* in the one form, and what it was before in tensors of their own."""

    def change(access: Access) -> Access:
        access = replace(access, indices=tuple(_with(index, change) for index in access.indices))
        return _read(access, step) if access.tensor == step.tensor else access

    def one(statement: Assignment) -> Assignment:
        outputs = tuple(
            _read(output, step) if output.tensor == step.tensor else output for output in statement.outputs
        )
        conditions = tuple(
            replace(c, left=_with(c.left, change), right=_with(c.right, change)) for c in statement.conditions
        )
        return replace(
            statement, outputs=outputs, expression=_with(statement.expression, change), conditions=conditions
        )

    def every(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        made: list[Statement] = []
        for statement in statements:
            if isinstance(statement, Loop):
                made.append(replace(statement, body=every(statement.body)))
                continue
            made.append(one(statement))
            if any(
                o.tensor == step.tensor and not _constant(o.indices[step.position]) for o in statement.outputs
            ):
                made += _copies(made[-1], step)
        return tuple(made)

    return Program(every(program.statements))


def _copies(written: Statement, step: Step) -> list[Assignment]:
    """Return the Einsums that hand on, in each step, what the tensor was before it."""
    assert isinstance(written, Assignment)
    (output,) = (o for o in written.outputs if o.tensor == step.tensor)
    old = _at(
        output, step, Binary("+", Name(step.variable), Number(1.0)) if step.down else Name(step.variable)
    )
    copies: list[Assignment] = []
    for back in range(1, step.back):
        target = replace(output, tensor=step.earlier(back))
        copies.append(Assignment((target,), replace(old, tensor=step.earlier(back - 1)), place=written.place))
    return copies


def _at(access: Access, step: Step, index: Expression) -> Access:
    indices = (*access.indices[: step.position], index, *access.indices[step.position + 1 :])
    return replace(access, indices=indices)


def _read(access: Access, step: Step) -> Access:
    """Return *access*, written with the places of the cascade, as one to the moved tensor or to what it was before."""
    index = access.indices[step.position]
    constant = _constant(index)
    base, offset = constant if constant is not None else _variable(index)
    if base is None:
        return replace(_at(access, step, Binary("+", index, Number(float(step.shift)))))
    offset += step.shift
    ahead = offset if constant is not None else offset - 1
    back = min(max(ahead if step.down else -offset, 0), step.back - 1)
    offset += -back if step.down else back
    moved = _at(access, step, _sum(base, offset))
    return replace(moved, tensor=step.earlier(back))


def _variable(index: Expression) -> tuple[str | None, int]:
    terms = affine(index)
    if terms is None or len(terms[0]) != 1 or list(terms[0].values()) != [None]:
        return None, 0
    number = _integer(terms[1])
    return (None, 0) if number is None else (next(iter(terms[0])), number)


def _sum(base: str, offset: int) -> Expression:
    if not base:
        return Number(float(offset)) if offset >= 0 else Negative(Number(float(-offset)))
    if not offset:
        return Name(base)
    return Binary("+" if offset > 0 else "-", Name(base), Number(float(abs(offset))))


def _with(expression: Expression, change: Callable[[Access], Access]) -> Expression:
    """Return *expression* with *change* applied to its outermost accesses."""
    if isinstance(expression, Access):
        return change(expression)
    if isinstance(expression, Call):
        return replace(expression, arguments=tuple(_with(a, change) for a in expression.arguments))
    if isinstance(expression, Negative):
        return replace(expression, operand=_with(expression.operand, change))
    if isinstance(expression, Binary):
        return replace(expression, left=_with(expression.left, change), right=_with(expression.right, change))
    return expression


__all__ = ["Step", "assignments", "is_variable", "normalised", "offset_of"]
