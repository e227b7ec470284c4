"""Parts of operations that other units take, left open as the sizes of tiles are: one derivation prices all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from fusemax.language.syntax import Binary, Expression, Name, Number
from fusemax.mapping.space import Phase
from fusemax.search.units import PARTS, Binding

Entry = tuple[str, str]  #: an Einsum and an operation
#: What multiples of a part are tried where one is open.
STEPS = (0.5, 0.65, 0.75, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0)
ROUGH = (0.7, 0.85, 1.0, 1.2, 1.4)  #: the same with every tiling of a grid
FEW = (0.75, 1.0, 1.4)  #: the same where several are


def opened(phase: Phase) -> tuple[Phase, dict[str, int]]:
    """Return *phase* with the parts that units take as parameters, and the value of each, in 256ths, by name.

    An operation of which several units take parts stays as it is.
    """
    values: dict[str, int] = {}
    offload: dict[Entry, Mapping[str, Expression]] = {}
    for entry, parts in phase.offload.items():
        offload[entry] = parts
        for unit, part in parts.items() if len(parts) == 1 else ():
            if isinstance(part, Number) and part.value < 1:
                name = _name(entry, unit)
                values[name] = round(part.value * PARTS)
                offload[entry] = {unit: Binary("/", Name(name), Number(PARTS))}
    return replace(phase, offload=offload), values


def closed(phase: Phase, values: Mapping[str, int]) -> tuple[Phase, dict[str, int]]:
    """Return *phase* with its open parts as numbers, and what else *values* has: the sizes of tiles."""
    tiles = dict(values)
    offload: dict[Entry, Mapping[str, Expression]] = {}
    for entry, parts in phase.offload.items():
        known = dict(_closed(entry, parts, tiles))
        if known:
            offload[entry] = known
    return replace(phase, offload=offload), tiles


def _closed(
    entry: Entry, parts: Mapping[str, Expression], values: dict[str, int]
) -> Iterator[tuple[str, Expression]]:
    for unit, part in parts.items():
        value = values.pop(_name(entry, unit), None)
        if value is None:
            yield unit, part
        elif value:
            yield unit, Number(value / PARTS)


def taken_again(binding: Binding, phase: Phase) -> Binding:
    """Return *binding* with the parts that *phase* has."""
    taken = {
        (entry, unit): part.value
        for entry, parts in phase.offload.items()
        for unit, part in parts.items()
        if isinstance(part, Number)
    }
    return replace(binding, taken=taken)


def near(value: int, several: bool) -> tuple[int, ...]:
    """Return the parts to try around *value*, in 256ths."""
    found = {min(PARTS - 1, round(value * step)) for step in (FEW if several else STEPS)}
    return tuple(sorted(found))


def roughly(value: int) -> tuple[int, ...]:
    """Return the parts to try with every tiling, in 256ths: how large a part pays depends on the tiles.

    >>> roughly(16)
    (11, 14, 16, 19, 22)
    """
    return tuple(sorted({min(PARTS - 1, round(value * step)) for step in ROUGH}))


def _name(entry: Entry, unit: str) -> str:
    return f"part_{entry[0]}_{entry[1]}_{unit}"
