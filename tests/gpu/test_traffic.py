"""DRAM counters: what ncu prints, and the point that travels to the profiled process."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from fusemax.gpu.grid import Point
from fusemax.gpu.shape import Shape
from fusemax.gpu.traffic import (
    NoCountersError,
    Traffic,
    from_text,
    parse_counters,
    profiling,
    run_within,
    to_text,
)

#: The layout of ``ncu --csv --print-units base``, after the documentation of Nsight Compute, for two kernels.
PRINTED = """\
==PROF== Connected to process 4711
==PROF== Profiling "two_pass": 0%....50%....100% - 1 pass
"ID","Process ID","Kernel Name","Section Name","Metric Name","Metric Unit","Metric Value"
"0","4711","two_pass","Command line profiler metrics","dram__bytes_read.sum","byte","1,048,576"
"0","4711","two_pass","Command line profiler metrics","dram__bytes_write.sum","byte","524,288"
"1","4711","cast","Command line profiler metrics","dram__bytes_read.sum","byte","1,000"
"1","4711","cast","Command line profiler metrics","dram__bytes_write.sum","byte","24"
"""


def test_counters_are_summed_over_kernels() -> None:
    """Reads and writes of every kernel of the call add up."""
    assert Traffic(read_B=1049576.0, write_B=524312.0) == parse_counters(PRINTED)


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("==ERROR== nothing profiled\n", "ncu printed no DRAM bytes"),
        (PRINTED.replace('"byte"', '"Mbyte"'), "in the unit 'Mbyte'"),
        (PRINTED.replace("524,288", "n/a"), "ncu printed 'n/a' for DRAM bytes"),
    ],
)
def test_what_is_no_count_is_refused(printed: str, told: str) -> None:
    """Missing counters, other units and texts raise rather than become a number."""
    with pytest.raises(NoCountersError, match=told):
        parse_counters(printed)


def test_a_point_travels() -> None:
    """A point is the same after the command line."""
    shape = Shape(
        batch=1,
        heads=8,
        kv_heads=2,
        seqlen_q=64,
        seqlen_kv=64,
        head_dim=16,
        head_dim_v=16,
        causal=True,
        direction="fwd",
    )
    point = Point(backend="2-pass", dtype="fp16", shape=shape, traffic=True)
    assert point == from_text(to_text(point))


def test_the_profiler_leaves_clocks_alone() -> None:
    """Counters are read at the clocks of the timed run: ncu would lock them to the base clock otherwise."""
    shape = Shape(
        batch=1, heads=1, kv_heads=1, seqlen_q=8, seqlen_kv=8, head_dim=8, head_dim_v=8, causal=False, direction="fwd"
    )  # fmt: skip
    command = profiling("ncu", Point(backend="math", dtype="fp16", shape=shape, traffic=True), 0)
    assert command[command.index("--clock-control") + 1] == "none"


def test_a_slow_profiler_is_ended_with_its_children(tmp_path: Path) -> None:
    """After the limit neither the process nor what it began is left."""
    note = tmp_path / "child"
    child = "import time; time.sleep(60)"
    parent = (
        "import subprocess, sys, time; from pathlib import Path;"
        f"p = subprocess.Popen([sys.executable, '-c', {child!r}]); Path({str(note)!r}).write_text(str(p.pid)); time.sleep(60)"
    )
    with pytest.raises(NoCountersError, match="longer than"):
        run_within([sys.executable, "-c", parent], 3.0)
    pid = int(note.read_text())
    for _ in range(100):
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().split()[2] == "Z":
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} still runs; this one is {os.getpid()}")


def test_what_cannot_be_started() -> None:
    """A profiler that is no program is told."""
    with pytest.raises(NoCountersError, match="cannot be run"):
        run_within(["/nonexistent/ncu"], 1.0)
