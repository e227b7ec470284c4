"""Predicted against measured times, row by row, beside three simple models of the same machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from fusemax.cost.evaluate import Cost
from fusemax.errors import FusemaxError, raise_if_any
from fusemax.gpu.predict import ELEMENT_B, Call, Kernel, Prediction, costs_of, prediction_of
from fusemax.gpu.published import Published
from fusemax.gpu.shape import Direction, Shape, compulsory_bytes, flop
from fusemax.machine import Seconds, load_machine
from fusemax.mapping.spec import mapping_file_of
from fusemax.shipped import Mappings, UnknownNameError, find, mappings_for
from fusemax.source import KeyPath, read_yaml
from fusemax.typed import FilePart, typed

#: Words in a row's remark that set it apart from those that judge the prediction.
HOST = "host overhead"
Work = Literal["forward", "backward", "decode", "forward+backward"]


Mask = Literal["all", "causal", "window"]
#: Masks by what they leave: what is hidden by one is hidden by those after it.
MASKS: tuple[Mask, ...] = ("all", "causal", "window")


class KernelEntry(FilePart):
    """Which mappings predict a kernel of the published table; the first entry that fits a row counts.

    ``dtypes``, ``machines``, ``source`` (a part of a row's source: a version) and ``wider_than`` (the widths of V above so
    many, for which a kernel has other code) narrow an entry; ``widths`` are those that a kernel is built for, to the next
    of which it fills others up; ``cascade`` replaces the cascade that the mask asks for (a kernel that does all the work
    under any mask); ``skips`` says by part (``backward``) of which mask a kernel leaves out what it hides, where that is
    less than the row's: ``all`` (of none), ``causal``; ``fused`` says that the kernel is one of those that the study is
    about; ``because`` why a part of the work has no mapping.
    """

    kernel: str
    forward: str | None = None
    backward: str | None = None
    decode: str | None = None
    dtypes: list[str] = Field(default_factory=lambda: list(ELEMENT_B))
    machines: list[str] | None = None
    source: str = ""
    wider_than: int = Field(default=0, ge=0)
    widths: list[int] = Field(default_factory=list)
    cascade: str | None = None
    skips: dict[Literal["forward", "backward"], Mask] = Field(default_factory=dict)
    fused: bool = True
    because: str = ""

    def worked(self, shape: Shape) -> Shape:
        """Return *shape* as the kernel works on it: widths are filled up to the next of its own, if it has some."""
        own = [
            next((own for own in sorted(self.widths) if own >= w), w)
            for w in (shape.head_dim, shape.head_dim_v)
        ]
        return replace(shape, head_dim=own[0], head_dim_v=own[1])


class Cascades(FilePart):
    """The cascades of one direction of work, by mask."""

    all: str
    causal: str
    window: str


class NotFitted(FilePart):
    """Rows that calibrate nothing, by their card or by a part of their source, and why."""

    gpu: str = ""
    source: str = ""
    because: str

    def holds(self, row: Published) -> bool:
        """Return whether *row* is one of them."""
        return row.gpu == self.gpu if self.gpu else self.source in row.source


class Host(FilePart):
    """Time of the host in every call of a source whose clock runs while the device waits for the call.

    One time for each direction of an *implementation* that is called in the same way, whatever the shape.
    """

    source: str
    implementations: list[str]
    forward: Seconds
    backward: Seconds
    because: str

    def of(self, row: Published) -> bool:
        """Return whether *row* holds this time."""
        return self.source in row.source and row.implementation in self.implementations

    def time_s(self, direction: Direction) -> float:
        """Return the seconds in a call of one direction."""
        return float((self.backward if direction == "bwd" else self.forward).value)


class GpuStudy(FilePart):
    """What a study of kind ``gpu`` holds; the rows of ``unfitted``, a second table, calibrate nothing and all judge."""

    kind: Literal["gpu"]
    title: str
    source: str
    doc: str = ""
    published: str
    unfitted: str | None = None
    machines: dict[str, str]
    forward: Cascades
    backward: Cascades
    decode: str
    kernels: list[KernelEntry]
    not_fitted: list[NotFitted] = Field(default_factory=list)
    host: list[Host] = Field(default_factory=list)


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
    resolved = [resolve(study, row) for row in rows]
    costs = costs_of(call for entry in resolved if isinstance(entry, Resolved) for call in entry.calls)
    answers = [_compared(study, entry, costs) if isinstance(entry, Resolved) else entry for entry in resolved]
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


def resolve(study: GpuStudy, row: Published) -> Resolved | LeftOut:
    """Return what predicts *row*, or why nothing does."""
    try:
        return _resolved(study, row)
    except _LeaveOutError as error:
        return LeftOut(row, str(error))


def _resolved(study: GpuStudy, row: Published) -> Resolved:
    if row.gpu not in study.machines:
        raise _LeaveOutError(f"no machine for {row.gpu}")
    machine = study.machines[row.gpu]
    if row.dtype not in ELEMENT_B:
        raise _LeaveOutError(f"number format {row.dtype} is not modelled")
    entry = _entry(study, row, machine)
    work = work_of(row.shape)
    found = [
        Call(
            _kernel(study, entry, machine, part, row.shape),
            replace(entry.worked(row.shape), direction="bwd" if part == "backward" else "fwd"),
            row.dtype,
            _clock_hz(row, machine),
            row.measured,
        )
        for part in (("forward", "backward") if work == "forward+backward" else (work,))
    ]
    return Resolved(row, machine, work, tuple(found), _apart(row, entry))


def _clock_hz(row: Published, machine: str) -> float | None:
    """Return the clock to which the chip of *row* was held: the one that is stated, or what a lower limit of power leaves.

    Dynamic power goes with the third power of the clock, voltage rising beside it.
    """
    board = load_machine(machine)[0]
    if row.measured or row.clock_Hz is not None or row.power_W is None or board.power is None:
        return row.clock_Hz
    return float(board.clock.value) * min(1.0, row.power_W / float(board.power.value)) ** (1 / 3)


def _compared(
    study: GpuStudy, resolved: Resolved, costs: Mapping[Call, Cost | FusemaxError]
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
    return Compared(
        row=row, machine=resolved.machine, mapping="+".join(call.kernel.mapping for call in resolved.calls),
        work=resolved.work,
        prediction=parts[0] if len(parts) == 1 else _both(parts),
        baselines_s=_summed([_baselines(shape, row.dtype, answer) for shape, answer in found]),
        apart=resolved.apart,
    )  # fmt: skip


def _entry(study: GpuStudy, row: Published, machine: str) -> KernelEntry:
    for entry in study.kernels:
        here = (entry.machines is None or machine in entry.machines) and entry.source in row.source
        here = here and row.shape.head_dim_v > entry.wider_than
        if entry.kernel == row.kernel and row.dtype in entry.dtypes and here:
            return entry
    raise _LeaveOutError(f"no mapping for kernel {row.kernel} at {row.dtype}")


def _kernel(study: GpuStudy, entry: KernelEntry, machine: str, part: str, shape: Shape) -> Kernel:
    mapping = getattr(entry, part)
    if mapping is None:
        why = f": {entry.because}" if entry.because else ""
        raise _LeaveOutError(f"no mapping for kernel {entry.kernel}, {part}{why}")
    if entry.cascade is not None:
        return Kernel(machine, mapping, entry.cascade)
    if part == "decode":
        return Kernel(machine, mapping, study.decode)
    cascades: Cascades = getattr(study, part)
    mask = "window" if shape.window else "causal" if shape.causal else "all"
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
    """Return the study in the file at *path*.

    Raises
    ------
    ProblemsError
        With its mistakes: of form, and every machine, cascade, mapping and number format that does not exist.
    """
    document = read_yaml(path)
    study = typed(document, GpuStudy)
    raise_if_any([document.problem(at, text) for at, text in _missing(study)])
    return study


def _missing(study: GpuStudy) -> Iterator[tuple[KeyPath, str]]:
    """Yield the place and the message of every name that stands for nothing."""
    machines: dict[str, Mappings] = {}
    for gpu, name in study.machines.items():
        try:
            machine, path = load_machine(name)
            machines[name] = mappings_for(path, machine.mappings)
        except UnknownNameError as error:
            yield ("machines", gpu), str(error)
    names: dict[KeyPath, str] = {
        (part, mask): name
        for part, cascades in (("forward", study.forward), ("backward", study.backward))
        for mask, name in cascades
    }
    entries = enumerate(study.kernels)
    names |= {("kernels", n, "cascade"): e.cascade for n, e in entries if e.cascade is not None}
    for at, name in {**names, ("decode",): study.decode}.items():
        try:
            find("einsums", name)
        except UnknownNameError as error:
            yield at, str(error)
    right = cache(lambda path: mapping_file_of(read_yaml(path)))  # many machines share a mapping
    for number, entry in enumerate(study.kernels):
        yield from _missing_of(entry, ("kernels", number), machines, right)


def _missing_of(
    entry: KernelEntry, at: KeyPath, machines: Mapping[str, Mappings], check: Callable[[Path], object]
) -> Iterator[tuple[KeyPath, str]]:
    for position, dtype in enumerate(entry.dtypes):
        if dtype not in ELEMENT_B:
            yield (
                (*at, "dtypes", position),
                f"number format {dtype!r} is not known; there are: {', '.join(ELEMENT_B)}",
            )
    for position, name in enumerate(entry.machines or ()):
        if name not in machines:
            yield (*at, "machines", position), f"{name!r} is no machine of this study: {', '.join(machines)}"
    shelves = [found for name, found in machines.items() if entry.machines is None or name in entry.machines]
    for part in ("forward", "backward", "decode"):
        mapping = getattr(entry, part)
        refusals = [_refusal(mapping, shelf, check) for shelf in shelves] if mapping is not None else []
        if refusals and all(refusals):
            yield (*at, part), str(refusals[0])


def _refusal(mapping: str, shelf: Mappings, check: Callable[[Path], object]) -> str | None:
    """Return why a machine has no mapping of that name, None where it has; *check* raises what is wrong with the file."""
    try:
        check(shelf.find(mapping))
    except UnknownNameError as error:
        return str(error)
    return None
