"""Errors with a place: what is wrong, where, and how to mend it.

Inner code states the local fact; a border collects facts into :class:`Problems` so that a user sees every mistake of a
file at once. The command line prints ``str(error)`` and exits with 1: no traceback for anything a user can type.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

#: Problems that one message spells out; a file that is wrong in more ways is told how many more there are.
MOST_SHOWN = 40
#: Characters of a line that a message shows around a mistake.
LINE_WIDTH = 120


class FusemaxError(Exception):
    """Base of every error that fusemax raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a text: file name, line and column, both counted from 1; values of Python have line 0.

    >>> str(Place("a.yaml", 3, 7))
    'a.yaml:3:7'
    """

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def moved(self, columns: int) -> Place:
        """Return the place *columns* further right on the same line."""
        return replace(self, column=self.column + columns)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is, what it is, the line it stands in, and how to mend it."""

    place: Place | None
    text: str
    hint: str | None = None
    line_text: str | None = None

    def __str__(self) -> str:
        head = f"{self.place}: {self.text}" if self.place else self.text
        rows = [head]
        if self.line_text is not None and self.place is not None:
            line, column = _cut(self.line_text.rstrip(), self.place.column - 1)
            rows.append(f"  {line}")
            rows.append("  " + " " * column + "^")
        if self.hint:
            rows.append(f"  hint: {self.hint}")
        return "\n".join(rows)

    def sort_key(self) -> tuple[str, int, int]:
        """Return a key that orders problems as they stand in their files."""
        return (self.place.file, self.place.line, self.place.column) if self.place else ("", 0, 0)


def _cut(line: str, column: int) -> tuple[str, int]:
    """Return the part of a long *line* around *column*, and where the column is in it."""
    if len(line) <= LINE_WIDTH:
        return line, column
    start = max(0, min(column - LINE_WIDTH // 2, len(line) - LINE_WIDTH))
    head, tail = "..." * (start > 0), "..." * (start + LINE_WIDTH < len(line))
    return head + line[start : start + LINE_WIDTH] + tail, column - start + len(head)


class ProblemsError(FusemaxError):
    """Every mistake of one input, in the order in which they stand there.

    >>> print(ProblemsError([Problem(Place("a.yaml", 2, 1), "unknown key 'nmae'", "did you mean 'name'?")]))
    a.yaml:2:1: unknown key 'nmae'
      hint: did you mean 'name'?
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=Problem.sort_key))
        shown = [str(problem) for problem in self.problems[:MOST_SHOWN]]
        if len(self.problems) > MOST_SHOWN:
            shown.append(f"... and {len(self.problems) - MOST_SHOWN} more problems")
        super().__init__("\n".join(shown))


#: Characters of one line, and lines, of a message on a screen.
LONGEST_LINE, MOST_LINES = 1000, 200


def readable(message: str) -> str:
    """Return *message* as a terminal can show it: long lines and long ends cut, control characters written out.

    >>> readable("no file called 'a\\x1b[1m'".encode().decode("unicode_escape"))
    "no file called 'a\\\\x1b[1m'"
    """
    rows = message.split("\n")
    if len(rows) > MOST_LINES:
        rows = [*rows[:MOST_LINES], f"... and {len(rows) - MOST_LINES} more lines"]
    return "\n".join(_plain_row(row) for row in rows)


def _plain_row(row: str) -> str:
    if len(row) > LONGEST_LINE:
        row = f"{row[: LONGEST_LINE // 2]} ... {row[-LONGEST_LINE // 4 :]}"
    return "".join(letter if letter.isprintable() or letter == "\t" else repr(letter)[1:-1] for letter in row)


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Raise :class:`ProblemsError` when *problems* is not empty."""
    found = tuple(problems)
    if found:
        raise ProblemsError(found)
