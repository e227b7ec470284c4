"""How long a call takes on a device: device events on a GPU, the clock on a CPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from fusemax.gpu import libraries

WARM_UP_S = 0.05
MEASURE_S = 0.25
STEADY_S = 1.5
FEWEST, MOST = 5, 100
#: GPU cycles of the wait behind each repetition, whose time tells the clock: some 0.1 ms.
SPIN_CYCLES = 200_000
#: GPU cycles that the device waits before the first repetition, while the host runs ahead of it: some 30 ms.
HEAD_START_CYCLES = 60_000_000


class Device(Protocol):
    """Where calls run: its kind and name, and how calls are timed there."""

    kind: str
    name: str
    queued: (
        bool | None
    )  #: whether the last repetitions stood in the queue before the first of them ran; None on a CPU

    def wait(self) -> None:
        """Return when all that was begun is done."""
        ...

    def times_s(
        self, before: Callable[[], None], run: Callable[[], Any], count: int
    ) -> tuple[list[float], list[float]]:
        """Return how long each of *count* calls took, and the clock after each; *before* runs ahead of each, untimed."""
        ...

    def steady_s(self, run: Callable[[], Any], count: int) -> tuple[float, float | None]:
        """Return the time of each of *count* calls back to back, and the clock at their end."""
        ...


class Cuda:
    """A CUDA device, timed with events on its stream, which exclude what the host does meanwhile.

    Ahead of each repetition a buffer of twice the L2 cache is read: what was in the cache is gone, and nothing in it waits to
    be written back inside the timed call, as it would after writing the buffer. The device first waits a little, so that the
    host has queued the calls by the time they run and no gap between launches is timed.
    """

    kind = "cuda"
    queued: bool | None = None

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

    def times_s(
        self, before: Callable[[], None], run: Callable[[], Any], count: int
    ) -> tuple[list[float], list[float]]:
        """Return the times between events around each call, and the clock in a wait of known cycles behind each."""
        calls = [self._events() for _ in range(count)]
        spins = [self._events() for _ in range(count)]
        self.wait()
        self._torch.cuda._sleep(HEAD_START_CYCLES)
        head_start = self._torch.cuda.Event()
        head_start.record()
        for call, spin in zip(calls, spins, strict=True):
            before()
            self._torch.sum(self._evict, dim=0, out=self._read)
            self._between(call, run)
            self._between(spin, self._spin)
        self.queued = not head_start.query()
        self.wait()
        return [_seconds(pair) for pair in calls], [SPIN_CYCLES / _seconds(pair) for pair in spins]

    def steady_s(self, run: Callable[[], Any], count: int) -> tuple[float, float | None]:
        """Return the time of a call in a row without a pause, and the clock right behind it."""
        calls, spin = self._events(), self._events()
        self.wait()
        self._between(calls, lambda: [run() for _ in range(count)])
        self._between(spin, self._spin)
        self.wait()
        return _seconds(calls) / count, SPIN_CYCLES / _seconds(spin)

    def _events(self) -> tuple[Any, Any]:
        event = self._torch.cuda.Event
        return event(enable_timing=True), event(enable_timing=True)

    def _between(self, events: tuple[Any, Any], run: Callable[[], Any]) -> None:
        events[0].record()
        run()
        events[1].record()

    def _spin(self) -> None:
        self._torch.cuda._sleep(SPIN_CYCLES)


def _seconds(events: tuple[Any, Any]) -> float:
    return float(events[0].elapsed_time(events[1])) * 1e-3


class Cpu:
    """The host itself, timed with its clock; its caches are left as they are."""

    kind = "cpu"
    queued: bool | None = None

    def __init__(self) -> None:
        self.name = "cpu"

    def wait(self) -> None:
        """Return at once: calls on the host are done when they return."""

    def times_s(
        self, before: Callable[[], None], run: Callable[[], Any], count: int
    ) -> tuple[list[float], list[float]]:
        """Return the times of the calls; the clock is not known."""
        times: list[float] = []
        for _ in range(count):
            before()
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return times, []

    def steady_s(self, run: Callable[[], Any], count: int) -> tuple[float, float | None]:
        """Return the time of each of *count* calls in a row."""
        start = time.perf_counter()
        for _ in range(count):
            run()
        return (time.perf_counter() - start) / count, None


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The middle and the spread of some repetitions, in seconds, when they ran on the host's clock, and the device's clock.

    ``steady_s`` is the time of a call in a row of them without a pause, and ``steady_clock_Hz`` the clock at its end, where
    that was asked for. ``queued`` says whether the host had all repetitions in the device's queue before the first one ran: if
    not, gaps between launches may be in the times.
    """

    median_s: float
    p10_s: float
    p90_s: float
    repetitions: int
    began: float
    ended: float
    clock_Hz: float | None = None
    steady_s: float | None = None
    steady_clock_Hz: float | None = None
    queued: bool | None = None


def measure_times(
    device: Device, before: Callable[[], None], run: Callable[[], Any], *, steady: bool = False
) -> Times:
    """Return the times of *run*: warmed up, then repeated for a quarter of a second, 5 to 100 times.

    ``began`` and ``ended`` are readings of ``time.monotonic`` around the timed repetitions. *steady* adds calls without
    a pause for some 1.5 s: what is done between repetitions cools a chip.
    """
    import numpy

    estimate_s = _warm_up(device, before, run)
    count = min(MOST, max(FEWEST, int(MEASURE_S / max(estimate_s, 1e-9))))
    began = time.monotonic()
    times, clocks = device.times_s(before, run, count)
    ended, queued = time.monotonic(), device.queued
    low, middle, high = numpy.percentile(times, (10, 50, 90))
    steady_s, steady_clock = (
        device.steady_s(run, max(1, round(STEADY_S / max(float(middle), 1e-9)))) if steady else (None, None)
    )
    return Times(
        median_s=float(middle),
        p10_s=float(low),
        p90_s=float(high),
        repetitions=count,
        began=began,
        ended=ended,
        clock_Hz=float(numpy.median(clocks)) if clocks else None,
        steady_s=steady_s,
        steady_clock_Hz=steady_clock,
        queued=queued,
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
