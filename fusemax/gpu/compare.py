"""Predicted against measured times, row by row, beside three simple models of the same machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fusemax.cost.evaluate import Cost
from fusemax.errors import FusemaxError
from fusemax.gpu.predict import ELEMENT_B, Kernel, Prediction, cost_of, prediction_of
from fusemax.gpu.published import Published
from fusemax.gpu.shape import Shape, compulsory_bytes, flop

#: Words in a row's remark that set it apart from those that judge the prediction.
HOST = "host overhead"
Work = Literal["forward", "backward", "decode", "forward+backward"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class KernelEntry(_Part):
    """Which mappings predict a kernel of the published table; the first entry that fits a row counts.

    ``dtypes`` and ``machines`` narrow an entry; ``cascade`` replaces the cascade that the mask asks for (a kernel that does
    all the work under any mask); ``fused`` says that the kernel is one of those that the study is about.
    """

    kernel: str
    forward: str | None = None
    backward: str | None = None
    decode: str | None = None
    dtypes: list[str] = Field(default_factory=lambda: list(ELEMENT_B))
    machines: list[str] | None = None
    cascade: str | None = None
    fused: bool = True


class Cascades(_Part):
    """The cascades of one direction of work, by mask."""

    all: str
    causal: str
    window: str


class GpuStudy(_Part):
    """What a study of kind ``gpu`` holds."""

    kind: Literal["gpu"]
    title: str
    source: str
    doc: str = ""
    published: str
    machines: dict[str, str]
    forward: Cascades
    backward: Cascades
    decode: str
    kernels: list[KernelEntry]


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
    compared: list[Compared] = []
    left_out: list[LeftOut] = []
    for row in rows:
        try:
            compared.append(_compared(study, row))
        except _LeaveOutError as error:
            left_out.append(LeftOut(row, str(error)))
    return compared, left_out


class _LeaveOutError(Exception):
    """Why a row has no prediction."""


def _compared(study: GpuStudy, row: Published) -> Compared:
    if row.gpu not in study.machines:
        raise _LeaveOutError(f"no machine for {row.gpu}")
    machine = study.machines[row.gpu]
    if row.dtype not in ELEMENT_B:
        raise _LeaveOutError(f"number format {row.dtype} is not modelled")
    entry = _entry(study, row, machine)
    work = work_of(row.shape)
    found: list[tuple[Kernel, Shape, Cost]] = []
    for part in ("forward", "backward") if work == "forward+backward" else (work,):
        kernel = _kernel(study, entry, machine, part, row.shape)
        shape = replace(row.shape, direction="bwd" if part == "backward" else "fwd")
        try:
            found.append((kernel, shape, cost_of(kernel, shape, row.dtype, row.clock_Hz)))
        except FusemaxError as error:
            raise _LeaveOutError(str(error).splitlines()[0]) from None
    parts = [prediction_of(answer) for _, _, answer in found]
    return Compared(
        row=row, machine=machine, mapping="+".join(kernel.mapping for kernel, _, _ in found), work=work,
        prediction=parts[0] if len(parts) == 1 else _both(parts),
        baselines_s=_summed([_baselines(shape, row.dtype, answer) for _, shape, answer in found]),
        apart=_apart(row, entry),
    )  # fmt: skip


def _entry(study: GpuStudy, row: Published, machine: str) -> KernelEntry:
    for entry in study.kernels:
        here = entry.machines is None or machine in entry.machines
        if entry.kernel == row.kernel and row.dtype in entry.dtypes and here:
            return entry
    raise _LeaveOutError(f"no mapping for kernel {row.kernel} at {row.dtype}")


def _kernel(study: GpuStudy, entry: KernelEntry, machine: str, part: str, shape: Shape) -> Kernel:
    mapping = getattr(entry, part)
    if mapping is None:
        raise _LeaveOutError(f"no mapping for kernel {entry.kernel}, {part}")
    if entry.cascade is not None:
        return Kernel(machine, mapping, entry.cascade)
    if part == "decode":
        return Kernel(machine, mapping, study.decode)
    cascades: Cascades = getattr(study, part)
    mask = "window" if shape.window else "causal" if shape.causal else "all"
    return Kernel(machine, mapping, getattr(cascades, mask))


def _both(parts: Sequence[Prediction]) -> Prediction:
    longest = max(parts, key=lambda part: part.time_s)
    return Prediction(
        sum(part.time_s for part in parts),
        sum(part.traffic_B for part in parts),
        longest.limit,
        _summed([part.parts_s for part in parts]),
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


def _baselines(shape: Shape, dtype: str, answer: Cost) -> dict[str, float]:
    """Return three simple times: the roofline, the longer of products and exponentials, and their sum.

    Products and exponentials are those that the mask leaves, at the machine's rates; none is quicker than the compulsory
    bytes.
    """
    figures = {**answer.parameters, **answer.values}
    per_second = figures["clock"] * figures["replicas"]
    macs_per_second = (
        per_second * figures["tensor.rows"] * figures["tensor.columns"] / figures["tensor.operations.mac"]
    )
    products_s = flop(shape, "exact") / 2 / macs_per_second
    exponentials = shape.batch * shape.heads * shape.seen()
    exponentials_s = exponentials / (per_second * figures["special.lanes"])
    bytes_s = compulsory_bytes(shape, ELEMENT_B[dtype]) / figures["DRAM.bandwidth"]
    return {
        "roofline": max(products_s, bytes_s),
        "max": max(products_s, exponentials_s, bytes_s),
        "sum": max(products_s + exponentials_s, bytes_s),
    }


def study_file(path: Path) -> GpuStudy:
    """Return the study in the file at *path*; raise ProblemsError with its mistakes."""
    from fusemax.source import read_yaml, typed

    return typed(read_yaml(path), GpuStudy)
