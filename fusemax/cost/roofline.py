"""The roofline of a design: for each unit, what it does with each byte of traffic, how quick it is, and what bounds that.

Work is counted in lane-cycles: one lane of a unit, busy for one cycle, which is a multiply-add where that takes a cycle. With
the lanes of all cores L, the clock f, the utilization u of the unit, the latency t and the traffic T of the outermost level:

- peak = L*f, in lane-cycles each second, and speed = u*peak: what the unit does of it;
- intensity = u*peak*t/T, in lane-cycles for each byte; bandwidth = T over the time for which that level is busy.

So speed <= min(peak, intensity*bandwidth): the roofline of Williams, Waterman and Patterson (Communications of the ACM 52(4),
2009), with lane-cycles in place of floating-point operations.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from fusemax.cost.program import Label, Line, Program
from fusemax.cost.symbols import symbol
from fusemax.machine import Machine

#: Kinds of the lines of a unit; the bandwidth is that of the machine.
OF_UNITS = ("intensity", "speed", "peak")
BANDWIDTH = "bandwidth"


def roofline_lines(program: Program, machine: Machine) -> tuple[Line, ...]:
    """Return the lines ``peak[UNIT]``, ``speed[UNIT]``, ``intensity[UNIT]`` of each unit, and ``bandwidth``, in SI units.

    There are none where the program has no utilization or no time of the outermost level.
    """
    busy = [line for line in program.labelled("time") if line.label.level == machine.outermost]
    units = [line.label.unit for line in program.labelled("utilization")]
    if not busy or not units:
        return ()
    traffic = symbol("traffic_B")
    found: list[Line] = []
    for unit in units:
        lanes = sympy.Mul(*(symbol(f"{unit}.{dimension}") for dimension in machine.units[unit].shape))
        values = {
            "peak": symbol("replicas") * lanes * symbol("clock"),
            "speed": symbol(f"utilization[{unit}]") * symbol(f"peak[{unit}]"),
            "intensity": symbol(f"speed[{unit}]") * symbol("latency_s") / traffic,
        }
        found += [Line(f"{kind}[{unit}]", value, Label(kind, unit=unit)) for kind, value in values.items()]
    time = sympy.Add(*(symbol(line.name) for line in busy))
    return (*found, Line(BANDWIDTH, traffic / time, Label(BANDWIDTH, level=machine.outermost)))


def roofline(program: Program, machine: Machine, values: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return intensity, speed, peak and bandwidth of each unit that works, at one point.

    Parameters
    ----------
    values
        The parameters and lines of *program* at the point, by name.

    A point without traffic has no roofline: nothing comes back.
    """
    lines = {line.name: line for line in roofline_lines(program, machine)}
    known = dict(values)
    if not lines or not known["traffic_B"]:
        return {}
    for name, line in lines.items():
        assert isinstance(line.value, sympy.Expr)
        known[name] = float(line.value.subs({used: known[str(used)] for used in line.value.free_symbols}))  # type: ignore[no-untyped-call]
    units = dict.fromkeys(line.label.unit for line in lines.values() if line.label.unit)
    return {
        unit: {**{kind: known[f"{kind}[{unit}]"] for kind in OF_UNITS}, BANDWIDTH: known[BANDWIDTH]}
        for unit in units
        if known[f"speed[{unit}]"] > 0
    }
