"""Pictures of a whole model's pass: the steps of a layer one after another, and bars of what a whole is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from fusemax.plot.style import PAGE_WIDTH, Look, head, looks, save, styled
from fusemax.quantity import format_quantity

_ROW = 0.19  #: inches, height of a row
_LETTER = 0.068  #: inches, width of a letter
_TOP, _BOTTOM, _RIGHT, _GROUP = 0.26, 0.4, 0.95, 0.24
_LEGEND = 0.2  #: inches, height of a line of the legend
_LEGEND_COLUMNS = 6
_DOTS_PER_INCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One step: the part of the model that it belongs to, its name, kind of work, time in seconds, and what limits it."""

    part: str
    name: str
    work: str
    time_s: float
    limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """One bar: its name, its parts by name, all in one unit, and a mark that it is measured against, if there is one.

    Beside it stands its sum, or the text ``said``.
    """

    name: str
    parts: Mapping[str, float]
    mark: float | None = None
    said: str = ""


def draw_layer(
    title: str, spans: Sequence[Span], folder: Path, file: str, works: Sequence[str] = ()
) -> tuple[Path, Path]:
    """Return the SVG and the PNG: each of *spans* in a row, one after another, each part from 0; colours tell the work.

    *works* are those of all pictures that are seen together: each has one colour in all of them.
    """
    styles = _styles(works, [span.work for span in spans])
    with styled():
        names = max(len(span.name) for span in spans)
        figure, axes = _canvas(title, len(spans), styles, _GROUP + 0.12 + _LETTER * names)
        most = 0.0
        for number, (span, start) in enumerate(zip(spans, _starts(spans), strict=True)):
            _box(axes, number, start, span.time_s, styles[span.work])
            most = max(most, start + span.time_s)
        for number, (span, start) in enumerate(zip(spans, _starts(spans), strict=True)):
            is_late = start + span.time_s > 0.6 * most
            text = f"{format_quantity(span.time_s, 's', 3)}, {span.limit}"
            _beside(axes, number, start if is_late else start + span.time_s, text, -1 if is_late else 1)
        _scaled(axes, most, "s")
        _rows(axes, [span.name for span in spans])
        _groups(axes, [span.part for span in spans])
        return save(figure, folder, file)


def draw_wholes(
    title: str, wholes: Sequence[Whole], unit: str, folder: Path, file: str, works: Sequence[str] = ()
) -> tuple[Path, Path]:
    """Return the SVG and the PNG: a bar for each of *wholes*, cut into its parts; a line stands at its mark.

    *works* as for :func:`draw_layer`.
    """
    styles = _styles(works, [part for whole in wholes for part in whole.parts])
    with styled():
        names = max(len(whole.name) for whole in wholes)
        figure, axes = _canvas(title, len(wholes), styles, 0.12 + _LETTER * names)
        most = 0.0
        for number, whole in enumerate(wholes):
            left = 0.0
            for part, value in whole.parts.items():
                _box(axes, number, left, value, styles[part])
                left += value
            _beside(axes, number, left, whole.said or format_quantity(left, unit, 3))
            if whole.mark is not None:
                axes.plot([whole.mark] * 2, [number - 0.46, number + 0.46], color="black", linewidth=1.6)
            most = max(most, left, whole.mark or 0.0)
        _scaled(axes, most, unit)
        _rows(axes, [whole.name for whole in wholes])
        return save(figure, folder, file)


def _styles(works: Sequence[str], shown: Sequence[str]) -> dict[str, Look]:
    """Return the looks of what is *shown*, by their places among all *works*."""
    every = looks(list(dict.fromkeys((*works, *shown))), stacked=True)
    return {name: every[name] for name in every if name in shown}


def _beside(axes, row: int, at: float, text: str, side: int = 1) -> None:
    """Write *text* right of *at* in a *row*, or left of it."""
    place = {"xytext": (2 * side, 0), "textcoords": "offset points", "va": "center", "fontsize": 6.5}
    axes.annotate(text, (at, row), ha="left" if side > 0 else "right", **place)


def _starts(spans: Sequence[Span]) -> list[float]:
    found: list[float] = []
    part, at = "", 0.0
    for span in spans:
        part, at = span.part, at if span.part == part else 0.0
        found.append(at)
        at += span.time_s
    return found


def _canvas(title: str, rows: int, styles: Mapping[str, Look], left: float):
    lines = -(-len(styles) // _LEGEND_COLUMNS)
    top, tall = _TOP + lines * _LEGEND, rows * _ROW
    height = top + tall + _BOTTOM
    figure = Figure(figsize=(PAGE_WIDTH, height), dpi=_DOTS_PER_INCH)
    width = PAGE_WIDTH - left - _RIGHT
    axes = figure.add_axes((left / PAGE_WIDTH, _BOTTOM / height, width / PAGE_WIDTH, tall / height))
    head(figure, title)
    handles = [
        Patch(facecolor=look.color, hatch=look.hatch, edgecolor="black", linewidth=0.3)
        for look in styles.values()
    ]
    figure.legend(
        handles, list(styles), loc="upper left", ncols=min(len(styles), _LEGEND_COLUMNS), frameon=False,
        bbox_to_anchor=(0.0, 1 - (_TOP - 0.05) / height), borderaxespad=0.0, handlelength=1.4, columnspacing=1.0,
    )  # fmt: skip
    return figure, axes


def _box(axes, row: int, left: float, width: float, look: Look) -> None:
    axes.barh(
        row,
        width,
        left=left,
        height=0.74,
        color=look.color,
        hatch=look.hatch,
        edgecolor="black",
        linewidth=0.3,
    )


def _rows(axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), list(names))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def _groups(axes, parts: Sequence[str]) -> None:
    inside = axes.get_position().width * PAGE_WIDTH
    beside = axes.get_position().x0 * PAGE_WIDTH - 0.14
    for part in dict.fromkeys(parts):
        mine = [number for number, other in enumerate(parts) if other == part]
        if mine[0]:
            axes.axhline(mine[0] - 0.5, color="#555555", linewidth=0.6)
        if len(mine) * _ROW > len(part) * _LETTER:
            axes.text(
                -beside / inside, sum(mine) / len(mine), part, transform=axes.get_yaxis_transform(), rotation=90,
                ha="center", va="center", fontweight="bold",
            )  # fmt: skip


def _scaled(axes, most: float, unit: str) -> None:
    """Set the ticks of the x axis with their unit, from 0 to a bit more than *most*."""
    size = 1024.0 ** int(log(most, 1024)) if unit == "B" and most >= 1 else 1.0
    axes.set_xticks([size * tick for tick in MaxNLocator(6).tick_values(0, most / size or 1.0)])
    axes.set_xlim(0, 1.02 * most if most else 1.0)
    axes.xaxis.set_major_formatter(lambda value, _: _tick(value, unit))


def _tick(value: float, unit: str) -> str:
    if not value:
        return "0"
    return f"{value:.0%}" if unit == "1" else format_quantity(value, unit, 3)
