"""A simulation as a trace that Perfetto (ui.perfetto.dev) and chrome://tracing open."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fusemax.simulate.tile.result import Phase, Simulation


def chrome_trace(simulation: Simulation) -> str:
    """Return the written-down tasks as JSON of the Trace Event Format: a process per nest, a thread per unit, times in us.

    Starts and ends are whole nanoseconds, as Perfetto keeps them: it would round start and duration, each for itself, and
    leave out a task that then begins before the one before it has ended. ``args`` have the exact cycles. No two threads have
    one number, not even in two processes: Perfetto would take them for one.
    """

    def at_ns(cycle: float) -> int:
        return round(cycle * 1e9 / simulation.clock_Hz)

    events: list[dict[str, Any]] = []
    offset = first = 0
    for process, phase in enumerate(simulation.phases):
        units = dict.fromkeys(event.unit for event in phase.events)
        threads = {unit: number for number, unit in enumerate(units, first)}
        first += len(threads)
        events += _names(process, phase.nest, threads)
        events += [
            {
                "name": event.name, "ph": "X", "pid": process, "tid": threads[event.unit],
                **_span(at_ns(offset + event.start), at_ns(offset + event.end)),
                "args": {"tile": event.number, "start_cycle": offset + event.start, "cycles": event.end - event.start},
            }
            for event in phase.events
        ]  # fmt: skip
        events += _counters(process, phase, lambda cycle, before=offset: at_ns(before + cycle))
        offset += phase.cycles
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}, separators=(",", ":")) + "\n"


def _span(start_ns: int, end_ns: int) -> dict[str, float]:
    return {"ts": start_ns / 1000, "dur": (end_ns - start_ns) / 1000}


def _names(process: int, nest: str, threads: Mapping[str, int]) -> list[dict[str, Any]]:
    names = [{"name": "process_name", "ph": "M", "pid": process, "args": {"name": f"nest {nest}"}}]
    return names + [
        {"name": "thread_name", "ph": "M", "pid": process, "tid": number, "args": {"name": unit}}
        for unit, number in threads.items()
    ]


def _counters(process: int, phase: Phase, at_ns: Callable[[int], int]) -> list[dict[str, Any]]:
    """Return the busy part of each unit and channel over the whole run as counters."""
    line = phase.timeline
    return [
        {
            "name": f"busy {name}", "ph": "C", "pid": process, "ts": at_ns(int(start)) / 1000,
            "args": {"busy": round(float(value), 4)},
        }
        for name, values in line.busy.items()
        for start, value in zip(line.start, values, strict=True)
    ]  # fmt: skip
