"""What stands around the panels of a figure: how many there are, where each is, and the words beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fusemax.plot.canvas import RIGHT, Frame
from fusemax.plot.chart import Chart
from fusemax.plot.heat import BAR
from fusemax.plot.kinds import KINDS
from fusemax.plot.labels import axis_label
from fusemax.plot.names import legend_entries, ticks_of
from fusemax.plot.rows import ROW, names_of, row_label
from fusemax.plot.spec import FigureSpec
from fusemax.plot.style import PAGE_WIDTH
from fusemax.plot.words import LONGEST_NAME, LONGEST_TICK, cut, widest

SIDES, GAP = 0.72, 0.16  #: inches left and right of all panels, and between two
BETWEEN = 0.05  #: inches between two texts below an axis


def frame_of(content: Chart, spec: FigureSpec) -> Frame:
    """Return what stands around the panels of *content*."""
    if KINDS[spec.kind].lies:
        return _lying_frame(content, spec)
    rows, columns = _shape(content, spec)
    inner = (PAGE_WIDTH - SIDES - GAP * (columns - 1) if columns > 1 else 2.8) - _beside(content, spec)
    room = inner / columns / max(1, len(content.xs))
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
        turned_ticks=wide if KINDS[spec.kind].is_categorical and wide + BETWEEN > room else 0.0,
        panel_height=2.1 if alone else 1.25,
    )


def _beside(content: Chart, spec: FigureSpec) -> float:
    """Return the inches that a scale of colours and the names beside the panels take of their width."""
    if not KINDS[spec.kind].series_on_axis:
        return 0.0
    return BAR + max(0.0, widest(cut(content.shown, LONGEST_TICK)) - 0.32)


def _lying_frame(content: Chart, spec: FigureSpec) -> Frame:
    """Return the frame of names below each other: those of the first panel serve all, unless each has its own."""
    room = _room_of_names(content)
    return Frame(
        rows=1,
        columns=len(content.panels),
        title=content.title,
        xlabel=spec.ylabel or _ylabel(content, spec),
        ylabel="",
        legend=legend_entries(content, spec),
        has_headings=bool(spec.panels),
        turned_ticks=0.0,
        panel_height=ROW * max(len(names_of(panel, content)) for panel in content.panels) + 0.1,
        left=room,
        gap=0.34 if spec.panels else room,
    )


def _room_of_names(content: Chart) -> float:
    """Return the inches that names below each other take."""
    names = [[row_label(n, panel, content) for n in names_of(panel, content)] for panel in content.panels]
    return max(widest(cut(each, LONGEST_NAME)) for each in names) + 0.12


def in_columns(content: Chart) -> Chart:
    """Return *content* with the names of its one panel in several, as many as a page needs, or has room for."""
    if len(content.panels) > 1:
        return content
    panel = next(iter(content.panels))
    names = names_of(panel, content)
    most = max(1, int((PAGE_WIDTH - RIGHT) / (_room_of_names(content) + 1.0)))  # with an inch for the marks
    each = -(-len(names) // min(most, -(-len(names) // MOST_ROWS)))
    chunks = [names[start : start + each] for start in range(0, len(names), each)]
    panels = tuple(
        replace(panel, series={n: tuple(p for p in ps if p.x in chunk) for n, ps in panel.series.items()})
        for chunk in chunks
    )
    return replace(content, panels=panels)


MOST_ROWS = 60  #: below each other


def _xlabel(content: Chart, spec: FigureSpec) -> str:
    """Return the words below the x axis: without a unit where each value has its own."""
    label = axis_label(content.x)
    return label.partition(" (")[0] if content.x.role == "size" and content.x.unit != "1" else label


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


def slots_of(content: Chart, spec: FigureSpec) -> list[tuple[int, int]]:
    """Return the row and the column of each panel."""
    if len(spec.panels) == 2 and not KINDS[spec.kind].lies:
        rows, columns = _distinct(content, 0), _distinct(content, 1)
        return [(rows.index(panel.keys[0]), columns.index(panel.keys[1])) for panel in content.panels]
    width = _shape(content, spec)[1]
    return [divmod(position, width) for position in range(len(content.panels))]
