"""Rooflines: points below the bandwidth and the peak that bound them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

from matplotlib.axes import Axes

from fusemax.plot.chart import Chart, Panel
from fusemax.plot.curves import dots
from fusemax.plot.spec import FigureSpec
from fusemax.plot.style import Look
from fusemax.quantity import format_quantity

STEP = 2.2  #: by which the next bandwidth is written lower
MOST_NAMED = 3  #: roofs of one panel whose numbers are written beside them


PREFIXES = {0: "", 3: "k ", 6: "M ", 9: "G ", 12: "T ", 15: "P "}


def roofline(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw the points below the roofs that bound them: a bandwidth, which rises with x, and a peak."""
    points = [point for name in content.shown for point in panel.series.get(name, ())]
    roofs = dict.fromkeys(tuple(float(f"{value:.6g}") for value in point.more) for point in points)
    dots(axes, panel, content, spec, look)
    told: set[str] = set()
    for step, (peak, bandwidth) in enumerate(sorted(roofs, key=lambda roof: -roof[1])):
        color = _color_of_roof((peak, bandwidth), len(roofs), panel, content, look)
        ridge, far = peak / bandwidth, 1e9
        xs, ys = [ridge / far, ridge, ridge * far], [peak / far, peak, peak]
        axes.plot(xs, ys, color=color, linewidth=1.0, zorder=1)
        if len(roofs) <= MOST_NAMED:
            _name_roof(axes, peak, bandwidth, color, step, told)
    ends = [point.x for point in points] + [peak / bandwidth for peak, bandwidth in roofs]
    named = len(roofs) if len(roofs) <= MOST_NAMED else 1
    axes.set_xlim(min(ends) / 20 / STEP ** (named - 1), max(ends) * 8)
    lowest_y = min(min(point.y for point in points), min(peak for peak, _ in roofs) / 20)
    axes.set_ylim(lowest_y / 2, max(peak for peak, _ in roofs) * 3)


def _color_of_roof(
    roof: tuple[float, ...], count: int, panel: Panel, content: Chart, look: Mapping[str, Look]
) -> str:
    """Return the colour of the one series that a *roof* bounds, where there are several roofs; else grey."""
    owners = [
        name
        for name in content.shown
        if any(_is_near(point.more, roof) for point in panel.series.get(name, ()))
    ]
    return look[owners[0]].color if len(owners) == 1 and count > 1 else "0.35"


def _is_near(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(abs(a - b) <= 1e-5 * abs(b) for a, b in zip(one, other, strict=True))


def _name_roof(axes: Axes, peak: float, bandwidth: float, color: str, step: int, told: set[str]) -> None:
    """Write the peak at the right end of its roof, and the bandwidth left of the rising part, lower by *step* steps."""
    words: Any = {"textcoords": "offset points", "color": color, "fontsize": "small", "va": "bottom"}
    exponent = min(15, max(0, int(log10(peak)) // 3 * 3))
    text = f"{peak / 10.0**exponent:.3g} {PREFIXES[exponent]}lane-cycles/s"
    if text not in told:
        axes.annotate(text, (1, peak), (-2, 2), xycoords=("axes fraction", "data"), ha="right", **words)
    told.add(text)
    down = 2.0 * STEP**step
    place = (peak / bandwidth / down, peak / down)
    axes.annotate(format_quantity(bandwidth, "B/s", 3), place, (-3, 0), ha="right", **words)
