"""Conditions on names that nothing gives, or that some rows lack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fusemax.errors import FusemaxError
from fusemax.language.syntax import names
from fusemax.nearest import meant
from fusemax.source import KeyPath
from fusemax.study.spec.axes import SHAPE, TILES
from fusemax.study.spec.condition import Condition, Where, is_number
from fusemax.study.spec.file import StudyPart
from fusemax.study.spec.values import number_or_formula


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What conditions may name: columns of texts with their values, names of numbers, and outputs where there are any."""

    texts: Mapping[str, tuple[str, ...]]
    numbers: frozenset[str]
    has_outputs: bool = False


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong and how to mend it."""

    text: str
    hint: str | None = None


def where_mistakes(where: Where, known: Known, at: KeyPath) -> Iterator[tuple[KeyPath, Mistake]]:
    """Yield what is wrong with the conditions *where*, which may name what is *known*, each by its keys."""
    for number, condition in enumerate(where):
        mistake = condition_mistake(condition, known)
        if mistake:
            yield (*at, number), mistake


def known_of(parts: Iterable[StudyPart]) -> Known:
    """Return what conditions on points of *parts* may name."""
    texts: dict[str, tuple[str, ...]] = {}
    numbers: set[str] = set()
    for part in parts:
        numbers |= {*part.sizes, *(name.removeprefix(TILES) for name in part.grid)}
        numbers |= {f"{name.removesuffix(SHAPE)}." for name in part.grid if name.endswith(SHAPE)}
        for table, rows in part.tables.items():
            numbers |= {name for row in rows.values() for name in row}
            texts[table] = (*texts.get(table, ()), *map(str, rows))
    return Known(texts=texts, numbers=frozenset(numbers))


def condition_mistake(condition: Condition, known: Known) -> Mistake | None:
    """Return what is wrong with *condition* where it may name what is *known*."""
    labels = known.texts.get(condition.name)
    if labels is None:
        return _number_mistake(condition, known)
    if condition.comparison not in ("==", "!="):
        return _order_mistake(condition, labels)
    if condition.value in labels or (is_number(condition.value) and any(map(is_number, labels))):
        return None
    text = f"{condition.name!r} is never {condition.value!r}"
    return Mistake(text, nearest(condition.value, labels))


def _order_mistake(condition: Condition, labels: Sequence[str]) -> Mistake | None:
    if is_number(condition.value) and all(map(is_number, labels)):
        return None
    text = f"{condition}: {condition.name!r} holds texts, which have no order"
    return Mistake(text, "compare texts with == or !=")


def _number_mistake(condition: Condition, known: Known) -> Mistake | None:
    for text in (condition.name, condition.value):
        try:
            found = number_or_formula("where", text)
        except FusemaxError:
            hint = "numbers are written 4096, 16Ki or '200 GB/s', formulas 2*P"
            return Mistake(f"{condition}: {text!r} is no number, name or formula", hint)
        for name in () if isinstance(found, int | float) else names(found):
            dimension = f"{name.partition('.')[0]}."  # of a unit whose shape is swept
            if name not in known.numbers and dimension not in known.numbers and not known.has_outputs:
                said = f"{name!r} is no size, figure or label that is given here"
                return Mistake(said, nearest(name, [*known.texts, *known.numbers]))
    return None


def gaps(where: Where, part: StudyPart, at: KeyPath) -> Iterator[tuple[KeyPath, Mistake]]:
    """Yield the conditions on names that some rows of a table give and others do not."""
    given = known_of([part])
    for number, condition in enumerate(where):
        if condition.name in part.sizes or condition.name not in given.numbers:
            continue
        tables = [
            rows for rows in part.tables.values() if any(condition.name in row for row in rows.values())
        ]
        lacking = [label for rows in tables for label, row in rows.items() if condition.name not in row]
        if len(tables) == 1 and lacking:
            hint = f"give {condition.name} in every row"
            yield (*at, number), Mistake(f"row {lacking[0]!r} gives no {condition.name}", hint)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return a hint: the nearest of *known*, or all of them."""
    listed = sorted(dict.fromkeys(known))
    return meant(name, listed) if listed else None
