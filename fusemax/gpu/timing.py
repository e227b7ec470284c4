"""How long a call takes on a device: device events on a GPU, the clock on a CPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from fusemax.gpu import libraries

WARM_UP_S = 0.05
MEASURE_S = 0.25
FEWEST, MOST = 5, 100
#: GPU cycles that the device waits before the first repetition, while the host runs ahead of it: some 30 ms.
HEAD_START_CYCLES = 60_000_000


class Device(Protocol):
    """Where calls run: its kind and name, and how calls are timed there."""

    kind: str
    name: str

    def wait(self) -> None:
        """Return when all that was begun is done."""
        ...

    def times_s(self, before: Callable[[], None], run: Callable[[], Any], count: int) -> list[float]:
        """Return how long each of *count* calls took; *before* runs ahead of each, and is not timed."""
        ...


class Cuda:
    """A CUDA device, timed with events on its stream, which exclude what the host does meanwhile.

    Ahead of each repetition a buffer of twice the L2 cache is read: what was in the cache is gone, and nothing in it waits to
    be written back inside the timed call, as it would after writing the buffer. The device first waits a little, so that the
    host has queued the calls by the time they run and no gap between launches is timed.
    """

    kind = "cuda"

    def __init__(self) -> None:
        torch = libraries.torch()
        self._torch = torch
        self.properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        self.name: str = self.properties.name
        size_B = 2 * getattr(self.properties, "L2_cache_size", 64 * 2**20)
        self._evict = torch.zeros(max(size_B, 2**20) // 4, dtype=torch.float32, device="cuda")
        self._read = torch.empty((), dtype=torch.float32, device="cuda")

    def wait(self) -> None:
        """Return when the device has finished."""
        self._torch.cuda.synchronize()

    def times_s(self, before: Callable[[], None], run: Callable[[], Any], count: int) -> list[float]:
        """Return the times between events around each call."""
        event = self._torch.cuda.Event
        pairs = [(event(enable_timing=True), event(enable_timing=True)) for _ in range(count)]
        self.wait()
        self._torch.cuda._sleep(HEAD_START_CYCLES)
        for start, end in pairs:
            before()
            self._torch.sum(self._evict, dim=0, out=self._read)
            start.record()
            run()
            end.record()
        self.wait()
        return [start.elapsed_time(end) * 1e-3 for start, end in pairs]


class Cpu:
    """The host itself, timed with its clock; its caches are left as they are."""

    kind = "cpu"

    def __init__(self) -> None:
        self.name = "cpu"

    def wait(self) -> None:
        """Return at once: calls on the host are done when they return."""

    def times_s(self, before: Callable[[], None], run: Callable[[], Any], count: int) -> list[float]:
        """Return the times of the calls."""
        times: list[float] = []
        for _ in range(count):
            before()
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return times


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The middle and the spread of some repetitions, in seconds, and when they ran on the host's clock."""

    median_s: float
    p10_s: float
    p90_s: float
    repetitions: int
    began: float
    ended: float


def measure_times(device: Device, before: Callable[[], None], run: Callable[[], Any]) -> Times:
    """Return the times of *run*: warmed up, then repeated for a quarter of a second, 5 to 100 times.

    ``began`` and ``ended`` are readings of ``time.monotonic`` around the timed repetitions.
    """
    import numpy

    estimate_s = _warm_up(device, before, run)
    count = min(MOST, max(FEWEST, int(MEASURE_S / max(estimate_s, 1e-9))))
    began = time.monotonic()
    times = device.times_s(before, run, count)
    low, middle, high = numpy.percentile(times, (10, 50, 90))
    return Times(
        median_s=float(middle),
        p10_s=float(low),
        p90_s=float(high),
        repetitions=count,
        began=began,
        ended=time.monotonic(),
    )


def _warm_up(device: Device, before: Callable[[], None], run: Callable[[], Any]) -> float:
    """Run until clocks and libraries are warm; return the estimated time of one call, in seconds."""
    before()
    run()  # compiles, and loads libraries
    device.wait()
    done, start = 0, time.perf_counter()
    while done < 2 or time.perf_counter() - start < WARM_UP_S:
        before()
        run()
        device.wait()
        done += 1
    return (time.perf_counter() - start) / done


def device_of(kind: str) -> Device:
    """Return the device of that kind, ``cuda`` or ``cpu``.

    Raises
    ------
    MissingError
        When it is not there.
    """
    libraries.require_device(kind)
    return Cuda() if kind == "cuda" else Cpu()
