"""What a column of a table is: readers ask this, not its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Role = Literal["label", "piece", "size", "measure"]
Kind = Literal["text", "whole", "real", "truth"]
Adds = Literal["sum", "mean over time", "no"]
Tells = Literal["", "time", "energy", "traffic", "limit", "lost", "peak", "bandwidth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes
    ----------
    name
        As in the head of the table.
    role
        ``label``: a name that tells rows apart; ``piece``: one that tells apart what adds up; ``size``: a number that was
        given; ``measure``: a number that came out.
    kind
        What its values are.
    unit
        SI, ``1`` for plain numbers, empty for texts.
    meaning
        In a few words.
    adds
        What it becomes where rows are added up.
    shown
        The unit in which readers want it, where that is not the usual one for its own: ``%``.
    heading
        Words for the axis of a figure, where the name's own will not do.
    tells
        Which of the few things it is that readers ask of every row; empty for all else.
    unit_in, words_in
        The columns that hold the unit of each value, and the word for what it is, where rows differ in them.
    """

    name: str
    role: Role
    kind: Kind = "real"
    unit: str = "1"
    meaning: str = ""
    adds: Adds = "no"
    shown: str = ""
    heading: str = ""
    tells: Tells = ""
    unit_in: str = ""
    words_in: str = ""

    def described(self) -> dict[str, Any]:
        """Return what is written beside the table; what is empty is left out."""
        return {key: value for key, value in asdict(self).items() if value}


#: SI units by the ending of a column's name.
ENDINGS: Mapping[str, str] = {"s": "s", "B": "B", "J": "J", "W": "W", "Hz": "Hz", "m2": "m2"}


def column_from(entry: Mapping[str, Any]) -> Column:
    """Return the column that :meth:`Column.described` wrote; raise KeyError or TypeError when it is none."""
    known = {field.name for field in fields(Column)}
    given: dict[str, Any] = {"unit": "", **{key: value for key, value in entry.items() if key in known}}
    return Column(**given)


def text(name: str, meaning: str = "") -> Column:
    """Return a column of names."""
    return Column(name=name, role="label", kind="text", unit="", meaning=meaning)


def piece(name: str, meaning: str = "") -> Column:
    """Return a column of names of what makes up a whole: rows that differ in nothing else can be added up."""
    return Column(name=name, role="piece", kind="text", unit="", meaning=meaning)


def size(name: str, meaning: str = "", unit: str = "1", heading: str = "") -> Column:
    """Return a column of whole numbers that were given, or of real ones where they have a unit."""
    kind = "whole" if unit == "1" else "real"
    return Column(name=name, role="size", kind=kind, unit=unit, meaning=meaning, heading=heading)


def measure(
    name: str,
    meaning: str = "",
    unit: str = "",
    adds: Adds = "no",
    shown: str = "",
    tells: Tells = "",
    heading: str = "",
) -> Column:
    """Return a column of numbers that came out, by default in the unit that its name ends with."""
    own = unit or unit_of(name)
    return Column(
        name=name,
        role="measure",
        unit=own,
        meaning=meaning,
        adds=adds,
        shown=shown,
        tells=tells,
        heading=heading,
    )


def share(name: str, meaning: str = "") -> Column:
    """Return a column of shares of the time, which readers want in percent."""
    return Column(name=name, role="measure", meaning=meaning, adds="mean over time", shown="%")


def count(name: str, meaning: str = "", heading: str = "") -> Column:
    """Return a column of whole numbers that came out."""
    return Column(name=name, role="measure", kind="whole", meaning=meaning, heading=heading)


def remark(name: str, meaning: str = "", tells: Tells = "") -> Column:
    """Return a column of texts that came out."""
    return Column(name=name, role="measure", kind="text", unit="", meaning=meaning, tells=tells)


def truth(name: str, meaning: str = "") -> Column:
    """Return a column of yes and no."""
    return Column(name=name, role="measure", kind="truth", unit="", meaning=meaning)


def unit_of(name: str) -> str:
    """Return the unit that the name of a column ends with, else 1.

    >>> unit_of("latency_s"), unit_of("area_2d_m2"), unit_of("passes")
    ('s', 'm2', '1')
    """
    stem, _, ending = name.rpartition("_")
    return ENDINGS.get(ending, "1") if stem else "1"


LENGTH = "seq_len"  #: the column of the size over which most studies run
LENGTH_HEADING = "sequence length (tokens)"


#: What columns that no file describes tell of a row, and how they add up: what they are called in every study says it.
TELLING: Mapping[str, tuple[Tells, Adds]] = {
    "latency_s": ("time", "sum"), "energy_J": ("energy", "sum"), "traffic_B": ("traffic", "sum"),
    "limit": ("limit", "no"), "reason": ("lost", "no"),
}  # fmt: skip
#: Columns that no file describes and that tell apart what adds up, whatever the table.
PIECES = ("nest", "unit", "level", "einsum", "tensor", "action", "component")


def guessed(name: str, kind: Kind) -> Column:
    """Return a column of which nothing but its name and its values is known."""
    tells, adds = TELLING.get(name, ("", "no"))
    if kind in ("text", "truth"):
        role = "piece" if name in PIECES else "label"
        return Column(name=name, role=role, kind=kind, unit="", tells=tells)
    if name.startswith("utilization_"):
        return share(name)
    is_measure = kind == "real" or unit_of(name) != "1"
    heading = LENGTH_HEADING if name == LENGTH else ""
    role = "measure" if is_measure else "size"
    return Column(
        name=name, role=role, kind=kind, unit=unit_of(name), heading=heading, tells=tells, adds=adds
    )
