"""The axes of all panels: painted, with the same limits, and with as many ticks as there is room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import floor, log10
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullFormatter, NullLocator

from fusemax.plot.canvas import Frame, xlabel
from fusemax.plot.chart import Chart
from fusemax.plot.frames import slots_of
from fusemax.plot.kinds import KINDS
from fusemax.plot.labels import axis_label, value_text
from fusemax.plot.names import heading_room, ticks_of
from fusemax.plot.scales import FEW_DECADES, scale
from fusemax.plot.spec import FigureSpec
from fusemax.plot.style import Look, figure_of, room_of
from fusemax.plot.ticks import level_ticks, log_ticks
from fusemax.plot.words import cut, inches


def fill(
    grid: list[list[Axes]], content: Chart, spec: FigureSpec, look: Mapping[str, Look], frame: Frame
) -> list[Axes]:
    """Return the axes of all panels, drawn, with the same limits, and ticks at the outer ones alone."""
    slots = slots_of(content, spec)
    used = [grid[row][column] for row, column in slots]
    for axes in (axes for row in grid for axes in row if axes not in used):
        axes.set_axis_off()
    for axes, panel in zip(used, content.panels, strict=True):
        KINDS[spec.kind].paint(axes, panel, content, spec, look)
    if spec.panels:
        titles = cut([panel.title for panel in content.panels], heading_room(used))
        for axes, title in zip(used, titles, strict=True):
            axes.set_title(title, y=1.0)
    _limits(used, content, spec, frame)
    for axes, (row, column) in zip(used, slots, strict=True):
        is_lowest = (row + 1, column) not in slots
        is_first = (row, column - 1) not in slots
        axes.tick_params(
            labelleft=is_first or (KINDS[spec.kind].lies and not spec.panels), labelbottom=is_lowest
        )
    return used


def _limits(used: list[Axes], content: Chart, spec: FigureSpec, frame: Frame) -> None:
    if KINDS[spec.kind].series_on_axis:
        for axes in used:
            _x_axis(axes, content, spec, frame)
        return
    if KINDS[spec.kind].lies:
        _same_x(used)
        for axes in used:
            low, high = axes.get_xlim()
            if "y" in spec.log:
                _log_ticks(axes.xaxis, high / low, room_of(axes)[0] / 0.42)
        return
    if not KINDS[spec.kind].is_categorical:
        _same_x(used)
    low = min(axes.get_ylim()[0] for axes in used)
    high = max(axes.get_ylim()[1] for axes in used)
    is_share = scale(content.y, spec.unit).unit == "%" and spec.baseline is None and high > 50 and low < 26
    for axes in used:
        if "y" in spec.log:
            margin = (
                (high / low) ** 0.02 if len(used) > 1 else 1.0
            )  # that of a flat panel is too small for all
            axes.set_ylim(low / margin, high * margin)
            _log_ticks(axes.yaxis, high / low, room_of(axes)[1] / 0.17)
        else:
            axes.set_ylim(low, 104 if is_share and high < 112 else high)
            axes.yaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]) if is_share else MaxNLocator(5))
            axes.yaxis.set_major_formatter(level_ticks())
        axes.grid(axis="y")
        _x_axis(axes, content, spec, frame)


def _same_x(used: Sequence[Axes]) -> None:
    left, right = zip(*(axes.get_xlim() for axes in used), strict=True)
    for axes in used:
        axes.set_xlim(min(left), max(right))


def _given_ticks(axes: Axes, content: Chart) -> Sequence[float]:
    """Return the given values of x whose ticks have room side by side: all, or each second, third or fourth; else none."""
    dpi, factor = figure_of(axes).dpi, scale(content.x).factor
    for step in (1, 2, 3, 4):
        xs = content.xs[::step]
        places = [axes.transData.transform((x * factor, 1.0))[0] / dpi for x in xs]
        widths = [inches(value_text(x, content.x)) for x in xs]
        needed = [(one + other) / 2 + 0.06 for one, other in pairwise(widths)]
        if all(right - left > room for (left, right), room in zip(pairwise(places), needed, strict=True)):
            return xs
    return ()


def _log_ticks(axis: Any, span: float, room: float) -> None:
    """Set ticks at the decades, and at 1, 2, 5 where there are few decades: as many as *room* is there for.

    On an axis so short that fewer than two of those are on it, they stand as on a level one.
    """
    close = (1.0, 2.0, 5.0) if span < FEW_DECADES else (1.0,)
    low, high = sorted(axis.get_view_interval())
    if (
        span < 10
        and sum(low <= n * 10.0**k <= high for n in close for k in (floor(log10(low)), floor(log10(high))))
        < 2
    ):
        axis.set_major_locator(MaxNLocator(min(4, max(2, int(room)))))
        axis.set_major_formatter(level_ticks())
        axis.set_minor_locator(NullLocator())
        return
    axis.set_major_locator(LogLocator(base=10, subs=close, numticks=min(12, max(3, int(room)))))
    axis.set_major_formatter(log_ticks(axis))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(NullLocator())


def _x_axis(axes: Axes, content: Chart, spec: FigureSpec, frame: Frame) -> None:
    if KINDS[spec.kind].is_categorical:
        axes.set_xticks(
            range(len(content.xs)),
            ticks_of(content),
            rotation=90 if frame.turned_ticks else 0,
        )
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.5, len(content.xs) - 0.5)
        return
    low, high = axes.get_xlim()
    axes.grid(axis="x")
    given = _given_ticks(axes, content) if content.x.role != "measure" else ()
    if given:
        factor = scale(content.x).factor
        axes.set_xticks([x * factor for x in given], [value_text(x, content.x) for x in given])
        axes.xaxis.set_minor_locator(NullLocator())
        return
    if "x" in spec.log:
        _log_ticks(axes.xaxis, high / low, room_of(axes)[0] / 0.36)
    else:
        axes.xaxis.set_major_formatter(level_ticks())
    if not spec.xlabel:  # ticks that are no given values have no unit of their own
        xlabel(figure_of(axes), frame, axis_label(content.x))
