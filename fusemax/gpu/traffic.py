"""The DRAM bytes of one call, as NVIDIA's profiler ncu counts them.

Counters can only be read by profiling a process, so the point is made again in a process of its own, under ncu:
``python -m fusemax.gpu.traffic POINT`` runs one call of it between the profiler's start and stop.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from fusemax.errors import FusemaxError
from fusemax.gpu.grid import Point
from fusemax.gpu.shape import Shape

_METRICS = {"dram__bytes_read.sum": "read", "dram__bytes_write.sum": "write"}


class NoCountersError(FusemaxError):
    """The counters cannot be read, with what ncu said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes between DRAM and the chip, summed over the kernels of one call."""

    read_B: float
    write_B: float


def profiler() -> str | None:
    """Return the path of ncu, or None."""
    return shutil.which("ncu")


def measure_traffic(point: Point, seed: int, limit_s: float) -> Traffic:
    """Return the DRAM traffic of one call of *point*, after one that is not counted, caches flushed.

    Raises
    ------
    NoCountersError
        When ncu is missing, may not read the counters, or takes longer than *limit_s*.
    """
    program = profiler()
    if program is None:
        raise NoCountersError("ncu is not installed")
    code, printed, complained = run_within(profiling(program, point, seed), limit_s)
    if code:
        said = [line for line in (printed + complained).splitlines() if "==ERROR==" in line]
        raise NoCountersError(" ".join(said[:1]) or f"ncu ended with code {code}")
    return parse_counters(printed)


def profiling(program: str, point: Point, seed: int) -> list[str]:
    """Return the command that profiles one call of *point*, the clocks left as the timed run has them."""
    command = [
        program,
        "--csv",
        "--print-units",
        "base",
        "--profile-from-start",
        "off",
        "--clock-control",
        "none",
    ]
    command += ["--metrics", ",".join(_METRICS)]
    return [*command, sys.executable, "-m", "fusemax.gpu.traffic", to_text(point), str(seed)]


def run_within(command: Sequence[str], limit_s: float) -> tuple[int, str, str]:
    """Return the exit code of *command* and what it printed; after *limit_s* it and all that it began are ended.

    Raises
    ------
    NoCountersError
        When it takes longer, or cannot be started.
    """
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
    except OSError as error:
        raise NoCountersError(f"ncu cannot be run ({error.strerror})") from None
    try:
        printed, complained = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # ncu's child would go on working on the GPU
        process.communicate()
        raise NoCountersError(f"ncu took longer than {limit_s:.0f} s") from None
    return process.returncode, printed, complained


def parse_counters(text: str) -> Traffic:
    """Return the sums of the two counters in what ``ncu --csv --print-units base`` prints.

    Raises
    ------
    NoCountersError
        When a counter is missing or is not a number of bytes.
    """
    lines = text.splitlines()
    head = next((index for index, line in enumerate(lines) if line.startswith('"ID"')), None)
    sums: dict[str, float] = {}
    for record in csv.DictReader(lines[head:] if head is not None else []):
        name = _METRICS.get(record.get("Metric Name") or "")
        if name is None:
            continue
        value, unit = record.get("Metric Value") or "", record.get("Metric Unit")
        try:
            sums[name] = sums.get(name, 0.0) + float(value.replace(",", ""))
        except ValueError:
            raise NoCountersError(f"ncu printed {value!r} for DRAM bytes") from None
        if unit != "byte":
            raise NoCountersError(f"ncu printed DRAM bytes in the unit {unit!r}")
    if set(sums) != set(_METRICS.values()):
        raise NoCountersError("ncu printed no DRAM bytes")
    return Traffic(read_B=sums["read"], write_B=sums["write"])


def to_text(point: Point) -> str:
    """Return *point* as JSON, from which :func:`from_text` makes it again."""
    return json.dumps(asdict(point))


def from_text(text: str) -> Point:
    """Return the point that :func:`to_text` wrote."""
    data = json.loads(text)
    return Point(**{**data, "shape": Shape(**data["shape"])})


def main(arguments: Sequence[str]) -> None:
    """Run one call of a point between the profiler's start and stop: the process that ncu profiles."""
    from fusemax.gpu import libraries
    from fusemax.gpu.call import Call

    point, seed = from_text(arguments[0]), int(arguments[1])
    torch = libraries.torch()
    call = Call(point, "cuda", seed)
    call.refresh()
    call.run()
    call.refresh()
    torch.cuda.synchronize()
    torch.cuda.cudart().cudaProfilerStart()
    call.run()
    torch.cuda.synchronize()
    torch.cuda.cudart().cudaProfilerStop()


if __name__ == "__main__":
    main(sys.argv[1:])
