"""What a machine is made of: memory levels, and units with their operations and registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import Field, PositiveInt, model_validator

from fusemax.language.syntax import Number
from fusemax.machine.amounts import (
    Bytes,
    BytesPerSecond,
    Count,
    Cycles,
    Hertz,
    Joules,
    Seconds,
    SquareMetres,
    Watts,
)
from fusemax.machine.widths import is_width, text_of_widths
from fusemax.typed import FilePart


def keys_of(data: object) -> dict[str, Any]:
    """Return *data* where it is a mapping of keys to values, as a file holds it; else nothing."""
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


class AccessEnergy(FilePart):
    """Energy of one line of a level (of one word of a register file): read, write, fill from outside, drain outwards."""

    read: Joules
    write: Joules
    fill: Joules | None = None
    drain: Joules | None = None


class Divided(FilePart):
    """How a memory of a core is divided among groups of threads that work side by side.

    ``rows`` is the dimension of a unit (``tensor.rows``) of which one instruction's lanes belong to one group: what carries a
    rank that runs over it is dealt to up to ``groups`` of them, whole instructions each; of all else each has a copy. A group
    has ``most`` at the most, in portions of ``step``; ``own`` of it holds no tensor. ``beside`` is for those that load.
    """

    rows: str
    groups: PositiveInt
    most: Bytes
    step: Bytes
    own: Bytes = Number(0.0)
    beside: Bytes = Number(0.0)


class Level(FilePart):
    """One memory level. Without ``size`` it holds everything; without ``bandwidth`` and ``ports`` it is never waited for.

    ``ports`` counts lines per cycle and ``bandwidth`` bytes per second, reads and writes pooled; ``read_bandwidth`` is that of
    what leaves the level alone (reads from inside, drains), ``write_bandwidth`` that of what comes in. ``per_core`` says that
    each of the machine's ``replicas`` has its own, ``shared_by`` how many neighbouring cores share one, each such group one
    of its own. ``latency`` is the time until the first word of a phase is there, ``leakage`` what it takes at all times.
    ``divided`` says how groups of threads share it.
    """

    bandwidth: BytesPerSecond | None = None
    read_bandwidth: BytesPerSecond | None = None
    write_bandwidth: BytesPerSecond | None = None
    latency: Seconds | None = None
    leakage: Watts | None = None
    ports: Count | None = None
    size: Bytes | None = None
    line: Bytes | None = None
    energy: AccessEnergy | None = None
    area: dict[str, SquareMetres] = Field(default_factory=dict)
    per_core: bool = False
    shared_by: Count | None = None
    divided: Divided | None = None

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, data: Any) -> Any:
        """Read ``bandwidth: {read: 64 GB/s, write: 32 GB/s}`` as the two bandwidths that it is."""
        given = keys_of(data)
        apart = keys_of(given.get("bandwidth"))
        if not isinstance(given.get("bandwidth"), dict):
            return data
        strange = [key for key in apart if key not in ("read", "write")]
        if strange or not apart:
            raise ValueError(
                f"bandwidth: expected 'read' and 'write', got {', '.join(map(str, strange)) or 'nothing'}"
            )
        rest = {key: value for key, value in given.items() if key != "bandwidth"}
        return {**{f"{key}_bandwidth": value for key, value in apart.items()}, **rest}

    @property
    def is_waited_for(self) -> bool:
        """Whether moving words at this level takes time."""
        ways = (self.bandwidth, self.read_bandwidth, self.write_bandwidth, self.ports)
        return any(way is not None for way in ways)

    @model_validator(mode="after")
    def _of_one_core_or_several(self) -> Level:
        if self.per_core and self.shared_by is not None:
            raise ValueError(
                "a level that each core has (per_core) is not shared_by several: remove one of them"
            )
        return self

    @model_validator(mode="after")
    def _lines(self) -> Level:
        if self.line is None and (self.ports is not None or self.energy is not None):
            raise ValueError("a level with ports or energy needs its 'line' in bytes")
        return self


class Operation(FilePart):
    """What one operation on one lane costs: cycles, and the actions that are charged for energy.

    ``widths`` are its cycles by the width of the widest operand (``8 bit``), where they depend on it; ``cycles`` is then the
    formula of them for operands of the machine's ``word``.
    """

    cycles: Cycles
    actions: dict[str, Cycles]
    widths: dict[str, Cycles] = Field(default_factory=dict)


class Registers(FilePart):
    """The register file of one lane."""

    depth: Count
    word: Bytes | None = None
    energy: AccessEnergy | None = None


class Unit(FilePart):
    """A compute unit: lanes in one or more dimensions, the operations that a lane does, registers, energy, area.

    ``clock`` is its own, if it is not the machine's; the figures of its operations, of ``fill`` and ``drain`` are then still
    in cycles of the machine. ``leakage`` is the power that it takes at all times, in every core. ``memories`` are
    small memories of every lane beside its ``registers``, each for the tensors that a mapping keeps there. ``shares`` names
    the unit whose lanes these are, used in another way: work under both names takes turns. ``sustained`` is the clock that the
    whole machine can hold while every lane of this unit works in every cycle. ``sums`` are the dimensions along which lanes
    add up what they make (all, if not given), ``accumulator`` the bytes in which a sum of this unit waits.
    """

    shape: dict[str, Count]
    operations: dict[str, Operation]
    registers: Registers | None = None
    memories: dict[str, Registers] = Field(default_factory=dict)
    energy: dict[str, Joules] = Field(default_factory=dict)
    area: dict[str, SquareMetres] = Field(default_factory=dict)
    fill: Cycles | None = None
    drain: Cycles | None = None
    clock: Hertz | None = None
    leakage: Watts | None = None
    sustained: Hertz | None = None
    shares: str | None = None
    sums: list[str] | None = None
    accumulator: Bytes | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        given = keys_of(data)
        if not isinstance(given.get("operations"), dict):
            return data
        return {**given, "operations": _expanded(keys_of(given["operations"]))}


#: What stands under a unit's name beside its memories.
TAKEN = (
    "registers",
    "operations",
    "energy",
    "area",
    "lanes",
    "fill",
    "drain",
    "clock",
    "leakage",
    "sustained",
    "accumulator",
)


def _expanded(operations: Mapping[str, Any]) -> dict[str, Any]:
    """Return *operations* with the short forms written out: ``mac: 1`` and ``exp: {mac: 6, add: 1}``."""
    full: dict[str, Any] = {}
    for name, value in operations.items():
        if isinstance(value, Operation):
            full[name] = value
        elif isinstance(value, dict) and "cycles" in value:
            full[name] = {"actions": {name: 1}, **keys_of(cast(object, value))}
        elif isinstance(value, dict) and any(is_width(key) for key in keys_of(cast(object, value))):
            widths = keys_of(cast(object, value))
            full[name] = {"cycles": text_of_widths(name, widths), "actions": {name: 1}, "widths": widths}
        elif isinstance(value, dict):
            full[name] = {"cycles": _sum_of(name, keys_of(cast(object, value)), operations), "actions": value}
        else:
            full[name] = {"cycles": value, "actions": {name: 1}}
    return full


def _sum_of(name: str, parts: Mapping[str, Any], operations: Mapping[str, Any]) -> str:
    own = {part: operations.get(part) for part in parts}
    for part, value in own.items():
        widths = keys_of(value)
        if any(is_width(key) for key in widths):
            own[part] = text_of_widths(part, widths)
    missing = [part for part, value in own.items() if not isinstance(value, str | int | float)]
    if missing:
        text = f"operation {name!r} is made of {', '.join(missing)}, which this unit does not do by itself"
        raise ValueError(f"{text}\nhint: give {missing[0]!r} its own cycles")
    return " + ".join(f"({count})*({own[part]})" for part, count in parts.items())
