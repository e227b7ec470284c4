"""The kinds of figure: what each may show, and how it is painted. A new kind is one entry of :data:`KINDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log10
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import NullFormatter

from fusemax.nearest import nearest
from fusemax.plot.chart import Chart, Panel, Point
from fusemax.plot.labels import axis_label, log_ticks, scale
from fusemax.plot.spec import FigureSpec, Log
from fusemax.plot.style import Look
from fusemax.quantity import format_quantity
from fusemax.table.column import Tells

_GROUP = 0.84  #: of the room between two places of the x axis, how much the bars take
LETTER = 0.075  #: inches, for deciding whether the texts of the ticks have room side by side

Painter = Callable[[Axes, Panel, Chart, FigureSpec, Mapping[str, Look]], None]
#: Draws what belongs to all panels together.
Finish = Callable[[Figure, Sequence[Axes], Chart, FigureSpec], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureKind:
    """One kind of figure.

    Attributes
    ----------
    paint
        Draws one panel.
    handle
        What stands for a series in the legend; None for a figure without one.
    is_categorical
        Values of x stand at places of equal width, whatever they are.
    adds_up
        Rows that agree in panel, series and x are added up, and each layer has a colour of its own.
    takes_many
        Several points may stand at one place.
    logs
        The axes that may be logarithmic.
    bears_texts
        Points may have texts beside them.
    series_on_axis
        The series stand on the vertical axis, and y is shown otherwise.
    finish
        Draws what belongs to all panels.
    log
        The axes that are logarithmic where nothing is said.
    needs
        What columns have to tell of each row besides x and y (see :class:`~fusemax.table.column.Column`).
    """

    paint: Painter
    handle: Callable[[Look], Any] | None = None
    is_categorical: bool = False
    adds_up: bool = False
    takes_many: bool = False
    logs: str = "xy"
    bears_texts: bool = False
    series_on_axis: bool = False
    finish: Finish | None = None
    log: Log = "none"
    needs: tuple[Tells, ...] = ()


def settled(spec: FigureSpec) -> FigureSpec:
    """Return *spec* with the axes that its kind chooses where it says nothing."""
    kind = KINDS.get(spec.kind)
    return replace(spec, log=kind.log) if kind and spec.log == "none" else spec


def kind_mistakes(spec: FigureSpec) -> tuple[str, ...]:
    """Return what the kind of *spec* cannot show, each text beginning with the key that is wrong.

    >>> kind_mistakes(FigureSpec(file="a", kind="bars", x="m", y="t", log="x"))
    ('log: bars stand at places of equal width; only y can be logarithmic',)
    """
    kind = KINDS.get(spec.kind)
    if kind is None:
        near = nearest(spec.kind, KINDS)
        hint = f"\n  hint: did you mean {near!r}?" if near else ""
        return (f"kind: expected one of {', '.join(KINDS)}, got {spec.kind!r}{hint}",)
    found: list[str] = []
    wanted = "" if spec.log == "none" else spec.log
    if kind.is_categorical and "x" in wanted:
        found.append(f"log: {spec.kind} stand at places of equal width; only y can be logarithmic")
    if "y" in wanted and "y" not in kind.logs:
        stacked = "layers of a stack add up, which a logarithmic axis does not show"
        found.append(f"log: {stacked if kind.adds_up else f'{spec.kind} have no such axis'}")
    if spec.annotate and not kind.bears_texts:
        others = ", ".join(name for name, other in KINDS.items() if other.bears_texts)
        found.append(f"annotate: {spec.kind} bear no texts; these do: {others}")
    if kind.series_on_axis and spec.series is None:
        found.append(f"series: {spec.kind} need one, for the vertical axis")
    return tuple(found)


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


def _lines(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw the points of each series, joined by a line."""
    _curves(axes, panel, content, spec, look, joined=True)


def _dots(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw the points of each series."""
    _curves(axes, panel, content, spec, look, joined=False)


def _front(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw the points, small where another is lower in one of x and y and no higher in the other; join the rest.

    The stairs bound what can be had: left of them and below there is no point.
    """
    factor = scale(content.x).factor
    if "x" in spec.log:
        axes.set_xscale("log")
    if "y" in spec.log:
        axes.set_yscale("log")
    everything = [point for name in content.shown for point in panel.series.get(name, ())]
    best = set(map(id, lowest(everything)))
    stairs = sorted(
        (point for point in everything if id(point) in best), key=lambda point: (point.x, -point.y)
    )
    xs, ys = [point.x * factor for point in stairs], [point.y for point in stairs]
    axes.step(xs, ys, where="post", color="0.45", linewidth=1.0, zorder=1)
    for name in content.shown:
        for kept, size in ((True, 5.5), (False, 2.6)):
            points = [point for point in panel.series.get(name, ()) if (id(point) in best) == kept]
            axes.plot(
                [point.x * factor for point in points], [point.y for point in points], color=look[name].color,
                marker=look[name].marker, linestyle="none", markersize=size, markeredgecolor="white",
                markeredgewidth=0.4 if kept else 0.0, alpha=1.0 if kept else 0.55,
            )  # fmt: skip


def lowest(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points than which none is lower in x or y without being higher in the other.

    >>> [(point.x, point.y) for point in lowest([Point(1, 3.0), Point(2, 2.0), Point(3, 2.0), Point(2, 4.0)])]
    [(1, 3.0), (2, 2.0)]
    """
    found: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, point.y)):
        if not found or point.y < found[-1].y:
            found.append(point)
    return tuple(found)


def _curves(
    axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look], joined: bool
) -> None:
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
            linestyle=look[name].dash if joined else "none",
            markeredgecolor="white",
            markeredgewidth=0.4,
        )
    if spec.baseline:
        axes.axhline(1.0, color="black", linewidth=0.8)
    _annotate(axes, panel, factor)


MOST_NAMED = 3  #: roofs of one panel whose numbers are written beside them


def _roofline(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw the points below the roofs that bound them: a bandwidth, which rises with x, and a peak."""
    points = [point for name in content.shown for point in panel.series.get(name, ())]
    roofs = dict.fromkeys(tuple(float(f"{value:.6g}") for value in point.more) for point in points)
    _curves(axes, panel, content, spec, look, joined=False)
    for peak, bandwidth in roofs:
        color = _color_of_roof((peak, bandwidth), len(roofs), panel, content, look)
        ridge, far = peak / bandwidth, 1e9
        xs, ys = [ridge / far, ridge, ridge * far], [peak / far, peak, peak]
        axes.plot(xs, ys, color=color, linewidth=1.0, zorder=1)
        if len(roofs) <= MOST_NAMED:
            _name_roof(axes, peak, bandwidth, color)
    ends = [point.x for point in points] + [peak / bandwidth for peak, bandwidth in roofs]
    axes.set_xlim(min(ends) / 20, max(ends) * 8)
    lowest_y = min(min(point.y for point in points), min(peak for peak, _ in roofs) / 20)
    axes.set_ylim(lowest_y / 2, max(peak for peak, _ in roofs) * 3)


def _color_of_roof(
    roof: tuple[float, ...], count: int, panel: Panel, content: Chart, look: Mapping[str, Look]
) -> str:
    """Return the colour of the one series that a *roof* bounds, where there are several roofs; else grey."""
    owners = [
        name
        for name in content.shown
        if any(_is_near(point.more, roof) for point in panel.series.get(name, ()))
    ]
    return look[owners[0]].color if len(owners) == 1 and count > 1 else "0.35"


def _is_near(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(abs(a - b) <= 1e-5 * abs(b) for a, b in zip(one, other, strict=True))


def _name_roof(axes: Axes, peak: float, bandwidth: float, color: str) -> None:
    """Write the peak at the right end of its roof, and the bandwidth left of the rising part."""
    words: Any = {"textcoords": "offset points", "color": color, "fontsize": "small", "va": "bottom"}
    exponent = min(15, max(0, int(log10(peak)) // 3 * 3))
    text = f"{peak / 10.0**exponent:.3g} {PREFIXES[exponent]}lane-cycles/s"
    axes.annotate(text, (1, peak), (-2, 2), xycoords=("axes fraction", "data"), ha="right", **words)
    place = (peak / bandwidth / 2, peak / 2)
    axes.annotate(format_quantity(bandwidth, "B/s", 3), place, (-3, 0), ha="right", **words)


PREFIXES = {0: "", 3: "k ", 6: "M ", 9: "G ", 12: "T ", 15: "P "}


def _annotate(axes: Axes, panel: Panel, factor: float) -> None:
    """Write each text once, beside the highest of the points that bear it, and make room for it."""
    highest: dict[str, Any] = {}
    for point in (point for points in panel.series.values() for point in points if point.text):
        if point.text not in highest or point.y > highest[point.text].y:
            highest[point.text] = point
    if highest:
        axes.margins(y=0.1)
        _widen(axes, max(len(text) for text in highest) * LETTER + 0.02)
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


def _heat(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw a field for each x and series, coloured by y; a place without a value stays empty."""
    del look
    rows = list(content.shown)
    points = [(point, name) for name in rows for point in panel.series.get(name, ())]
    norm = _norm(content, spec)
    for point, name in points:
        corner = (content.xs.index(point.x) - 0.5, rows.index(name) - 0.5)
        color = HEAT(norm(point.y))
        axes.add_patch(Rectangle(corner, 1.0, 1.0, facecolor=color, edgecolor="white", linewidth=0.6))
        if point.text:
            light = sum(color[:3]) > 1.7
            axes.text(
                *_middle(corner), point.text, ha="center", va="center", color="black" if light else "white"
            )
    axes.set_ylim(-0.5, len(rows) - 0.5)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(axis="y", length=0)


def _middle(corner: tuple[float, float]) -> tuple[float, float]:
    return corner[0] + 0.5, corner[1] + 0.5


def _norm(content: Chart, spec: FigureSpec) -> Normalize:
    """Return the scale of colours, the same in all panels."""
    ys = [point.y for panel in content.panels for points in panel.series.values() for point in points]
    low, high = min(ys), max(ys)
    if low == high:
        low, high = low * 0.9, high * 1.1 or 1.0
    return LogNorm(low, high) if "y" in spec.log else Normalize(low, high)


def _colour_bar(figure: Figure, used: Sequence[Axes], content: Chart, spec: FigureSpec) -> None:
    """Draw the scale of colours beside the panels, which give way to it."""
    room = 0.62 / figure.get_figwidth()
    left = min(axes.get_position().x0 for axes in used)
    right = max(axes.get_position().x1 for axes in used)
    names = max(len(name) for name in content.shown)
    start = left + max(0.0, 0.065 * names - 0.2) / figure.get_figwidth()
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
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.ax.set_title(_value_label(content, spec), fontsize="medium", fontweight="normal", loc="right", pad=4)


def _value_label(content: Chart, spec: FigureSpec) -> str:
    if spec.baseline is not None:
        return spec.ratio.replace("value", "own").replace("baseline", spec.baseline)
    return axis_label(content.y, spec.unit)


HEAT = colormaps["cividis"]  #: the same for all colour-blind readers, and in grey print


#: Every kind of figure, by the name that a study gives it.
KINDS: Mapping[str, FigureKind] = {
    "bars": FigureKind(paint=_bars, handle=_patch, is_categorical=True, logs="y"),
    "stacks": FigureKind(paint=_stacks, handle=_patch, is_categorical=True, adds_up=True, logs=""),
    "lines": FigureKind(paint=_lines, handle=_line, bears_texts=True),
    "scatter": FigureKind(paint=_dots, handle=_dot, takes_many=True, bears_texts=True),
    "front": FigureKind(paint=_front, handle=_dot, takes_many=True),
    "roofline": FigureKind(
        paint=_roofline, handle=_dot, takes_many=True, bears_texts=True, log="xy", needs=("peak", "bandwidth")
    ),
    "heat": FigureKind(
        paint=_heat, finish=_colour_bar, is_categorical=True, logs="y", bears_texts=True, series_on_axis=True
    ),
}
