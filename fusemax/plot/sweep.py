"""Figures of any study: bars, stacks, lines or points over a column, one panel for each case.

They read nothing but the tables of a results folder and their own :class:`~fusemax.plot.spec.FigureSpec`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path as File

from fusemax.errors import FusemaxError
from fusemax.plot.axes import fill
from fusemax.plot.canvas import canvas, legend
from fusemax.plot.chart import Chart
from fusemax.plot.curves import dot, is_crowded
from fusemax.plot.frames import frame_of, in_columns
from fusemax.plot.kinds import KINDS, settled
from fusemax.plot.names import is_graded, legend_names, notes_of
from fusemax.plot.points import chart
from fusemax.plot.spec import FigureSpec, Picture
from fusemax.plot.style import graded, looks, save, styled
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
        frame = frame_of(content, spec)
        figure, grid = canvas(frame)
        used = fill(grid, content, spec, look, frame)
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
    listed = "; ".join(gaps[:_MOST_GAPS])
    if more := len(gaps[_MOST_GAPS:]):
        listed += f"; and {more} more"
    return (
        f"{len(gaps)} {'point has' if len(gaps) == 1 else 'points have'} no value and left a gap: {listed}."
    )
