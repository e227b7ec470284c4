"""The figures of the FuseMax paper (MICRO 2024): 6 to 12, from the tables of the study of that name.

Each is data for :mod:`fusemax.plot.sweep`; the numbers of the figures are those of the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from fusemax.plot.spec import FigureSpec, Progress
from fusemax.plot.sweep import draw_tables
from fusemax.plot.tables import Tables, read_tables

_ATTENTION = {"part": "attention"}
_END_TO_END = {"part": "end to end"}


def _over_length(file: str, y: str, **rest: object) -> FigureSpec:
    """Return bars over the sequence length: a panel for each model, a bar for each configuration."""
    fields = {"kind": "bars", "x": "seq_len", "series": "configuration", "panels": ("model",), **rest}
    return FigureSpec(file=file, y=y, **fields)  # pyright: ignore[reportArgumentType]


SPECS: tuple[FigureSpec, ...] = (
    _over_length(
        "figure-06a-utilization-1d",
        "utilization_1d",
        where=_ATTENTION,
        title="Attention: utilization of the 1D array",
        ylabel="utilization (%)",
        caption="The share of the time in which the row of vector lanes works. Where its bar reaches 100%, "
        "this array alone sets the pace, whatever the matrix array could do.",
    ),
    _over_length(
        "figure-06b-utilization-2d",
        "utilization_2d",
        where=_ATTENTION,
        title="Attention: utilization of the 2D array",
        ylabel="utilization (%)",
        caption="The share of the time in which the matrix array works. A low bar is silicon that waits, "
        "most often for the softmax on the other array.",
    ),
    _over_length(
        "figure-07-attention-speedup",
        "latency_s",
        where=_ATTENTION,
        baseline="unfused",
        ratio="baseline/value",
        log="y",
        title="Attention: speed-up",
        ylabel="speed-up over unfused",
        caption="How many times as fast as the unfused baseline, on a logarithmic axis that starts at the "
        "baseline: a bar that hangs below 1 is slower.",
    ),
    _over_length(
        "figure-08-attention-energy",
        "energy_J",
        where=_ATTENTION,
        baseline="unfused",
        title="Attention: energy",
        ylabel="energy relative to unfused",
        caption="Energy over that of the unfused baseline, which is the line at 1. Lower is better.",
    ),
    _over_length(
        "figure-09-end-to-end-speedup",
        "latency_s",
        where=_END_TO_END,
        baseline="unfused",
        ratio="baseline/value",
        log="y",
        title="End to end: speed-up",
        ylabel="speed-up over unfused",
        caption="Attention and the linear layers together. The work of attention grows with the square of "
        "the length and that of the linear layers in proportion to it: the longer the sequence, the closer "
        "these bars come to those of attention alone.",
    ),
    _over_length(
        "figure-10-end-to-end-energy",
        "energy_J",
        where=_END_TO_END,
        baseline="unfused",
        title="End to end: energy",
        ylabel="energy relative to unfused",
        caption="Energy of attention and the linear layers together, over that of the unfused baseline.",
    ),
    FigureSpec(
        file="figure-11-activity-2d",
        kind="stacks",
        table="breakdown",
        x="seq_len",
        y="value",
        series="einsum",
        panels=("configuration", "model"),
        where={
            "part": "attention",
            "kind": "activity",
            "unit": "2d",
            "configuration": ("+Architecture", "+Binding"),
        },
        title="Attention: what the 2D array does",
        unit="%",
        ylabel="share of the time (%)",
        caption="The share of the time for which each Einsum keeps the matrix array busy, stacked. What is "
        "missing to 100% is waiting. The two rows differ in nothing but the binding.",
    ),
    FigureSpec(
        file="figure-12-latency-area",
        kind="lines",
        x="area_m2",
        y="latency_s",
        series="model",
        where={"part": "pareto"},
        annotate="{pe_dim}×{pe_dim}",
        log="xy",
        title="Latency against area, {seq_len} tokens",
        ylabel="latency of attention (s)",
        xlabel="chip area (mm²)",
        caption="Each mark is one size of the matrix array, with the row of lanes and the buffer that it "
        "needs. On two logarithmic axes a straight line means that area buys speed at a fixed rate.",
    ),
)
FIGURES: Mapping[str, Callable[[Tables, Path], object]] = {
    spec.file: partial(draw_tables, spec=spec) for spec in SPECS
}


def draw_all(folder: Path, progress: Progress | None = None) -> list[Path]:
    """Return the image files of all figures, drawn from the tables in *folder* and put beside them.

    *progress* is told the name of each figure once it is drawn.

    Raises
    ------
    FusemaxError
        When a table or one of its columns is missing or cannot be shown; the message names the figure.
    """
    tables = read_tables(folder)
    paths: list[Path] = []
    for spec in SPECS:
        paths += draw_tables(tables, folder, spec)
        if progress is not None:
            progress(spec.file)
    return paths
