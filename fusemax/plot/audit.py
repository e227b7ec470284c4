"""The figure of an audit: how each correction moves speed-up and energy, at a few lengths; drawn from ``ratios.csv`` alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from fusemax.plot.labels import tick
from fusemax.plot.spec import Picture
from fusemax.plot.style import PAGE_WIDTH, save, styled
from fusemax.table.table import Tables, need_columns

if TYPE_CHECKING:
    import polars

_COLUMNS = ("path", "step", "title", "against", "model", "seq_len", "speed_up", "energy_ratio")
_LINE = 0.17  #: inches per step
_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 2.2, 0.36, 0.5, 0.42, 0.4  #: inches around and between the panels
_COLORS = {
    "published": "#000000",
    "start": "#9a9a9a",
    "alone": "#E69F00",
    "together": "#0072B2",
    "end": "#D55E00",
}
_MARKERS = {"published": "X", "start": "o", "alone": "D", "together": "s", "end": "^"}
_WORDS = {
    "published": "as published",
    "start": "our counts",
    "alone": "this correction alone",
    "together": "with all those above it",
    "end": "with all of those",
}
_HEADINGS = {"alone": "each alone", "together": "one after another", "end": "all of these, and at last"}
_BESIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center", "annotation_clip": False}
_MEASURES = (("speed_up", "speed-up over {}"), ("energy_ratio", "energy relative to {}"))


def draw(tables: Tables, against: str, lengths: Sequence[int]) -> tuple[Picture, ...]:
    """Return the picture of an audit, drawn from its table ``ratios`` and put beside it.

    A row for each step, a panel for each of *lengths*; markers are means over the models, thin lines reach from the least to
    the largest model; the dashed line is the published mean.

    Raises
    ------
    FusemaxError
        When the table or one of its columns is missing.
    """
    import polars as pl

    frame = tables.table("ratios").frame
    need_columns(frame, _COLUMNS, "ratios")
    frame = frame.filter(pl.col("against") == against)
    steps = frame.select("path", "step", "title").unique(maintain_order=True).rows()
    with styled():
        figure, grid = _panels(len(steps) + len(_HEADINGS), len(lengths))
        for row, (measure, label) in zip(grid, _MEASURES, strict=True):
            for axes, length in zip(row, lengths, strict=True):
                _panel(axes, frame.filter(pl.col("seq_len") == length), steps, measure)
                axes.set_title(f"{tick(length)} tokens")
                axes.set_xlabel(label.format(against), labelpad=2)
            _names(row[0], steps)
            _same_scale(row)
        _legend(figure)
        paths = save(figure, tables.folder, "audit")
    return (Picture(file="audit", title="The audit, step by step", caption=CAPTION, paths=paths),)


CAPTION = (
    "Marks are means over the models, thin lines reach from the least to the largest model; the dashed line is the published"
    " mean."
)


def _panels(lines: int, columns: int) -> tuple[Figure, list[list[Axes]]]:
    panel = lines * _LINE
    height = 2 * (panel + _BOTTOM) + _TOP + 0.16
    figure = Figure(figsize=(PAGE_WIDTH, height))
    width = (PAGE_WIDTH - _LEFT - _RIGHT - (columns - 1) * _GAP) / columns
    grid = []
    for number in range(2):
        base = height - _TOP - (number + 1) * panel - number * (_BOTTOM + 0.16)
        lefts = [_LEFT + column * (width + _GAP) for column in range(columns)]
        grid.append(
            [
                figure.add_axes((at / PAGE_WIDTH, base / height, width / PAGE_WIDTH, panel / height))
                for at in lefts
            ]
        )
    return figure, grid


def _places(steps: Sequence[tuple[str, str, str]]) -> list[float]:
    """Return the line of each step, from the top; a group begins after a line for its heading."""
    places, line, before = [], 0.0, "published"
    for path, _, _ in steps:
        line += 1.0 if path in (before, "start") else 2.0
        places.append(line)
        before = "published" if path == "start" else path
    return places


def _panel(axes: Axes, frame: polars.DataFrame, steps: Sequence[tuple[str, str, str]], measure: str) -> None:
    import polars as pl

    places = _places(steps)
    for place, (path, step, _) in zip(places, steps, strict=True):
        values = frame.filter((pl.col("path") == path) & (pl.col("step") == step))[measure].to_list()
        mean = sum(values) / len(values)
        axes.plot([min(values), max(values)], [place, place], color=_COLORS[path], linewidth=0.8, alpha=0.7)
        axes.plot(
            mean, place, _MARKERS[path], color=_COLORS[path], markeredgecolor="white", markeredgewidth=0.4
        )
        axes.annotate(f"{mean:.2f}", (1, place), (2, 0), xycoords=("axes fraction", "data"), **_BESIDE)
        if path == "published":
            axes.axvline(mean, color="black", linewidth=0.7, linestyle=(0, (4, 3)))
    axes.set_ylim(max(places) + 0.7, 0.3)
    axes.set_yticks([])
    axes.grid(axis="x")


def _names(axes: Axes, steps: Sequence[tuple[str, str, str]]) -> None:
    """Write the steps beside the first panel, with a heading before each group."""
    seen: set[str] = set()
    across: dict[str, Any] = {"xycoords": ("axes fraction", "data"), **_BESIDE}
    for place, (path, _, title) in zip(_places(steps), steps, strict=True):
        if path in _HEADINGS and path not in seen:
            axes.annotate(
                _HEADINGS[path], (0, place - 1), (-_LEFT * 72 + 6, 0), ha="left", fontweight="bold", **across
            )
        seen.add(path)
        sign = "+ " if path in ("together", "end") else ""
        axes.annotate(sign + title, (0, place), (-6, 0), ha="right", **across)


def _same_scale(row: Sequence[Axes]) -> None:
    """Give the panels of one measure one axis, from 0; a thin line stands at 1."""
    high = max(1.02, *(axes.get_xlim()[1] for axes in row))
    for axes in row:
        axes.set_xlim(0, high)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.axvline(1.0, color="#9a9a9a", linewidth=0.6)


def _legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=_COLORS[path], marker=_MARKERS[path], linestyle="none", markeredgecolor="white")
        for path in _WORDS
    ]
    figure.legend(
        handles, list(_WORDS.values()), loc="upper center", ncols=len(handles), frameon=False, borderaxespad=0.3,
        handletextpad=0.3, columnspacing=1.4,
    )  # fmt: skip
