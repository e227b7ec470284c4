"""The averages of a study and its agreement with published numbers, reckoned from its tables alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError
from fusemax.plot.labels import tick
from fusemax.table.table import Table

if TYPE_CHECKING:
    import polars

#: Relative differences up to this one are rounding of sums in another order.
EQUAL = 1e-9
#: Relative differences up to this one are digits that the published table does not print.
CLOSE = 1e-6
#: What stands as the reason of a row that differs while no rule of the study says why.
NOT_EXPLAINED = "not explained"
#: Columns of the results that are neither labels nor measures, and how measures end.
_OF_ROWS = (
    "study", "part", "configuration", "seq_len", "machine", "mapping", "limit", "fits", "reason",
)  # fmt: skip
#: Part, configuration, labels and other sizes that tell points apart (the model first), length.
Case = tuple[str, str, tuple[Any, ...], int | None]


@dataclass(frozen=True, slots=True)
class Cell:
    """One mean of ours, and the same mean of the published numbers; None where a value is missing."""

    ours: float | None
    published: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the headline: a configuration, over one label (a model) or over all, and its means by column."""

    configuration: str
    label: str | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Headline:
    """The means of one part of a study: column headings and lines; ``label`` is the column of the lines' labels, if any."""

    part: str
    label: str | None
    baselines: tuple[str, ...]
    columns: tuple[str, ...]
    shares: int  #: how many of the last columns are shares of the time
    lines: tuple[Line, ...]

    @property
    def configurations(self) -> tuple[str, ...]:
        """The configurations, in the order of the lines."""
        return tuple(dict.fromkeys(line.configuration for line in self.lines))

    @property
    def overall(self) -> tuple[Line, ...]:
        """The lines that are means over all points."""
        return tuple(line for line in self.lines if line.label is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How one quantity of one published table compares, in numbers of rows.

    ``equal`` rows differ by at most 1e-9, ``close`` ones by more than that and at most 1e-6. The others have
    one of ``reasons``, or are ``unexplained``.
    """

    table: str
    quantity: str
    rows: int
    equal: int
    close: int
    worst: float
    where: str
    reasons: tuple[str, ...]
    unexplained: int


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
        return next((name for name in columns if rows[name].null_count() < rows.height), None)

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


def headline(numbers: Numbers, results: Table, part: str, baselines: Sequence[str]) -> Headline:
    """Return the means of *part* for each configuration, over all points and over each row of its first table.

    Speed-ups and energy ratios are arithmetic means over the points of the ratio at each point, as the paper
    averages them.

    Raises
    ------
    FusemaxError
        When a baseline is no configuration of the part.
    """
    frame = results.frame
    rows = frame.filter(frame["part"] == part)
    names = rows["configuration"].unique(maintain_order=True).to_list()
    label = numbers.label_of(rows)
    values = [] if label is None else rows[label].unique(maintain_order=True).to_list()
    if not names:
        known = ", ".join(frame["part"].unique(maintain_order=True))
        raise FusemaxError(f"the results have no part {part!r}; there are: {known}")
    absent = [name for name in baselines if name not in names]
    if absent:
        raise FusemaxError(
            f"no configuration of {part!r} is called {absent[0]!r}; there are: {', '.join(names)}"
        )
    ratios = [(numbers.time, base, True) for base in baselines] + [
        (numbers.energy, base, False) for base in baselines
    ]
    units = tuple(name for name in shares(results) if rows[name].null_count() < rows.height)
    columns = (
        *(f"speed-up over {base}" for base in baselines),
        *(f"energy relative to {base}" for base in baselines),
        *(f"{unit_of(name)} busy" for name in units),
    )
    lines = []
    for name in names:
        groups = [(None, numbers.cases(part, name))]
        groups += [(str(value), numbers.cases(part, name, label, value)) for value in values]
        for shown, cases in groups:
            cells = [_ratio_cell(numbers, cases, *ratio) for ratio in ratios]
            cells += [_mean_cell(numbers, cases, column) for column in units]
            lines.append(Line(name, shown, tuple(cells)))
    return Headline(part, label, tuple(baselines), columns, len(units), tuple(lines))


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


def _ratio_cell(
    numbers: Numbers, cases: Sequence[Case], column: str | None, base: str, inverse: bool
) -> Cell:
    ours = list(ratios(numbers, cases, column, base, inverse).values())
    published = []
    for case in cases:
        value = numbers.published(case, column)
        other = numbers.published((case[0], base, *case[2:]), column)
        if value and other:
            published.append(other / value if inverse else value / other)
    return Cell(_mean(ours, len(cases)), _mean(published, len(cases)))


def _mean_cell(numbers: Numbers, cases: Sequence[Case], column: str) -> Cell:
    ours = [value for case in cases if (value := numbers.ours(case, column)) is not None]
    published = [value for case in cases if (value := numbers.published(case, column)) is not None]
    return Cell(_mean(ours, len(cases)), _mean(published, len(cases)))


def _mean(values: Sequence[float], count: int) -> float | None:
    """Return the mean, or None unless all *count* points have a value: a mean over some would mislead."""
    return sum(values) / count if count and len(values) == count else None


def agreements(comparison: polars.DataFrame) -> tuple[Agreement, ...]:
    """Return one summary for each table and quantity of *comparison*, in table order."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in comparison.to_dicts():
        groups.setdefault((row["table"], row["quantity"]), []).append(row)
    return tuple(_agreement(table, quantity, rows) for (table, quantity), rows in groups.items())


def _agreement(table: str, quantity: str, rows: Sequence[Mapping[str, Any]]) -> Agreement:
    differing = [row for row in rows if _distance(row) > CLOSE]
    equal = sum(1 for row in rows if _distance(row) <= EQUAL)
    worst = max(rows, key=_distance)
    return Agreement(
        table=table,
        quantity=quantity,
        rows=len(rows),
        equal=equal,
        close=len(rows) - equal - len(differing),
        worst=worst["relative_difference"] if worst["relative_difference"] is not None else float("nan"),
        where=", ".join(_point(worst)) if _distance(worst) > EQUAL else "",
        reasons=tuple(dict.fromkeys(row["reason"] for row in differing if not is_unexplained(row))),
        unexplained=sum(1 for row in differing if is_unexplained(row)),
    )


def is_unexplained(row: Mapping[str, Any]) -> bool:
    """Return whether the two values of a row of the comparison differ while nothing says why."""
    return _distance(row) > CLOSE and row["reason"] in ("", NOT_EXPLAINED)


#: Columns of a comparison that are no label.
_OF_COMPARISON = (
    "table", "part", "configuration", "seq_len", "quantity", "published", "ours", "relative_difference", "reason",
)  # fmt: skip


def _labels(row: Mapping[str, Any]) -> list[Any]:
    """Return the values of the label columns of a row of the comparison."""
    return [value for name, value in row.items() if name not in _OF_COMPARISON]


def _point(row: Mapping[str, Any]) -> list[str]:
    parts = (row["configuration"], *_labels(row), row["seq_len"])
    return [tick(part) for part in parts if part not in (None, "")]


def _distance(row: Mapping[str, Any]) -> float:
    """Return how far apart the two values are; infinite where they cannot be compared."""
    difference = row["relative_difference"]
    return abs(difference) if difference is not None and isfinite(difference) else float("inf")
