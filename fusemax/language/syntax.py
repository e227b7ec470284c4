"""The syntax tree of a cascade: frozen nodes that print themselves and remember where they stood.

``parse(str(tree)) == tree`` holds for every tree; places do not take part in comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fusemax.errors import Place

PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "**": 4}


def _place() -> Place | None:
    return field(default=None, compare=False, repr=False)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Number:
    """A literal; ``inf`` is one too."""

    value: float
    place: Place | None = _place()

    def __str__(self) -> str:
        if self.value == float("inf"):
            return "inf"
        return (
            str(int(self.value)) if float(self.value).is_integer() and self.value < 1e15 else repr(self.value)
        )


@dataclass(frozen=True, slots=True)
class Name:
    """A rank variable (``m1``), the size of a rank (``M1``) or a declared constant (``eps``)."""

    name: str
    place: Place | None = _place()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Access:
    """A tensor at indices: ``K[e, m1*M0+m0]``; an index may be an access itself (a gather)."""

    tensor: str
    indices: tuple[Expression, ...]
    place: Place | None = _place()

    def __str__(self) -> str:
        return f"{self.tensor}[{','.join(str(index).replace(' ', '') for index in self.indices)}]"


@dataclass(frozen=True, slots=True)
class Call:
    """A function of values: ``exp(x)``, ``max(a, b)``."""

    function: str
    arguments: tuple[Expression, ...]
    place: Place | None = _place()

    def __str__(self) -> str:
        return f"{self.function}({', '.join(str(argument) for argument in self.arguments)})"


@dataclass(frozen=True, slots=True)
class Negative:
    """Minus one operand."""

    operand: Expression
    place: Place | None = _place()

    def __str__(self) -> str:
        # two signs in a row would begin a comment
        if isinstance(self.operand, Negative):
            return f"-({self.operand})"
        return "-" + _wrapped(self.operand, PRECEDENCE["neg"])


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands joined by one of ``+ - * / **``."""

    operator: str
    left: Expression
    right: Expression
    place: Place | None = _place()

    def __str__(self) -> str:
        level = PRECEDENCE[self.operator]
        if self.operator == "**":
            return f"{_wrapped(self.left, level + 1)}**{_wrapped(self.right, PRECEDENCE['neg'])}"
        gap = " " if level == 1 else ""
        return f"{_wrapped(self.left, level)}{gap}{self.operator}{gap}{_wrapped(self.right, level + 1)}"


Expression = Number | Name | Access | Call | Negative | Binary


def _wrapped(expression: Expression, level: int) -> str:
    if isinstance(expression, Binary) and PRECEDENCE[expression.operator] < level:
        return f"({expression})"
    if isinstance(expression, Negative) and PRECEDENCE["neg"] < level:
        return f"({expression})"
    return str(expression)


@dataclass(frozen=True, slots=True)
class Reduction:
    """``sum[e]``: fold the map values over variables that only the right-hand side has."""

    operator: str
    variables: tuple[str, ...]
    place: Place | None = _place()

    def __str__(self) -> str:
        return f"{self.operator}[{','.join(self.variables)}]"


@dataclass(frozen=True, slots=True)
class Populate:
    """``topk[m -> j]``: a coordinate operator, from the fibre over *source* to a new list rank *target*."""

    operator: str
    source: str
    target: str
    place: Place | None = _place()

    def __str__(self) -> str:
        return f"{self.operator}[{self.source} -> {self.target}]"


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of affine expressions in rank variables that restricts the iteration space."""

    left: Expression
    comparison: str
    right: Expression
    place: Place | None = _place()

    def __str__(self) -> str:
        return f"{self.left} {self.comparison} {self.right}"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One Einsum as written: ``outputs = expression :: action | conditions``."""

    outputs: tuple[Access, ...]
    expression: Expression
    action: Reduction | Populate | None = None
    conditions: tuple[Condition, ...] = ()
    place: Place | None = _place()

    def __str__(self) -> str:
        text = f"{', '.join(str(output) for output in self.outputs)} = {self.expression}"
        if self.action is not None:
            text += f" :: {self.action}"
        if self.conditions:
            text += " | " + ", ".join(str(condition) for condition in self.conditions)
        return text


@dataclass(frozen=True, slots=True)
class Loop:
    """Einsums and loops executed once per value of an iterative (generative) rank variable."""

    variable: str
    body: tuple[Statement, ...]
    place: Place | None = _place()

    def __str__(self) -> str:
        inside = "\n".join(str(statement) for statement in self.body)
        return f"loop {self.variable}:\n" + "\n".join(f"  {line}" for line in inside.split("\n"))


Statement = Assignment | Loop


@dataclass(frozen=True, slots=True)
class Program:
    """The statements of a cascade, in the order in which they are written."""

    statements: tuple[Statement, ...]

    def __str__(self) -> str:
        return "\n".join(str(statement) for statement in self.statements)


def walk(expression: Expression) -> Iterator[Expression]:
    """Return *expression* and everything below it, indices of accesses included, outermost first."""
    yield expression
    for child in children(expression):
        yield from walk(child)


def children(expression: Expression) -> tuple[Expression, ...]:
    """Return the operands of *expression*; for an access, its indices."""
    if isinstance(expression, Access):
        return expression.indices
    if isinstance(expression, Call):
        return expression.arguments
    if isinstance(expression, Negative):
        return (expression.operand,)
    if isinstance(expression, Binary):
        return (expression.left, expression.right)
    return ()


def accesses(expression: Expression) -> tuple[Access, ...]:
    """Return the accesses in *expression*, gathers inside indices included, left to right."""
    return tuple(node for node in walk(expression) if isinstance(node, Access))


def names(expression: Expression) -> tuple[str, ...]:
    """Return the names in *expression* (indices included), each once, left to right."""
    if isinstance(expression, Name):
        return (expression.name,)
    return tuple(dict.fromkeys(node.name for node in walk(expression) if isinstance(node, Name)))
