"""Microbenchmarks of what the model of a GPU rests on; each probe is a row on the disk before the next begins.

python benchmarks/gpu/probes.py OUT.csv [BUDGET_S]      on a CUDA device; with TRITON_INTERPRET=1 small ones on the CPU
python benchmarks/gpu/probes.py --compile 90            compile all kernels for compute capability 9.0: needs no GPU
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernels import THREADS, TILE, alone, chained, compiled, nothing, read  # pyright: ignore[reportMissingImports]

from fusemax.gpu import libraries
from fusemax.gpu.timing import device_of, measure_times

#: Products and tiles of exponentials of an epoch: parts alone first, then slack from an eighth to all.
MIXTURES = ("1:0", "2:0", "4:0", "8:0", "0:1", "0:2", "1:1", "2:1", "4:1", "8:1", "1:2", "2:2", "4:2")
COLUMNS = (
    "probe",
    "parameter",
    "repetitions",
    "median_s",
    "p10_s",
    "p90_s",
    "amount",
    "unit",
    "clock_Hz",
    "queued",
)


@dataclass(frozen=True, slots=True)
class Probe:
    """One row to be: its names, how much is done in a call, and the call."""

    name: str
    parameter: str
    amount: float
    unit: str
    run: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done: on a GPU as much as tells something, interpreted on a CPU as little as tries the code."""

    cores: int
    epochs: int
    bytes_: tuple[int, ...]
    launches: tuple[int, ...]
    sides: tuple[int, ...]


def size_of(device: Any) -> Size:
    """Return what suits the device."""
    if device.kind == "cpu":
        return Size(1, 1, (2**12,), (1, 2), (64,))
    cores = device.properties.multi_processor_count
    return Size(
        cores, 2000, tuple(2**n for n in range(16, 33)), (1, 2, 4, 16, 64), (1024, 2048, 4096, 8192, 16384)
    )


def probes(device: Any) -> Iterator[Probe]:
    """Yield the probes, those that cost least to compile first."""
    size = size_of(device)
    yield from _launches(device, size)
    yield from _reads(device, size)
    yield from _products(device, size)
    yield from _mixtures(device, size)


def _launches(device: Any, size: Size) -> Iterator[Probe]:
    one = libraries.torch().zeros(1, device=device.kind)
    for count in size.launches:
        yield Probe("launches", str(count), count, "", lambda n=count: [nothing[(1,)](one) for _ in range(n)])


def _reads(device: Any, size: Size) -> Iterator[Probe]:
    torch = libraries.torch()
    programs = 4 * size.cores
    out = torch.empty(programs * 4096, device=device.kind)
    for many in size.bytes_:
        data = torch.ones(many // 4, device=device.kind)
        for name, rounds in (("read cold", 1), ("read again", 20)):

            def run(data: Any = data, rounds: int = rounds) -> None:
                read[(programs,)](data, out, data.numel(), rounds, BLOCK=4096, num_warps=THREADS // 32)

            yield Probe(name, str(many), float(many * rounds), "B", run)


def _products(device: Any, size: Size) -> Iterator[Probe]:
    torch = libraries.torch()
    for side in size.sides:
        left, right = (torch.randn(side, side, device=device.kind, dtype=torch.bfloat16) for _ in range(2))
        out = torch.empty_like(left)
        yield Probe(
            "product", str(side), 2.0 * side**3, "FLOP", lambda a=left, b=right, c=out: torch.mm(a, b, out=c)
        )


def _mixtures(device: Any, size: Size) -> Iterator[Probe]:
    torch = libraries.torch()
    rows, columns, _ = TILE
    left, right = (
        0.01 * torch.randn(n, columns, device=device.kind, dtype=torch.float16) for n in (rows, columns)
    )
    for blocks in (1, 2):  # on each core
        out = torch.empty(blocks * size.cores * rows * columns, device=device.kind)
        for kernel, name in ((alone, "alone"), (chained, "chained")):
            for mixture in MIXTURES:
                products, exps = (int(part) for part in mixture.split(":"))
                if name == "chained" and not (products and exps):
                    continue

                def run(
                    kernel: Any = kernel, products: int = products, exps: int = exps, out: Any = out
                ) -> None:
                    kernel[(out.numel() // (rows * columns),)](
                        left, right, out, size.epochs, PRODUCTS=products, EXPS=exps, P0=rows, N0=columns,
                        num_warps=THREADS // 32,
                    )  # fmt: skip

                yield Probe(f"mixed {name} {blocks}", mixture, size.epochs, "epochs", run)


def measure(out: Path, budget_s: float) -> int:
    """Append a row for every probe until time is up; return how many rows there are."""
    began, written = time.monotonic(), 0
    device = device_of("cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda")
    with out.open("a", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        if not stream.tell():
            table.writerow(COLUMNS)
        for probe in probes(device):
            if time.monotonic() - began > budget_s:
                break
            times = measure_times(device, lambda: None, probe.run)
            queued = "" if times.queued is None else int(times.queued)
            table.writerow((
                probe.name, probe.parameter, times.repetitions, times.median_s, times.p10_s, times.p90_s,
                probe.amount, probe.unit, times.clock_Hz or "", queued,
            ))  # fmt: skip
            stream.flush()
            os.fsync(stream.fileno())
            written += 1
    return written


def main(arguments: list[str]) -> None:
    """Measure, or compile only."""
    if arguments[:1] == ["--compile"]:
        for name, kernel in compiled(int(arguments[1])).items():
            print(
                f"{name}: {kernel.metadata.shared} B of shared memory, {len(kernel.asm['cubin'])} B of code"
            )
        return
    rows = measure(Path(arguments[0]), float(arguments[1]) if len(arguments) > 1 else 150.0)
    print(f"{rows} probes -> {arguments[0]}")


if __name__ == "__main__":
    main(sys.argv[1:])
