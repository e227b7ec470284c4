"""What lines make of each column of the results: a sum of them, or the words for what sets the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.cost.program import Line, Program
from fusemax.cost.roofline import BANDWIDTH, OF_UNITS
from fusemax.errors import FusemaxError
from fusemax.nearest import nearest
from fusemax.study.formulas import MEASURES, VERDICT

SHORT: Mapping[str, str] = {
    "latency": "latency_s", "energy": "energy_J", "area": "area_m2", "traffic": "traffic_B",
}  # fmt: skip
TOTALS = ("latency_s", "traffic_B", "energy_J", "area_m2")
#: Kinds of lines that the long table shows: what they are called there, and their units.
BREAKDOWN: Mapping[str, tuple[str, str]] = {
    "activity": ("activity", "1"), "component_energy": ("energy", "J"), "cycles": ("cycles", "cycles"),
    "words": ("words", "words"), "time": ("time", "s"),
}  # fmt: skip
#: Kinds of lines that tables of a whole study are made from.
TOLD = (*BREAKDOWN, *OF_UNITS, BANDWIDTH)
LIMIT = "limit"

#: The values of lines by name: float64[points].
Values = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Sum:
    """A column of numbers: its lines, added up in their order."""

    lines: tuple[str, ...]

    def of(self, values: Values) -> np.ndarray:
        """Return the column, float64[points]."""
        found = values[self.lines[0]]
        for name in self.lines[1:]:
            found = found + values[name]
        return found


@dataclass(frozen=True, slots=True)
class Nest:
    """The time of one nest, the times of its schedules, and that of each level."""

    name: str
    total: str
    schedules: tuple[str, ...]
    levels: tuple[tuple[str, str], ...]

    def of(self, values: Values) -> tuple[np.ndarray, list[str]]:
        """Return what sets the time of each point, as places in a list of words."""
        total = values[self.total]
        words = ["schedule", *(level for level, _ in self.levels)]
        waits = np.ones(len(total), dtype=bool)
        for name in self.schedules:
            waits &= values[name] != total
        if not self.levels:
            return np.zeros(len(total), dtype=np.int64), words
        slowest = np.argmax(np.stack([values[line] for _, line in self.levels]), axis=0)
        return np.where(waits, slowest + 1, 0), words


@dataclass(frozen=True, slots=True)
class Limit:
    """The column that says, for each nest, what its time is: the schedule of its units, or one level."""

    nests: tuple[Nest, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines that it reads."""
        found = (
            n
            for nest in self.nests
            for n in (nest.total, *nest.schedules, *(line for _, line in nest.levels))
        )
        return tuple(dict.fromkeys(found))

    def of(self, values: Values) -> list[str]:
        """Return the column's texts."""
        codes, tables = zip(*(nest.of(values) for nest in self.nests), strict=True)
        keys, places = np.unique(np.stack(codes), axis=1, return_inverse=True)
        texts = [
            ", ".join(
                f"{nest.name}: {words[code]}"
                for nest, words, code in zip(self.nests, tables, key, strict=True)
            )
            for key in keys.T
        ]
        return [texts[place] for place in places.reshape(-1)]


Column = Sum | Limit


def columns_of(program: Program) -> dict[str, Column]:
    """Return every column of the results that *program* has, in the order of the table."""
    named = {line.name for line in program.lines}
    found: dict[str, Column] = {
        n: Sum((n,)) for n in ("latency_s", "bound_s", "traffic_B", "energy_J") if n in named
    }
    registers = [li.name for li in program.labelled("component_energy") if li.label.action == "registers"]
    if registers:
        found["energy_registers_J"] = Sum(tuple(registers))
    found |= {f"utilization_{li.label.unit}": Sum((li.name,)) for li in program.labelled("utilization")}
    if "area_m2" in named:
        found["area_m2"] = Sum(("area_m2",))
    found |= {f"area_{_place(line)}_m2": Sum((line.name,)) for line in program.labelled("component_area")}
    times: dict[str, tuple[str, ...]] = {}
    for line in program.labelled("time"):
        name = f"time_{_place(line)}_s"
        times[name] = (*times.get(name, ()), line.name)
    found |= {name: Sum(lines) for name, lines in times.items()}
    found[LIMIT] = _limit(program)
    return found


def _place(line: Line) -> str:
    return line.label.unit or line.label.level


def _limit(program: Program) -> Limit:
    nests: list[Nest] = []
    for phase in program.labelled("phase"):
        nest = phase.label.nest
        schedules = tuple(line.name for line in program.labelled("computing") if line.label.nest == nest)
        times = [line for line in program.labelled("time") if line.label.nest == nest and line.label.level]
        nests.append(
            Nest(nest, phase.name, schedules, tuple((line.label.level, line.name) for line in times))
        )
    return Limit(tuple(nests))


def totals_of(program: Program) -> dict[str, Column]:
    """Return the few columns of a large grid: the totals and the utilizations."""
    every = columns_of(program)
    return {name: every[name] for name in every if name in TOTALS or name.startswith("utilization_")}


def chosen_of(program: Program, wanted: Sequence[str]) -> dict[str, Column]:
    """Return the columns that ``outputs`` names: columns, lines, or kinds of lines.

    Raises
    ------
    FusemaxError
        For a name that is none of them, with what is near.
    """
    columns: dict[str, Column] = {}
    for name in wanted:
        kinds = tuple(BREAKDOWN) if name == "breakdown" else (name,) if name in BREAKDOWN else ()
        lines = [line.name for kind in kinds for line in program.labelled(kind)]
        columns |= {line: Sum((line,)) for line in lines} if kinds else {name: column_called(program, name)}
    return columns


def column_called(program: Program, name: str) -> Column:
    """Return the column *name*, one of the results or a line; raise FusemaxError when there is none."""
    every = columns_of(program)
    if name in every:
        return every[name]
    lines = {line.name for line in program.lines if line.label.kind != VERDICT}
    if name in lines:
        return Sum((name,))
    if name in MEASURES or name in TOTALS:
        raise FusemaxError(f"the machine does not give all that {name} needs")
    near = nearest(name, [*every, *lines, *MEASURES, *SHORT, "breakdown", *BREAKDOWN])
    hint = f"did you mean {near!r}?" if near else f"there are: {', '.join([*SHORT, *MEASURES])}"
    raise FusemaxError(f"there is no output {name!r}; {hint}")


def lines_of(columns: Mapping[str, Column]) -> tuple[str, ...]:
    """Return the lines that *columns* need, each once."""
    return tuple(dict.fromkeys(line for column in columns.values() for line in column.lines))
