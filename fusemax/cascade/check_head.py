"""The rules for what stands above the Einsums of a cascade: names that are names, said once, and meant for something."""

from __future__ import annotations

from collections.abc import Iterator

from fusemax.cascade.check_names import is_size, near
from fusemax.cascade.ir import Cascade, is_variable
from fusemax.errors import Problem
from fusemax.language.syntax import names
from fusemax.source import Document, KeyPath


def wrong_head(cascade: Cascade, document: Document) -> list[Problem]:
    """Return what is wrong with ranks, outputs, groups and constants as *document* declares them."""
    return [
        *_twice(document),
        *_ranks(cascade, document),
        *_same(cascade, document),
        *_constants(cascade, document),
    ]


def _twice(document: Document) -> Iterator[Problem]:
    for key in ("batch", "sizes", "outputs"):
        listed: list[str] = document.data.get(key) or []
        for position, name in enumerate(listed):
            if name in listed[:position]:
                yield document.problem((key, position), f"{name!r} stands twice", "name it once")


def _ranks(cascade: Cascade, document: Document) -> Iterator[Problem]:
    inputs: dict[str, list[str]] = document.data.get("inputs") or {}
    for tensor, ranks in inputs.items():
        for position, name in enumerate(ranks):
            yield from _rank(("inputs", tensor, position), name, document)
    for position, name in enumerate(cascade.batch):
        yield from _rank(("batch", position), name, document)
    sizes: dict[str, str | int] = document.data.get("ranks") or {}
    for name in sizes:
        yield from _rank(("ranks", name), name, document, key=True)


def _rank(path: KeyPath, name: str, document: Document, key: bool = False) -> Iterator[Problem]:
    if not (name.isidentifier() and name.isascii()) or is_variable(name):
        yield document.problem(
            path, f"{name!r} is no name of a rank", "ranks are called such as M or M1", key=key
        )


def _read(cascade: Cascade) -> set[str]:
    """Return every name that stands in an Einsum."""
    found: set[str] = set()
    for einsum in cascade.einsums:
        found.update(einsum.loop_variables)
        sides = (side for condition in einsum.conditions for side in (condition.left, condition.right))
        for expression in (einsum.expression, *einsum.outputs, *sides):
            found.update(names(expression))
    return found


def _same(cascade: Cascade, document: Document) -> Iterator[Problem]:
    for position, group in enumerate(cascade.same):
        if len(set(group)) < 2 or len(set(group)) < len(group):
            text = "expected two ranks or more, each once"
            yield document.problem(("same", position), text, "such as same: [[P, M]]")
        for place, name in enumerate(group):
            if not is_size(cascade, name):
                text = f"{name!r} is not the size of a rank of this cascade"
                yield document.problem(("same", position, place), text, near(name, cascade.ranks))


def _constants(cascade: Cascade, document: Document) -> Iterator[Problem]:
    read = _read(cascade)
    ranks = {name for rank in cascade.ranks.values() for name in (rank.name, rank.variable)}
    for name in cascade.constants:
        if name in ranks:
            text = f"{name!r} is a rank of this cascade as well"
            yield document.problem(("constants", name), text, "give the constant another name", key=True)
        elif name not in read:
            text = "no Einsum reads this constant"
            yield document.problem(("constants", name), text, near(name, read) or "remove it", key=True)
