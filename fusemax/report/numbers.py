"""The values of a study's results by what tells them apart, ours and as published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError
from fusemax.table.table import Table

if TYPE_CHECKING:
    import polars


#: Columns of the results that are neither labels nor measures, and how measures end.
_OF_ROWS = (
    "study", "part", "configuration", "seq_len", "machine", "mapping", "limit", "fits", "reason",
)  # fmt: skip


#: Part, configuration, labels and other sizes that tell points apart (the model first), length.
Case = tuple[str, str, tuple[Any, ...], int | None]


def unit_of(share: str) -> str:
    """Return the unit of which the column *share* says how busy it is."""
    return share.removeprefix("utilization_")


class Numbers:
    """The values of the results by part, configuration, labels and length, ours and as published.

    ``labels`` are the columns that tell points of equal length apart: those of the tables of the study, and listed sizes.
    A sum of parts is published when all of its parts are.

    Raises
    ------
    FusemaxError
        When two rows are of one point.
    """

    def __init__(
        self,
        results: Table,
        comparison: polars.DataFrame | None,
        labels: Sequence[str] = (),
        sums: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._sums = sums or {}
        self.labels = tuple(labels) or labels_of(results)
        self.time, self.energy, self.traffic = map(results.telling, ("time", "energy", "traffic"))
        self._limit, self._lost = map(results.telling, ("limit", "lost"))
        self._added = {column.name for column in results.columns if column.adds == "sum"}
        self._rows: dict[Case, Mapping[str, Any]] = {}
        self._shares = shares(results)
        for row in results.frame.to_dicts():
            if self._rows.setdefault(self._case(row), row) is not row:
                raise FusemaxError(f"results: two rows of one point: {', '.join(map(str, self._case(row)))}")
        rows = [] if comparison is None else comparison.to_dicts()
        self._published = {(self._case(row), row["quantity"]): row["published"] for row in rows}

    def _case(self, row: Mapping[str, Any]) -> Case:
        labels = tuple(row.get(name) for name in self.labels)
        return row["part"], row["configuration"], labels, row.get("seq_len")

    def label_of(self, rows: polars.DataFrame) -> str | None:
        """Return the first label column that has values in *rows*."""
        columns = (name for name in self.labels if name in rows.columns)
        return next((name for name in columns if any(value not in (None, "") for value in rows[name])), None)

    def cases(
        self, part: str, configuration: str, column: str | None = None, value: object = None
    ) -> list[Case]:
        """Return the cases of *part* and *configuration*, all or those where the label *column* has *value*."""
        found = [case for case in self._rows if case[:2] == (part, configuration)]
        if column is None:
            return found
        position = self.labels.index(column)
        return [case for case in found if case[2][position] == value]

    def ours(self, case: Case, column: str | None) -> float | None:
        """Return our value of *case*; None when it is missing or not finite."""
        value = self._rows.get(case, {}).get(column or "")
        return float(value) if value is not None and isfinite(value) else None

    def limit(self, case: Case) -> str:
        """Return what limits *case*; nothing where it does not fit."""
        return str(self._rows[case].get(self._limit or "") or "")

    def lost(self, case: Case) -> str:
        """Return why *case* has no values; nothing where it has them."""
        return str(self._rows[case].get(self._lost or "") or "")

    def columns(self, case: Case) -> tuple[str, ...]:
        """Return the columns of how busy units are in which *case* has values."""
        row = self._rows[case]
        return tuple(name for name in self._shares if row[name] is not None)

    def published(self, case: Case, column: str | None) -> float | None:
        """Return the published value of *case*; None when there is none."""
        parts = self._sums.get(case[0], ()) if column in self._added else ()
        found = [self.published((part, *case[1:]), column) for part in parts]
        if found:
            return None if None in found else sum(value for value in found if value is not None)
        return self._published.get((case, column or ""))


def labels_of(results: Table) -> tuple[str, ...]:
    """Return the columns of *results* that tell points apart: those that neither name the row nor measure it."""
    given = (column.name for column in results.columns if column.role != "measure")
    return tuple(name for name in given if name not in _OF_ROWS)


def shares(results: Table) -> tuple[str, ...]:
    """Return the columns of *results* that are shares of the time."""
    return tuple(column.name for column in results.columns if column.adds == "mean over time")


def ratios(
    numbers: Numbers, cases: Iterable[Case], column: str | None, base: str, inverse: bool = False
) -> dict[Case, float]:
    """Return, by case, our value over that of the configuration *base* at the same point, or the inverse."""
    found = {}
    for case in cases:
        value, other = numbers.ours(case, column), numbers.ours((case[0], base, *case[2:]), column)
        if value and other:
            found[case] = other / value if inverse else value / other
    return found
