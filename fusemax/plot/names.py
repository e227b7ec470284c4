"""The names in a figure: which of them its legend has, how they are cut where there is no room, and what is said of that."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from fusemax.plot.canvas import COLUMN_WIDTH, HANDLE
from fusemax.plot.chart import Chart
from fusemax.plot.kinds import KINDS
from fusemax.plot.labels import axis_label
from fusemax.plot.rows import names_of, row_label
from fusemax.plot.spec import FigureSpec
from fusemax.plot.style import PAGE_WIDTH, room_of
from fusemax.plot.words import LONGEST_NAME, LONGEST_TICK, cut, told_apart

MOST_LOOKS = 8  #: series with a colour each; more of them that are numbers go from dark to light
MOST_GRADED = 6  #: entries of a legend of those
MOST_ENTRIES = 30  #: entries of any legend


def is_graded(content: Chart, spec: FigureSpec) -> bool:
    """Return whether the series are so many numbers that colours from dark to light tell more than one colour each."""
    kind, column = KINDS[spec.kind], content.series_column
    numbers = column is not None and column.kind != "text" and not kind.adds_up and kind.handle is not None
    return numbers and len(content.shown) > MOST_LOOKS and all(map(_begins_with_digit, content.shown))


def _begins_with_digit(name: str) -> bool:
    return name[:1].isdigit()


def legend_names(content: Chart, spec: FigureSpec) -> tuple[str, ...]:
    """Return the series that the legend has: all, or of very many some; a single one needs none, but beside a baseline."""
    if KINDS[spec.kind].handle is None or (len(content.shown) == 1 and spec.baseline is None):
        return ()
    if not is_graded(content, spec):
        return content.shown[:MOST_ENTRIES]
    last = len(content.shown) - 1
    return tuple(content.shown[round(at * last / (MOST_GRADED - 1))] for at in range(MOST_GRADED))


def legend_entries(content: Chart, spec: FigureSpec) -> tuple[str, ...]:
    """Return the texts of the legend, cut to the width of the figure."""
    return cut(_entries(content, spec), _legend_room(content) - HANDLE)


def _entries(content: Chart, spec: FigureSpec) -> tuple[str, ...]:
    names = legend_names(content, spec)
    column = content.series_column
    if column is None or not names or not all(map(_is_number, names)):
        return names
    return (f"{axis_label(column)} {names[0]}", *names[1:])  # numbers alone do not say what they are


def _legend_room(content: Chart) -> float:
    return (PAGE_WIDTH if len(content.panels) > 1 else COLUMN_WIDTH) - 0.15


def _is_number(text: str) -> bool:
    """Whether *text* is a number as ticks are written: 64, 1.5K."""
    try:
        float(text.rstrip("KMG"))
    except ValueError:
        return False
    return True


def ticks_of(content: Chart) -> tuple[str, ...]:
    """Return the texts of all values of x, cut where they are long."""
    return cut(told_apart(content.xs, content.x), LONGEST_TICK)


def heading_room(used: Sequence[Axes]) -> float:
    """Return how wide the heading of a panel may be, in inches of letters that are not bold."""
    return room_of(used[0])[0] / 1.14


def notes_of(content: Chart, spec: FigureSpec, used: Sequence[Axes]) -> list[str]:
    """Return what a reader is told of names: those that were cut, in full, and series that the legend has not."""
    kind = KINDS[spec.kind]
    shown: list[tuple[Sequence[str], float]] = [(_entries(content, spec), _legend_room(content) - HANDLE)]
    if spec.panels:
        shown.append(([panel.title for panel in content.panels], heading_room(used)))
    if kind.lies:
        labels = [
            row_label(name, panel, content) for panel in content.panels for name in names_of(panel, content)
        ]
        shown.append((list(dict.fromkeys(labels)), LONGEST_NAME))
    elif kind.is_categorical:
        shown.append((told_apart(content.xs, content.x), LONGEST_TICK))
    if kind.series_on_axis:
        shown.append((content.shown, LONGEST_TICK))
    long = [
        full
        for names, room in shown
        for full, short in zip(names, cut(names, room), strict=True)
        if full != short
    ]
    found = [f"Names that are cut: {'; '.join(dict.fromkeys(long))}."] if long else []
    listed = legend_names(content, spec)
    if listed and len(listed) < len(content.shown):
        found.append(f"The legend names {len(listed)} of {len(content.shown)} series.")
    return found
