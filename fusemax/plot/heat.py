"""Heat maps: a field for each pair of two axes, coloured by a third column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullFormatter

from fusemax.plot.chart import Chart, Panel
from fusemax.plot.labels import axis_label
from fusemax.plot.spec import FigureSpec
from fusemax.plot.style import Look, room_of
from fusemax.plot.ticks import level_ticks, log_ticks
from fusemax.plot.words import LONGEST_TICK, cut, widest

HEAT = colormaps["cividis"]  #: the same for all colour-blind readers, and in grey print
BAR = 0.62  #: inches of the scale of colours


def heat(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw a field for each x and series, coloured by y; a place without a value stays empty."""
    del look
    rows = list(content.shown)
    points = [(point, name) for name in rows for point in panel.series.get(name, ())]
    norm = _norm(content, spec)
    field = (room_of(axes)[0] - BAR) / len(content.xs)
    has_room = widest([point.text for point, _ in points]) <= field
    for point, name in points:
        corner = (content.xs.index(point.x) - 0.5, rows.index(name) - 0.5)
        color = HEAT(norm(point.y))
        axes.add_patch(Rectangle(corner, 1.0, 1.0, facecolor=color, edgecolor="white", linewidth=0.6))
        if point.text and has_room:
            light = sum(color[:3]) > 1.7
            axes.text(
                *_middle(corner), point.text, ha="center", va="center", color="black" if light else "white"
            )
    axes.set_ylim(-0.5, len(rows) - 0.5)
    axes.set_yticks(range(len(rows)), cut(rows, LONGEST_TICK))
    axes.tick_params(axis="y", length=0)


def _middle(corner: tuple[float, float]) -> tuple[float, float]:
    return corner[0] + 0.5, corner[1] + 0.5


def _norm(content: Chart, spec: FigureSpec) -> Normalize:
    """Return the scale of colours, the same in all panels."""
    ys = [point.y for point in content.points]
    low, high = min(ys), max(ys)
    if low == high:
        low, high = low * 0.9, high * 1.1 or 1.0
    return LogNorm(low, high) if "y" in spec.log else Normalize(low, high)


def colour_bar(figure: Figure, used: Sequence[Axes], content: Chart, spec: FigureSpec) -> None:
    """Draw the scale of colours beside the panels, which give way to it."""
    room = BAR / figure.get_figwidth()
    left = min(axes.get_position().x0 for axes in used)
    right = max(axes.get_position().x1 for axes in used)
    names = widest(cut(content.shown, LONGEST_TICK))
    start = left + max(0.0, names - 0.32) / figure.get_figwidth()
    shrink = (right - room - start) / (right - left)
    for axes in used:
        box = axes.get_position()
        axes.set_position((start + (box.x0 - left) * shrink, box.y0, box.width * shrink, box.height))
    low, high = min(axes.get_position().y0 for axes in used), max(axes.get_position().y1 for axes in used)
    place = figure.add_axes((right - room * 0.86, low, 0.1 / figure.get_figwidth(), high - low))
    scale_of_colours = ScalarMappable(_norm(content, spec), HEAT)
    bar = figure.colorbar(scale_of_colours, cax=place)
    if "y" in spec.log:
        bar.ax.yaxis.set_major_formatter(log_ticks(bar.ax.yaxis))
    else:
        bar.ax.yaxis.set_major_formatter(level_ticks())
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.ax.set_title(_value_label(content, spec), fontsize="medium", fontweight="normal", loc="right", pad=4)


def _value_label(content: Chart, spec: FigureSpec) -> str:
    if spec.baseline is not None:
        return spec.ratio.replace("value", "own").replace("baseline", spec.baseline)
    return axis_label(content.y, spec.unit)
