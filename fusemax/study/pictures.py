"""The figures that a study asks for: read as data, and held against the columns that its tables will have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol

from fusemax.errors import FusemaxError
from fusemax.nearest import meant, nearest
from fusemax.plot.spec import FigureSpec
from fusemax.source import KeyPath
from fusemax.table.table import Tables
from fusemax.typed import words_of

Found = tuple[KeyPath, str, str | None]
UNKNOWN = "unexpected_keyword_argument"  #: pydantic's name for a key that a figure does not know


class HasFigures(Protocol):
    """A study of any kind with a list of figures."""

    @property
    def figures(self) -> list[dict[str, Any]]: ...


def specs_of(study: HasFigures) -> tuple[FigureSpec, ...]:
    """Return the figures of a *study* that has no mistakes in them."""
    return tuple(spec for spec, _ in _read(study) if spec is not None)


def figure_mistakes(study: HasFigures) -> Iterator[Found]:
    """Yield what is wrong with the figures of *study* by themselves: place, text and hint."""
    from fusemax.plot.kinds import kind_mistakes

    files: set[str] = set()
    for number, (spec, found) in enumerate(_read(study)):
        yield from found
        if spec is None:
            continue
        for text in (*spec.mistakes(), *kind_mistakes(spec)):
            key, _, rest = text.partition(": ")
            said, _, hint = rest.partition("\n  hint: ")
            yield ("figures", number, key), said, hint or None
        if spec.file in files:
            yield ("figures", number, "file"), f"two figures are called {spec.file!r}", None
        files.add(spec.file)


def _read(study: HasFigures) -> Iterator[tuple[FigureSpec | None, list[Found]]]:
    from pydantic import TypeAdapter, ValidationError

    for number, entry in enumerate(study.figures):
        try:
            yield TypeAdapter(FigureSpec).validate_python(entry), []
        except ValidationError as error:
            found: dict[KeyPath, Found] = {}
            mistakes = error.errors()
            unknown = [str(one["loc"][-1]) for one in mistakes if one["type"] == UNKNOWN]
            misspelt = {nearest(name, _keys()) for name in unknown}
            for mistake in mistakes:  # of a value that may be of several kinds, one for each
                if mistake["type"] == "missing" and mistake["loc"][-1] in misspelt:
                    continue
                said = _mistake(number, entry, mistake)
                found.setdefault(said[0], said)
            yield None, list(found.values())


def _mistake(number: int, entry: Mapping[str, Any], mistake: Any) -> Found:
    place = tuple(part for part in mistake["loc"] if isinstance(part, int) or part in entry)
    missing = mistake["type"] == "missing"
    name = str(mistake["loc"][-1]) if mistake["loc"] else ""
    if mistake["type"] == UNKNOWN:
        return ("figures", number, name), f"unknown key {name!r}", _near(name, _keys())
    text = f"{name}: required key is missing" if missing else words_of(mistake)
    return ("figures", number, *(() if missing else place)), text, None


def _keys() -> tuple[str, ...]:
    return tuple(FigureSpec.__dataclass_fields__)


def _near(name: str, known: Iterable[str]) -> str | None:
    names = list(dict.fromkeys(known))
    return meant(name, names) if names else None


def column_mistakes(
    study: HasFigures, columns: Mapping[str, Iterable[str]], values: Mapping[str, Iterable[Any]]
) -> Iterator[Found]:
    """Yield what the figures of *study* ask for that its tables will not have.

    *columns* are those of each table, *values* all values of the columns whose values are known before the study runs.
    """
    for number, (spec, _) in enumerate(_read(study)):
        if spec is None:
            continue
        if spec.table not in columns:
            text = f"this study leaves no table {spec.table!r}"
            yield ("figures", number, "table"), text, _near(spec.table, columns)
            continue
        known = list(columns[spec.table])
        for key, name in _asked(spec):
            if name not in known:
                yield ("figures", number, *key), f"there is no column {name!r}", _near(name, known)
        yield from _value_mistakes(number, spec, values)


def _asked(spec: FigureSpec) -> Iterator[tuple[KeyPath, str]]:
    """Yield every column that *spec* reads, with the key that names it."""
    yield ("x",), spec.x
    yield from ((("y",) if isinstance(spec.y, str) else ("y", at), name) for at, name in enumerate(spec.ys))
    if spec.series is not None:
        yield ("series",), spec.series
    yield from ((("panels", at), name) for at, name in enumerate(spec.panels))
    yield from ((("where", name), name) for name in spec.where)
    for key in ("annotate", "title"):
        yield from (((key,), name) for name in spec.fields(key))


def _value_mistakes(number: int, spec: FigureSpec, values: Mapping[str, Iterable[Any]]) -> Iterator[Found]:
    for name, wanted in spec.where.items():
        for value in wanted if isinstance(wanted, tuple | list) else (wanted,):
            known = list(values.get(name, ()))
            if known and value not in known and str(value) not in map(str, known):
                hint = _near(str(value), map(str, known))
                yield ("figures", number, "where", name), f"no row has {name} = {value!r}", hint
    known = [str(value) for value in values.get(spec.series or "", ())]
    if spec.baseline is not None and known and spec.baseline not in known:
        yield (
            ("figures", number, "baseline"),
            f"no series is called {spec.baseline!r}",
            _near(spec.baseline, known),
        )


def undrawable(study: HasFigures, tables: Tables, unknown: Collection[str] = ()) -> Iterator[Found]:
    """Yield the figures of *study* that cannot be drawn of *tables*, such as those with two values at one place.

    Those of other tables, and those told apart by columns whose values are *unknown*, are left out.
    """
    from fusemax.plot.picked import EmptyFigureError
    from fusemax.plot.points import chart

    for number, spec in enumerate(specs_of(study)):
        told = {*spec.where, *spec.panels, spec.series or "", *spec.fields("title")}
        if spec.table not in tables.tables or told & {*unknown}:
            continue
        try:
            chart(tables, spec)
        except EmptyFigureError:
            continue
        except FusemaxError as error:
            text, _, hint = str(error).removeprefix(f"{spec.file}: ").partition("\n  hint: ")
            yield ("figures", number), text, hint or None
