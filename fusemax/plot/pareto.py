"""Fronts: the points that no other beats, joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from fusemax.plot.chart import Chart, Panel, Point
from fusemax.plot.scales import scale
from fusemax.plot.spec import FigureSpec
from fusemax.plot.style import Look, log_scales

FEW = 8  #: points of a series that are drawn large, beaten or not: they are what the others are held against


def front(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw the points, small where another is lower in one of x and y and no higher in the other; join the rest.

    The points of a series that has few stay large, and stand above those of series that have many.
    The stairs bound what can be had: left of them and below there is no point.
    """
    factor = scale(content.x).factor
    log_scales(axes, spec.log)
    everything = [point for name in content.shown for point in panel.series.get(name, ())]
    best = set(map(id, lowest(everything)))
    stairs = sorted(
        (point for point in everything if id(point) in best), key=lambda point: (point.x, -point.y)
    )
    xs, ys = [point.x * factor for point in stairs], [point.y for point in stairs]
    axes.step(xs, ys, where="post", color="0.45", linewidth=1.0, zorder=1)
    for place, name in enumerate(sorted(content.shown, key=lambda name: -len(panel.series.get(name, ())))):
        few = len(panel.series.get(name, ())) <= FEW
        for kept in (False, True):
            points = [point for point in panel.series.get(name, ()) if (id(point) in best) == kept]
            large = kept or few
            axes.plot(
                [point.x * factor for point in points], [point.y for point in points], color=look[name].color,
                marker=look[name].marker, linestyle="none", markersize=5.5 if large else 2.6, markeredgecolor="white",
                markeredgewidth=0.4 if large else 0.0, alpha=1.0 if large else 0.55, zorder=2 + place,
            )  # fmt: skip


def lowest(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points than which none is lower in x or y without being higher in the other.

    >>> [(point.x, point.y) for point in lowest([Point(1, 3.0), Point(2, 2.0), Point(3, 2.0), Point(2, 4.0)])]
    [(1, 3.0), (2, 2.0)]
    """
    found: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, point.y)):
        if not found or point.y < found[-1].y:
            found.append(point)
    return tuple(found)
