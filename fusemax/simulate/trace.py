"""A simulation as a trace that Perfetto (ui.perfetto.dev) and chrome://tracing open."""

from __future__ import annotations

import json
from typing import Any

from fusemax.simulate.tile.result import Phase, Simulation


def chrome_trace(simulation: Simulation) -> str:
    """Return the written-down tasks as JSON of the Trace Event Format: a process per nest, a thread per unit, times in us."""
    scale = 1e6 / simulation.clock_Hz
    events: list[dict[str, Any]] = []
    offset = 0
    for process, phase in enumerate(simulation.phases):
        events += _names(process, phase)
        threads = _threads(phase)
        events += [
            {
                "name": event.name, "ph": "X", "pid": process, "tid": threads[event.unit],
                "ts": (offset + event.start) * scale, "dur": (event.end - event.start) * scale,
                "args": {"tile": event.number, "start_cycle": offset + event.start, "cycles": event.end - event.start},
            }
            for event in phase.events
        ]  # fmt: skip
        events += _counters(process, phase, offset, scale)
        offset += phase.cycles
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}, separators=(",", ":")) + "\n"


def _threads(phase: Phase) -> dict[str, int]:
    return {unit: number for number, unit in enumerate(dict.fromkeys(event.unit for event in phase.events))}


def _names(process: int, phase: Phase) -> list[dict[str, Any]]:
    names = [{"name": "process_name", "ph": "M", "pid": process, "args": {"name": f"nest {phase.nest}"}}]
    return names + [
        {"name": "thread_name", "ph": "M", "pid": process, "tid": number, "args": {"name": unit}}
        for unit, number in _threads(phase).items()
    ]


def _counters(process: int, phase: Phase, offset: int, scale: float) -> list[dict[str, Any]]:
    """Return the busy part of each unit and channel over the whole run as counters."""
    line = phase.timeline
    return [
        {
            "name": f"busy {name}", "ph": "C", "pid": process, "ts": (offset + int(start)) * scale,
            "args": {"busy": round(float(value), 4)},
        }
        for name, values in line.busy.items()
        for start, value in zip(line.start, values, strict=True)
    ]  # fmt: skip
