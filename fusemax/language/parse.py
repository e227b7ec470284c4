"""Read the text of a cascade into a syntax tree.

The grammar::

    program    := { statement }                              one or more on a line, separated by ";"
    statement  := assignment | "loop" NAME ":" indented statements
    assignment := access { "," access } "=" expression [ "::" action ] [ "|" conditions ]
    action     := NAME "[" NAME { "," NAME } "]"             reduction, e.g. sum[m1,m0]
                | NAME "[" NAME "->" NAME "]"                coordinate operator, e.g. topk[m -> j]
    conditions := condition { "," condition }
    condition  := expression ("<=" | "<" | ">=" | ">" | "==" | "!=") expression
    access     := NAME "[" [ expression { "," expression } ] "]"
    expression := term { ("+" | "-") term }
    term       := signed { ("*" | "/" | "//" | "%") signed }
    signed     := "-" signed | power
    power      := atom [ "**" signed ]
    atom       := NUMBER | "inf" | access | NAME | call | "(" expression ")"
    call       := NAME "(" expression { "," expression } ")"

``a // b`` and ``a % b`` are short for ``floor(a/b)`` and ``mod(a, b)``. A comment runs from ``#``, or from ``--`` at a word's
start, to the end of the line. A statement may go on over lines while a bracket is open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from fusemax.errors import Problem, ProblemsError
from fusemax.language.hints import REDUCTIONS_SAID
from fusemax.language.syntax import (
    Access,
    Assignment,
    Binary,
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
    children,
)
from fusemax.language.tokens import Mistake, Token, logical_lines, problem_of, statements_of
from fusemax.source import Text

DEEPEST = 100  #: operations inside each other; a sum of n terms is n deep
MOST_BRACKETS = 30  #: brackets, signs and powers inside each other
MOST_LOOPS = 4  #: loops inside each other
COMPARISONS = ("<=", "<", ">=", ">", "==", "!=")
REDUCTIONS = ("sum", "max", "min", "prod", "or", "and", "any")
COORDINATE_OPERATORS = ("topk", "topk_index", "sort", "argmax", "argmin")


def parse(text: Text, reductions: Collection[str] = ()) -> Program:
    """Return the program that *text* holds; *reductions* are known besides those of the language.

    Raises
    ------
    ProblemsError
        With one problem for each statement that cannot be read.
    """
    problems: list[Problem] = []
    nest = _Nest(text, problems)
    for indent, tokens in logical_lines(text, problems):
        nest.close(indent)
        try:
            if tokens[0].text == "loop" and len(tokens) > 1 and tokens[1].kind == "name":
                nest.open(tokens[0], _Parser(tokens).loop_header(), indent)
                continue
            for part in statements_of(tokens):
                nest.add(_Parser(part, reductions).assignment())
        except Mistake as mistake:
            problems.append(problem_of(text, mistake))
    nest.close(-1)
    if problems:
        raise ProblemsError(problems)
    return Program(tuple(nest.statements))


class _Nest:
    """The loops that are open while a program is read, outermost first."""

    def __init__(self, text: Text, problems: list[Problem]) -> None:
        self.statements: list[Statement] = []
        self._text, self._problems = text, problems
        self._loops: list[tuple[Token, str, int, list[Statement]]] = []

    def add(self, statement: Statement) -> None:
        """Put *statement* into the innermost loop that is open."""
        (self._loops[-1][3] if self._loops else self.statements).append(statement)

    def open(self, token: Token, variable: str, indent: int) -> None:
        """Begin a loop; what is indented further than *indent* belongs to it."""
        if any(variable == other for _, other, _, _ in self._loops):
            raise Mistake(token, f"a loop over {variable!r} inside a loop over {variable!r}")
        if len(self._loops) >= MOST_LOOPS:
            raise Mistake(token, f"more than {MOST_LOOPS} loops inside each other")
        self._loops.append((token, variable, indent, []))

    def close(self, indent: int) -> None:
        """End the loops whose Einsums stand further in than *indent*."""
        while self._loops and indent <= self._loops[-1][2]:
            token, variable, _, body = self._loops.pop()
            if body:
                self.add(Loop(variable, tuple(body), token.place))
            else:
                mistake = Mistake(token, "a loop without Einsums", "indent its Einsums")
                self._problems.append(problem_of(self._text, mistake))


def parse_expression(text: Text) -> Expression:
    """Return the expression that *text* holds, e.g. a tile rule or the size of a rank."""
    problems: list[Problem] = []
    lines = list(logical_lines(text, problems))
    if problems:
        raise ProblemsError(problems)
    if not lines:
        raise ProblemsError([Problem(text.place(0, 0), "expected an expression, got nothing")])
    try:
        parser = _Parser(lines[0][1])
        expression = parser.whole()
        parser.finish("after a complete expression")
        return expression
    except Mistake as mistake:
        raise ProblemsError([problem_of(text, mistake)]) from None


def _deeper_than(expression: Expression, most: int) -> bool:
    """Return whether more than *most* nodes lie inside each other, looked at without recursion."""
    level = [expression]
    for _ in range(most):
        level = [child for node in level for child in children(node)]
        if not level:
            return False
    return True


class _Parser:
    """A recursive-descent parser over the tokens of one statement."""

    def __init__(self, tokens: list[Token], reductions: Collection[str] = ()) -> None:
        self._reductions = (*REDUCTIONS, *reductions)
        last = tokens[-1]
        self._end = Token("end", "", last.place.moved(len(last.text)), last.line)
        self._tokens = tokens
        self._at = 0
        self._inside = 0

    @property
    def next(self) -> Token:
        """The token to read next."""
        return self._tokens[self._at] if self._at < len(self._tokens) else self._end

    def take(self, *texts: str) -> Token | None:
        """Return the next token and step over it if it is one of *texts*."""
        token = self.next
        if token.kind != "end" and token.text in texts:
            self._at += 1
            return token
        return None

    def expect(self, text: str, where: str, hint: str | None = None) -> Token:
        """Return the next token, which must be *text*."""
        token = self.take(text)
        if token is None:
            raise Mistake(self.next, f"expected {text!r} {where}, got {_shown(self.next)}", hint)
        return token

    def name(self, what: str) -> Token:
        """Return the next token, which must be a name."""
        token = self.next
        if token.kind != "name":
            raise Mistake(token, f"expected {what}, got {_shown(token)}")
        self._at += 1
        return token

    def finish(self, where: str) -> None:
        """Check that nothing is left."""
        token = self.next
        if token.kind != "end":
            hint = (
                "write '*' between factors" if token.kind in ("name", "number") or token.text == "(" else None
            )
            raise Mistake(token, f"unexpected {token.text!r} {where}", hint)

    def loop_header(self) -> str:
        self.take("loop")
        variable = self.name("the loop's rank variable").text
        self.expect(":", "after the loop's rank variable")
        self.finish("after 'loop ...:'; write its Einsums indented below")
        return variable

    def assignment(self) -> Assignment:
        start = self.next
        outputs = [self.access("an output tensor such as QK[m,p]")]
        while self.take(","):
            outputs.append(self.access("another output tensor"))
        self.expect("=", "after the output", "an Einsum is written  OUT[ranks] = expression :: op[ranks]")
        expression = self.whole()
        action = self.action() if self.take("::") else None
        conditions: list[Condition] = []
        if self.take("|"):
            conditions.append(self.condition())
            while self.take(","):
                conditions.append(self.condition())
        self.finish("after a complete expression" if action is None else "after the action")
        return Assignment(tuple(outputs), expression, action, tuple(conditions), start.place)

    def action(self) -> Reduction | Populate:
        token = self.name("a reduction such as sum[m]")
        self.expect("[", f"after {token.text!r}", f"name the reduced variables: {token.text}[m]")
        variables = [self.name("a rank variable").text]
        if self.take("->"):
            target = self.name("the new list rank's variable").text
            self.expect("]", "after the list rank's variable")
            self._known(token, COORDINATE_OPERATORS, "coordinate operator")
            return Populate(token.text, variables[0], target, token.place)
        while self.take(","):
            variables.append(self.name("a rank variable").text)
        self.expect("]", "after the reduced variables")
        self._known(token, self._reductions, "reduction")
        return Reduction(token.text, tuple(variables), token.place)

    @staticmethod
    def _known(token: Token, known: tuple[str, ...], what: str) -> None:
        if token.text not in known:
            said = REDUCTIONS_SAID.get(token.text) if what == "reduction" else None
            raise Mistake(token, f"unknown {what} {token.text!r}", said or f"there are: {', '.join(known)}")

    def condition(self) -> Condition:
        start = self.next
        left = self.whole()
        comparison = self.take(*COMPARISONS)
        if comparison is None:
            raise Mistake(self.next, f"expected a comparison such as '<=', got {_shown(self.next)}")
        return Condition(left, comparison.text, self.whole(), start.place)

    def access(self, what: str) -> Access:
        token = self.name(what)
        self.expect("[", f"after tensor {token.text!r}", f"write {token.text}[] for a scalar")
        return self._indexed(token)

    def _indexed(self, token: Token) -> Access:
        indices: list[Expression] = []
        if not self.take("]"):
            indices.append(self._one_deeper(self.whole))
            while self.take(","):
                indices.append(self._one_deeper(self.whole))
            self.expect("]", f"to close the indices of {token.text!r}")
        return Access(token.text, tuple(indices), token.place)

    def whole(self) -> Expression:
        """Return an expression that stands by itself; what is too deep to be meant is refused."""
        start = self.next
        expression = self.expression()
        if _deeper_than(expression, DEEPEST):
            hint = "give a part of it a name: an Einsum of its own"
            raise Mistake(start, f"more than {DEEPEST} operations inside each other", hint)
        return expression

    def expression(self) -> Expression:
        return self._chain(("+", "-"), self.term)

    def _one_deeper(self, read: Callable[[], Expression]) -> Expression:
        """Return what *read* reads one level further in."""
        self._inside += 1
        if self._inside > MOST_BRACKETS:
            raise Mistake(
                self.next, f"more than {MOST_BRACKETS} brackets, signs and powers inside each other"
            )
        inner = read()
        self._inside -= 1
        return inner

    def term(self) -> Expression:
        return self._chain(("*", "/", "//", "%"), self.signed)

    def _chain(self, operators: tuple[str, ...], operand: Callable[[], Expression]) -> Expression:
        left = operand()
        while operator := self.take(*operators):
            left = _joined(operator, left, operand())
        return left

    def signed(self) -> Expression:
        minus = self.take("-")
        return Negative(self._one_deeper(self.signed), minus.place) if minus else self.power()

    def power(self) -> Expression:
        base = self.atom()
        operator = self.take("**")
        return Binary("**", base, self._one_deeper(self.signed), operator.place) if operator else base

    def atom(self) -> Expression:
        token = self.next
        if self.take("("):
            inner = self._one_deeper(self.expression)
            self.expect(")", "to close '('")
            return inner
        if token.kind == "number":
            self._at += 1
            return Number(float(token.text), token.place)
        if token.kind != "name":
            raise Mistake(token, f"expected a value, got {_shown(token)}")
        self._at += 1
        if token.text == "inf":
            return Number(float("inf"), token.place)
        if self.take("["):
            return self._indexed(token)
        if self.take("("):
            arguments = [self._one_deeper(self.expression)]
            while self.take(","):
                arguments.append(self._one_deeper(self.expression))
            self.expect(")", f"to close the arguments of {token.text!r}")
            return Call(token.text, tuple(arguments), token.place)
        return Name(token.text, token.place)


def _joined(operator: Token, left: Expression, right: Expression) -> Expression:
    """Return two operands with *operator* between them, whole division and remainder as functions."""
    if operator.text == "//":
        return Call("floor", (Binary("/", left, right, operator.place),), operator.place)
    if operator.text == "%":
        return Call("mod", (left, right), operator.place)
    return Binary(operator.text, left, right, operator.place)


def _shown(token: Token) -> str:
    return "the end of the line" if token.kind == "end" else repr(token.text)
