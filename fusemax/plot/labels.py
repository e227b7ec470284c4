"""Names, units and numbers as a reader of a figure expects them."""

from __future__ import annotations

from fusemax.plot.scales import scale
from fusemax.quantity import format_quantity
from fusemax.table.column import Column, unit_of


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
