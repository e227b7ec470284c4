"""Lines and points, with texts beside them, and what stands for them in a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from fusemax.plot.beside import annotate
from fusemax.plot.chart import Chart, Panel
from fusemax.plot.scales import scale
from fusemax.plot.spec import FigureSpec
from fusemax.plot.style import Look, log_scales

EDGE = 0.4  #: white around a mark, in points
CROWD = 1000  #: points of a panel from which on one mark stands for all that lie together
CELLS = np.array([90.0, 60.0])  #: of a panel, across and up, in which points lie together
MANY = 60  #: points of a panel from which on they are drawn small
CLOSE = 20  #: lines from which on they are thin, without marks


def lines(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw the points of each series, joined by a line."""
    _curves(axes, panel, content, spec, look, joined=True)


def dots(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw the points of each series."""
    _curves(axes, panel, content, spec, look, joined=False)


def _curves(
    axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look], joined: bool
) -> None:
    factor = scale(content.x).factor
    log_scales(axes, spec.log)
    count = len(panel.points)
    if not joined and count > CROWD:
        _crowd(axes, panel, content, spec, look)
        return
    many = not joined and count > MANY
    thin = joined and len(content.shown) > CLOSE
    for name in content.shown:
        points = panel.series.get(name, ())
        axes.plot(
            [point.x * factor for point in points],
            [point.y for point in points],
            color=look[name].color,
            marker="" if thin else look[name].marker,
            linestyle=look[name].dash if joined else "none",
            linewidth=0.6 if thin else 1.3,
            markeredgecolor="white",
            markersize=3.0 if many else 4.5,
            markeredgewidth=0.0 if many else EDGE,
            alpha=0.7 if many else 1.0,
        )
    if spec.baseline:
        axes.axhline(1.0, color="black", linewidth=0.8)
    annotate(axes, panel, factor)


def is_crowded(content: Chart) -> bool:
    """Return whether a panel has more points than can be told apart."""
    return any(len(panel.points) > CROWD for panel in content.panels)


def _crowd(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw one mark for all points of a series that lie together, the darker the more they are."""
    factor = scale(content.x).factor
    points = [(point.x * factor, point.y) for point in panel.points]
    kept = [np.log if axis in spec.log else np.asarray for axis in "xy"]
    low, span = zip(*((low, (high - low) or 1.0) for low, high in _ends(points, kept)), strict=True)
    for name in content.shown:
        found = np.array([(point.x * factor, point.y) for point in panel.series.get(name, ())]).reshape(-1, 2)
        flat = np.stack([change(found[:, n]) for n, change in enumerate(kept)], axis=1)
        cells = np.floor((flat - low) / span * CELLS)
        _, first, counts = np.unique(cells, axis=0, return_index=True, return_counts=True)
        dark = 0.25 + 0.75 * np.log1p(counts) / np.log1p(counts.max(initial=1))
        axes.scatter(
            found[first, 0], found[first, 1], s=9.0, marker=look[name].marker, color=look[name].color, alpha=dark, linewidth=0
        )  # fmt: skip


def _ends(points: Sequence[tuple[float, float]], kept: Sequence[Any]) -> list[tuple[float, float]]:
    values = [change(np.array([point[n] for point in points])) for n, change in enumerate(kept)]
    return [(float(one.min()), float(one.max())) for one in values]


def line(look: Look) -> Line2D:
    """Return what stands for a line in a legend."""
    return _mark(look, look.dash)


def dot(look: Look) -> Line2D:
    """Return what stands for points in a legend."""
    return _mark(look, "none")


def _mark(look: Look, dash: str) -> Line2D:
    """Return a mark in a legend, on a line of *dash*."""
    drawn: dict[str, Any] = {"color": look.color, "marker": look.marker, "linestyle": dash}
    return Line2D([], [], markeredgecolor="white", markeredgewidth=EDGE, **drawn)
