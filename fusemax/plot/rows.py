"""Rows: a name on each line, and the values of each series as marks along it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fusemax.plot.chart import Chart, Panel
from fusemax.plot.labels import value_text
from fusemax.plot.scales import scale
from fusemax.plot.spec import FigureSpec
from fusemax.plot.style import Look
from fusemax.plot.ticks import level_ticks
from fusemax.plot.words import LONGEST_NAME, cut

ROW = 0.155  #: inches from one row to the next
_LARGEST, _SMALLEST = 7.0, 4.4  #: first and last marks: one shows around another at the same place


def names_of(panel: Panel, content: Chart) -> list[Any]:
    """Return the rows of *panel*, in the order of the table."""
    there = {point.x for point in panel.points}
    return [x for x in content.xs if x in there]


def row_label(name: Any, panel: Panel, content: Chart) -> str:
    """Return the text of the row *name*, with what its points say in brackets."""
    texts = (point.text for point in panel.points if point.x == name)
    said = next(filter(None, texts), "")
    return f"{value_text(name, content.x)} ({said})" if said else value_text(name, content.x)


def rows(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw a mark for each series on each row, at its mean where it has several values; lines join what is on a row."""
    names = names_of(panel, content)
    if "y" in spec.log:
        axes.set_xscale("log")
    step = (_LARGEST - _SMALLEST) / max(1, len(content.shown) - 1)
    for at, name in enumerate(names):
        values = {s: [p.y for p in panel.series.get(s, ()) if p.x == name] for s in content.shown}
        values = {series: ys for series, ys in values.items() if ys}
        places = _joined(axes, at, values, look)
        for series, ys in values.items():
            size = _LARGEST - step * content.shown.index(series) if len(content.shown) > 1 else 4.5
            axes.plot(
                [sum(ys) / len(ys)], [places[series]], color=look[series].color, marker=look[series].marker,
                linestyle="none", markersize=size, markeredgecolor="white", markeredgewidth=0.5, zorder=3, clip_on=False,
            )  # fmt: skip
    axes.set_ylim(len(names) - 0.4, -0.6)
    labels = cut([row_label(name, panel, content) for name in names], LONGEST_NAME)
    axes.set_yticks(range(len(names)), labels)
    axes.tick_params(axis="y", length=0)
    if "y" not in spec.log:
        whole = content.y.kind == "whole" and scale(content.y, spec.unit).factor == 1.0
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=whole))
        axes.xaxis.set_major_formatter(level_ticks())
    axes.margins(x=0.08)
    axes.grid(axis="x")


def _joined(
    axes: Axes, at: int, values: Mapping[str, Sequence[float]], look: Mapping[str, Look]
) -> dict[str, float]:
    """Draw the lines of row *at* and return the height of each series on it.

    A line reaches from the least to the most of a series that has several values, each at a height of its own; else one line
    joins all.
    """
    if all(len(ys) == 1 for ys in values.values()):
        every = [y for ys in values.values() for y in ys]
        axes.plot([min(every), max(every)], [at, at], color="0.75", linewidth=1.0, zorder=1)
        return dict.fromkeys(values, float(at))
    middle = (len(values) - 1) / 2
    places = {
        series: at + 0.36 * (position - middle) / max(1, len(values) - 1)
        for position, series in enumerate(values)
    }
    for series, ys in values.items():
        ends, height = [min(ys), max(ys)], [places[series]] * 2
        axes.plot(ends, height, color=look[series].color, linewidth=0.8, alpha=0.7, zorder=2)
    return places
