"""DRAM counters: what ncu prints, and the point that travels to the profiled process."""

from __future__ import annotations

import pytest

from fusemax.gpu.grid import Point
from fusemax.gpu.shape import Shape
from fusemax.gpu.traffic import NoCountersError, Traffic, from_text, parse_counters, to_text

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
