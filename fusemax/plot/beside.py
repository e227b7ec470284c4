"""Texts beside the points of a panel, each on a side where it lies on no other."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from fusemax.plot.chart import Panel
from fusemax.plot.style import figure_of, room_of
from fusemax.plot.words import cut, inches, widest

LINE = 0.15  #: inches of a line of text


LONGEST_TEXT = 1.0  #: inches of a text beside a point


def annotate(axes: Axes, panel: Panel, factor: float) -> None:
    """Write each text once, beside the highest of the points that bear it, and make room for it."""
    highest: dict[str, Any] = {}
    for point in panel.points:
        if point.text and (point.text not in highest or point.y > highest[point.text].y):
            highest[point.text] = point
    if highest:
        axes.margins(y=0.1)
        _widen(axes, min(LONGEST_TEXT, widest(list(highest))) + 0.05)
    short = dict(zip(highest, cut(list(highest), LONGEST_TEXT), strict=True))
    taken: list[Box] = []
    for text, point in highest.items():
        place = (point.x * factor, point.y)
        side, height = _free(axes, place, inches(short[text]), taken)
        axes.annotate(
            short[text],
            place,
            (4 * side, 2 * height),
            textcoords="offset points",
            ha=SIDES[side],
            va=HEIGHTS[height],
        )


SIDES = {1: "left", -1: "right"}


HEIGHTS = {1: "bottom", -1: "top"}


TOUCH = 0.02  #: inches by which texts may lie on each other


Box = tuple[float, float, float, float]


def _free(axes: Axes, place: tuple[float, float], width: float, taken: list[Box]) -> tuple[int, int]:
    """Return on which side of *place*, and whether above or below, a text lies on no other; it is *taken* then."""
    x, y = axes.transData.transform(place) / figure_of(axes).dpi
    boxes: dict[tuple[int, int], Box] = {}
    for height in (1, -1):
        for side in (1, -1):
            across, up = sorted((x, x + side * width)), sorted((y, y + height * LINE))
            boxes[side, height] = (across[0], up[0], across[1], up[1])
    clear = (key for key, box in boxes.items() if not any(_meet(box, other) for other in taken))
    found = next(clear, (1, 1))
    taken.append(boxes[found])
    return found


def _meet(one: Box, other: Box) -> bool:
    across = min(one[2], other[2]) - max(one[0], other[0])
    return across > TOUCH and min(one[3], other[3]) - max(one[1], other[1]) > TOUCH


def _widen(axes: Axes, free: float) -> None:
    """Move the right end of the x axis so that about *free* inches are empty there, on any scale."""
    axes.autoscale_view()  # else the limits are those of empty axes until the figure is drawn
    width, _ = room_of(axes)
    free = min(free, 0.5 * width)
    right = axes.transAxes.transform((width / (width - free), 0.0))
    axes.set_xlim(right=axes.transData.inverted().transform(right)[0])
