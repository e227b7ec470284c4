"""The rules for the sizes under ``ranks:``: sizes of other ranks, and none that needs itself."""

from __future__ import annotations

from collections.abc import Mapping

from fusemax.cascade.ir import Rank, is_variable
from fusemax.errors import Problem
from fusemax.language.constant import ConstantError, value_of_constant
from fusemax.language.functions import FUNCTIONS
from fusemax.language.syntax import Access, Call, Expression, Name, names, walk
from fusemax.source import Document


def check_sizes(ranks: Mapping[str, Rank], document: Document) -> list[Problem]:
    """Return what is wrong with the sizes that *document* gives to *ranks*."""
    problems: list[Problem] = []
    seen: set[str] = set()
    for name, rank in ranks.items():
        if rank.size is None:
            continue
        path = ("ranks", name) if name in (document.data.get("ranks") or {}) else ("einsums",)
        problems += [document.problem(path, text, hint) for text, hint in _mistakes(name, rank.size)]
        circle = () if name in seen else _circle(name, ranks)
        if circle:
            seen.update(circle)
            text = f"the size of {name} needs itself: {' -> '.join(circle)}"
            hint = "give one of them a size of its own, or say 'same:' where two ranks are one sequence"
            problems.append(document.problem(path, text, hint))
    return problems


def _mistakes(name: str, size: Expression) -> list[tuple[str, str | None]]:
    found = [mistake for node in walk(size) for mistake in _mistakes_of(node)]
    try:
        for node in walk(size):
            value_of_constant(node)
        value = value_of_constant(size)
    except ConstantError as error:
        return [*found, (str(error), None)]
    if value is not None and (value < 1 or value != int(value)):
        found.append((f"the size of {name} is a whole number of at least 1, got {value:g}", None))
    return found


def _mistakes_of(node: Expression) -> list[tuple[str, str | None]]:
    if isinstance(node, Call) and node.function not in FUNCTIONS:
        return [(f"{node.function!r} is no function of sizes", f"there are: {', '.join(FUNCTIONS)}")]
    if isinstance(node, Call):
        wrong = FUNCTIONS[node.function].wrong_number(len(node.arguments))
        return [(wrong, None)] if wrong else []
    if isinstance(node, Access):
        return [(f"{node} is a tensor, not a size", None)]
    if isinstance(node, Name) and is_variable(node.name):
        return [(f"{node.name!r} is a rank variable, not a size", f"write {node.name.upper()!r}")]
    return []


def _circle(start: str, ranks: Mapping[str, Rank]) -> tuple[str, ...]:
    """Return the ranks on a way from the size of *start* back to it; nothing when there is no such way."""
    waiting: list[tuple[str, ...]] = [(start,)]
    visited: set[str] = set()
    while waiting:
        way = waiting.pop(0)
        rank = ranks.get(way[-1])
        for needed in names(rank.size) if rank is not None and rank.size is not None else ():
            if needed == start:
                return (*way, start)
            if needed not in visited:
                visited.add(needed)
                waiting.append((*way, needed))
    return ()
