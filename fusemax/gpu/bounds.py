"""What passes must move: the bound of the pass analysis on the bytes of a call, and where measured bytes do not judge it."""

from __future__ import annotations

import math

from fusemax.analysis.passes import Analysis
from fusemax.analysis.traffic import traffic_bound, value_of
from fusemax.errors import FusemaxError
from fusemax.gpu.predict import ELEMENT_B, sizes_of
from fusemax.gpu.shape import Shape
from fusemax.machine import figures, load_machine

NAMES = ("B", "H", "R", "P", "M", "E", "F")  #: sizes of a call without a window


def bound_B(analysis: Analysis, shape: Shape, machine: str, dtype: str, task_rows: int) -> float:  # noqa: N802 - bytes
    """Return the lower bound on the bytes of a call of *shape*, its tasks of *task_rows* queries aligning their passes.

    Each task has the registers of one core of *machine* to keep numbers of *dtype* in.
    """
    element_B = ELEMENT_B[dtype]
    bound = traffic_bound(analysis, "M", {"P": "P0"})
    sizes = {**sizes_of(shape), "P0": task_rows, "S": _size_B(machine, "registers") / element_B}

    compulsory = value_of(bound.compulsory, sizes)
    tasks = math.ceil(shape.seqlen_q / task_rows)
    extra = tasks * (value_of(bound.words, sizes) - compulsory)
    heads = shape.kv_heads if "R" in analysis.cascade.ranks else shape.heads
    return shape.batch * heads * element_B * (compulsory + extra)


def refuse_unknown(analysis: Analysis) -> None:
    """Raise FusemaxError where the bound of :func:`bound_B` asks for sizes that no call of attention has."""
    bound = traffic_bound(analysis, "M", {"P": "P0"})
    needed = {str(symbol) for one in (bound.words, bound.compulsory) for symbol in one.free_symbols}
    unknown = sorted(needed - {*NAMES, "P0", "S"})
    if unknown:
        text = f"cascade {analysis.cascade.name} asks for a size of {', '.join(unknown)}, which no call has"
        raise FusemaxError(f"{text}\n  hint: a call has {', '.join(NAMES)}")


def apart(machine: str, scratch_B: float) -> str:
    """Return why bytes at DRAM do not judge a kernel that writes *scratch_B* for a later pass of its own: they stay in L2."""
    return "what a later pass needs stays in L2" if 0 < scratch_B <= _size_B(machine, "L2") else ""


def _size_B(machine: str, level: str) -> float:  # noqa: N802 - bytes
    """Return the size of a *level* of *machine*, zero where it has none."""
    return float(getattr(figures(load_machine(machine)[0]).get(f"{level}.size"), "value", 0))
