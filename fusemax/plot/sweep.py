"""Figures of any study: bars, stacks, lines or points over a column, one panel for each case.

They read nothing but the tables of a results folder and their own :class:`~fusemax.plot.spec.FigureSpec`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path as File
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullFormatter, NullLocator

from fusemax.errors import FusemaxError
from fusemax.plot.chart import Chart
from fusemax.plot.curves import dot, is_crowded
from fusemax.plot.kinds import KINDS, settled
from fusemax.plot.labels import FEW_DECADES, axis_label, level_ticks, log_ticks, scale, value_text
from fusemax.plot.names import heading_room, is_graded, legend_entries, legend_names, notes_of, ticks_of
from fusemax.plot.points import chart
from fusemax.plot.rows import ROW, names_of, row_label
from fusemax.plot.spec import FigureSpec, Picture
from fusemax.plot.style import (
    PAGE_WIDTH,
    Frame,
    Look,
    canvas,
    figure_of,
    graded,
    legend,
    looks,
    room_of,
    save,
    styled,
    xlabel,
)
from fusemax.plot.words import LONGEST_NAME, cut, inches, widest
from fusemax.table.store import read_tables
from fusemax.table.table import Tables


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
    content, spec = chart(tables, spec), settled(spec)
    kind = KINDS[spec.kind]
    content = in_columns(content) if kind.lies else content
    by_colour = is_graded(content, spec)
    known = content.shown if kind.adds_up or by_colour else content.known
    look = graded(known) if by_colour else looks(known, kind.adds_up)
    with styled():
        frame = _frame(content, spec)
        figure, grid = canvas(frame)
        used = _fill(grid, content, spec, look, frame)
        if kind.handle is not None:
            handles = [kind.handle(look[name]) for name in legend_names(content, spec)]
            legend(figure, frame, handles, 1.8 if kind.is_categorical else 2.6)
        if kind.finish is not None:
            kind.finish(figure, used, content, spec)
        files = save(figure, folder, spec.file)
    said = (
        spec.caption,
        *content.notes,
        *notes_of(content, spec, used),
        _crowd(content, spec),
        _gaps(content.gaps),
    )
    caption = " ".join(filter(None, said))
    return Picture(file=spec.file, title=content.title, caption=caption, paths=files)


def drawn(
    tables: Tables, specs: Sequence[FigureSpec], progress: Callable[[int, int, str], None]
) -> tuple[Picture, ...]:
    """Return the pictures of *specs*, drawn from *tables*; one that cannot be drawn has no files, and says why."""
    found: list[Picture] = []
    for number, spec in enumerate(specs):
        progress(number, len(specs), f"drawing {spec.file}")
        if tables.get(spec.table) is None:
            caption = f"Not drawn: the study left no {spec.table}, for nothing fits."
            found.append(Picture(file=spec.file, title=spec.title, caption=caption, paths=()))
            continue
        try:
            found.append(draw_tables(tables, tables.folder, spec))
        except FusemaxError as error:
            found.append(Picture(file=spec.file, title=spec.title, caption=f"Not drawn: {error}.", paths=()))
    return tuple(found)


def _crowd(content: Chart, spec: FigureSpec) -> str:
    """Return what a reader is told of points that lie together."""
    has_dots = KINDS[spec.kind].handle is dot
    return (
        "Where points lie together there is one mark, the darker the more they are."
        if has_dots and is_crowded(content)
        else ""
    )


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
    if KINDS[spec.kind].lies:
        return _lying_frame(content, spec)
    rows, columns = _shape(content, spec)
    room = PAGE_WIDTH / columns / max(1, len(content.xs)) if columns > 1 else 2.8 / max(1, len(content.xs))
    wide = widest(ticks_of(content))
    alone = len(content.panels) == 1
    return Frame(
        rows=rows,
        columns=columns,
        title=content.title,
        xlabel=spec.xlabel or _xlabel(content, spec),
        ylabel=spec.ylabel or _ylabel(content, spec),
        legend=legend_entries(content, spec) if KINDS[spec.kind].handle else (),
        has_headings=bool(spec.panels) or KINDS[spec.kind].finish is not None,
        turned_ticks=wide if KINDS[spec.kind].is_categorical and wide > 0.92 * room else 0.0,
        panel_height=2.1 if alone else 1.25,
    )


def _lying_frame(content: Chart, spec: FigureSpec) -> Frame:
    """Return the frame of names below each other: those of the first panel serve all, unless each has its own."""
    names = [[row_label(n, panel, content) for n in names_of(panel, content)] for panel in content.panels]
    room = max(widest(cut(each, LONGEST_NAME)) for each in names) + 0.12
    return Frame(
        rows=1,
        columns=len(content.panels),
        title=content.title,
        xlabel=spec.ylabel or _ylabel(content, spec),
        ylabel="",
        legend=legend_entries(content, spec),
        has_headings=bool(spec.panels),
        turned_ticks=0.0,
        panel_height=ROW * max(map(len, names)) + 0.1,
        left=room,
        gap=0.34 if spec.panels else room,
    )


def in_columns(content: Chart) -> Chart:
    """Return *content* with the names of its one panel in several, as many as need be for a page."""
    if len(content.panels) > 1:
        return content
    panel = next(iter(content.panels))
    names = names_of(panel, content)
    each = -(-len(names) // -(-len(names) // MOST_ROWS))
    chunks = [names[start : start + each] for start in range(0, len(names), each)]
    panels = tuple(
        replace(panel, series={n: tuple(p for p in ps if p.x in chunk) for n, ps in panel.series.items()})
        for chunk in chunks
    )
    return replace(content, panels=panels)


MOST_ROWS = 60  #: below each other


def _xlabel(content: Chart, spec: FigureSpec) -> str:
    """Return the words below the x axis: without a unit where each value has its own."""
    alone = content.x.role == "size"
    return (
        axis_label(content.x).partition(" (")[0] if alone and content.x.unit != "1" else axis_label(content.x)
    )


def _ylabel(content: Chart, spec: FigureSpec) -> str:
    if KINDS[spec.kind].series_on_axis:
        return axis_label(content.series_column).partition(" (")[0] if content.series_column else ""
    if spec.baseline is None:
        return axis_label(content.y, spec.unit)
    name = axis_label(content.y).partition(" (")[0]
    return f"{name}: {spec.ratio.replace('value', 'own').replace('baseline', spec.baseline)}"


def _shape(content: Chart, spec: FigureSpec) -> tuple[int, int]:
    """Return the rows and columns of panels: those of two columns' values, else nearly square."""
    if KINDS[spec.kind].lies:
        return 1, len(content.panels)
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
    grid: list[list[Axes]], content: Chart, spec: FigureSpec, look: Mapping[str, Look], frame: Frame
) -> list[Axes]:
    """Return the axes of all panels, drawn, with the same limits, and ticks at the outer ones alone."""
    slots = _slots(content, spec)
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
    """Set ticks at the decades, and at 1, 2, 5 where there are few decades: as many as *room* is there for."""
    close = (1.0, 2.0, 5.0) if span < FEW_DECADES else (1.0,)
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
