"""Names, units and numbers as a reader of a figure expects them."""

from __future__ import annotations

from math import floor, log10
from typing import TYPE_CHECKING

from fusemax.plot.scales import scale
from fusemax.quantity import format_quantity
from fusemax.table.column import Column, unit_of

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.ticker import FuncFormatter, ScalarFormatter


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


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
