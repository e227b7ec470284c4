"""The strip below a waterfall: how busy each unit is over the whole run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from fusemax.plot.style import looks


@dataclass(frozen=True, slots=True)
class Strip:
    """Busy part over time of each unit: ``edges`` in cycles, one more than values."""

    edges: Sequence[float]
    busy: Mapping[str, Sequence[float]]


def draw_strip(axes: Axes, strip: Strip) -> None:
    """Draw a curve for each unit of *strip* that is ever busy, in per cent of the time."""
    names = [name for name, values in strip.busy.items() if max(values, default=0) > 0]
    styles = looks(names, stacked=True)
    scale, unit = _scaled(max(strip.edges, default=1))
    edges = [edge / scale for edge in strip.edges]
    for name in names:
        edges_, values = _coarse(edges, [100 * v for v in strip.busy[name]])
        axes.stairs(values, edges_, color=styles[name].color, linewidth=1.1)
    axes.set_xlim(0, max(edges, default=1))
    axes.set_ylim(0, 104)
    axes.set_yticks([0, 50, 100])
    axes.set_ylabel("busy (%)")
    axes.set_xlabel(f"cycle ({unit})" if unit else "cycle", labelpad=1)
    axes.grid(axis="y")
    handles = [Patch(color=styles[name].color) for name in names]
    axes.legend(
        handles, names, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=max(1, len(names)), frameon=False,
        borderpad=0, borderaxespad=0.2, handlelength=1.0, handleheight=0.7, columnspacing=1.2,
    )  # fmt: skip
    axes.set_title("The whole run", fontweight="normal")


def _coarse(
    edges: Sequence[float], values: Sequence[float], bins: int = 120
) -> tuple[list[float], list[float]]:
    """Return the same steps averaged over *bins* equal intervals: thousands of unequal steps would be a blot."""
    if len(values) <= 1:
        return list(edges), list(values)
    width = (edges[-1] - edges[0]) / bins
    total = [0.0] * bins
    for (start, end), value in zip(pairwise(edges), values, strict=True):
        first = min(bins - 1, int((start - edges[0]) / width))
        last = min(bins - 1, int((end - edges[0]) / width))
        for k in range(first, last + 1):
            low, high = edges[0] + k * width, edges[0] + (k + 1) * width
            total[k] += value * max(0.0, min(end, high) - max(start, low))
    return [edges[0] + k * width for k in range(bins + 1)], [part / width for part in total]


def _scaled(largest: float) -> tuple[float, str]:
    for scale, unit in ((1e12, "10^12"), (1e9, "10^9"), (1e6, "10^6"), (1e3, "thousands")):
        if largest >= 10 * scale:
            return scale, unit
    return 1.0, ""
