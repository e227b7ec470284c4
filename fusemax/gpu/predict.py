"""The time that a mapping predicts for a shape on a machine, and what that time is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from fusemax.cost.evaluate import Cost, check_tiles, costs
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.errors import FusemaxError
from fusemax.gpu.shape import Shape
from fusemax.library.load import design_of
from fusemax.mapping.nest import Mapped
from fusemax.progress import watched

#: Bytes of a machine's ``word``, by number format: of V, where a mapping gives Q and K a word of their own.
ELEMENT_B: Mapping[str, int] = {
    "fp16": 2, "bf16": 2, "fp8": 1, "mxfp8": 1, "int8qk-fp16pv": 2, "int8qk-fp8pv": 1, "int4qk-fp8pv": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kernel:
    """A mapping on a machine, and the cascade that it executes."""

    machine: str
    mapping: str
    cascade: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """The time of one call, its parts that add up to it, and what limits the longest of its phases.

    ``least_s`` is the time in which everything is hidden behind the busiest unit or level, ``most_s`` that in which nothing
    is.
    ``parts_s`` splits the time into ``launch``, ``start`` of tasks, and the steady work of the phases, named by their limit.
    """

    time_s: float
    traffic_B: float
    limit: str
    parts_s: Mapping[str, float]
    least_s: float = 0.0
    most_s: float = 0.0


@lru_cache(maxsize=256)
def derived(kernel: Kernel) -> tuple[Mapped, Program]:
    """Return *kernel* mapped and its cost program; raise ProblemsError where it does not map."""
    design = design_of(kernel.machine, kernel.mapping, kernel.cascade)
    return design.mapped, derive(design.mapped, design.machine)


def sizes_of(shape: Shape) -> dict[str, int]:
    """Return the sizes of ranks by the names that the shipped attention cascades use."""
    sizes = {
        "B": shape.batch, "H": shape.kv_heads, "R": shape.heads // shape.kv_heads,
        "P": shape.seqlen_q, "M": shape.seqlen_kv, "E": shape.head_dim, "F": shape.head_dim_v,
    }  # fmt: skip
    return sizes | ({"W": shape.window} if shape.window else {})


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a kernel.

    *clock_Hz* is the clock to which the chip is locked, which holds where it is lower than its own; or, if it was *measured*
    during the call, the clock itself.
    """

    kernel: Kernel
    shape: Shape
    dtype: str
    clock_Hz: float | None = None
    measured: bool = False


def predict(kernel: Kernel, shape: Shape, dtype: str, clock_Hz: float | None = None) -> Prediction:
    """Return the prediction for one call; *clock_Hz* is the clock to which the chip is locked, where it is lower."""
    return prediction_of(cost_of(kernel, shape, dtype, clock_Hz))


def prediction_of(answer: Cost) -> Prediction:
    """Return what a cost says of a call's time."""
    return Prediction(
        answer.latency_s,
        answer.traffic_B,
        _limit(answer),
        _parts(answer),
        _launches(answer) + answer.bound_s,
        answer.slowest_s,
    )


def cost_of(kernel: Kernel, shape: Shape, dtype: str, clock_Hz: float | None = None) -> Cost:
    """Return the whole cost of one call."""
    call = Call(kernel, shape, dtype, clock_Hz)
    answer = costs_of([call])[call]
    if isinstance(answer, FusemaxError):
        raise answer
    return answer


def costs_of(calls: Iterable[Call]) -> dict[Call, Cost | FusemaxError]:
    """Return the cost of every call, or why it has none: no mapping, or tiles that do not fit."""
    found: dict[Call, Cost | FusemaxError] = {}
    by_kernel: dict[Kernel, list[Call]] = {}
    for call in dict.fromkeys(calls):
        by_kernel.setdefault(call.kernel, []).append(call)
    for kernel in watched(tuple(by_kernel), lambda k: f"{k.mapping} on {k.machine}", "kernels"):
        mine = by_kernel[kernel]
        try:
            found |= _costs_of(kernel, mine)
        except FusemaxError as error:
            found |= dict.fromkeys(mine, error)
    return found


def _costs_of(kernel: Kernel, calls: Sequence[Call]) -> dict[Call, Cost | FusemaxError]:
    mapped, program = derived(kernel)
    points = [
        (
            sizes_for(mapped, call.shape),
            figures_for(program, call.dtype, call.clock_Hz, measured=call.measured),
        )
        for call in calls
    ]
    answers: dict[Call, Cost | FusemaxError] = {}
    for call, answer in zip(calls, costs(mapped, program, points), strict=True):
        try:
            check_tiles(mapped, answer)
            answers[call] = answer
        except FusemaxError as error:
            answers[call] = error
    return answers


def sizes_for(mapped: Mapped, shape: Shape) -> dict[str, int]:
    """Return the sizes of the ranks that a mapped cascade has."""
    wanted = set(mapped.cascade.ranks)
    sizes = {name: size for name, size in sizes_of(shape).items() if name in wanted}
    if "R" not in wanted:
        sizes["H"] = shape.heads  # a cascade without groups has a head of keys for each head of queries
    if "C" in wanted:  # keys are values (C) with a rotary part (E) beside them
        sizes |= {"C": shape.head_dim_v, "E": shape.head_dim - shape.head_dim_v}
    return sizes


#: A clock that no load lowers.
NO_LIMIT_HZ = 1e15


def figures_for(
    program: Program, dtype: str, clock_Hz: float | None, *, measured: bool = False
) -> dict[str, float]:
    """Return the figures of the machine that a call replaces.

    A clock to which the chip is locked lowers its own; one that was *measured* is that of the call, higher or lower, and what
    power allows is in it already.
    """
    figures: dict[str, float] = {"word": float(ELEMENT_B[dtype])}
    own_clock = program.parameters.get("clock")
    if clock_Hz is None:
        return figures
    if own_clock is None:
        raise FusemaxError(
            "the clock of this machine is a formula: a call with a clock of its own needs a number there"
        )
    if measured:
        limits = {name: NO_LIMIT_HZ for name in program.parameters if name.endswith(".sustained")}
        return {**figures, **limits, "clock": clock_Hz}
    return {**figures, "clock": min(clock_Hz, own_clock)}


def _limit(answer: Cost) -> str:
    """Return the level that the longest phase waits for, or the unit that is busy longest in it."""
    phases = {label.nest: value for label, value in answer.table("phase").items()}
    nest = max(phases, key=lambda name: phases[name])
    limit = answer.limits()[nest]
    if limit != "schedule":
        return limit
    start = sum(v for label, v in answer.table("start").items() if label.nest == nest)
    if start / answer.clock_Hz > phases[nest] / 2:
        return "start"
    busy = {
        label.unit or label.level: value
        for label, value in answer.table("time").items()
        if label.nest == nest
    }
    return max(busy, key=lambda name: busy[name])


def _launches(answer: Cost) -> float:
    return answer.latency_s - sum(answer.table("phase").values())


def _parts(answer: Cost) -> dict[str, float]:
    clock = answer.clock_Hz
    phases = {label.nest: value for label, value in answer.table("phase").items()}
    starts = {label.nest: value / clock for label, value in answer.table("start").items()}
    limits = answer.limits()
    parts = {"launch": answer.latency_s - sum(phases.values())}
    for nest, time in phases.items():
        start = starts.get(nest, 0.0) if limits[nest] == "schedule" else 0.0
        parts["start"] = parts.get("start", 0.0) + start
        parts[limits[nest]] = parts.get(limits[nest], 0.0) + time - start
    return parts
