"""One look for all figures: colours that colour-blind readers tell apart, marks that survive grey print.

Figures are drawn at the width at which they are printed, so that 8 pt in the file is 8 pt on paper. Layouts
are reckoned in inches, not searched for: that is quick, and the same each time.
"""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from fusemax.files import replace_file
from fusemax.plot.words import inches, widest

COLUMN_WIDTH = 3.5  #: inches, of one column of a two-column page
PAGE_WIDTH = 7.16  #: inches, of both columns
RIGHT = 0.1  #: inches right of the panels
HANDLE = 0.52  #: inches beside the text of an entry of a legend
_DOTS_PER_INCH = 200
_POINTS = 8.0  #: size of the smallest text
_LINE = 0.165  #: inches from one line of such text to the next
_ENTRY = 0.145  #: inches from one entry of a legend to the next

SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.size": _POINTS,
    "axes.titlesize": _POINTS,
    "axes.labelsize": _POINTS,
    "xtick.labelsize": _POINTS,
    "ytick.labelsize": _POINTS,
    "legend.fontsize": _POINTS,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlepad": 3.0,
    "axes.titleweight": "bold",
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "grid.linewidth": 0.5,
    "grid.color": "#d9d9d9",
    "hatch.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "text.parse_math": False,  # a name with a dollar in it is a name
    "svg.fonttype": "none",  # text stays text: small files, and words that can be searched for
    "svg.hashsalt": "fusemax",  # the same names, hence the same bytes, each run
}


@dataclass(frozen=True, slots=True)
class Look:
    """How one series is told apart: by colour, and without colour by hatch, marker and dash."""

    color: str
    hatch: str
    marker: str
    dash: str


# Okabe and Ito, "Color Universal Design" (2008), but for the grey, and a brown for marks and lines in place of the yellow,
# which white paper swallows; neighbours differ in lightness.
_COLORS = ("#9a9a9a", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#7A5C00")
_STACK_COLORS = ("#0072B2", "#E69F00", "#CC79A7", "#F0E442", "#56B4E9", "#D55E00", "#009E73", "#9a9a9a")
_HATCHES = (
    "",
    "////",
    "...",
    "\\\\\\\\",
    "",
    "xxxx",
    "oo",
    "//..",
)  # no upright or level lines: a grid has those
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_DASHES = ("-", "--", "-.", ":")


def looks(names: Sequence[str], stacked: bool = False) -> Mapping[str, Look]:
    """Return a look for each of *names*, by its position; eight colours, then again with other hatches."""
    colors = _STACK_COLORS if stacked else _COLORS
    return {
        name: Look(
            colors[at % len(colors)],
            _HATCHES[(at + at // len(colors)) % len(_HATCHES)],
            _MARKERS[(at + at // len(colors)) % len(_MARKERS)],
            _DASHES[at % len(_DASHES)],
        )
        for at, name in enumerate(names)
    }


def graded(names: Sequence[str]) -> Mapping[str, Look]:
    """Return a look for each of many *names* that are numbers in order: colours from dark to light."""
    from matplotlib.colors import to_hex

    colours = colormaps["cividis"]
    last = max(1, len(names) - 1)
    return {name: Look(to_hex(colours(0.95 * at / last)), "", "o", "-") for at, name in enumerate(names)}


@contextmanager
def styled() -> Iterator[None]:
    """Draw with :data:`SETTINGS` inside, and with the caller's own afterwards."""
    with matplotlib.rc_context(SETTINGS):
        yield


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
        """Inches: one column of a page for one panel with short ticks, else both."""
        return COLUMN_WIDTH if self.columns == 1 and self.left < 1.0 else PAGE_WIDTH

    @property
    def title_lines(self) -> list[str]:
        """The title, cut into the lines that the width has room for."""
        per_letter = inches(self.title, _POINTS + 1, "bold") / max(1, len(self.title))
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
    figure = Figure(figsize=(frame.width, height), dpi=_DOTS_PER_INCH)
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
    figure.supylabel(frame.ylabel, x=0.05 / frame.width, y=middle, va="center", fontsize=_POINTS)
    return figure, grid


def figure_of(axes: Axes) -> Figure:
    """Return the figure in which *axes* stand."""
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes stand in a figure"
    return figure


def room_of(axes: Axes) -> tuple[float, float]:
    """Return how wide and how high *axes* are, in inches."""
    figure, box = figure_of(axes), axes.get_position()
    return box.width * figure.get_figwidth(), box.height * figure.get_figheight()


def log_scales(axes: Axes, log: str) -> None:
    """Make those of the two axes logarithmic that *log* names: ``x``, ``y`` or ``xy``."""
    if "x" in log:
        axes.set_xscale("log")
    if "y" in log:
        axes.set_yscale("log")


def head(figure: Figure, title: str) -> None:
    """Write the *title* in the upper left corner."""
    width, height = figure.get_figwidth(), figure.get_figheight()
    words = {"fontsize": _POINTS + 1, "fontweight": "bold", "ha": "left", "va": "top"}
    figure.text(0.06 / width, 1 - 0.05 / height, title, **words)


def xlabel(figure: Figure, frame: Frame, text: str) -> None:
    """Write *text* below the panels, in place of what stands there."""
    middle = 0.5 + (frame.left - RIGHT) / 2 / frame.width
    figure.supxlabel(text, x=middle, y=0.05 / figure.get_figheight(), fontsize=_POINTS)


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


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Return the SVG and the PNG file of *figure*, with the same bytes each time: no date, no versions."""
    svg, png = io.BytesIO(), io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # other programs have fonts for it
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})
        figure.set_dpi(_DOTS_PER_INCH)  # an SVG is counted in points
        FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    return (
        replace_file(folder / f"{name}.svg", svg.getvalue()),
        replace_file(folder / f"{name}.png", png.getvalue()),
    )
