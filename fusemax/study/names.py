"""What a study names: conditions on names that nothing gives, and keys without effect, each with the place of the mistake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fusemax.errors import FusemaxError
from fusemax.language.syntax import names
from fusemax.nearest import meant
from fusemax.source import KeyPath
from fusemax.study.axes import SHAPE, TILES
from fusemax.study.pictures import figure_mistakes
from fusemax.study.spec import Condition, StudyFile, StudyPart, Where, is_number
from fusemax.study.values import number_or_formula


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


def mistakes_of(study: StudyFile) -> list[tuple[KeyPath, Mistake]]:
    """Return the mistakes of *study* that its types do not show, each with its keys."""
    return list(_mistakes(study))


def _mistakes(study: StudyFile) -> Iterator[tuple[KeyPath, Mistake]]:
    for number, part in enumerate(study.parts):
        yield from _part_mistakes(part, ("parts", number))
        yield from _reduction_mistakes(study, part, ("parts", number))
    yield from _summary_mistakes(study)
    yield from _length_mistakes(study)
    for path, text, hint in figure_mistakes(study):
        yield path, Mistake(text, hint)
    known = _of_comparison(study)
    for number, reason in enumerate(study.compare.reasons if study.compare else ()):
        yield from _where_mistakes(reason.where, known, ("compare", "reasons", number, "where"))


def _part_mistakes(part: StudyPart, at: KeyPath) -> Iterator[tuple[KeyPath, Mistake]]:
    """Yield wrong conditions of *part*; names in its ``where`` may be outputs, which are known with its designs."""
    known = known_of([part])
    yield from _where_mistakes(part.where, replace(known, has_outputs=True), (*at, "where"))
    yield from _gaps(part.where, part, (*at, "where"))
    for name, configuration in part.configurations.items():
        for number, case in enumerate(configuration.cases):
            place = (*at, "configurations", name, "cases", number, "where")
            yield from _where_mistakes(case.where, known, place)
            yield from _gaps(case.where, part, place)


def _reduction_mistakes(study: StudyFile, part: StudyPart, at: KeyPath) -> Iterator[tuple[KeyPath, Mistake]]:
    """Yield what cannot be meant by the keys of a part that adds up others, or rows of a table."""
    names_of = [entry.name for entry in study.parts if entry is not part]
    for number, name in enumerate(part.total_of):
        if name not in names_of:
            text = f"no other part is called {name!r}"
            yield (*at, "total_of", number), Mistake(text, nearest(name, names_of))
    if part.sum_over is not None and part.sum_over not in part.tables:
        text = f"the part has no table {part.sum_over!r}"
        yield (*at, "sum_over"), Mistake(text, nearest(part.sum_over, part.tables))
    if not part.configurations and not part.total_of:
        yield at, Mistake(f"part {part.name!r} has no configurations, and is the total of no parts")


def _summary_mistakes(study: StudyFile) -> Iterator[tuple[KeyPath, Mistake]]:
    parts = [part.name for part in study.parts]
    configurations = [name for part in study.parts for name in part.configurations]
    wanted = (("parts", study.summary.parts, parts), ("baselines", study.summary.baselines, configurations))
    for key, given, known in wanted:
        for number, name in enumerate(given):
            if name not in known:
                text = f"no {key[:-1] if key == 'parts' else 'configuration'} is called {name!r}"
                yield ("summary", key, number), Mistake(text, nearest(name, known))


def _length_mistakes(study: StudyFile) -> Iterator[tuple[KeyPath, Mistake]]:
    """Yield a length, said on purpose, that no part gives."""
    given = {name for part in study.parts for name in (*part.sizes, *part.grid)}
    given |= {
        name for part in study.parts for rows in part.tables.values() for row in rows.values() for name in row
    }
    if study.length and "length" in study.model_fields_set and study.length not in given:
        yield ("length",), Mistake(f"no part gives a size {study.length!r}", nearest(study.length, given))


def _where_mistakes(where: Where, known: Known, at: KeyPath) -> Iterator[tuple[KeyPath, Mistake]]:
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


def _of_comparison(study: StudyFile) -> Known:
    """Return what the reasons of a comparison may name: besides points, the columns of the published table."""
    known = known_of(study.parts)
    configurations = tuple(name for part in study.parts for name in part.configurations)
    own = {"part": tuple(part.name for part in study.parts), "configuration": configurations}
    return Known(texts={**known.texts, **own}, numbers=known.numbers | {"seq_len"})


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


def _gaps(where: Where, part: StudyPart, at: KeyPath) -> Iterator[tuple[KeyPath, Mistake]]:
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
