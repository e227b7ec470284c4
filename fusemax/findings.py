"""The mistakes of a file as they are found, each with its place, told all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from fusemax.errors import FusemaxError, Problem, ProblemsError, raise_if_any
from fusemax.source import Document, KeyPath


class Findings:
    """What is wrong in a *document*, found so far: ``problems``."""

    def __init__(self, document: Document, problems: Iterable[Problem] = ()) -> None:
        self.document = document
        self.problems = list(problems)

    def say(self, path: KeyPath, text: str, hint: str | None = None, key: bool = False) -> None:
        """Note *text* of the value at *path*, or of its *key*."""
        self.problems.append(self.document.problem(path, text, hint, key))

    def refuse_twice(self, path: KeyPath, values: Sequence[object], *inside: str) -> None:
        """Note those of *values*, a list at *path*, that stand there already; *inside* are the keys of each entry's name."""
        for number, value in enumerate(values):
            if value in values[:number]:
                shown = f"{value:g}" if isinstance(value, float) else value
                self.say((*path, number, *inside), f"{shown} stands here twice")

    @contextmanager
    def at(self, *path: str | int, key: bool = False) -> Iterator[None]:
        """Note what is refused inside as a mistake at *path*, and go on after it."""
        try:
            yield
        except FusemaxError as error:
            self.problems += problems_from(error, self.document, path, key)

    def raise_if_any(self) -> None:
        """Raise ProblemsError with each of the problems once, if there are any."""
        raise_if_any(once(self.problems, self.document))


def problems_from(error: FusemaxError, document: Document, path: KeyPath, key: bool = False) -> list[Problem]:
    """Return *error* as problems: those of another file as they are, a plain one at the place of *path*."""
    if isinstance(error, ProblemsError):
        return list(error.problems)
    text, _, hint = str(error).partition("\n  hint: ")
    return [document.problem(path, text, hint or None, key)]


#: Before the name of what a file lacks.
LACKED = ("called", "column", "configuration", "correction", "model", "part", "table", "=")


def once(problems: Iterable[Problem], document: Document) -> list[Problem]:
    """Return each of *problems* once, without those that miss a name because it was left out of *document*."""
    lost = [f"{what} {name!r}" for name in document.lost for what in LACKED]
    return [
        problem
        for problem in dict.fromkeys(problems)
        if "no file called" in problem.text or not any(name in problem.text for name in lost)
    ]
