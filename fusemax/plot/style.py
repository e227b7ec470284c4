"""One look for all figures: colours that colour-blind readers tell apart, marks that survive grey print.

Figures are drawn at the width at which they are printed, so that 8 pt in the file is 8 pt on paper. Layouts
are reckoned in inches, not searched for: that is quick, and the same each time.
"""

from __future__ import annotations

import io
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

PAGE_WIDTH = 7.16  #: inches, of both columns
DOTS_PER_INCH = 200
POINTS = 8.0  #: size of the smallest text

SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.size": POINTS,
    "axes.titlesize": POINTS,
    "axes.labelsize": POINTS,
    "xtick.labelsize": POINTS,
    "ytick.labelsize": POINTS,
    "legend.fontsize": POINTS,
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
_MARKERS = ("o", "s", "^", "D", "v", "<", "X", ">")  # solid ones: a white edge swallows a star or a plus
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
    words = {"fontsize": POINTS + 1, "fontweight": "bold", "ha": "left", "va": "top"}
    figure.text(0.06 / width, 1 - 0.05 / height, title, **words)


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Return the SVG and the PNG file of *figure*, with the same bytes each time: no date, no versions."""
    svg, png = io.BytesIO(), io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # other programs have fonts for it
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})
        figure.set_dpi(DOTS_PER_INCH)  # an SVG is counted in points
        FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    return (
        replace_file(folder / f"{name}.svg", svg.getvalue()),
        replace_file(folder / f"{name}.png", png.getvalue()),
    )
