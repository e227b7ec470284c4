"""The waterfall of a simulation: the tasks of the first epochs row by row, and below it how busy each unit is over the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fusemax.errors import FusemaxError
from fusemax.plot.strip import Strip, draw_strip
from fusemax.plot.style import PAGE_WIDTH, head, looks, save, styled

_ROW = 0.155  #: inches, height of a row of the waterfall
_STRIP = 0.75  #: inches, height of the strip of utilization
_RIGHT, _TOP, _BOTTOM, _GAP = 0.12, 0.44, 0.4, 0.62
_DOTS_PER_INCH = 200
_LETTER = 0.068  #: inches, width of a letter
_GROUP = 0.62  #: inches, width of the names of groups of rows
TRANSFERS = "moves"  #: how the groups of rows end that only move tiles
_TILES = 6  #: colours before they come again
_LETTER_CYCLES = 0.0105  #: of the width, what a digit in a bar takes


@dataclass(frozen=True, slots=True)
class Bar:
    """One task: its row, the tile that it works on, its cycles, and the group of rows that it belongs to."""

    row: str
    group: str
    tile: int
    start: float
    end: float


def draw_gantt(title: str, bars: Sequence[Bar], strip: Strip, path: Path) -> tuple[Path, Path]:
    """Return the SVG at *path* and the PNG beside it: the waterfall of *bars* above the *strip*.

    Raises
    ------
    FusemaxError
        When *path* does not end in .svg, or cannot be written.
    """
    if path.suffix != ".svg":
        raise FusemaxError(f"{path}: expected a path that ends in .svg; a .png is written beside it")
    rows = list(dict.fromkeys((bar.group, bar.row) for bar in sorted(bars, key=_order(bars))))
    with styled():
        left = _GROUP + 0.12 + _LETTER * max((len(row) for _, row in rows), default=0)
        figure, waterfall, below = _axes(len(rows), left)
        _draw_waterfall(waterfall, rows, bars)
        _name_groups(waterfall, rows, (left - 0.3) / (PAGE_WIDTH - left - _RIGHT))
        draw_strip(below, strip)
        head(figure, title)
        return save(figure, path.parent, path.stem)


def _order(bars: Sequence[Bar]):
    groups = list(dict.fromkeys(bar.group for bar in bars))
    first: dict[str, float] = {}
    for bar in bars:
        first.setdefault(bar.row, bar.start - 1e9 * (bar.tile == 0))
    return lambda bar: (groups.index(bar.group), first[bar.row])


def _axes(rows: int, inches: float) -> tuple[Figure, Axes, Axes]:
    tall = rows * _ROW
    height = _TOP + tall + _GAP + _STRIP + _BOTTOM
    figure = Figure(figsize=(PAGE_WIDTH, height), dpi=_DOTS_PER_INCH)
    left, width = inches / PAGE_WIDTH, (PAGE_WIDTH - inches - _RIGHT) / PAGE_WIDTH
    waterfall = figure.add_axes((left, (_BOTTOM + _STRIP + _GAP) / height, width, tall / height))
    below = figure.add_axes((left, _BOTTOM / height, width, _STRIP / height))
    return figure, waterfall, below


def _draw_waterfall(axes: Axes, rows: list[tuple[str, str]], bars: Sequence[Bar]) -> None:
    colours = looks([str(k) for k in range(_TILES)], stacked=True)
    place = {row: number for number, row in enumerate(rows)}
    begin, horizon = _window(bars)
    for bar in bars:
        left = max(bar.start, begin)
        at, width = place[bar.group, bar.row], bar.end - left
        if width < 0:
            continue
        color = colours[str(bar.tile % _TILES)].color
        axes.barh(at, width, left=left, height=0.78, color=color, linewidth=0.4, edgecolor=color)
        if width > (horizon - begin) * _LETTER_CYCLES * (len(str(bar.tile)) + 0.6):
            middle = left + width / 2
            dark = color in ("#0072B2", "#D55E00", "#009E73")
            axes.text(
                middle, at + 0.04, str(bar.tile), ha="center", va="center", fontsize=6.5,
                color="white" if dark else "black",
            )  # fmt: skip
    for number in range(1, len(rows)):
        if rows[number][0] != rows[number - 1][0]:
            axes.axhline(number - 0.5, color="#555555", linewidth=0.6)
    axes.set_yticks(range(len(rows)), [row for _, row in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xlim(begin, horizon)
    axes.grid(axis="x")
    axes.set_title("Tasks; the number is the tile, counted per row", fontweight="normal")
    axes.set_xlabel("cycle", labelpad=1)


def _window(bars: Sequence[Bar]) -> tuple[float, float]:
    """Return the cycles that are shown: from shortly before the first task of a unit, however long loads take before it."""
    horizon = max((bar.end for bar in bars), default=1.0)
    transfers = {bar.group for bar in bars if bar.group.endswith(TRANSFERS)}
    begin = min((bar.start for bar in bars if bar.group not in transfers), default=0.0)
    early = begin - 0.12 * (horizon - begin)
    return (early if early > 0.1 * horizon else 0.0), horizon


def _name_groups(axes: Axes, rows: list[tuple[str, str]], beside: float) -> None:
    for group in dict.fromkeys(group for group, _ in rows):
        mine = [number for number, row in enumerate(rows) if row[0] == group]
        middle = (mine[0] + mine[-1]) / 2
        turned = 90 if len(mine) * 2.2 >= len(group) else 0
        words = group if turned else group.replace(" ", "\n")
        style = {"ha": "center", "va": "center", "fontweight": "bold", "rotation": turned}
        axes.text(-beside, middle, words, transform=axes.get_yaxis_transform(), **style)
