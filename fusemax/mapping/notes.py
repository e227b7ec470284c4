"""Mistakes of a mapping file, collected with their places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fusemax.errors import Problem
from fusemax.nearest import nearest
from fusemax.source import Document, KeyPath


@dataclass(frozen=True, slots=True)
class Notes:
    """What is wrong with *document*, in the order in which it was found."""

    document: Document
    problems: list[Problem] = field(default_factory=list)

    def fail(self, path: KeyPath, text: str, hint: str | None = None, key: bool = False) -> None:
        """Note a mistake at *path* (at the key itself, if *key*), once."""
        problem = self.document.problem(path, text, hint, key)
        if problem not in self.problems:
            self.problems.append(problem)

    def known(self, name: str, known: Iterable[str], what: str, path: KeyPath, key: bool = False) -> bool:
        """Return whether *name* is among the *known* ones; note it with the nearest of them if not."""
        known = list(known)
        if name in known:
            return True
        near = nearest(name, known)
        hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(known)}"
        self.fail(path, f"{name!r} is no {what}", hint, key)
        return False
