"""Print how many design points a second a sweep does, what of that is arithmetic, its memory, and draw its time over points.

Nothing here is a test: the numbers belong to the machine and to what else runs on it, so the load stands beside them.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from run import FUSEMAX, measure

from fusemax.cost.lower import evaluate_grid, new_memory
from fusemax.study.chunks import BLOCK
from fusemax.study.jobs import Job, Keep, planned
from fusemax.study.load import load_study

STUDY = """kind: sweep
title: benchmark
source: none
parts:
- name: designs
  sizes: {{B: 64, H: 12, E: 64, F: 64, P: M}}
  grid:
{grid}
  outputs: {outputs}
  configurations:
    FuseMax: {{machine: fusemax, mapping: fusemax}}
"""
FIGURES = """
    2d.shape: [64, 128, 256, 512]
    L3.size: {{from: 1 MiB, to: 64 MiB, steps: 50, scale: log}}
    DRAM.bandwidth: {{from: 100 GB/s, to: 1.6 TB/s, steps: 50, scale: log}}
    clock: {{from: 500 MHz, to: 1500 MHz, steps: {clocks}}}"""
LENGTHS = "    M: [1Ki, 4Ki, 16Ki, 64Ki, 256Ki]"
RAGGED = """    clock: {from: 500 MHz, to: 1500 MHz, steps: 20}
    DRAM.bandwidth: {from: 100 GB/s, to: 1.6 TB/s, steps: 20, scale: log}
    L3.size: {from: 1 MiB, to: 64 MiB, steps: 25, scale: log}
    2d.shape: [60, 100, 200, 500]
    M: {from: 1000, to: 1000000, steps: 250, scale: log, round: 1}"""
TOTALS = "[latency_s, traffic_B, energy_J, utilization_2d, utilization_1d]"
EVERYTHING = "[latency_s, traffic_B, energy_J, breakdown]"
FRONT = ("--pareto", "latency,traffic,energy,-utilization_2d")


def study(folder: Path, name: str, grid: str, outputs: str) -> Path:
    """Write a study and return its file."""
    path = folder / f"{name}.yaml"
    path.write_text(STUDY.format(grid=grid, outputs=outputs), encoding="utf-8")
    return path


def job_of(path: Path) -> Job:
    """Return the only job of a study."""
    file, document, _ = load_study(str(path))
    return planned(file.parts, Keep(), document).jobs[0]


def evaluate_all(job: Job, threads: int) -> float:
    """Return the seconds that the arithmetic of all points takes alone: results are overwritten block by block."""

    def part(number: int) -> None:
        results, memory = np.empty((len(job.table.outputs), BLOCK)), new_memory()
        first, last = number * job.points // threads, (number + 1) * job.points // threads
        for start in range(first, last, BLOCK):
            stop = min(start + BLOCK, last)
            evaluate_grid(job.table, start, stop, results[:, : stop - start], memory, compiled=True)

    evaluate_grid(job.table, 0, 1, np.empty((len(job.table.outputs), 1)), new_memory(), compiled=True)
    with ThreadPoolExecutor(threads) as pool:
        start_s = time.perf_counter()
        list(pool.map(part, range(threads)))
        return time.perf_counter() - start_s


def whole(path: Path, *options: str) -> tuple[float, int]:
    """Return the seconds and bytes of ``fusemax run`` in a process of its own, after one that fills the cache."""
    costs = [measure((FUSEMAX, "run", str(path), "--out", "out", *options)) for _ in range(3)]
    failed = [cost.exit_status for cost in costs if cost.exit_status]
    if failed:
        raise SystemExit(f"fusemax run {path} ended with {failed[0]}")
    return min(cost.wall_s for cost in costs), max(cost.peak_B for cost in costs)


def line(text: str, points: int, took_s: float, note: str = "") -> None:
    """Print one measurement."""
    load = os.getloadavg()[0]
    print(f"{text:58}{points:>13,}{took_s:9.2f} s{points / took_s / 1e6:9.1f} M/s  {note:26} load {load:.1f}")


def main() -> None:
    """Print the measurements and draw the figure into ``results/benchmarks``."""
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f} before the first measurement")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        friendly = study(folder, "friendly", LENGTHS + FIGURES.format(clocks=2000), TOTALS)
        table = study(folder, "table", LENGTHS + FIGURES.format(clocks=200), TOTALS)
        ragged = study(folder, "ragged", RAGGED, EVERYTHING)
        for text, path in (("machine figures and lengths", friendly), ("ragged lengths, breakdown", ragged)):
            job = job_of(path)
            alone_s = evaluate_all(job, cores)
            columns = f"{len(job.columns)} columns"
            line(f"{text}: arithmetic alone", job.points, alone_s, columns)
            front_s, peak_B = whole(path, *FRONT)
            note = f"{alone_s / front_s:.0%} arithmetic, {peak_B / 1e6:.0f} MB"
            line(f"{text}: fusemax run --pareto", job.points, front_s, note)
        table_s, peak_B = whole(table)
        line("every point to Parquet", job_of(table).points, table_s, f"peak {peak_B / 1e6:.0f} MB")
        memory(folder)
        cold_s, _ = whole(study(folder, "cold", LENGTHS, TOTALS))
        print(f"first result of a cold process, few points: {cold_s:.2f} s")
        draw(folder, Path("results/benchmarks"))


def memory(folder: Path) -> None:
    """Print the peak memory of fronts over fewer points."""
    for clocks in (20, 200):
        path = study(folder, f"memory-{clocks}", LENGTHS + FIGURES.format(clocks=clocks), TOTALS)
        took_s, peak_B = whole(path, *FRONT)
        line("fusemax run --pareto", job_of(path).points, took_s, f"peak {peak_B / 1e6:.0f} MB")


def draw(folder: Path, out: Path) -> None:
    """Draw the time of the arithmetic over the number of points, for two sequence lengths."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3.5), layout="constrained")
    for length, mark in (("1Ki", "o"), ("1Mi", "x")):
        points, times = [], []
        for clocks in (10, 30, 100, 300, 1000, 3000):
            grid = f"    M: [{length}]" + FIGURES.format(clocks=clocks)
            job = job_of(study(folder, f"draw-{length}-{clocks}", grid, TOTALS))
            points.append(job.points)
            times.append(min(evaluate_all(job, 1) for _ in range(3)))
        axes.loglog(points, times, marker=mark, label=f"M = {length}")
    axes.set(
        xlabel="design points", ylabel="seconds on one core", title="Time grows with points, not with length"
    )
    axes.legend(frameon=False)
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "sweep-time.svg")
    print(f"drawn: {out / 'sweep-time.svg'}")


if __name__ == "__main__":
    sys.exit(main())
