"""What a figure shows, as data: which rows of which table, on which axes, compared with what.

A study's ``figures:`` list holds such entries; nothing here imports a drawing library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Literal, get_args

Log = Literal["none", "x", "y", "xy"]
Ratio = Literal["value/baseline", "baseline/value"]
Cell = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureSpec:
    """One figure: columns for the axes, the series and the panels, and how the values are shown.

    - ``y`` is one column, or several that make a series each.
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

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic: a misspelt key is a mistake

    file: str
    kind: str
    x: str
    y: str | tuple[str, ...]
    series: str | None = None
    panels: tuple[str, ...] = ()
    where: Mapping[str, Cell | tuple[Cell, ...]] = field(default_factory=dict)
    table: str = "results"
    baseline: str | None = None
    ratio: Ratio = "value/baseline"
    log: Log = "none"
    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    unit: str = ""
    annotate: str = ""
    caption: str = ""

    def fields(self, key: str) -> tuple[str, ...]:
        """Return the columns in braces in the text *key*, ``annotate`` or ``title``; none where it cannot be read.

        >>> FigureSpec(file="a", kind="lines", x="m", y="t", title="at {seq_len}").fields("title")
        ('seq_len',)
        """
        try:
            return tuple(name for _, name, _, _ in Formatter().parse(getattr(self, key)) if name is not None)
        except ValueError:
            return ()

    @property
    def ys(self) -> tuple[str, ...]:
        """The columns of y."""
        return (self.y,) if isinstance(self.y, str) else self.y

    def columns(self) -> tuple[str, ...]:
        """Return the columns that the figure reads, each once, texts of ``annotate`` apart."""
        names = (self.x, *self.ys, self.series, *self.panels, *self.where)
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def mistakes(self) -> tuple[str, ...]:
        """Return what no kind of figure can mean, one text for each mistake; none where all is well.

        >>> FigureSpec(file="a/b", kind="bars", x="m", y="t").mistakes()
        ("file: expected a file name without folders, got 'a/b'",)
        """
        choices = (("log", Log), ("ratio", Ratio))
        found = [
            f"{key}: expected one of {', '.join(get_args(allowed))}, got {getattr(self, key)!r}"
            for key, allowed in choices
            if getattr(self, key) not in get_args(allowed)
        ]
        for key in ("annotate", "title"):
            try:
                list(Formatter().parse(getattr(self, key)))
            except ValueError as error:
                found.append(f"{key}: {getattr(self, key)!r}: {error}")
        if not self.file or "/" in self.file:
            found.append(f"file: expected a file name without folders, got {self.file!r}")
        if len(self.panels) > 2:
            found.append(f"panels: expected at most two columns, got {', '.join(self.panels)}")
        for name, wanted in self.where.items():
            if isinstance(wanted, tuple | list) and not wanted:
                found.append(f"where: an empty list keeps no row of any {name}")
        if not self.ys:
            found.append("y: an empty list names no column")
        if len(self.ys) > 1 and self.series is not None:
            found.append("series: several columns of y are the series")
        if self.baseline is not None and self.series is None and len(self.ys) < 2:
            found.append("baseline: needs series, of which it is one")
        if self.baseline is not None and self.unit:
            found.append("unit: values relative to a baseline have none")
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure that was drawn: its two files in a results folder, and what a reader of the report is told of it."""

    file: str
    title: str
    caption: str
    paths: tuple[Path, ...]
