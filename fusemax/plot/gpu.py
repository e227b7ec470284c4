"""Figures of the GPU studies, drawn from their stored tables: scatter, errors by length, bytes by length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from fusemax.plot.labels import log_ticks
from fusemax.plot.spec import Picture
from fusemax.plot.style import Frame, canvas, legend, looks, save, styled
from fusemax.table.table import Tables

Row = Mapping[str, str]
MODELS: Mapping[str, str] = {
    "predicted": "fusemax", "roofline": "roofline", "max": "max(products, exp)", "sum": "products + exp",
}  # fmt: skip
WORKS = ("forward", "backward", "decode")


def draw(tables: Tables) -> tuple[Picture, ...]:
    """Return the pictures of the ``gpu`` study, drawn from *tables* and put beside them."""
    rows = [row for row in _rows(tables, "comparison") if row["split"] == "test" and not row["apart"]]
    errors = _rows(tables, "errors")
    with styled():
        files = _scatter(rows, tables.folder), _by_length(errors, tables.folder)
    told = (
        ("scatter", "Predicted and published time", SCATTER),
        ("error-by-length", "Errors by length", LENGTHS),
    )
    return tuple(
        Picture(file=file, title=title, caption=caption, paths=paths)
        for (file, title, caption), paths in zip(told, files, strict=True)
    )


SCATTER = "Each mark is one published time of a test row; the band is 25% wide to either side."
LENGTHS = "The median absolute error of the prediction, beside three simple models of the same machine."
PASSES = "Solid: predicted. Dotted: the lower bound of the pass analysis. Crosses: measured."


def draw_passes(tables: Tables) -> tuple[Picture, ...]:
    """Return the picture of the ``gpu-passes`` study, drawn from its table and put beside it."""
    with styled():
        paths = _passes(_rows(tables, "passes"), tables.folder)
    return (Picture(file="passes", title="What a call moves", caption=PASSES, paths=paths),)


def _rows(tables: Tables, name: str) -> list[dict[str, str]]:
    rows = tables.table(name).frame.to_dicts()
    return [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]


def _scatter(rows: Sequence[Row], folder: Path) -> tuple[Path, ...]:
    gpus = sorted({row["gpu"].partition("-")[0] for row in rows})
    kernels = sorted({row["kernel"] for row in rows})
    frame = Frame(
        rows=1, columns=max(2, len(gpus)), title="Predicted and published time, test rows", xlabel="published (s)",
        ylabel="predicted (s)", legend=tuple(kernels), has_headings=True, turned_ticks=False, panel_height=1.7,
    )  # fmt: skip
    figure, (axes, *_) = canvas(frame)
    style = looks(["", *kernels])
    handles: list[Any] = []
    low = min(float(row["measured_s"]) for row in rows) / 2
    high = max(float(row["measured_s"]) for row in rows) * 2
    for place, gpu in zip(axes, gpus, strict=False):
        handles = []
        for kernel in kernels:
            mine = [r for r in rows if r["gpu"].partition("-")[0] == gpu and r["kernel"] == kernel]
            xs, ys = [[float(r[c]) for r in mine] for c in ("measured_s", "predicted_s")]
            look = style[kernel]
            (handle,) = place.plot(
                xs,
                ys,
                look.marker,
                color=look.color,
                markersize=3,
                alpha=0.7,
                markeredgewidth=0,
                linestyle="none",
            )
            handles.append(handle)
        _diagonal(place, low, high)
        place.set_title(gpu)
        if place is not axes[0]:
            place.set_yticklabels([])
    legend(figure, frame, handles, 1.0)
    return save(figure, folder, "scatter")


def _diagonal(place: Axes, low: float, high: float) -> None:
    for axis in (place.xaxis, place.yaxis):
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        axis.set_major_formatter(log_ticks(axis))
        axis.set_minor_formatter(NullFormatter())
    place.set_xlim(low, high)
    place.set_ylim(low, high)
    place.plot([low, high], [low, high], color="#555555", linewidth=0.7, zorder=0)
    band = [low * 1.25, high * 1.25], [low / 1.25, high / 1.25]
    place.fill_between([low, high], band[1], band[0], color="#e4e4e4", linewidth=0, zorder=-1)


def _by_length(errors: Sequence[Row], folder: Path) -> tuple[Path, ...]:
    mine = [row for row in errors if row["by"] == "length"]
    works = [work for work in WORKS if any(row["work"] == work for row in mine)]
    frame = Frame(
        rows=1, columns=max(2, len(works)), title="Median absolute error by length of the keys, test rows", xlabel="length",
        ylabel="median |error| (%)", legend=tuple(MODELS.values()), has_headings=True, turned_ticks=False, panel_height=1.5,
    )  # fmt: skip
    figure, (axes, *_) = canvas(frame)
    style = looks(list(MODELS))
    handles: list[Any] = []
    for place, work in zip(axes, works, strict=False):
        rows = [row for row in mine if row["work"] == work]
        handles = []
        for model in MODELS:
            look = style[model]
            color, width = ("#D55E00", 2.0) if model == "predicted" else (look.color, 1.0)
            ys = [100 * float(row[f"{model}_median"]) for row in rows]
            (handle,) = place.plot(range(len(rows)), ys, marker=look.marker, color=color, linewidth=width)
            handles.append(handle)
        place.set_xticks(range(len(rows)), [row["group"] for row in rows])
        place.set_xlim(-0.3, len(rows) - 0.7)
        place.set_ylim(0, 100)
        place.grid(axis="y")
        place.set_title(f"{work} ({sum(int(row['rows']) for row in rows)} rows)")
        if place is not axes[0]:
            place.set_yticklabels([])
    legend(figure, frame, handles, 2.0)
    return save(figure, folder, "error-by-length")


def _passes(rows: Sequence[Row], folder: Path) -> tuple[Path, ...]:
    backends = list(dict.fromkeys(row["backend"] for row in rows))
    frame = Frame(
        rows=1, columns=1, title="What a call moves", xlabel="sequence length", ylabel="bytes",
        legend=(*backends, "pass bound", "measured"), has_headings=False, turned_ticks=False, panel_height=2.0,
    )  # fmt: skip
    figure, ((place,), *_) = canvas(frame)
    style = looks(["", *backends])
    handles: list[Any] = []
    for backend in backends:
        mine = [row for row in rows if row["backend"] == backend]
        xs = [int(row["length"]) for row in mine]
        color = style[backend].color
        (handle,) = place.plot(
            xs, [float(r["predicted_B"]) for r in mine], marker=style[backend].marker, color=color
        )
        place.plot(xs, [float(row["bound_B"]) for row in mine], linestyle=":", color=color)
        measured = [(int(row["length"]), float(row["measured_B"])) for row in mine if row["measured_B"]]
        place.plot([x for x, _ in measured], [y for _, y in measured], "x", color=color)
        handles.append(handle)
    handles += place.plot([], [], linestyle=":", color="#555555")
    handles += place.plot([], [], "x", color="#555555")
    place.set_xscale("log", base=2)
    place.set_yscale("log")
    place.yaxis.set_major_formatter(log_ticks(place.yaxis))
    place.yaxis.set_minor_formatter(NullFormatter())
    ticks = sorted({int(row["length"]) for row in rows})
    place.set_xticks(ticks, [f"{tick // 1024}k" if tick >= 1024 else str(tick) for tick in ticks])
    place.grid(axis="y")
    legend(figure, frame, handles, 2.0)
    return save(figure, folder, "passes")
