"""What the figures of a machine are measured in, by name, and which values they may have.

One table for everything that takes figures by name: ``--set``, the figures of studies and the axes of grids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fusemax.nearest import nearest
from fusemax.quantity import QuantityError, quantity, refuse_bare


@dataclass(frozen=True, slots=True)
class FigureKind:
    """The unit of a figure, and whether it is more than zero and whole."""

    unit: str
    positive: bool = True
    whole: bool = False


#: Figures of the machine itself.
SINGLE: Mapping[str, FigureKind] = {
    "clock": FigureKind("Hz"),
    "word": FigureKind("B"),
    "replicas": FigureKind("1", whole=True),
    "launch": FigureKind("s", positive=False),
    "graph_launch": FigureKind("s", positive=False),
    "power": FigureKind("W"),
}
#: Figures of levels and units by their last word; every other one is a dimension of a unit's shape.
_LAST: Mapping[str, FigureKind] = {
    "size": FigureKind("B"),
    "line": FigureKind("B"),
    "word": FigureKind("B"),
    "bandwidth": FigureKind("B/s"),
    "read_bandwidth": FigureKind("B/s"),
    "write_bandwidth": FigureKind("B/s"),
    "latency": FigureKind("s", positive=False),
    "leakage": FigureKind("W", positive=False),
    "clock": FigureKind("Hz"),
    "sustained": FigureKind("Hz"),
    "accumulator": FigureKind("B"),
    "fill": FigureKind("1", positive=False),
    "drain": FigureKind("1", positive=False),
}
#: Figures that stand in a group, such as ``L1.energy.read``.
_GROUPS: Mapping[str, FigureKind] = {
    "energy": FigureKind("J", positive=False),
    "area": FigureKind("m2", positive=False),
    "operations": FigureKind("1", positive=False),
    "divided": FigureKind("B", positive=False),
}


def is_figure(name: str) -> bool:
    """Return whether *name* is written like a figure of a machine rather than a size or a tile.

    >>> is_figure("clock"), is_figure("2d.rows"), is_figure("M")
    (True, True, False)
    """
    return "." in name or name in SINGLE


def figure_kind(name: str) -> FigureKind:
    """Return what the figure *name* is.

    >>> figure_kind("L3.size").unit, figure_kind("L3.energy.read").unit, figure_kind("2d.columns").whole
    ('B', 'J', True)
    """
    if name in SINGLE:
        return SINGLE[name]
    parts = name.split(".")
    if len(parts) > 2 and parts[-2] in _GROUPS:
        return _GROUPS[parts[-2]]
    if len(parts) > 3 and parts[-3] in _GROUPS:  # of one width: tensor.operations.mac.8bit
        return _GROUPS[parts[-3]]
    return _LAST.get(parts[-1], FigureKind("1", whole=True))


def figure_value(name: str, value: str | int | float) -> float:
    """Return *value* of the figure *name* in SI.

    >>> figure_value("clock", "940 MHz"), figure_value("2d.rows", 256), figure_value("launch", 0)
    (940000000.0, 256.0, 0.0)

    Raises
    ------
    QuantityError
        When *value* is in another unit or lacks the one that the figure has, or is none that the figure may have.
    """
    try:
        found = quantity(value, figure_kind(name).unit)
    except QuantityError as error:
        refuse_without_unit(name, value)
        wrong_name = misspelt(name)
        raise QuantityError(f"no such figure{wrong_name}" if wrong_name else str(error)) from None
    refuse_without_unit(name, value)
    return allowed(name, found, value)


def refuse_without_unit(name: str, value: object) -> None:
    """Raise QuantityError when the figure *name* has a unit and *value* is a number without one; zero needs none.

    >>> refuse_without_unit("L3.size", "16 MiB")
    """
    unit = figure_kind(name).unit
    if unit != "1":
        refuse_bare(value, unit)


def misspelt(name: str) -> str:
    """Return a hint for a name such as ``L3.sise``, which would be a dimension of a unit; else nothing.

    >>> misspelt("L3.sise").strip(), misspelt("L3.size"), misspelt("2d.rows")
    ("hint: did you mean 'L3.size'?", '', '')
    """
    owner, _, last = name.rpartition(".")
    near = nearest(last, [*_LAST, "ports", "depth"])
    known = near is None or near == last or name.count(".") > 1 or name in SINGLE
    return "" if known else f"\n  hint: did you mean '{owner}.{near}'?"


def allowed(name: str, found: float, written: object) -> float:
    """Return *found* if the figure *name* may have that value; *written* is how messages quote it."""
    kind = figure_kind(name)
    if kind.whole and (found < 1 or found != int(found)):
        raise QuantityError(f"expected a whole number of at least 1, got {written!r}")
    if kind.positive and found <= 0:
        raise QuantityError(f"expected more than zero, got {written!r}")
    if found < 0:
        raise QuantityError(f"expected no less than zero, got {written!r}")
    return found
