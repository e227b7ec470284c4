"""What a figure shows, worked out: panels, series and points, ready to be painted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusemax.table.column import Column

Keys = tuple[Any, ...]
#: The values at each panel, series and x.
Values = Mapping[tuple[Keys, str, Any], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Point:
    """One value: x as the table has it, y as it is shown (scaled or relative), the text beside it, what its kind needs."""

    x: Any
    y: float
    text: str = ""
    more: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes: its title and the points of each series."""

    keys: Keys
    series: Mapping[str, tuple[Point, ...]]
    title: str = ""

    @property
    def points(self) -> list[Point]:
        """The points of all series."""
        return [point for points in self.series.values() for point in points]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The panels of a figure, the series that it shows, and all series that its table has, in table order."""

    panels: tuple[Panel, ...]
    series: tuple[str, ...]
    known: tuple[str, ...]
    xs: tuple[Any, ...]
    title: str
    gaps: tuple[str, ...]  #: the points that have no value, in words
    x: Column
    y: Column
    series_column: Column | None = None
    notes: tuple[str, ...] = ()  #: what else a reader has to know of how it is shown

    @property
    def points(self) -> list[Point]:
        """The points of all panels."""
        return [point for panel in self.panels for point in panel.points]

    @property
    def shown(self) -> tuple[str, ...]:
        """The series that the figure shows, in table order."""
        return tuple(name for name in self.known if name in self.series)
