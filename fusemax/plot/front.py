"""The figure of a Pareto front: mappings by two of their measures."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from fusemax.plot.style import save, styled

COLOUR = "#0072B2"
#: What stands at an axis, and what a value in SI units is divided by.
AXES: Mapping[str, tuple[str, float]] = {
    "latency": ("latency (ms)", 1e-3), "energy": ("energy (J)", 1.0), "traffic": ("traffic outside (GB)", 1e9),
    "edp": ("latency times energy (mJ s)", 1e-3),
}  # fmt: skip


def draw(
    points: Sequence[tuple[float, float]], objectives: tuple[str, str], title: str, folder: Path
) -> Sequence[Path]:
    """Draw *points*, each of two measures in SI units, into ``front`` files in *folder*; return their paths."""
    (x_label, x_unit), (y_label, y_unit) = (AXES[one] for one in objectives)
    with styled():
        figure = Figure(figsize=(3.6, 2.7))
        axes = figure.add_axes((0.17, 0.17, 0.79, 0.7))
        axes.plot(
            [x / x_unit for x, _ in points], [y / y_unit for _, y in points], color=COLOUR, marker="o", markersize=3,
            linewidth=0.8, drawstyle="steps-post",
        )  # fmt: skip
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.set_title("\n".join(textwrap.wrap(title, 52)), fontsize=8)
        axes.grid(True)
        return save(figure, folder, "front")
