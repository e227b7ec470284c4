"""The words of the language, and the lines that they stand in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fusemax.errors import Place, Problem
from fusemax.source import Text, number_of

LONGEST_NAME = 100
TOKEN = re.compile(
    r"(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<symbol>::|->|\*\*|//|<=|>=|==|!=|[-+*/%()\[\],=|<>:])|(?P<space>\s+)"
)
COMMENT = re.compile(r"#|(?:^|(?<=\s))--")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the language and where it stands."""

    kind: str
    text: str
    place: Place
    line: int


class Mistake(Exception):
    """The first mistake of one statement."""

    def __init__(self, token: Token, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.token, self.text, self.hint = token, text, hint


def problem_of(text: Text, mistake: Mistake) -> Problem:
    """Return *mistake* as a problem that shows its line."""
    return Problem(mistake.token.place, mistake.text, mistake.hint, text.line_at(mistake.token.line))


def logical_lines(text: Text, problems: list[Problem]) -> Iterator[tuple[int, list[Token]]]:
    """Yield the indentation and the tokens of each line; lines are joined while a bracket is open."""
    pending: list[Token] = []
    indent = depth = 0
    for number, line in enumerate(text.content.split("\n")):
        code = COMMENT.split(line, maxsplit=1)[0].rstrip()
        if not code.strip():
            continue
        if not pending:
            indent = len(code) - len(code.lstrip())
        tokens = _tokens(text, number, code, problems)
        if tokens is None:
            problems += _unclosed(text, pending)
            pending, depth = [], 0
            continue
        pending += tokens
        depth += sum(
            (token.text in "([") - (token.text in ")]") for token in tokens if token.kind == "symbol"
        )
        if depth <= 0:
            yield indent, pending
            pending, depth = [], 0
    problems += _unclosed(text, pending)


def _unclosed(text: Text, pending: list[Token]) -> list[Problem]:
    """Return the problem of a statement that ends with a bracket open; none when nothing is pending."""
    opening: list[Token] = []
    for token in pending:
        if token.text in ("(", "["):
            opening.append(token)
        elif token.text in (")", "]") and opening:
            opening.pop()
    return [problem_of(text, Mistake(one, f"this {one.text!r} is never closed")) for one in opening[:1]]


def _tokens(text: Text, number: int, code: str, problems: list[Problem]) -> list[Token] | None:
    tokens: list[Token] = []
    position = 0
    while position < len(code):
        match = TOKEN.match(code, position)
        place = text.place(number, position)
        if code[position] == ";":
            tokens.append(Token("end", ";", place, number))
            position += 1
            continue
        if match is None:
            problems.append(
                Problem(place, f"unexpected character {code[position]!r}", None, text.line_at(number))
            )
            return None
        fault = _fault_of(match)
        if fault:
            problems.append(Problem(place, fault, None, text.line_at(number)))
            return None
        if match.lastgroup != "space":
            tokens.append(Token(str(match.lastgroup), match.group(), place, number))
        position = match.end()
    return tokens


def _fault_of(match: re.Match[str]) -> str:
    """Return what is wrong with a word by itself: a name that nobody can read, a number that a double cannot hold."""
    if match.lastgroup == "number":
        return number_of(match.group())[1]
    if match.lastgroup == "name" and len(match.group()) > LONGEST_NAME:
        return f"a name of {len(match.group())} characters; {LONGEST_NAME} are the most"
    return ""


def statements_of(tokens: list[Token]) -> list[list[Token]]:
    """Return the words of each statement of a line: parts between ``;``."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == "end":
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]
