"""The figure of the study of derivations: passes before and after, and the operations that the fewer passes cost."""

from __future__ import annotations

from typing import Any

import polars
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fusemax.plot.spec import Picture
from fusemax.plot.style import PAGE_WIDTH, save, styled
from fusemax.table.table import Tables

ROW = 0.155  #: inches from one cascade to the next
LEFT, RIGHT, TOP, BOTTOM, GAP = 2.2, 0.12, 0.62, 0.42, 0.3  #: inches around the panels
CAPTION = (
    "Passes as written and of the derived form; on the right, the operations that the derived form costs."
)
BEFORE, AFTER, KNOWN = "#E69F00", "#0072B2", "#000000"


def draw(tables: Tables, title: str) -> tuple[Picture, ...]:
    """Return the picture drawn from the table ``derivations``: the cascades with a form of fewer passes, or a known one."""
    rows = tables.table("derivations").frame.filter(polars.col("passes_before").is_not_null())
    rows = rows.filter(
        (polars.col("passes_safe") < polars.col("passes_before")) | polars.col("passes_known").is_not_null()
    )
    if rows.is_empty():
        return ()
    rows = rows.sort(["passes_before", "cascade"], descending=[True, False])
    records = list(reversed(rows.to_dicts()))
    with styled():
        figure, passes, work = _canvas(len(records), title)
        _passes(passes, records)
        _work(work, records)
        files = save(figure, tables.folder, "derivations")
    return (Picture(file="derivations", title=title, caption=CAPTION, paths=files),)


def _canvas(count: int, title: str) -> tuple[Figure, Axes, Axes]:
    height = TOP + max(count, 1) * ROW + BOTTOM
    figure = Figure(figsize=(PAGE_WIDTH, height))
    width = (PAGE_WIDTH - LEFT - RIGHT - GAP) / 2
    box = BOTTOM / height, max(count, 1) * ROW / height
    passes = figure.add_axes((LEFT / PAGE_WIDTH, box[0], width / PAGE_WIDTH, box[1]))
    work = figure.add_axes(((LEFT + width + GAP) / PAGE_WIDTH, box[0], width / PAGE_WIDTH, box[1]))
    figure.text(
        0.06 / PAGE_WIDTH, 1 - 0.05 / height, title, fontsize=9, fontweight="bold", ha="left", va="top"
    )
    for axes in (passes, work):
        axes.set_ylim(-0.6, count - 0.4)
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    return figure, passes, work


def _passes(axes: Axes, records: list[dict[str, Any]]) -> None:
    for place, row in enumerate(records):
        axes.plot(
            [row["passes_safe"], row["passes_before"]],
            [place, place],
            color="#9a9a9a",
            linewidth=1.0,
            zorder=1,
        )
    places = range(len(records))
    axes.scatter([r["passes_before"] for r in records], places, s=18, marker="o", facecolor="white",
                 edgecolor=BEFORE, linewidth=1.2, label="as written", zorder=3)  # fmt: skip
    axes.scatter(
        [r["passes_safe"] for r in records],
        places,
        s=16,
        marker="s",
        color=AFTER,
        label="derived, safe",
        zorder=2,
    )
    unsafe = [(r["passes_found"], n) for n, r in enumerate(records) if r["passes_found"] < r["passes_safe"]]
    if unsafe:
        axes.scatter(
            *zip(*unsafe, strict=True), s=16, marker="x", color=AFTER, linewidth=1.2, label="derived, unsafe"
        )
    known = [(r["passes_known"], n) for n, r in enumerate(records) if r["passes_known"] is not None]
    if known:
        axes.scatter(
            *zip(*known, strict=True), s=60, marker="|", color=KNOWN, linewidth=1.0, label="known", zorder=4
        )
    axes.set_yticks(list(places), [f"{r['cascade']} ({r['rank']})" for r in records])
    most = max((r["passes_before"] for r in records), default=3)
    axes.set_xlim(0.6, most + 0.4)
    axes.set_xticks(range(1, most + 1))
    axes.set_xlabel("passes over the rank")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.9, 1.0),
        ncols=4,
        frameon=False,
        handletextpad=0.2,
        columnspacing=1.0,
    )


def _work(axes: Axes, records: list[dict[str, Any]]) -> None:
    places = range(len(records))
    extra = [100 * (r["work_ratio"] - 1) for r in records]
    axes.axvline(0, color="#606060", linewidth=0.8)
    axes.set_xscale("symlog", linthresh=1, linscale=0.6)
    axes.barh(list(places), extra, height=0.55, color=AFTER)
    axes.set_yticks([])
    axes.set_xlim(-120, max(120, 1.3 * max(extra, default=0)))
    ticks = [t for t in (-100, -10, -1, 0, 1, 10, 100, 1000) if t <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{t:+d}" if t else "0" for t in ticks])
    axes.minorticks_off()
    axes.set_xlabel("operations more than as written, %")
