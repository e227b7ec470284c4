"""The kinds of figure: what each may show, and how it is painted. A new kind is one entry of :data:`KINDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fusemax.errors import FusemaxError
from fusemax.nearest import nearest
from fusemax.plot.bars import bars, patch, stacks
from fusemax.plot.chart import Chart, Panel
from fusemax.plot.curves import dot, dots, line, lines
from fusemax.plot.heat import colour_bar, heat
from fusemax.plot.pareto import front
from fusemax.plot.parity import parity
from fusemax.plot.roofline import roofline
from fusemax.plot.rows import rows
from fusemax.plot.scales import scale
from fusemax.plot.spec import FigureSpec, Log
from fusemax.plot.style import Look
from fusemax.table.column import Tells, measure

Painter = Callable[[Axes, Panel, Chart, FigureSpec, Mapping[str, Look]], None]


#: Draws what belongs to all panels together.
Finish = Callable[[Figure, Sequence[Axes], Chart, FigureSpec], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureKind:
    """One kind of figure.

    Attributes
    ----------
    paint
        Draws one panel.
    handle
        What stands for a series in the legend; None for a figure without one.
    is_categorical
        Values of x stand at places of equal width, whatever they are.
    adds_up
        Rows that agree in panel, series and x are added up, and each layer has a colour of its own.
    takes_many
        Several points may stand at one place.
    logs
        The axes that may be logarithmic.
    bears_texts
        Points may have texts beside them.
    series_on_axis
        The series stand on the vertical axis, and y is shown otherwise.
    lies
        The places of x stand below each other, and y runs to the right.
    one_unit
        Both axes are shown in one unit, so that equal numbers stand at equal places.
    finish
        Draws what belongs to all panels.
    log
        The axes that are logarithmic where nothing is said.
    needs
        What columns have to tell of each row besides x and y (see :class:`~fusemax.table.column.Column`).
    """

    paint: Painter
    handle: Callable[[Look], Any] | None = None
    is_categorical: bool = False
    adds_up: bool = False
    takes_many: bool = False
    logs: str = "xy"
    bears_texts: bool = False
    series_on_axis: bool = False
    lies: bool = False
    one_unit: bool = False
    finish: Finish | None = None
    log: Log = "none"
    needs: tuple[Tells, ...] = ()


def settled(spec: FigureSpec) -> FigureSpec:
    """Return *spec* with the axes that its kind chooses where it says nothing."""
    kind = KINDS.get(spec.kind)
    return replace(spec, log=kind.log) if kind and spec.log == "none" else spec


def kind_mistakes(spec: FigureSpec) -> tuple[str, ...]:
    """Return what the kind of *spec* cannot show, each text beginning with the key that is wrong.

    >>> kind_mistakes(FigureSpec(file="a", kind="bars", x="m", y="t", log="x"))
    ('log: bars stand at places of equal width; only y can be logarithmic',)
    """
    kind = KINDS.get(spec.kind)
    if kind is None:
        near = nearest(spec.kind, KINDS)
        hint = f"\n  hint: did you mean {near!r}?" if near else ""
        return (f"kind: expected one of {', '.join(KINDS)}, got {spec.kind!r}{hint}",)
    found: list[str] = []
    if kind.is_categorical and "x" in spec.log:
        found.append(f"log: {spec.kind} stand at places of equal width; only y can be logarithmic")
    if "y" in spec.log and "y" not in kind.logs:
        stacked = "layers of a stack add up, which a logarithmic axis does not show"
        found.append(f"log: {stacked if kind.adds_up else f'{spec.kind} have no such axis'}")
    if spec.annotate and not kind.bears_texts:
        others = ", ".join(name for name, other in KINDS.items() if other.bears_texts)
        found.append(f"annotate: {spec.kind} bear no texts; these do: {others}")
    found += _unit_mistakes(spec)
    if kind.series_on_axis and spec.series is None:
        found.append(f"series: {spec.kind} need one, for the vertical axis")
    return tuple(found)


def _unit_mistakes(spec: FigureSpec) -> list[str]:
    """Return that ``unit`` is one of other values than the names of y say, or of none."""
    found: list[str] = []
    for name in spec.ys if spec.unit else ():
        column = measure(name)
        try:  # a name that says no unit may be of values with any
            scale(replace(column, unit="") if column.unit == "1" else column, spec.unit)
        except FusemaxError as error:
            found.append(str(error))
    return found[:1]


#: Every kind of figure, by the name that a study gives it.
KINDS: Mapping[str, FigureKind] = {
    "bars": FigureKind(paint=bars, handle=patch, is_categorical=True, logs="y"),
    "stacks": FigureKind(paint=stacks, handle=patch, is_categorical=True, adds_up=True, logs=""),
    "lines": FigureKind(paint=lines, handle=line, bears_texts=True),
    "scatter": FigureKind(paint=dots, handle=dot, takes_many=True, bears_texts=True),
    "front": FigureKind(paint=front, handle=dot, takes_many=True),
    "roofline": FigureKind(
        paint=roofline, handle=dot, takes_many=True, bears_texts=True, log="xy", needs=("peak", "bandwidth")
    ),
    "parity": FigureKind(
        paint=parity, handle=dot, takes_many=True, bears_texts=True, log="xy", one_unit=True
    ),
    "rows": FigureKind(
        paint=rows, handle=dot, is_categorical=True, takes_many=True, logs="y", bears_texts=True, lies=True
    ),
    "heat": FigureKind(
        paint=heat, finish=colour_bar, is_categorical=True, logs="y", bears_texts=True, series_on_axis=True
    ),
}
