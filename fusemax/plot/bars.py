"""Bars and stacks: boxes at places of equal width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from fusemax.plot.chart import Chart, Panel
from fusemax.plot.spec import FigureSpec
from fusemax.plot.style import Look

_GROUP = 0.84  #: of the room between two places of the x axis, how much the bars take


def bars(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw a group of bars at each x: from 0, or on a logarithmic axis from the baseline, which is 1."""
    width = _GROUP / len(content.shown)
    log = "y" in spec.log
    floor = 1.0 if spec.baseline else min(point.y for point in content.points) / 2
    base = floor if log else 0.0
    if log:
        axes.set_yscale("log")
    for position, name in enumerate(content.shown):
        shift = (position - len(content.shown) / 2) * width
        boxes = [
            (content.xs.index(point.x) + shift, base, width, point.y - base)
            for point in panel.series.get(name, ())
        ]
        _boxes(axes, boxes, look[name], edge=0.3)
    if spec.baseline:
        axes.axhline(1.0, color="black", linewidth=0.8)
    _flat(axes, panel, content, spec, base, look)
    ys = [base, *(point.y for point in panel.points)]
    low, high = min(ys), max(ys)
    if log:
        axes.set_ylim(low if low == base else low * 0.93, high * 1.08)
    else:
        axes.set_ylim(min(0.0, low * 1.05), high * 1.05 or 1.0)


def _flat(
    axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, base: float, look: Mapping[str, Look]
) -> None:
    """Draw a line for each bar that is no taller than a line, such as a ratio of 1 on a logarithmic axis."""
    width = _GROUP / len(content.shown)
    height = (lambda y: abs(log(y / base))) if "y" in spec.log else (lambda y: abs(y - base))
    thin = max((height(point.y) for point in panel.points), default=0.0) / 60
    for position, name in enumerate(content.shown):
        shift = (position - len(content.shown) / 2) * width
        for point in panel.series.get(name, ()):
            if height(point.y) <= thin:
                left = content.xs.index(point.x) + shift
                ends = [left + 0.1 * width, left + 0.9 * width]
                color = look[name].color
                axes.plot(ends, [point.y] * 2, color=color, linewidth=2.5, solid_capstyle="butt", zorder=4)


def _boxes(
    axes: Axes, boxes: Sequence[tuple[float, float, float, float]], look: Look, edge: float = 0.0
) -> None:
    """Draw *boxes*, each (left, bottom, width, height), as one shape: a figure has hundreds of them."""
    corners = [
        corner
        for left, bottom, width, height in boxes
        for corner in (
            (left, bottom),
            (left, bottom + height),
            (left + width, bottom + height),
            (left + width, bottom),
            (left, bottom),
        )
    ]
    pen = (Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY) * len(boxes)
    if boxes:
        axes.add_artist(PathPatch(Path(corners, pen), **_fill_of(look), linewidth=edge))


def _fill_of(look: Look) -> dict[str, Any]:
    return {"facecolor": look.color, "hatch": look.hatch, "edgecolor": "white"}


def stacks(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw one bar at each x, made of the values of all series, the first at the bottom."""
    tops = dict.fromkeys(content.xs, 0.0)
    for name in content.shown:
        boxes = []
        for point in panel.series.get(name, ()):
            boxes.append((content.xs.index(point.x) - _GROUP / 2, tops[point.x], _GROUP, point.y))
            tops[point.x] += point.y
        _boxes(axes, boxes, look[name])
    axes.set_ylim(0.0, 1.05 * max(tops.values()) or 1.0)


def patch(look: Look) -> Patch:
    """Return what stands for bars in a legend."""
    return Patch(**_fill_of(look), linewidth=0.3)
