"""What lines make of each column of the results: a sum of them, or the words for what sets the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.cost.program import Line, Program
from fusemax.cost.roofline import BANDWIDTH, OF_UNITS
from fusemax.errors import FusemaxError
from fusemax.nearest import nearest
from fusemax.study.jobs.formulas import MEASURES
from fusemax.study.jobs.limit import LIMIT, Limit, Values, limit_of
from fusemax.study.jobs.verdict import VERDICT

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
    found[LIMIT] = limit_of(program)
    return found


def _place(line: Line) -> str:
    return line.label.unit or line.label.level


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
