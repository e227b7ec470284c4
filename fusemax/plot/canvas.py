"""An empty figure with the room that its panels and the words around them need, in inches."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fusemax.plot.style import DOTS_PER_INCH, PAGE_WIDTH, POINTS, head
from fusemax.plot.words import inches, widest

COLUMN_WIDTH = 3.5  #: inches, of one column of a two-column page


RIGHT = 0.1  #: inches right of the panels
NARROWEST = 0.4  #: inches of a panel
HANDLE = 0.52  #: inches beside the text of an entry of a legend
_LINE = 0.165  #: inches from one line of such text to the next
_ENTRY = 0.145  #: inches from one entry of a legend to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What stands around the panels of a figure."""

    rows: int
    columns: int
    title: str
    xlabel: str
    ylabel: str
    legend: tuple[str, ...]
    has_headings: bool  #: each panel has a line of text above it
    turned_ticks: float  #: inches that texts of the x ticks take upwards; 0 where they run across
    panel_height: float  #: inches
    left: float = 0.62  #: inches left of the panels, for their ticks
    gap: float = 0.16  #: inches between panels side by side

    @property
    def width(self) -> float:
        """Inches: one column of a page for one panel with short ticks, else both, or what many panels need."""
        needed = self.left + RIGHT + self.columns * NARROWEST + (self.columns - 1) * self.gap
        return COLUMN_WIDTH if self.columns == 1 and self.left < 1.0 else max(PAGE_WIDTH, needed)

    @property
    def title_lines(self) -> list[str]:
        """The title, cut into the lines that the width has room for."""
        per_letter = inches(self.title, POINTS + 1, "bold") / max(1, len(self.title))
        return textwrap.wrap(self.title, max(10, int((self.width - 0.2) / (1.05 * per_letter or 1.0))))

    @property
    def title_height(self) -> float:
        """Inches that the title takes."""
        return 0.06 + 0.15 * len(self.title_lines) if self.title else 0.0

    @property
    def legend_columns(self) -> int:
        """As many entries side by side as there is room for; a column is as wide as its widest entry."""
        fits = [
            count
            for count in range(1, len(self.legend) + 1)
            if sum(width + HANDLE for width in self._widths(count)) <= self.width - 0.1
        ]
        return max(fits, default=1)

    def _widths(self, columns: int) -> list[float]:
        """Return the inches of the widest entry of each of *columns*: matplotlib fills them one after the other, evenly."""
        least, longer = divmod(len(self.legend), columns)
        ends = [least * (at + 1) + min(at + 1, longer) for at in range(columns)]
        return [widest(self.legend[start:end]) for start, end in zip([0, *ends], ends, strict=False)]

    @property
    def legend_rows(self) -> int:
        """Lines of the legend."""
        return -(-len(self.legend) // self.legend_columns) if self.legend else 0


def canvas(frame: Frame) -> tuple[Figure, list[list[Axes]]]:
    """Return an empty figure with its texts, and its empty axes row by row."""
    heading = _LINE + 0.04 if frame.has_headings else 0.0
    top = 0.04 + frame.title_height + frame.legend_rows * _ENTRY + 0.03 * bool(frame.legend)
    left, right, bottom = frame.left, RIGHT, 0.37 + max(0.0, frame.turned_ticks - 0.1)
    gap_x, gap_y = frame.gap, 0.12
    step_y = frame.panel_height + heading + gap_y
    height = top + frame.rows * step_y - gap_y + bottom
    panel_width = (frame.width - left - right - (frame.columns - 1) * gap_x) / frame.columns
    figure = Figure(figsize=(frame.width, height), dpi=DOTS_PER_INCH)
    grid: list[list[Axes]] = []
    for row in range(frame.rows):
        base = height - top - row * step_y - heading - frame.panel_height
        lefts = (left + column * (panel_width + gap_x) for column in range(frame.columns))
        sizes = (panel_width / frame.width, frame.panel_height / height)
        grid.append([figure.add_axes((at / frame.width, base / height, *sizes)) for at in lefts])
    if frame.title:
        head(figure, "\n".join(frame.title_lines))
    xlabel(figure, frame, frame.xlabel)
    middle = (bottom + height - top) / 2 / height
    figure.supylabel(frame.ylabel, x=0.05 / frame.width, y=middle, va="center", fontsize=POINTS)
    return figure, grid


def xlabel(figure: Figure, frame: Frame, text: str) -> None:
    """Write *text* below the panels, in place of what stands there."""
    middle = 0.5 + (frame.left - RIGHT) / 2 / frame.width
    figure.supxlabel(text, x=middle, y=0.05 / figure.get_figheight(), fontsize=POINTS)


def legend(figure: Figure, frame: Frame, handles: Sequence[Any], length: float) -> None:
    """Set the names of several series below the title, each handle *length* letters long."""
    if not frame.legend_rows:
        return
    top = 1 - (0.03 + frame.title_height) / figure.get_figheight()
    figure.legend(
        handles,
        frame.legend,
        loc="upper center",
        bbox_to_anchor=(0.5, top),
        ncols=frame.legend_columns,
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=length,
        handletextpad=0.4,
        columnspacing=1.2,
        labelspacing=0.25,
    )
