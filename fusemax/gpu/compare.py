"""Predicted against measured times, row by row, beside three simple models of the same machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fusemax.cost.evaluate import Cost
from fusemax.errors import FusemaxError
from fusemax.gpu.asked import MASKS, Cascades, GpuStudy, KernelEntry, Mask
from fusemax.gpu.predict import ELEMENT_B, Call, Kernel, Prediction, costs_of, prediction_of
from fusemax.gpu.published import Published
from fusemax.gpu.shape import Shape, compulsory_bytes, flop
from fusemax.library.load import Library
from fusemax.machine import Machine
from fusemax.nearest import meant

#: Words in a row's remark that set it apart from those that judge the prediction.
HOST = "host overhead"
Work = Literal["forward", "backward", "decode", "forward+backward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One published time with its prediction and the baselines (``roofline``, ``max``, ``sum``), in seconds.

    ``apart`` says why the row does not judge: host overhead in it, a deterministic kernel, a kernel that is not fused.
    """

    row: Published
    machine: str
    mapping: str
    work: Work
    prediction: Prediction
    baselines_s: Mapping[str, float]
    apart: str

    @property
    def error(self) -> float:
        """Predicted over measured, less one."""
        return self.prediction.time_s / self.row.time_s - 1


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A published time without a prediction, and why."""

    row: Published
    reason: str


def work_of(shape: Shape) -> Work:
    """Return what kind of work a call is: one query a sequence is decoding."""
    if shape.direction == "fwd":
        return "decode" if shape.seqlen_q == 1 else "forward"
    return "backward" if shape.direction == "bwd" else "forward+backward"


def compare(study: GpuStudy, rows: Sequence[Published]) -> tuple[list[Compared], list[LeftOut]]:
    """Return every row with its prediction, and those that have none with the reason."""
    library = Library()
    resolved = [resolve(study, row, library) for row in rows]
    costs = costs_of(call for entry in resolved if isinstance(entry, Resolved) for call in entry.calls)
    answers = [
        _compared(study, entry, costs, library) if isinstance(entry, Resolved) else entry
        for entry in resolved
    ]
    return (
        [answer for answer in answers if isinstance(answer, Compared)],
        [answer for answer in answers if isinstance(answer, LeftOut)],
    )


class _LeaveOutError(Exception):
    """Why a row has no prediction."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What predicts a published time: the machine, and a call for each part of the work."""

    row: Published
    machine: str
    work: Work
    calls: tuple[Call, ...]
    apart: str


def resolve(study: GpuStudy, row: Published, library: Library) -> Resolved | LeftOut:
    """Return what predicts *row*, or why nothing does; *library* reads each machine once."""
    try:
        return _resolved(study, row, library)
    except _LeaveOutError as error:
        return LeftOut(row, str(error))


def _resolved(study: GpuStudy, row: Published, library: Library) -> Resolved:
    if row.gpu not in study.machines:
        raise _LeaveOutError(f"no machine for {row.gpu}")
    machine = study.machines[row.gpu]
    if row.dtype not in ELEMENT_B:
        raise _LeaveOutError(f"number format {row.dtype} is not modelled")
    entry = entry_of(study, row, machine)
    if entry is None:
        raise _LeaveOutError(_unknown(study, row))
    work, clock_Hz = work_of(row.shape), _clock_hz(row, library.machine(machine))
    found = [
        Call(
            _kernel(study, entry, machine, part, row.shape),
            replace(entry.worked(row.shape), direction="bwd" if part == "backward" else "fwd"),
            row.dtype,
            clock_Hz,
            row.measured,
        )
        for part in (("forward", "backward") if work == "forward+backward" else (work,))
    ]
    return Resolved(row, machine, work, tuple(found), _apart(row, entry))


def _clock_hz(row: Published, board: Machine) -> float | None:
    """Return the clock to which the chip of *row* was held: the one that is stated, or what a lower limit of power leaves.

    Dynamic power goes with the third power of the clock, voltage rising beside it.
    """
    if row.measured or row.clock_Hz is not None or row.power_W is None or board.power is None:
        return row.clock_Hz
    return float(board.clock.value) * min(1.0, row.power_W / float(board.power.value)) ** (1 / 3)


def _compared(
    study: GpuStudy, resolved: Resolved, costs: Mapping[Call, Cost | FusemaxError], library: Library
) -> Compared | LeftOut:
    row = resolved.row
    found: list[tuple[Shape, Cost]] = []
    for call in resolved.calls:
        answer = costs[call]
        if isinstance(answer, FusemaxError):
            return LeftOut(row, str(answer).splitlines()[0])
        found.append((replace(row.shape, direction=call.shape.direction), answer))
    parts = [prediction_of(answer) for _, answer in found]
    host = next((entry for entry in study.host if entry.of(row)), None)
    if host is not None:
        parts = [
            _waiting(part, host.time_s(shape.direction))
            for part, (shape, _) in zip(parts, found, strict=True)
        ]
    machine = library.machine(resolved.machine)
    return Compared(
        row=row, machine=resolved.machine, mapping="+".join(call.kernel.mapping for call in resolved.calls),
        work=resolved.work,
        prediction=parts[0] if len(parts) == 1 else _both(parts),
        baselines_s=_summed([_baselines(machine, shape, row.dtype, answer) for shape, answer in found]),
        apart=resolved.apart,
    )  # fmt: skip


def entry_of(study: GpuStudy, row: Published, machine: str) -> KernelEntry | None:
    """Return the first entry of ``kernels`` that fits *row* on *machine*, if there is one."""
    for entry in study.kernels:
        here = (entry.machines is None or machine in entry.machines) and entry.source in row.source
        wide = max(row.shape.head_dim, row.shape.head_dim_v) > entry.wider_than
        here = here and entry.implementation in row.implementation and wide
        if row.kernel in (entry.kernel, *entry.also) and row.dtype in entry.dtypes and here:
            return entry
    return None


def _unknown(study: GpuStudy, row: Published) -> str:
    """Return that no entry fits *row*, with the kernels that the study knows where this is none of them."""
    known = dict.fromkeys(name for entry in study.kernels for name in (entry.kernel, *entry.also))
    hint = "" if row.kernel in known else f"; {meant(row.kernel, known)}"
    return f"no mapping for kernel {row.kernel} at {row.dtype}{hint}"


def _kernel(study: GpuStudy, entry: KernelEntry, machine: str, part: str, shape: Shape) -> Kernel:
    mask: Mask = "window" if shape.window else "causal" if shape.causal else "all"
    other = entry.masked.get(mask)
    if other is not None and part == "forward":
        return Kernel(machine, other.forward, other.cascade)
    mapping = getattr(entry, part)
    if mapping is None:
        why = f": {entry.because}" if entry.because else ""
        raise _LeaveOutError(f"no mapping for kernel {entry.kernel}, {part}{why}")
    if entry.cascade is not None:
        return Kernel(machine, mapping, entry.cascade)
    if part == "decode":
        return Kernel(machine, mapping, study.decode)
    cascades: Cascades = getattr(study, part)
    skipped = entry.skips.get(part, mask)  # type: ignore[call-overload]
    return Kernel(machine, mapping, getattr(cascades, min(mask, skipped, key=MASKS.index)))


def _waiting(part: Prediction, host_s: float) -> Prediction:
    return replace(
        part, time_s=part.time_s + host_s, parts_s={**part.parts_s, "host": host_s},
        least_s=part.least_s + host_s, most_s=part.most_s + host_s,
    )  # fmt: skip


def _both(parts: Sequence[Prediction]) -> Prediction:
    longest = max(parts, key=lambda part: part.time_s)
    return Prediction(
        sum(part.time_s for part in parts),
        sum(part.traffic_B for part in parts),
        longest.limit,
        _summed([part.parts_s for part in parts]),
        sum(part.least_s for part in parts),
        sum(part.most_s for part in parts),
    )


def _summed(tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for table in tables for name in table)
    return {name: sum(table.get(name, 0.0) for table in tables) for name in names}


def _apart(row: Published, entry: KernelEntry) -> str:
    if HOST in row.remark:
        return HOST
    if row.deterministic:
        return "deterministic"
    return "" if entry.fused else "not fused"


def _baselines(machine: Machine, shape: Shape, dtype: str, answer: Cost) -> dict[str, float]:
    """Return three simple times: the roofline, the longer of products and exponentials, and their sum.

    Products and exponentials are those that the mask leaves, at the machine's rates; none is quicker than the compulsory
    bytes. A kernel that multiplies narrower numbers than its operands' format (SageAttention) has the time of its own
    products where that is shorter.
    """
    figures = {**answer.parameters, **answer.values}
    per_second = figures["clock"] * figures["replicas"]
    macs_per_second = (
        per_second * figures["tensor.rows"] * figures["tensor.columns"] / figures["tensor.operations.mac"]
    )
    products_s = flop(shape, "exact") / 2 / macs_per_second
    products_s = min(products_s, _products_s(machine, answer) or products_s)
    exponentials = shape.batch * shape.heads * shape.seen()
    exponentials_s = exponentials / (per_second * figures["special.lanes"])
    bytes_s = compulsory_bytes(shape, ELEMENT_B[dtype]) / figures["DRAM.bandwidth"]
    return {
        "roofline": max(products_s, bytes_s),
        "max": max(products_s, exponentials_s, bytes_s),
        "sum": max(products_s + exponentials_s, bytes_s),
    }


def _products_s(machine: Machine, answer: Cost) -> float:
    """Return the seconds in which the matrix unit of the busiest core works, under all of its names."""
    return sum(
        time
        for label, time in answer.table("time").items()
        if label.unit and machine.physical(label.unit) == "tensor"
    )
