"""The averages of a study and its agreement with published numbers, reckoned from its tables alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fusemax.errors import FusemaxError
from fusemax.report.numbers import Case, Numbers, ratios, shares, unit_of
from fusemax.table.table import Table


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
