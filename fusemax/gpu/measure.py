"""The measuring run: ceilings, then the points of a grid, one row each, until all are done or time is up."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from fusemax import __version__
from fusemax.errors import FusemaxError
from fusemax.gpu import libraries
from fusemax.gpu.backends import BACKENDS, RefusedError, refusals
from fusemax.gpu.call import Call
from fusemax.gpu.ceilings import Ceiling, ceilings
from fusemax.gpu.grid import BYTES_PER_ELEMENT, Point, read_grid
from fusemax.gpu.rows import Row, RowFile
from fusemax.gpu.sensors import Sensors, driver_version
from fusemax.gpu.shape import compulsory_bytes, flop
from fusemax.gpu.timing import Device, Times, device_of, measure_times
from fusemax.gpu.traffic import NoCountersError, measure_traffic
from fusemax.shipped import find

#: The grid for each kind of device, by its name on the shelf ``studies``.
DEFAULT_GRIDS = {"cuda": "gpu-measure", "cpu": "gpu-measure-cpu"}
DEFAULT_BUDGET_S = 450.0
#: A profiled call is begun only with this much time left, and ended after it.
TRAFFIC_LIMIT_S = 45.0
#: Profiled calls that fail one after another until no more are tried.
MOST_FAILURES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: points done of all, the one at hand, seconds since the start and until time is up."""

    done: int
    total: int
    label: str
    elapsed_s: float
    left_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run did: rows written by status, points that an earlier run had finished, points left over."""

    device: str
    ok: int = 0
    wrong: int = 0
    refused: int = 0
    already: int = 0
    left: int = 0
    elapsed_s: float = 0.0
    torn: bool = False
    no_counters: str | None = None


Watch = Callable[[Progress], None]


def measure(
    out: Path,
    *,
    grid: str | Path | None = None,
    device: str = "cuda",
    budget_s: float = DEFAULT_BUDGET_S,
    seed: int = 0,
    watch: Watch | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Summary:
    """Return a summary of a run that appends one row per point to the file at *out*.

    Points whose rows are there already, for this device, are passed over: the same command resumes a run. No
    point is begun once *budget_s* seconds have passed since the call. *watch* hears of every point before it.

    Raises
    ------
    FusemaxError
        When torch or the device is missing, the grid has mistakes, or *out* is not a file of such rows.
    """
    began = clock()
    if not budget_s > 0:
        raise FusemaxError(f"the time budget must be above 0 s, got {budget_s:g} s")
    place = device_of(device)
    path = grid if isinstance(grid, Path) else find("studies", grid or DEFAULT_GRIDS[device])
    points = read_grid(path, tuple(BACKENDS))
    file = RowFile(out)
    file.open()
    with Sensors(_gpu_name(place)) as sensors:
        run = _Run(place, file, sensors, seed, lambda: began + budget_s - clock(), provenance(place, seed))
        return replace(run.all(points, watch, lambda: clock() - began), torn=file.torn)


class _Run:
    """The state of one run: the device, the open file, and the counters of a summary."""

    def __init__(
        self,
        device: Device,
        file: RowFile,
        sensors: Sensors,
        seed: int,
        left_s: Callable[[], float],
        common: dict[str, Any],
    ) -> None:
        self.device, self.file, self.sensors, self.seed = device, file, sensors, seed
        self.left_s, self.common = left_s, common
        self.counts = {"ok": 0, "wrong": 0, "refused": 0, "already": 0, "left": 0}
        self.no_counters: str | None = None
        self.failures = 0

    def all(self, points: tuple[Point, ...], watch: Watch | None, elapsed_s: Callable[[], float]) -> Summary:
        """Measure the ceilings and the points in order."""
        for ceiling in ceilings(self.device, self.seed):
            self._one(ceiling.label, lambda ceiling=ceiling: self._ceiling(ceiling))
        for done, point in enumerate(points):
            if watch is not None:
                watch(Progress(
                    done=done, total=len(points), label=point.label(), elapsed_s=elapsed_s(), left_s=self.left_s()
                ))  # fmt: skip
            self._one(point.label(), lambda point=point: self._point(point))
        return Summary(
            device=self.device.name,
            elapsed_s=elapsed_s(),
            no_counters=self.no_counters,
            ok=self.counts["ok"],
            wrong=self.counts["wrong"],
            refused=self.counts["refused"],
            already=self.counts["already"],
            left=self.counts["left"],
        )

    def _one(self, label: str, make: Callable[[], Row]) -> None:
        """Write one row, unless it is there or time is up."""
        if (self.device.name, label) in self.file.finished:
            self.counts["already"] += 1
            return
        if self.left_s() <= 0:
            self.counts["left"] += 1
            return
        row = make()
        self.file.append(row)
        self.counts[row.status] += 1
        self._tidy(label)

    def _tidy(self, label: str) -> None:
        """Give memory back; refuse to go on with a device that a kernel has left in an error."""
        if self.device.kind != "cuda":
            return
        gc.collect()
        try:
            self.device.wait()
            libraries.torch().cuda.empty_cache()
        except RuntimeError as error:
            reason = str(error).split("\n")[0]
            raise FusemaxError(
                f"the device is in error after {label!r} ({reason})\n"
                "  hint: run the same command again; it goes on after this point"
            ) from None

    def _ceiling(self, ceiling: Ceiling) -> Row:
        base = self._row(ceiling.label, ceiling.kind, dtype=ceiling.dtype)
        try:
            with refusals():
                times = measure_times(self.device, ceiling.before, ceiling.run)
        except RefusedError as error:
            return replace(base, status="refused", reason=str(error))
        return self._timed(base, times, ceiling.work_FLOP, ceiling.moved_B)

    def _point(self, point: Point) -> Row:
        shape = point.shape
        base = self._row(
            point.label(),
            "attention",
            backend=point.backend,
            dtype=point.dtype,
            direction=shape.direction,
            causal=int(shape.causal),
            batch=shape.batch,
            heads=shape.heads,
            kv_heads=shape.kv_heads,
            seqlen_q=shape.seqlen_q,
            seqlen_kv=shape.seqlen_kv,
            head_dim=shape.head_dim,
        )
        objection = BACKENDS[point.backend].objection(self.device.kind, point.dtype, shape.direction)
        if objection is not None:
            return replace(base, status="refused", reason=objection)
        try:
            with refusals():
                call = Call(point, self.device.kind, self.seed)
                check = call.check()
                times = measure_times(self.device, call.refresh, call.run, steady=point.steady)
        except RefusedError as error:
            return replace(base, status="refused", reason=str(error))
        moved_B = compulsory_bytes(shape, BYTES_PER_ELEMENT[point.dtype])
        row = self._timed(base, times, flop(shape), moved_B)
        row = replace(row, error=check.error, tolerance=check.tolerance, compared=check.compared)
        if not check.right:
            return replace(row, status="wrong", reason=f"off by {check.error:.3g} of the largest value")
        return self._with_traffic(row, point) if point.traffic else row

    def _with_traffic(self, row: Row, point: Point) -> Row:
        """Add the DRAM counters, where they can be read and time allows."""
        if self.device.kind != "cuda" or self.no_counters is not None:
            return row
        if self.left_s() < TRAFFIC_LIMIT_S:
            return row
        try:
            traffic = measure_traffic(point, self.seed, TRAFFIC_LIMIT_S)
        except NoCountersError as error:
            self.failures += 1
            if self.failures >= MOST_FAILURES:  # one point may be too slow; again and again it is the machine
                self.no_counters = str(error)
            return row
        self.failures = 0
        return replace(row, dram_read_B=traffic.read_B, dram_write_B=traffic.write_B)

    def _row(self, label: str, kind: str, **columns: Any) -> Row:
        date = datetime.now(UTC).isoformat(timespec="seconds")
        return Row(point=label, kind=kind, status="ok", date=date, **columns, **self.common)

    def _timed(self, row: Row, times: Times, work: float | None, moved: float | None) -> Row:
        reading = self.sensors.between(times.began, times.ended)
        return replace(
            row,
            repetitions=times.repetitions,
            queued=None if times.queued is None else int(times.queued),
            latency_s=times.median_s,
            latency_p10_s=times.p10_s,
            latency_p90_s=times.p90_s,
            steady_s=times.steady_s,
            steady_clock_Hz=times.steady_clock_Hz,
            work_FLOP=work,
            rate_FLOP_per_s=None if work is None else work / times.median_s,
            compulsory_B=moved,
            rate_B_per_s=None if moved is None else moved / times.median_s,
            clock_Hz=reading.clock_Hz if times.clock_Hz is None else times.clock_Hz,
            clock_memory_Hz=reading.clock_memory_Hz,
            power_W=reading.power_W,
            temperature_C=reading.temperature_C,
            samples=reading.samples,
        )


def provenance(device: Device, seed: int) -> dict[str, Any]:
    """Return the columns that tell where rows come from: device, driver, versions and seed."""
    torch = libraries.torch()
    on_gpu = device.kind == "cuda"
    cudnn = torch.backends.cudnn.version() if on_gpu else None
    return {
        "device": device.name,
        "seed": seed,
        "driver": driver_version() if on_gpu else None,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": None if cudnn is None else str(cudnn),
        "triton": _version("triton"),
        "flash_attn": _version("flash_attn"),
        "fusemax": __version__,
    }


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _gpu_name(device: Device) -> str | None:
    """Return the name by which nvidia-smi knows *device*: its UUID, else its number."""
    if device.kind != "cuda":
        return None
    properties = getattr(device, "properties", None)
    uuid = getattr(properties, "uuid", None)
    return f"GPU-{uuid}" if uuid is not None else "0"
