"""What the columns of a sweep's tables are: role, unit, meaning and how each adds up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fusemax.table.column import (
    LENGTH,
    LENGTH_HEADING,
    Column,
    measure,
    piece,
    remark,
    share,
    size,
    text,
    truth,
)

AREA, TIME, BUSY = "area_", "time_", "utilization_"
FIXED = (
    text("study"),
    text("part", "part of the study"),
    text("path", "start, each correction alone, together, or at the end"),
    text("step", "the correction that was made last"),
    text("title", "of the correction"),
    text("configuration", "machine and mapping with their changes"),
    text("machine", "file of arch/ or a path"),
    text("mapping", "the mapping that ran; of several, the one chosen"),
    measure("latency_s", "time from start to end", adds="sum", tells="time"),
    measure("bound_s", "the largest of all resources' own times: no schedule is quicker", adds="sum"),
    measure(
        "traffic_B",
        "bytes that cross the border of the outermost level, both ways",
        adds="sum",
        tells="traffic",
    ),
    measure("energy_J", "energy of all components", adds="sum", tells="energy"),
    measure("energy_registers_J", "the part of the energy that register files take", adds="sum"),
    measure("least_latency_s", "no mapping is quicker", adds="sum"),
    measure("least_traffic_B", "no mapping moves less across the border of the outermost level", adds="sum"),
    measure("least_energy_J", "no mapping takes less energy", adds="sum"),
    replace(
        measure(
            "covered",
            "the part of the best mapping's measure that its lower bound covers: at 1 nothing is better",
            unit="1",
        ),
        shown="%",
    ),
    measure("area_m2", "area of all components"),
    measure("energy_delay", "energy times latency", unit="J s"),
    measure("power", "energy over latency", unit="W"),
    remark("limit", "what sets the time of each nest: a level, or the schedule of the units", tells="limit"),
    truth("fits", "whether the tiles and all that is kept have room"),
    remark("reason", "why the configuration cannot be run there", tells="lost"),
)
BREAKDOWN = (
    text("kind", "what the value is"),
    *map(piece, ("nest", "unit", "level", "einsum", "tensor", "action")),
    piece("component", "unit or level, and what is done there"),
    replace(measure("value", "in the unit of the last column"), unit_in="unit_of_measure", words_in="kind"),
    text("unit_of_measure", "of the value"),
)
ROOFLINE = (
    text("unit"),
    replace(
        measure("intensity", "lane-cycles of the unit for each byte of traffic", unit="1/B"),
        heading="work for each byte (lane-cycles/B)",
    ),
    replace(
        measure("speed", "lane-cycles of the unit each second", unit="1/s"), heading="speed (lane-cycles/s)"
    ),
    measure("peak", "lane-cycles that the unit can do each second", unit="1/s", tells="peak"),
    measure("bandwidth", "of the outermost level", unit="B/s", tells="bandwidth"),
)
COMPARISON = (
    text("table", "published table"),
    text("quantity", "column that is compared"),
    measure("published"),
    measure("ours"),
    measure("relative_difference", "ours over published, less 1", unit="1"),
    remark("reason", "why they differ"),
)
LONG_TABLES = {"breakdown": BREAKDOWN, "roofline": ROOFLINE, "comparison": COMPARISON}
_KNOWN = {column.name: column for column in FIXED}
#: The columns that tell of every row what readers ask: time, energy, traffic, limit, lost.
TELLING = {column.tells: column.name for column in FIXED if column.tells}
#: That every whole table has, at least empty.
ALWAYS = (TELLING["time"], "bound_s", TELLING["traffic"], TELLING["energy"])
LAST = ("fits", TELLING["lost"])
#: After which column those stand whose names begin so.
_BEGUN = {"covered": (BUSY,), "area_m2": (AREA, TIME)}
_PLACES = tuple(name for column in FIXED for name in (column.name, *_BEGUN.get(column.name, ())))


def place(name: str) -> int:
    """Return the place of the measure *name* among the columns of a table, to sort by.

    >>> sorted(["limit", "time_x_s", "area_m2", "energy_J", "utilization_x", "latency_s", "area_x_m2"], key=place)
    ['latency_s', 'energy_J', 'utilization_x', 'area_m2', 'area_x_m2', 'time_x_s', 'limit']
    """
    known = (
        n
        for n, one in enumerate(_PLACES)
        if name == one or (one in (BUSY, AREA, TIME) and name.startswith(one))
    )
    return next(known, len(_PLACES))


def described(
    names: Iterable[str], labels: Iterable[str], sizes: Iterable[str], length: str
) -> tuple[Column, ...]:
    """Return the columns called *names* of a results table, of which *labels* and *sizes* tell points apart.

    >>> [(c.role, c.unit, c.shown) for c in described(["model", "M", "utilization_2d", "L3.size"], ["model"], ["M"], "M")]
    [('label', '', ''), ('size', '1', ''), ('measure', '1', '%'), ('size', 'B', '')]
    """
    return tuple(_column(name, set(labels), set(sizes), length) for name in names)


def _column(name: str, labels: set[str], sizes: set[str], length: str) -> Column:
    from fusemax.language.figure import figure_kind, is_figure

    if name in _KNOWN:
        return _KNOWN[name]
    if name == LENGTH:
        return size(name, f"size {length}", heading=LENGTH_HEADING)
    if name in labels:
        return text(name, "row of the table of this name")
    if is_figure(name):
        unit = figure_kind(name).unit
        return Column(name=name, role="size", unit=unit, meaning="figure of the machine")
    if name in sizes:
        return size(name, "size")
    if name.startswith(BUSY):
        return share(name, f"busy lane-cycles of {name.removeprefix(BUSY)} over all of its lane-cycles")
    if name.startswith(AREA):
        return measure(name, f"area of {name.removeprefix(AREA).removesuffix('_m2')}")
    if name.startswith(TIME):
        place = name.removeprefix(TIME).removesuffix("_s")
        return measure(name, f"time for which {place} is busy", adds="sum")
    return measure(name)
