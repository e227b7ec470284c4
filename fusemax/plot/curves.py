"""Lines and points, with texts beside them, and what stands for them in a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from fusemax.plot.chart import Chart, Panel
from fusemax.plot.labels import scale
from fusemax.plot.spec import FigureSpec
from fusemax.plot.style import Look, figure_of, log_scales, room_of
from fusemax.plot.words import cut, inches, widest

CROWD = 1000  #: points of a panel from which on one mark stands for all that lie together
CELLS = np.array([90.0, 60.0])  #: of a panel, across and up, in which points lie together
MANY = 60  #: points of a panel from which on they are drawn small
LINE = 0.15  #: inches of a line of text
LONGEST_TEXT = 1.0  #: inches of a text beside a point
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
            markeredgewidth=0.0 if many else 0.4,
            alpha=0.7 if many else 1.0,
        )
    if spec.baseline:
        axes.axhline(1.0, color="black", linewidth=0.8)
    _annotate(axes, panel, factor)


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


def _annotate(axes: Axes, panel: Panel, factor: float) -> None:
    """Write each text once, beside the highest of the points that bear it, and make room for it."""
    highest: dict[str, Any] = {}
    for point in panel.points:
        if point.text and (point.text not in highest or point.y > highest[point.text].y):
            highest[point.text] = point
    if highest:
        axes.margins(y=0.1)
        _widen(axes, min(LONGEST_TEXT, widest(list(highest))) + 0.05)
    short = dict(zip(highest, cut(list(highest), LONGEST_TEXT), strict=True))
    taken: list[Box] = []
    for text, point in highest.items():
        place = (point.x * factor, point.y)
        side, height = _free(axes, place, inches(short[text]), taken)
        axes.annotate(
            short[text],
            place,
            (4 * side, 2 * height),
            textcoords="offset points",
            ha=SIDES[side],
            va=HEIGHTS[height],
        )


SIDES = {1: "left", -1: "right"}
HEIGHTS = {1: "bottom", -1: "top"}
TOUCH = 0.02  #: inches by which texts may lie on each other
Box = tuple[float, float, float, float]


def _free(axes: Axes, place: tuple[float, float], width: float, taken: list[Box]) -> tuple[int, int]:
    """Return on which side of *place*, and whether above or below, a text lies on no other; it is *taken* then."""
    x, y = axes.transData.transform(place) / figure_of(axes).dpi
    boxes: dict[tuple[int, int], Box] = {}
    for height in (1, -1):
        for side in (1, -1):
            across, up = sorted((x, x + side * width)), sorted((y, y + height * LINE))
            boxes[side, height] = (across[0], up[0], across[1], up[1])
    clear = (key for key, box in boxes.items() if not any(_meet(box, other) for other in taken))
    found = next(clear, (1, 1))
    taken.append(boxes[found])
    return found


def _meet(one: Box, other: Box) -> bool:
    across = min(one[2], other[2]) - max(one[0], other[0])
    return across > TOUCH and min(one[3], other[3]) - max(one[1], other[1]) > TOUCH


def _widen(axes: Axes, free: float) -> None:
    """Move the right end of the x axis so that about *free* inches are empty there, on any scale."""
    axes.autoscale_view()  # else the limits are those of empty axes until the figure is drawn
    width, _ = room_of(axes)
    free = min(free, 0.5 * width)
    right = axes.transAxes.transform((width / (width - free), 0.0))
    axes.set_xlim(right=axes.transData.inverted().transform(right)[0])


def line(look: Look) -> Line2D:
    """Return what stands for a line in a legend."""
    return Line2D([], [], color=look.color, marker=look.marker, linestyle=look.dash, markeredgecolor="white")  # pyright: ignore[reportArgumentType]


def dot(look: Look) -> Line2D:
    """Return what stands for points in a legend."""
    return Line2D([], [], color=look.color, marker=look.marker, linestyle="none", markeredgecolor="white")
