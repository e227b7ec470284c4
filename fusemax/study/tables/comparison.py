"""Published values beside ours: which row each means, how far apart they are, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError, Place, Problem, ProblemsError
from fusemax.nearest import meant
from fusemax.study.spec.file import Comparison
from fusemax.study.tables.results import sizes_of
from fusemax.study.tables.rows import LINE, Record

if TYPE_CHECKING:
    import polars

OF_VALUE = ("quantity", "value", "table")  #: columns of a published table that name no row
ACTIVITY = "activity["


@dataclass(frozen=True, slots=True)
class Published:
    """One published value: the line of its file, the columns that say which row it is of, and the rest."""

    place: Place
    identity: Mapping[str, Any]
    entry: Mapping[str, Any]

    @property
    def quantity(self) -> str:
        """What the value is of."""
        return str(self.entry["quantity"])

    @property
    def nameless(self) -> Mapping[str, Any]:
        """What every row of a comparison has and the file does not say: its own name for a table of it, no length."""
        known = {"table": Path(self.place.file).stem, "seq_len": None}
        return {name: value for name, value in known.items() if name not in self.entry}

    @property
    def names(self) -> list[str]:
        """The columns of results that it is made of."""
        return [] if self.quantity.startswith(ACTIVITY) else self.quantity.split(" - ")


def read_published(path: Path) -> list[Published]:
    """Return the values in the table at *path*.

    Raises
    ------
    FusemaxError
        When it cannot be read, lacks a column, or holds a value that is no number.
    """
    import polars

    try:
        table = polars.read_csv(path, glob=False, infer_schema_length=None, comment_prefix="#")
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError, polars.exceptions.PolarsError) as error:
        raise FusemaxError(f"{path}: cannot be read as a table ({error})") from None
    lines = [n for n, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    lost = [name for name in ("part", "configuration", "quantity", "value") if name not in table.columns]
    if lost:
        raise _no_table(path, lines, f"there is no column {', '.join(map(repr, lost))}")
    if not table.schema["value"].is_numeric():
        raise _no_table(path, lines, "the column 'value' holds what is no number")
    found: list[Published] = []
    for number, entry in zip(lines[1:], table.iter_rows(named=True), strict=False):
        identity = {k: v for k, v in entry.items() if k not in OF_VALUE and v is not None}
        found.append(Published(Place(str(path), number, 1), identity, entry))
    return found


def _no_table(path: Path, lines: Sequence[int], text: str) -> FusemaxError:
    return ProblemsError([Problem(Place(str(path), lines[0] if lines else 1, 1), text)])


class Rows:
    """The rows of a study by what tells them apart."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self._indexed: dict[tuple[str, ...], dict[tuple[str, ...], list[Record]]] = {}

    def of(self, identity: Mapping[str, Any]) -> list[Record]:
        """Return the rows that have the values of *identity*."""
        names = tuple(identity)
        if names not in self._indexed:
            index: dict[tuple[str, ...], list[Record]] = {}
            for record in self.records:
                index.setdefault(tuple(str(record.get(name)) for name in names), []).append(record)
            self._indexed[names] = index
        return self._indexed[names].get(tuple(str(identity[name]) for name in names), [])


def mistakes(
    published: Sequence[Published], rows: Rows, columns: Sequence[str], lines: Mapping[str, set[str]]
) -> Iterator[Problem]:
    """Yield the *published* values for which the study will have no row, several, or no column.

    *columns* are those of its results, *lines* the activities of each part, as quantities write them.
    """
    for each in published:
        found = rows.of(each.identity)
        if len(found) != 1:
            many = "no row" if not found else f"{len(found)} rows"
            yield Problem(each.place, f"the study has {many} for {dict(each.identity)}")
        for name in each.names:
            if name not in columns:
                yield Problem(each.place, f"the study has no column {name!r}", meant(name, columns))
        part = str(each.identity.get("part"))
        if not each.names and each.quantity not in lines.get(part, set()):
            known = sorted(lines.get(part, ()))
            yield Problem(each.place, f"{part} has no {each.quantity}", meant(each.quantity, known))


def comparison_frame(compare: Comparison, published: Sequence[Published], rows: Rows) -> polars.DataFrame:
    """Return published beside ours for every published value: relative difference and, where it matters, the reason."""
    import polars

    found: list[Record] = []
    for each in published:
        matched = rows.of(each.identity)
        row = matched[0] if len(matched) == 1 else {"fits": False}
        value = _quantity(each, row) if row["fits"] else None
        difference = _difference(value, each.entry["value"])
        reason = _reason(compare, each.quantity, {**sizes_of(row), **each.identity}, difference)
        reason = reason if matched else "the study left the row out"
        ours = {"published": each.entry["value"], "ours": value, "relative_difference": difference}
        found.append({**each.nameless, **each.entry, **ours, "reason": reason})
    return polars.DataFrame(found, infer_schema_length=None).drop("value")


def _quantity(each: Published, row: Record) -> float | None:
    """Return a value of *row*, if it has it: a column, a difference of several (``a - b``), or an activity."""
    values = [row.get(name) for name in each.names or (f"{LINE}{each.quantity}",)]
    if None in values:
        return None
    first, *rest = (float(value) for value in values if value is not None)
    return first - sum(rest)


def _difference(ours: float | None, published: float) -> float | None:
    if ours is None:
        return None
    if published == 0:
        return 0.0 if ours == 0 else math.inf
    return ours / published - 1


def _reason(compare: Comparison, quantity: str, columns: Mapping[str, Any], difference: float | None) -> str:
    if difference is not None and abs(difference) <= compare.tolerance:
        return ""
    for rule in compare.reasons:
        if quantity in rule.quantities and all(condition.holds(columns) for condition in rule.where):
            return rule.reason
    return "not explained"
