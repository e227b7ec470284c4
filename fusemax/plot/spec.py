"""What a figure shows, as data: which rows of which table, on which axes, compared with what.

A study's ``figures:`` list holds such entries; nothing here imports a drawing library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["bars", "stacks", "lines", "scatter"]
Table = Literal["results", "breakdown", "comparison"]
Log = Literal["none", "x", "y", "xy"]
Ratio = Literal["value/baseline", "baseline/value"]
Cell = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureSpec:
    """One figure: columns for the axes, the series and the panels, and how the values are shown.

    - ``file`` is the name of the two image files without ending.
    - ``where`` keeps the rows whose column has the given value, or one of the given values.
    - ``panels`` names no column, one, or two: the rows and the columns of a grid.
    - With a ``baseline``, one of the values of ``series``, each y is shown relative to the baseline's y at
      the same x and panel: as ``value/baseline``, or turned round as ``baseline/value``, which is the
      speed-up where y is a time.
    - ``unit`` is what y is shown in, where its name does not say it: ``%``, ``ms``.
    - ``title`` may hold columns in braces that have one value in all rows: ``at {seq_len} tokens``.
    - ``annotate`` is a text beside each point, with columns in braces: ``{rows}x{columns}``.
    - ``caption`` tells a reader of the report what to look at.
    """

    file: str
    kind: Kind
    x: str
    y: str
    series: str | None = None
    panels: tuple[str, ...] = ()
    where: Mapping[str, Cell | tuple[Cell, ...]] = field(default_factory=dict)
    table: Table = "results"
    baseline: str | None = None
    ratio: Ratio = "value/baseline"
    log: Log = "none"
    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    unit: str = ""
    annotate: str = ""
    caption: str = ""

    def columns(self) -> tuple[str, ...]:
        """Return the columns that the figure reads, each once, texts of ``annotate`` apart."""
        names = (self.x, self.y, self.series, *self.panels, *self.where)
        return tuple(dict.fromkeys(name for name in names if name is not None))


#: Told of each figure when it is done, by its file name.
Progress = Callable[[str], None]
