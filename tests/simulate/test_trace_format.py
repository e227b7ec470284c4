"""Traces hold to the Trace Event Format, which Perfetto and chrome://tracing read: fields, nesting, order.

The rules are those of "Trace Event Format" (Duca and Sinclair, Google): a complete event (X) has a name, a process, a thread,
a start and a duration in microseconds; events of one thread are within each other or apart; a counter (C) holds numbers and
its samples ascend; metadata (M) name a process or a thread that has events.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

import fusemax as fm
from fusemax.simulate.trace import chrome_trace

REQUIRED = {
    "X": {"name", "ph", "pid", "tid", "ts", "dur"},
    "C": {"name", "ph", "pid", "ts", "args"},
    "M": {"name", "ph", "pid", "args"},
}
Event = Mapping[str, Any]


def faults(text: str) -> list[str]:
    """Return what is wrong with a trace, one text for each fault."""
    trace = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    found = [] if trace.get("displayTimeUnit", "ms") in ("ms", "ns") else ["displayTimeUnit"]
    events: Sequence[Event] = trace["traceEvents"]
    for number, event in enumerate(events):
        found += [f"{number}: {text}" for text in _faults_of(event)]
    if found:
        return found
    threads: dict[tuple[int, int], list[tuple[float, float]]] = {}
    counters: dict[tuple[int, str], list[float]] = {}
    for event in events:
        if event["ph"] == "X":
            threads.setdefault((event["pid"], event["tid"]), []).append(
                (event["ts"], event["ts"] + event["dur"])
            )
        elif event["ph"] == "C":
            counters.setdefault((event["pid"], event["name"]), []).append(event["ts"])
    found += [
        f"thread {thread}: slices overlap in part" for thread, slices in threads.items() if _crossing(slices)
    ]
    found += [
        f"counter {name}: its samples do not ascend"
        for name, times in counters.items()
        if times != sorted(times)
    ]
    named = [(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"]
    found += [f"thread {thread} has no name" for thread in threads if named.count(thread) != 1]
    return found


def _faults_of(event: Event) -> list[str]:
    kind = event.get("ph")
    if kind not in REQUIRED:
        return [f"unknown phase {kind!r}"]
    found = [f"{key} is missing" for key in sorted(REQUIRED[kind] - set(event))]
    times = [event[key] for key in ("ts", "dur") if key in event]
    found += [
        f"time {t!r}"
        for t in times
        if isinstance(t, bool) or not isinstance(t, int | float) or not math.isfinite(t) or t < 0
    ]
    found += [
        f"{key} is no whole number" for key in ("pid", "tid") if key in event and type(event[key]) is not int
    ]
    if kind == "C":
        found += [
            f"counter value {v!r}" for v in event.get("args", {}).values() if not isinstance(v, int | float)
        ]
    if kind == "M" and event.get("name") not in ("process_name", "thread_name"):
        found.append(f"unknown metadata {event.get('name')!r}")
    return found


def _crossing(slices: Sequence[tuple[float, float]], rounding: float = 1e-6) -> bool:
    """Return whether two slices of one thread overlap without one being inside the other; ends in microseconds."""
    open_ends: list[float] = []
    for start, end in sorted(slices, key=lambda one: (one[0], -one[1])):
        while open_ends and open_ends[-1] <= start + rounding:
            open_ends.pop()
        if open_ends and end > open_ends[-1] + rounding:
            return True
        open_ends.append(end)
    return False


SIZES = {"B": 1, "H": 2, "E": 64, "F": 64, "M": 1024, "P": 512}


@pytest.mark.parametrize(
    ("machine", "mapping", "sizes"),
    [
        ("fusemax", "fusemax", SIZES),
        ("flat", "unfused", SIZES),
        ("flat", "fused-1-pass", {**SIZES, "M": 900, "P": 300}),
    ],
)
def test_traces_are_read(machine: str, mapping: str, sizes: dict[str, int]) -> None:
    """One nest or several, whole tiles or ragged ones: no fault."""
    run = fm.Design(None, machine, mapping).simulate(sizes, events=10_000)
    assert [] == faults(chrome_trace(run.simulation))


def test_faults_are_found() -> None:
    """The reader of traces finds what it is made to find."""
    name = {"name": "thread_name", "ph": "M", "pid": 0, "tid": 0, "args": {"name": "2d"}}
    task = {"name": "QK", "ph": "X", "pid": 0, "tid": 0, "ts": 0.0, "dur": 2.0}
    count = {"name": "busy", "ph": "C", "pid": 0, "ts": 1.0, "args": {"busy": 0.5}}

    def of(*events: Event) -> list[str]:
        return faults(json.dumps({"traceEvents": events}))

    assert [] == of(name, task, {**task, "ts": 0.5, "dur": 1.0}, {**task, "ts": 2.0}, count)
    assert ["thread (0, 0): slices overlap in part"] == of(name, task, {**task, "ts": 1.0})
    assert ["thread (0, 0) has no name"] == of(task)
    assert ["counter (0, 'busy'): its samples do not ascend"] == of(count, {**count, "ts": 0.5})
    assert ["0: dur is missing"] == of({k: v for k, v in task.items() if k != "dur"})
    assert ["0: time -1.0"] == of({**task, "ts": -1.0})
    assert ["0: unknown phase 'Q'"] == of({**task, "ph": "Q"})
