"""Names, units and numbers as a reader of a figure expects them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusemax.errors import FusemaxError
from fusemax.quantity import format_quantity
from fusemax.table.column import Column, unit_of

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.ticker import FuncFormatter


@dataclass(frozen=True, slots=True)
class Scale:
    """How a column is shown: the values times ``factor``, in ``unit``."""

    unit: str
    factor: float


#: How values in an SI unit are shown where nothing else is asked for.
_SCALES: Mapping[str, Scale] = {
    "s": Scale("s", 1.0),
    "B": Scale("GiB", 2.0**-30),
    "J": Scale("J", 1.0),
    "W": Scale("W", 1.0),
    "Hz": Scale("MHz", 1e-6),
    "m2": Scale("mm²", 1e6),
}
_SHARE = Scale("%", 100.0)
#: By the unit in which a figure asks to show an SI value.
_UNITS: Mapping[str, Scale] = {
    unit.unit: unit
    for unit in (
        _SHARE,
        *(Scale("s", 1.0), Scale("ms", 1e3), Scale("us", 1e6), Scale("ns", 1e9)),
        *(Scale("B", 1.0), Scale("KiB", 2.0**-10), Scale("MiB", 2.0**-20), Scale("GiB", 2.0**-30)),
        *(Scale("TiB", 2.0**-40), Scale("J", 1.0), Scale("mJ", 1e3), Scale("uJ", 1e6), Scale("kJ", 1e-3)),
        *(Scale("mm²", 1e6), Scale("um²", 1e12), Scale("W", 1.0), Scale("Hz", 1.0), Scale("GHz", 1e-9)),
    )
}
_PLAIN = Scale("", 1.0)
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def scale(column: Column, unit: str = "") -> Scale:
    """Return how the values of *column* are shown: in *unit* where one is asked for.

        Raises
        ------
        FusemaxError
            When no values are ever shown in *unit*.

    >>> from fusemax.table.column import measure, share
        >>> scale(measure("latency_s")).unit, scale(measure("area_2d_m2")).unit, scale(share("utilization_1d")).unit
        ('s', 'mm²', '%')
    """
    wanted = unit or column.shown
    if wanted:
        if wanted not in _UNITS:
            raise FusemaxError(f"unit: nothing is shown in {wanted!r}; there are: {', '.join(_UNITS)}")
        return _UNITS[wanted]
    return _SCALES.get(column.unit, _PLAIN)


def axis_label(column: Column, unit: str = "") -> str:
    """Return the words for an axis of *column*, with its unit: *unit* where one is asked for.

    >>> from fusemax.table.column import measure, share
        >>> axis_label(measure("latency_s")), axis_label(measure("traffic_B")), axis_label(share("utilization_2d"))
        ('latency (s)', 'traffic (GiB)', 'utilization 2d (%)')
    """
    if "(" in column.heading:
        return column.heading
    has_ending = unit_of(column.name) != "1"
    named = (column.name.rpartition("_")[0] if has_ending else column.name).replace("_", " ")
    words = column.heading or named
    shown = unit or scale(column).unit
    return f"{words} ({shown})" if shown else words


def panel_text(value: object, column: Column) -> str:
    """Return the heading of a panel of *column*: a text by itself, a number with the words for what it is.

    >>> from fusemax.table.column import size, text
    >>> panel_text("BERT", text("model")), panel_text(16, size("B"))
    ('BERT', 'B 16')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{axis_label(column).partition(' (')[0]} {value_text(value, column)}"


def tick(value: object) -> str:
    """Return the text of a tick: whole numbers from 1024 on in K, M and G of 1024 where that is exact.

    >>> [tick(value) for value in (1000, 1024, 1536, 65536, 2**20, "BERT", 0.5)]
    ['1000', '1K', '1.5K', '64K', '1M', 'BERT', '0.5']
    >>> tick(2_000_000_000)
    '2000000000'
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    for size, prefix in ((2**30, "G"), (2**20, "M"), (2**10, "K")):
        if value >= size and value % (size // 2) == 0 and value // size < 10000:
            halves = int(value) // (size // 2)
            return f"{halves // 2}{'.5' if halves % 2 else ''}{prefix}"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def value_text(value: object, column: Column | None) -> str:
    """Return the text of one value of *column*: a figure with its unit, anything else as a tick.

    >>> from fusemax.table.column import Column
        >>> value_text(2e9, Column(name="DRAM.bandwidth", role="size", unit="B/s")), value_text(2048, None)
        ('2 GB/s', '2K')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return tick(value)
    if column is None or column.role != "size" or column.unit in ("", "1"):
        return tick(value)
    return format_quantity(float(value), column.unit)


def log_ticks(axis: Axis) -> FuncFormatter:
    """Return the texts of a logarithmic *axis*: all plain where all are near 1, else all powers of ten."""
    from matplotlib.ticker import FuncFormatter

    def text(value: float, _: int | None) -> str:
        low, high = sorted(axis.get_view_interval())
        return power(value, plain=low >= 5e-3 and high < 1e4)

    return FuncFormatter(text)


def power(value: float, plain: bool | None = None) -> str:
    """Return the text of a logarithmic tick: a plain number, or a power of ten; near 1 a plain one if *plain* is None.

    >>> power(0.5), power(1000.0), power(1e5), power(2e-6), power(0.1, plain=False)
    ('0.5', '1000', '10⁵', '2·10⁻⁶', '10⁻¹')
    """
    if plain or (plain is None and 1e-2 <= value < 1e4):
        return f"{value:.10g}"
    digits, exponent = f"{value:.0e}".split("e")
    raised = str(int(exponent)).translate(_RAISED)
    return f"10{raised}" if digits == "1" else f"{digits}·10{raised}"
