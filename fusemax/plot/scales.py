"""The units that values are shown in: the usual one, the one that is asked for, or one that suits how large they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite

from fusemax.errors import FusemaxError
from fusemax.table.column import Column


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


def labelled(column: Column, label: str) -> Column:
    """Return *column* in the unit that *label*, the text of its axis, has in brackets, where it can be shown in that.

    >>> from fusemax.table.column import measure
    >>> labelled(measure("latency_s"), "time (ms)").shown, labelled(measure("latency_s"), "time (of all)").shown
    ('ms', '')
    """
    unit = label.rpartition("(")[2].removesuffix(")") if label.endswith(")") else ""
    fits = unit in [scale.unit for scale in _SHOWN.get(column.unit, ())]
    return replace(column, shown=unit) if fits else column


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
