"""Parity: one number against another that should equal it, as points beside the diagonal."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from fusemax.plot.chart import Chart, Panel
from fusemax.plot.curves import dots
from fusemax.plot.scales import scale
from fusemax.plot.spec import FigureSpec
from fusemax.plot.style import Look


def parity(axes: Axes, panel: Panel, content: Chart, spec: FigureSpec, look: Mapping[str, Look]) -> None:
    """Draw the points and the diagonal, on which both numbers are equal; both axes have the same limits in all panels."""
    dots(axes, panel, content, spec, look)
    factor = scale(content.x).factor
    ends = [value for point in content.points for value in (point.x * factor, point.y)]
    room = 1.5 if spec.log == "xy" else 1.0
    low, high = min(ends) / room, max(ends) * room
    axes.plot([low, high], [low, high], color="0.35", linewidth=0.8, zorder=1)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
