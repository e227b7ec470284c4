"""Names, units and numbers as a reader of a figure expects them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import floor, isfinite, log10
from typing import TYPE_CHECKING

from fusemax.errors import FusemaxError
from fusemax.quantity import format_quantity
from fusemax.table.column import Column, unit_of

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.ticker import FuncFormatter, ScalarFormatter


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
_BINARY = {"": 0, "Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50}
#: By the SI unit of values, what a figure may ask to show them in.
_SHOWN: Mapping[str, tuple[Scale, ...]] = {
    "1": (_SHARE,),
    "s": (Scale("s", 1.0), Scale("ms", 1e3), Scale("us", 1e6), Scale("ns", 1e9), Scale("ps", 1e12)),
    "B": tuple(Scale(f"{prefix}B", 2.0**-power) for prefix, power in _BINARY.items()),
    "J": (*(Scale("J", 1.0), Scale("mJ", 1e3), Scale("uJ", 1e6), Scale("nJ", 1e9), Scale("pJ", 1e12)),
          *(Scale("kJ", 1e-3), Scale("MJ", 1e-6))),
    "m2": (Scale("mm²", 1e6), Scale("um²", 1e12)),
    "W": (Scale("W", 1.0), Scale("mW", 1e3), Scale("kW", 1e-3)),
    "Hz": (Scale("Hz", 1.0), Scale("kHz", 1e-3), Scale("MHz", 1e-6), Scale("GHz", 1e-9)),
}  # fmt: skip
_UNITS: Mapping[str, Scale] = {scale.unit: scale for scales in _SHOWN.values() for scale in scales}
#: The units among which one is chosen by how large the values are, from the smallest to the largest.
_BY_SIZE: Mapping[str, tuple[str, ...]] = {
    "s": ("ps", "ns", "us", "ms", "s"),
    "B": ("B", "KiB", "MiB", "GiB", "TiB", "PiB"),
    "J": ("pJ", "nJ", "uJ", "mJ", "J", "kJ", "MJ"),
    "W": ("mW", "W", "kW"),
    "m2": ("um²", "mm²"),
}
FEW_DECADES = 300.0  #: largest over smallest value from which on a logarithmic axis shows powers of ten
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
        fitting = [scale.unit for scale in _SHOWN.get(column.unit, ())]
        if wanted not in fitting and column.unit:
            there = f"; there are: {', '.join(fitting)}" if fitting else ""
            raise FusemaxError(f"unit: values in {column.unit!r} are not shown in {wanted!r}{there}")
        return _UNITS[wanted]
    return _SCALES.get(column.unit, _PLAIN)


def sized(column: Column, values: Iterable[float], is_log: bool = False) -> Column:
    """Return *column* with the unit in which the largest of *values* is a number from 1 to 1000.

    On a logarithmic axis of many decades the usual unit stays.

    >>> from fusemax.table.column import measure
    >>> [sized(measure("latency_s"), values).shown for values in ([2e-5, 1e-6], [0.3], [4.0], [0.0])]
    ['us', 'ms', 's', '']
    """
    found = [abs(value) for value in values if value and isfinite(value)]
    if column.shown or column.unit not in _BY_SIZE or "(" in column.heading or not found:
        return column
    if is_log and max(found) / min(found) >= FEW_DECADES:
        return column
    fitting = [unit for unit in _BY_SIZE[column.unit] if max(found) * _UNITS[unit].factor >= 1.0]
    return replace(column, shown=fitting[-1] if fitting else _BY_SIZE[column.unit][0])


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


def value_text(value: object, column: Column | None, digits: int = 3) -> str:
    """Return the text of one value of *column*: a figure with its unit, anything else as a tick.

    >>> from fusemax.table.column import Column
        >>> value_text(2e9, Column(name="DRAM.bandwidth", role="size", unit="B/s")), value_text(2048, None)
        ('2 GB/s', '2K')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return tick(value)
    if column is None or column.role != "size" or column.unit in ("", "1"):
        return tick(value)
    return format_quantity(float(value), column.unit, digits)


def level_ticks() -> ScalarFormatter:
    """Return the texts of a level axis: plain where the numbers are near 1, else each with its power of ten."""
    from matplotlib.ticker import ScalarFormatter

    class Whole(ScalarFormatter):
        """Each text says the whole number: nothing stands apart at the end of the axis."""

        def __call__(self, x: float, pos: int | None = None) -> str:
            del pos
            assert self.axis is not None, "ticks stand on an axis"
            largest = max(map(abs, self.axis.get_view_interval()))
            if not largest or 1e-3 <= largest < 1e5:
                return super().__call__(x)
            return (
                "0"
                if x == 0
                else f"{x / 10.0 ** floor(log10(largest)):.4g}·10{_raised(floor(log10(largest)))}"
            )

        def get_offset(self) -> str:
            return ""

    found = Whole(useOffset=False)
    found.set_scientific(False)
    return found


def _raised(exponent: int) -> str:
    return str(exponent).translate(_RAISED)


def log_ticks(axis: Axis) -> FuncFormatter:
    """Return the texts of a logarithmic *axis*: all plain where all are near 1, else all powers of ten."""
    from matplotlib.ticker import FuncFormatter

    def text(value: float, _: int | None) -> str:
        low, high = sorted(axis.get_view_interval())
        return power(value, plain=low >= 9e-4 and high < 1e4)

    return FuncFormatter(text)


def power(value: float, plain: bool | None = None) -> str:
    """Return the text of a logarithmic tick: a plain number, or a power of ten; near 1 a plain one if *plain* is None.

    >>> power(0.5), power(1000.0), power(1e5), power(2e-6), power(0.1, plain=False)
    ('0.5', '1000', '10⁵', '2·10⁻⁶', '10⁻¹')
    """
    if plain or (plain is None and 1e-2 <= value < 1e4):
        return f"{value:.10g}"
    digits, exponent = f"{value:.3e}".split("e")
    raised, digits = str(int(exponent)).translate(_RAISED), f"{float(digits):g}"
    return f"10{raised}" if digits == "1" else f"{digits}·10{raised}"
