"""Figures of any study: bars, stacks, lines or points over a column, one panel for each case.

They read nothing but the tables of a results folder and their own :class:`~fusemax.plot.spec.FigureSpec`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as File
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from fusemax.plot.labels import axis_label, power, scale, tick
from fusemax.plot.points import Chart, EmptyFigureError, Panel, chart
from fusemax.plot.spec import FigureSpec, Kind, Picture
from fusemax.plot.style import PAGE_WIDTH, Frame, Look, canvas, legend, looks, save, styled
from fusemax.table.store import read_tables
from fusemax.table.table import Tables

_GROUP = 0.84  #: of the room between two places of the x axis, how much the bars take
_LETTER = 0.075  #: inches, for deciding whether the texts of the ticks have room side by side


def draw(folder: File, spec: FigureSpec) -> Picture:
    """Return the picture of *spec*, an SVG and a PNG, drawn from the tables in *folder* and put beside them.

    Raises
    ------
    FusemaxError
        When a table or a column is missing, or the rows cannot be shown as asked (see ``points.chart``).
    """
    return draw_tables(read_tables(folder, (spec.table,)), folder, spec)


def draw_tables(tables: Tables, folder: File, spec: FigureSpec) -> Picture:
    """Return the picture of *spec*, drawn from *tables* into *folder*; its caption tells of gaps."""
    content = chart(tables, spec)
    stacked = spec.kind == "stacks"
    look = looks(content.shown if stacked else content.known, stacked)
    with styled():
        frame = _frame(content, spec)
        figure, grid = canvas(frame)
        _fill(grid, content, spec, look, frame.turned_ticks)
        handles = [_HANDLES[spec.kind](look[name]) for name in content.shown]
        legend(figure, frame, handles, 1.8 if spec.kind in _CATEGORICAL else 2.6)
        files = save(figure, folder, spec.file)
    caption = " ".join(text for text in (spec.caption, _gaps(content.gaps)) if text)
    return Picture(file=spec.file, title=content.title, caption=caption, paths=files)


def drawn(
    tables: Tables, specs: Sequence[FigureSpec], progress: Callable[[int, int, str], None]
) -> tuple[Picture, ...]:
    """Return the pictures of *specs*, drawn from *tables*; one of which no point has a value has no files."""
    found: list[Picture] = []
    for number, spec in enumerate(specs):
        progress(number, len(specs), f"drawing {spec.file}")
        try:
            found.append(draw_tables(tables, tables.folder, spec))
        except EmptyFigureError as error:
            found.append(Picture(file=spec.file, title=spec.title, caption=f"Not drawn: {error}.", paths=()))
    return tuple(found)


_MOST_GAPS = 3  #: named one by one


def _gaps(gaps: Sequence[str]) -> str:
    """Return what a reader is told of the points that have no value."""
    if not gaps:
        return ""
    listed = "; ".join(gaps[:_MOST_GAPS]) + ("; ..." if len(gaps) > _MOST_GAPS else "")
    return (
        f"{len(gaps)} {'point has' if len(gaps) == 1 else 'points have'} no value and left a gap: {listed}."
    )


def _frame(content: Chart, spec: FigureSpec) -> Frame:
    rows, columns = _shape(content, spec)
    room = PAGE_WIDTH / columns / max(1, len(content.xs)) if columns > 1 else 2.8 / max(1, len(content.xs))
    widest = max(len(tick(x)) for x in content.xs) * _LETTER
    alone = len(content.panels) == 1
    return Frame(
        rows=rows,
        columns=columns,
        title=content.title,
        xlabel=spec.xlabel or axis_label(content.x),
        ylabel=spec.ylabel or _ylabel(content, spec),
        legend=content.shown,
        has_headings=bool(spec.panels),
        turned_ticks=spec.kind in _CATEGORICAL and widest > 0.9 * room,
        panel_height=2.1 if alone else 1.25,
    )


def _ylabel(content: Chart, spec: FigureSpec) -> str:
    if spec.baseline is None:
        return axis_label(content.y, spec.unit)
    name = axis_label(content.y).partition(" (")[0]
    return f"{name}: {spec.ratio.replace('value', 'own').replace('baseline', spec.baseline)}"


def _shape(content: Chart, spec: FigureSpec) -> tuple[int, int]:
    """Return the rows and columns of panels: those of two columns' values, else nearly square."""
    if len(spec.panels) == 2:
        return len(_distinct(content, 0)), len(_distinct(content, 1))
    count = len(content.panels)
    columns = count if count < 3 else 2 if count == 4 else 3
    return -(-count // columns), columns


def _distinct(content: Chart, axis: int) -> list[Any]:
    return list(dict.fromkeys(panel.keys[axis] for panel in content.panels))


def _slots(content: Chart, spec: FigureSpec) -> list[tuple[int, int]]:
    """Return the row and the column of each panel."""
    if len(spec.panels) == 2:
        rows, columns = _distinct(content, 0), _distinct(content, 1)
        return [(rows.index(panel.keys[0]), columns.index(panel.keys[1])) for panel in content.panels]
    width = _shape(content, spec)[1]
    return [divmod(position, width) for position in range(len(content.panels))]


def _fill(
    grid: list[list[Axes]], content: Chart, spec: FigureSpec, look: Mapping[str, Look], turned: bool
) -> None:
    """Draw every panel, give all of them the same limits, and write ticks at the outer ones alone."""
    slots = _slots(content, spec)
    used = [grid[row][column] for row, column in slots]
    for axes in (axes for row in grid for axes in row if axes not in used):
        axes.set_axis_off()
    for axes, panel in zip(used, content.panels, strict=True):
        _PAINTERS[spec.kind](axes, panel, content, spec, look)
        if spec.panels:
            axes.set_title(panel.title, y=1.0)
    _limits(used, content, spec, turned)
    for axes, (row, column) in zip(used, slots, strict=True):
        is_lowest = (row + 1, column) not in slots
        is_first = (row, column - 1) not in slots
        axes.tick_params(labelleft=is_first, labelbottom=is_lowest)


def _limits(used: list[Axes], content: Chart, spec: FigureSpec, turned: bool) -> None:
    low = min(axes.get_ylim()[0] for axes in used)
    high = max(axes.get_ylim()[1] for axes in used)
    is_share = scale(content.y, spec.unit).unit == "%" and spec.baseline is None and high > 50
    for axes in used:
        if "y" in spec.log:
            axes.set_ylim(low, high)
            _log_ticks(axes.yaxis, high / low)
        else:
            axes.set_ylim(low, 104 if is_share and high < 112 else high)
            axes.yaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]) if is_share else MaxNLocator(5))
        axes.grid(axis="y")
        _x_axis(axes, content, spec, turned)


def _log_ticks(axis: Any, span: float) -> None:
    """Set ticks at the decades, and at 1, 2, 5 where there are few decades; written plainly."""
    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0) if span < 300 else (1.0,), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(NullLocator())


def _x_axis(axes: Axes, content: Chart, spec: FigureSpec, turned: bool) -> None:
    if spec.kind in _CATEGORICAL:
        axes.set_xticks(range(len(content.xs)), [tick(x) for x in content.xs], rotation=90 if turned else 0)
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.5, len(content.xs) - 0.5)
        return
    low, high = axes.get_xlim()
    axes.grid(axis="x")
    if scale(content.x).unit == "" and len(content.xs) <= 8:
        axes.set_xticks(list(content.xs), [tick(x) for x in content.xs])
        axes.xaxis.set_minor_locator(NullLocator())
    elif "x" in spec.log:
        _log_ticks(axes.xaxis, high / low)


def _bars(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw a group of bars at each x: from 0, or on a logarithmic axis from the baseline, which is 1."""
    width = _GROUP / len(content.shown)
    log = "y" in spec.log
    floor = 1.0 if spec.baseline else _log_floor(content)
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
    ys = [base, *(point.y for points in panel.series.values() for point in points)]
    low, high = min(ys), max(ys)
    if log:
        axes.set_ylim(low if low == base else low * 0.93, high * 1.08)
    else:
        axes.set_ylim(min(0.0, low * 1.05), high * 1.05)


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


def _log_floor(content: Chart) -> float:
    ys = [point.y for panel in content.panels for points in panel.series.values() for point in points]
    return min(ys) / 2


def _stacks(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw one bar at each x, made of the values of all series, the first at the bottom."""
    tops = dict.fromkeys(content.xs, 0.0)
    for name in content.shown:
        boxes = []
        for point in panel.series.get(name, ()):
            boxes.append((content.xs.index(point.x) - _GROUP / 2, tops[point.x], _GROUP, point.y))
            tops[point.x] += point.y
        _boxes(axes, boxes, look[name])
    axes.set_ylim(0.0, 1.05 * max(tops.values()))


def _curves(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw the points of each series, joined by a line when the figure is one of lines."""
    factor = scale(content.x).factor
    if "x" in spec.log:
        axes.set_xscale("log")
    if "y" in spec.log:
        axes.set_yscale("log")
    for name in content.shown:
        points = panel.series.get(name, ())
        axes.plot(
            [point.x * factor for point in points],
            [point.y for point in points],
            color=look[name].color,
            marker=look[name].marker,
            linestyle=look[name].dash if spec.kind == "lines" else "none",
            markeredgecolor="white",
            markeredgewidth=0.4,
        )
    if spec.baseline:
        axes.axhline(1.0, color="black", linewidth=0.8)
    _annotate(axes, panel, factor)


def _annotate(axes: Axes, panel: Panel, factor: float) -> None:
    """Write each text once, beside the highest of the points that bear it, and make room for it."""
    highest: dict[str, Any] = {}
    for point in (point for points in panel.series.values() for point in points if point.text):
        if point.text not in highest or point.y > highest[point.text].y:
            highest[point.text] = point
    if highest:
        axes.margins(y=0.1)
        _widen(axes, max(len(text) for text in highest) * _LETTER + 0.02)
    for text, point in highest.items():
        axes.annotate(
            text, (point.x * factor, point.y), (4, 2), textcoords="offset points", ha="left", va="bottom"
        )


def _widen(axes: Axes, inches: float) -> None:
    """Move the right end of the x axis so that about *inches* are free there, on any scale."""
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes stand in a figure"
    axes.autoscale_view()  # else the limits are those of empty axes until the figure is drawn
    width = axes.get_position().width * figure.get_figwidth()
    right = axes.transAxes.transform((width / (width - inches), 0.0))
    axes.set_xlim(right=axes.transData.inverted().transform(right)[0])


def _patch(look: Look) -> Patch:
    return Patch(**_fill_of(look), linewidth=0.3)


def _line(look: Look) -> Line2D:
    return Line2D([], [], color=look.color, marker=look.marker, linestyle=look.dash, markeredgecolor="white")  # pyright: ignore[reportArgumentType]


def _dot(look: Look) -> Line2D:
    return Line2D([], [], color=look.color, marker=look.marker, linestyle="none", markeredgecolor="white")


_CATEGORICAL = ("bars", "stacks")
_Painter = Callable[[Axes, Panel, Chart, FigureSpec, Mapping[str, Look]], None]
_PAINTERS: Mapping[Kind, _Painter] = {
    "bars": _bars,
    "stacks": _stacks,
    "lines": _curves,
    "scatter": _curves,
}
_HANDLES: Mapping[Kind, Callable[[Look], Any]] = {
    "bars": _patch,
    "stacks": _patch,
    "lines": _line,
    "scatter": _dot,
}
