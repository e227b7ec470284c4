"""Clocks, power and temperature of a GPU while it works, as nvidia-smi reports them."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from statistics import median
from types import TracebackType

#: Power at the moment; older drivers know its average over a second only.
_POWER = ("power.draw.instant", "power.draw")
_COLUMNS = 4
_PERIOD_MS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Medians over the samples of a span of time; None where the GPU does not report a value."""

    clock_Hz: float | None = None
    clock_memory_Hz: float | None = None
    power_W: float | None = None
    temperature_C: float | None = None
    samples: int = 0


class Sensors:
    """Samples a GPU twenty times a second while the context is open; without nvidia-smi it reads nothing."""

    def __init__(self, gpu: str | None) -> None:
        self._gpu = gpu
        self._samples: list[tuple[float, tuple[float | None, ...]]] = []
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Sensors:
        program = shutil.which("nvidia-smi")
        if program is not None and self._gpu is not None:
            query = query_of(program, self._gpu)
            command = [program, "-i", self._gpu, f"--query-gpu={query}", "--format=csv,noheader,nounits"]
            self._process = subprocess.Popen(
                [*command, "-lms", str(_PERIOD_MS)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self._thread = threading.Thread(target=self._read, args=(self._process,), daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            if self._thread is not None:
                self._thread.join(timeout=2)
            if self._process.stdout is not None:
                self._process.stdout.close()

    def between(self, began: float, ended: float) -> Reading:
        """Return the medians of the samples between two readings of ``time.monotonic``."""
        rows = [values for at, values in list(self._samples) if began <= at <= ended]
        if not rows:
            return Reading()
        clock, memory, power, temperature = (_median(column) for column in zip(*rows, strict=True))
        return Reading(
            clock_Hz=None if clock is None else clock * 1e6,
            clock_memory_Hz=None if memory is None else memory * 1e6,
            power_W=power,
            temperature_C=temperature,
            samples=len(rows),
        )

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None, "it was started with a pipe"
        for line in process.stdout:
            values = parse_sample(line)
            if values is not None:
                self._samples.append((time.monotonic(), values))


def parse_sample(line: str) -> tuple[float | None, ...] | None:
    """Return the four numbers of one line of nvidia-smi; None for one that the GPU does not report.

    >>> parse_sample("1980, 3201, 412.55, 48")
    (1980.0, 3201.0, 412.55, 48.0)
    >>> parse_sample("1980, 3201, [N/A], 48")
    (1980.0, 3201.0, None, 48.0)
    """
    texts = [text.strip() for text in line.split(",")]
    if len(texts) != _COLUMNS:
        return None
    return tuple(_number(text) for text in texts)


def query_of(program: str, gpu: str) -> str:
    """Return what to ask nvidia-smi for: power at the moment, where it knows that."""
    for power in _POWER[:-1]:
        command = [program, "-i", gpu, f"--query-gpu={power}", "--format=csv,noheader"]
        try:
            subprocess.run(command, capture_output=True, timeout=20, check=True)
        except (OSError, subprocess.SubprocessError):
            continue
        return f"clocks.sm,clocks.mem,{power},temperature.gpu"
    return f"clocks.sm,clocks.mem,{_POWER[-1]},temperature.gpu"


def driver_version() -> str | None:
    """Return the version of the NVIDIA driver, or None where nvidia-smi does not tell."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.strip().splitlines()
    return lines[0].strip() if lines else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _median(values: tuple[float | None, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
