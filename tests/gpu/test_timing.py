"""Times, clocks and power of a CUDA device, on a stand-in for torch: no GPU is needed."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fusemax.gpu import libraries, sensors, timing
from fusemax.gpu.predict import NO_LIMIT_HZ, Kernel, cost_of, figures_for
from fusemax.gpu.published import published
from fusemax.gpu.rows import COLUMNS
from fusemax.gpu.shape import Shape

CLOCK_HZ = 1.5e9


@dataclass
class Stream:
    """What a device does in order: a time, the clock then, and the words of everything that ran."""

    now_s: float = 0.0
    clock_Hz: float = CLOCK_HZ
    host_s: float = 0.0
    said: list[str] = field(default_factory=list)

    def sleep(self, cycles: int) -> None:
        self.said.append(f"sleep {cycles}")
        self.now_s += cycles / self.clock_Hz

    def work(self, name: str, time_s: float) -> None:
        self.said.append(name)
        self.now_s += time_s


class Event:
    """An event that remembers when the stream came to it."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.at_s = stream, 0.0

    def record(self) -> None:
        self.at_s = self.stream.now_s

    def query(self) -> bool:
        """Whether the stream is past it: as if the host took ``host_s`` to queue what stands behind."""
        return self.stream.host_s > self.at_s

    def elapsed_time(self, end: Event) -> float:
        return (end.at_s - self.at_s) * 1e3


def device(stream: Stream, patch: pytest.MonkeyPatch) -> timing.Cuda:
    """Return a CUDA device whose torch is a stand-in that counts time in *stream*."""
    cuda = SimpleNamespace(
        get_device_properties=lambda _: SimpleNamespace(name="stand-in", L2_cache_size=2**20),
        current_device=lambda: 0,
        synchronize=lambda: None,
        Event=lambda **_: Event(stream),
        _sleep=stream.sleep,
    )
    torch: Any = SimpleNamespace(
        cuda=cuda, float32="f4", zeros=lambda *_, **__: None, empty=lambda *_, **__: None,
        sum=lambda *_, **__: stream.work("evict", 1e-4),
    )  # fmt: skip
    patch.setattr(libraries, "torch", lambda: torch)
    return timing.Cuda()


def test_the_clock_is_read_behind_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are those of the calls alone; the wait of known cycles behind each tells the clock, which falls here."""
    stream = Stream()
    cuda = device(stream, monkeypatch)

    def run() -> None:
        stream.work("run", 2e-3)
        stream.clock_Hz *= 0.9

    times, clocks = cuda.times_s(lambda: stream.work("before", 5e-3), run, 3)

    assert times == pytest.approx([2e-3] * 3)
    assert clocks == pytest.approx([CLOCK_HZ * 0.9**n for n in (1, 2, 3)])
    assert stream.said[:5] == [
        f"sleep {timing.HEAD_START_CYCLES}", "before", "evict", "run", f"sleep {timing.SPIN_CYCLES}",
    ]  # fmt: skip


@pytest.mark.parametrize(("host_s", "queued"), [(0.0, True), (0.5, False)])
def test_a_slow_host_is_told(monkeypatch: pytest.MonkeyPatch, host_s: float, queued: bool) -> None:
    """A host that takes longer to queue the calls than the device's head start may leave gaps in the times."""
    stream = Stream(host_s=host_s)
    cuda = device(stream, monkeypatch)
    monkeypatch.setattr(timing, "_warm_up", lambda *_: 0.01)
    found = timing.measure_times(cuda, lambda: None, lambda: stream.work("run", 1e-3))
    assert found.queued is queued


def test_steady_calls_have_nothing_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten calls of 1 ms follow each other; the clock is that right behind them."""
    stream = Stream()
    cuda = device(stream, monkeypatch)

    assert cuda.steady_s(lambda: stream.work("run", 1e-3), 10) == pytest.approx((1e-3, CLOCK_HZ))
    assert stream.said == ["run"] * 10 + [f"sleep {timing.SPIN_CYCLES}"]


def test_steady_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """1.5 s of calls of 10 ms are 150; without it there is no such time."""
    stream = Stream()
    cuda = device(stream, monkeypatch)
    monkeypatch.setattr(timing, "_warm_up", lambda *_: 0.01)
    found = timing.measure_times(cuda, lambda: None, lambda: stream.work("run", 0.01), steady=True)

    assert found.steady_s == pytest.approx(0.01)
    assert found.clock_Hz == pytest.approx(CLOCK_HZ)
    assert stream.said.count("run") == found.repetitions + 150
    assert timing.measure_times(cuda, lambda: None, lambda: stream.work("run", 0.01)).steady_s is None


@pytest.mark.parametrize("known", [True, False])
def test_power_at_the_moment_where_the_driver_knows_it(known: bool, tmp_path: Path) -> None:
    """A driver that refuses the field is asked for the average."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nexit {0 if known else 2}\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    power = "power.draw.instant" if known else "power.draw"

    assert sensors.query_of(str(program), "0") == f"clocks.sm,clocks.mem,{power},temperature.gpu"


def row(**values: str) -> str:
    """Return a file of one measured row: attention of 4,096 tokens on an H200."""
    cells = dict.fromkeys(COLUMNS, "") | {
        "device": "NVIDIA H200", "point": "p", "kind": "attention", "status": "ok", "backend": "flash", "dtype": "bf16",
        "direction": "fwd", "causal": "0", "batch": "4", "heads": "16", "kv_heads": "16", "seqlen_q": "4096",
        "seqlen_kv": "4096", "head_dim": "128", "latency_s": "1e-3", "torch": "2", "date": "today", "seed": "0", **values,
    }  # fmt: skip
    return ",".join(COLUMNS) + "\n" + ",".join(cells[name] for name in COLUMNS) + "\n"


def test_a_measured_clock_travels_to_the_prediction(tmp_path: Path) -> None:
    """Above the machine's own too: the row is predicted at 1980 MHz, not at 1755."""
    file = tmp_path / "rows.csv"
    file.write_text(row(clock_Hz="1.98e9", power_W="650"), encoding="utf-8")
    (found,) = published(file)

    assert (found.clock_Hz, found.power_W, found.measured) == (1.98e9, 650.0, True)


def test_a_locked_clock_only_lowers_and_a_measured_one_holds() -> None:
    """Power has had its say in a clock that was measured; a lock may be above what power allows."""
    shape = Shape(
        batch=1, heads=16, kv_heads=16, seqlen_q=8192, seqlen_kv=8192, head_dim=128, head_dim_v=128, causal=False,
        direction="fwd",
    )  # fmt: skip
    kernel = Kernel("mi355x", "flash", "attention")
    from fusemax.gpu.predict import derived

    _, program = derived(kernel)
    assert figures_for(program, "bf16", 2.5e9)["clock"] == 2.4e9
    measured = figures_for(program, "bf16", 2.3e9, measured=True)
    assert measured["clock"] == 2.3e9
    assert measured["tensor.sustained"] == NO_LIMIT_HZ
    assert cost_of(kernel, shape, "bf16", 2.3e9).clock_Hz < 2.0e9
