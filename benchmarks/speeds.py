"""Print the speeds that a sweep lives on: each row with the least that any program does beside it, as a ratio, in one run.

``--against PYTHON`` measures another installation's fusemax too, row by row in turn, and prints how many times as quick this
one is. ``--row NAME`` measures one row. Nothing here is a test: the numbers belong to the machine and to what else runs on it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from itertools import combinations, permutations
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from run import measure

STUDY = """kind: sweep
title: benchmark
source: none
parts:
- name: designs
  sizes: {sizes}
  grid:
{grid}
  outputs: {outputs}
  configurations:
    design: {configuration}
"""
ATTENTION = "{B: 64, H: 12, E: 64, F: 64, P: M}"
HEADS = "{B: 1, H: 16, R: 1, E: 128, F: 128, P: M}"
OWN = "{machine: fusemax, mapping: fusemax}"
CAUSAL = "{machine: h200, mapping: gpu/flash2, changes: {cascade: grouped/causal}}"
LENGTHS = "    M: [1Ki, 4Ki, 16Ki, 64Ki, 256Ki]"
FIGURES = """
    2d.shape: [64, 128, 256, 512]
    L3.size: {from: 1 MiB, to: 64 MiB, steps: 50, scale: log}
    DRAM.bandwidth: {from: 100 GB/s, to: 1.6 TB/s, steps: 50, scale: log}
    clock: {from: 500 MHz, to: 1500 MHz, steps: 400}"""
RAGGED = """    clock: {from: 500 MHz, to: 1500 MHz, steps: 20}
    DRAM.bandwidth: {from: 100 GB/s, to: 1.6 TB/s, steps: 20, scale: log}
    L3.size: {from: 1 MiB, to: 64 MiB, steps: 25, scale: log}
    2d.shape: [60, 100, 200, 500]
    M: {from: 1000, to: 1000000, steps: 250, scale: log, round: 1}"""
LENGTHS_INSIDE = """    clock: {from: 1 GHz, to: 2 GHz, steps: 100}
    DRAM.bandwidth: {from: 1 TB/s, to: 8 TB/s, steps: 100}
    M: {from: 1000, to: 1000000, steps: 400, scale: log, round: 1}"""
CAUSAL_AXES = LENGTHS_INSIDE.strip("\n").splitlines()
TWO = "[latency_s, traffic_B]"
TOTALS = "[latency_s, traffic_B, energy_J, utilization_2d, utilization_1d]"
EVERYTHING = "[latency_s, traffic_B, energy_J, breakdown]"
BEFORE = "78a01cb"
BUDGET_S = 3.0  #: the most that one measurement of a grid takes
BLOCK = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One speed: what is measured, the unit and what it is measured on."""

    title: str
    unit: str
    on: str
    measure: Callable[[], dict[str, Any]]
    before: str  #: what commit BEFORE did, measured on this project's machine


# --- grids


def job_of(grid: str, outputs: str, sizes: str = ATTENTION, configuration: str = OWN) -> Any:
    """Return the way in which the only job of a study of that grid is run."""
    from fusemax.study.load import load_study

    text = STUDY.format(grid=grid, outputs=outputs, sizes=sizes, configuration=configuration)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(text, encoding="utf-8")
        file, document, _ = load_study(str(path))
        return _planned()(file, document, most_whole=0).jobs[0].alternatives[0]


def _planned() -> Any:
    """Return what makes the plan of a study, wherever an installation has it."""
    for place in ("fusemax.study.plan.whole", "fusemax.study.planned"):
        with contextlib.suppress(ImportError):
            return import_module(place).planned
    jobs: Any = import_module("fusemax.study.jobs")
    return lambda file, document, most_whole: jobs.planned(file.parts, jobs.Keep(), document)


def memory_of(grid: Any) -> Any:
    """Return what a thread needs to compute blocks of *grid*."""
    from fusemax.cost import lower

    make: Any = lower.new_memory  # older ones have one memory for all grids
    return make(grid) if make.__code__.co_argcount else make()


def points_of(grid: Any, threads: int) -> dict[str, Any]:
    """Return points a second of *grid*, from its first point on, and of the least that any program does."""
    from fusemax.cost.lower import evaluate_grid

    columns = len(grid.outputs)
    evaluate_grid(grid, 0, 1, np.empty((columns, 1)), memory_of(grid), compiled=True)

    def part(number: int) -> int:
        results, memory = np.empty((columns, BLOCK)), memory_of(grid)
        first, last = number * grid.points // threads, (number + 1) * grid.points // threads
        end_s = time.perf_counter() + BUDGET_S
        for start in range(first, last, BLOCK):
            stop = min(start + BLOCK, last)
            evaluate_grid(grid, start, stop, results[:, : stop - start], memory, compiled=True)
            if time.perf_counter() > end_s:
                return stop - first
        return last - first

    start_s = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(part, range(threads)))
    rate = done / (time.perf_counter() - start_s)
    return {
        "value": rate / 1e6,
        "limit": least_work(columns, threads) / 1e6,
        "columns": columns,
        "points": done,
    }


def least_work(columns: int, threads: int) -> float:
    """Return points a second where every number is one multiplication and one store, in blocks of the same size."""
    numbers = np.linspace(1.0, 2.0, BLOCK)

    def part(_: int) -> int:
        results, done = np.empty((columns, BLOCK)), 0
        end_s = time.perf_counter() + 0.3
        while time.perf_counter() < end_s:
            for row in results:
                np.multiply(numbers, 3.0, out=row)
            done += BLOCK
        return done

    start_s = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(part, range(threads)))
    return done / (time.perf_counter() - start_s)


def grid_row(title: str, grid: str, outputs: str, before: str, **choices: str) -> Row:
    """Return the row of a grid: points a second on all cores."""
    cores = len(os.sched_getaffinity(0))
    names = [line.split(":")[0].strip() for line in grid.splitlines() if line.strip()]
    on = f"{choices.get('configuration', OWN)[1:-1]}; {' > '.join(names)}; {cores} cores"
    return Row(
        title=title, unit="M points/s", on=on, before=before,
        measure=lambda: points_of(job_of(grid, outputs, **choices).table, cores),
    )  # fmt: skip


def every_order() -> dict[str, Any]:
    """Return the points a second of the causal grid in that order of its axes in which it is slowest."""
    cores = len(os.sched_getaffinity(0))
    found: dict[str, dict[str, Any]] = {}
    for rows in permutations(CAUSAL_AXES):
        grid = "\n" + "\n".join(rows)
        order = " > ".join(row.split(":")[0].strip() for row in rows)
        found[order] = points_of(job_of(grid, TWO, sizes=HEADS, configuration=CAUSAL).table, cores)
    rates = sorted((one["value"], order) for order, one in found.items())
    note = "; ".join(f"{order} {rate:.2g}" for rate, order in rates)
    return {**found[rates[0][1]], "note": note}


# --- single points


def seconds_of(action: Callable[[], object], times: int) -> float:
    """Return the least seconds of processor time of *action* in five rounds of so many times."""
    found = []
    for _ in range(5):
        start_s = time.process_time()
        for _ in range(times):
            action()
        found.append((time.process_time() - start_s) / times)
    return min(found)


SIZES = {"B": 64, "H": 12, "E": 64, "F": 64}


def plain_kernel_s(program: Any) -> float:
    """Return the seconds that the arithmetic of one point takes as plain Python, nothing around it."""
    from fusemax.cost.lower import evaluate_grid, grid_of

    outputs = [line.name for line in program.lines]
    at = {name: 4096.0 if value is None else value for name, value in program.parameters.items()}
    grid = grid_of(program, outputs, [tuple(at)], [[[value] for value in at.values()]])
    results, memory = np.empty((len(outputs), 1)), memory_of(grid)
    return seconds_of(lambda: evaluate_grid(grid, 0, 1, results, memory, compiled=False), 50)


def again() -> dict[str, Any]:
    """Return the milliseconds of one more point of a design, with other sizes."""
    import fusemax as fm

    design, lengths = fm.Design("attention/1-pass", "fusemax", "fusemax"), iter(range(1024, 10**9, 64))
    design.cost({**SIZES, "M": 512, "P": 512})

    def one() -> None:
        length = next(lengths)
        design.cost({**SIZES, "M": length, "P": length})

    program = design._evaluator({}).program
    return {"value": seconds_of(one, 50) * 1e3, "limit": plain_kernel_s(program) * 1e3}


def in_batches() -> dict[str, Any]:
    """Return the milliseconds of a point in a batch of a hundred."""
    import fusemax as fm

    design = fm.Design("attention/1-pass", "fusemax", "fusemax")
    evaluator = design._evaluator({})
    points = [({**SIZES, "M": 64 * n, "P": 64 * n}, {}) for n in range(1, 101)]
    evaluator.costs(points)
    return {
        "value": seconds_of(lambda: evaluator.costs(points), 2) * 1e3 / len(points),
        "limit": plain_kernel_s(evaluator.program) * 1e3,
    }


def new_mapping() -> dict[str, Any]:
    """Return the milliseconds from a new mapping to its first number in a process that has done others."""
    from fusemax.cost.evaluate import cost
    from fusemax.cost.model import derive
    from fusemax.library.load import Library

    library, numbers = Library(), iter(range(2, 10**6))
    machine = library.machine("fusemax")

    def fresh() -> Any:
        return library.design(machine, "fusemax", changes={"tiles.M0": f"16*{next(numbers)}"})

    def first() -> None:
        mapped = fresh().mapped
        cost(mapped, derive(mapped, machine), {**SIZES, "M": 4096, "P": 4096})

    first()
    mapped = fresh().mapped
    return {"value": seconds_of(first, 3) * 1e3, "limit": plain_kernel_s(derive(mapped, machine)) * 1e3}


def new_loops() -> dict[str, Any]:
    """Return the milliseconds from a mapping with other loops and keeps to its first number, each of them new."""
    import yaml

    from fusemax.cost.evaluate import cost
    from fusemax.cost.model import derive
    from fusemax.library.load import Library
    from fusemax.shipped import shipped

    library = Library()
    machine, text = library.machine("fusemax"), shipped("arch")["fusemax/fusemax"].read_text(encoding="utf-8")

    def first(order: tuple[str, ...], kept: tuple[str, ...]) -> float:
        mapping = yaml.safe_load(text)
        outer, inner = mapping["nests"][0], mapping["nests"][0]["do"][0]
        outer |= {"for": list(order), "keep": {"L3": ["RM", "RD", "RNV", *({"Q"} & {*kept})]}}
        inner["keep"] = {"L3": [tensor for tensor in kept if tensor != "Q"]}
        start_s = time.process_time()
        mapped = library.design(machine, mapping).mapped
        cost(mapped, derive(mapped, machine), {**SIZES, "M": 4096, "P": 4096})
        return time.process_time() - start_s

    keeps = [some for count in range(4) for some in combinations(("Q", "K", "V"), count)]
    took_s = [first(order, kept) for order in permutations(("b", "h", "p2")) for kept in keeps]
    found_s = sorted(took_s[1:])
    note = f"the median of {len(found_s)}; the mean, Python's collections of garbage with it, {fmean(found_s) * 1e3:.1f}"
    return {"value": median(found_s) * 1e3, "note": note}


def chain_cost(einsums: int) -> float:
    """Return the processor time from a checked design to its first number, for so many Einsums in bodies of their own."""
    from fusemax.cost.evaluate import cost
    from fusemax.cost.model import derive
    from fusemax.library.load import Library

    names = [f"Y{n}" for n in range(einsums)]
    rows = [f"{name}[m] = {source}[m]*2" for name, source in zip(names, ["X", *names], strict=False)]
    cascade = {
        "title": "t",
        "source": "s",
        "inputs": {"X": ["M"]},
        "outputs": names[-1:],
        "einsums": "\n".join(rows),
    }
    bodies = [{"do": [name]} for name in names]
    mapping = {
        "title": "t", "source": "s", "cascade": "chain", "tiles": {"M0": "1d.lanes"}, "schedule": "serial",
        "bind": {"1d": names},
        "nests": [{"for": ["m1"], "keep": {"L3": names[:-1]}, "spatial": {"1d": {"m0": "lanes"}}, "do": bodies}],
    }  # fmt: skip
    design = Library().design("flat", mapping, cascade)
    start_s = time.process_time()
    cost(design.mapped, derive(design.mapped, design.machine), {"M": 4096})
    return time.process_time() - start_s


def many_einsums() -> dict[str, Any]:
    """Return the seconds of 100 Einsums, and how much longer twice as many take; 2 would be linear."""
    chain_cost(10)
    once_s, twice_s = (min(chain_cost(count) for _ in range(2)) for count in (100, 200))
    return {"value": once_s, "note": f"200 of them take {twice_s / once_s:.1f} times as long"}


# --- whole runs


def run_of(grid: str, outputs: str, *options: str) -> tuple[float, int]:
    """Return the seconds and the peak memory of ``fusemax run`` in a process of its own, its kernels in the cache."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        text = STUDY.format(grid=grid, outputs=outputs, sizes=ATTENTION, configuration=OWN)
        path.write_text(text, encoding="utf-8")
        code = "from fusemax.cli import main; main()"
        command = (sys.executable, "-c", code, "run", str(path), "--out", f"{folder}/out", *options)
        cost = measure(command)
    if cost.exit_status:
        raise SystemExit(f"{' '.join(command)} ended with {cost.exit_status}")
    return cost.wall_s, cost.peak_B


def best_of_many() -> dict[str, Any]:
    """Return the seconds of ``--top 200000`` of 20 M points, beside those of ``--top 10``."""
    grid = LENGTHS + FIGURES
    few_s, _ = run_of(grid, TOTALS, "--top", "10", "--by", "latency")
    many_s, _ = run_of(grid, TOTALS, "--top", "200000", "--by", "latency")
    return {"value": many_s, "limit": few_s, "note": "limit: --top 10"}


def memory_of_a_table() -> dict[str, Any]:
    """Return the peak gigabytes of a table of 30 M points, beside those of a fifteenth of it."""
    _, small_B = run_of(LENGTHS + FIGURES.replace("steps: 400", "steps: 40"), TOTALS)
    took_s, large_B = run_of(LENGTHS + FIGURES.replace("steps: 400", "steps: 600"), TOTALS)
    return {"value": large_B / 1e9, "limit": small_B / 1e9, "note": f"limit: 2 M points; {took_s:.1f} s"}


ON = "attention/1-pass on fusemax"
ROWS = {
    "totals": grid_row("five totals, clock innermost", LENGTHS + FIGURES, TOTALS, "28 to 35"),
    "columns": grid_row("all columns", LENGTHS + FIGURES, EVERYTHING, "1.6 a core"),
    "ragged": grid_row("ragged tiles, all columns", RAGGED, EVERYTHING, "2.7 a core"),
    "causal": grid_row(
        "causal on a GPU, lengths innermost", LENGTHS_INSIDE, TWO, "0.013 a core", sizes=HEADS, configuration=CAUSAL,
    ),
    "orders": Row(
        title="the same, in its slowest order", unit="M points/s", on="all six orders of its axes", measure=every_order,
        before="not measured",
    ),
    "again": Row(title="one point again, new sizes", unit="ms", on=ON, measure=again, before="10 to 27"),
    "batches": Row(title="the same in batches of 100", unit="ms", on=ON, measure=in_batches, before="10 to 27"),
    "mapping": Row(
        title="a new mapping to its first number", unit="ms", on="fusemax, warm", measure=new_mapping, before="40"
    ),
    "loops": Row(
        title="the same with new loops and keeps", unit="ms", on="fusemax, warm", measure=new_loops, before="not measured"
    ),
    "einsums": Row(
        title="100 Einsums in bodies of their own", unit="s", on="a chain on flat", measure=many_einsums,
        before="1.3",
    ),
    "top": Row(
        title="--top 200000 of 20 M", unit="s", on="the first grid, fusemax run", measure=best_of_many,
        before="over 60",
    ),
    "memory": Row(
        title="memory of a table of 30 M", unit="GB", on="the first grid, fusemax run", measure=memory_of_a_table,
        before="4.9",
    ),
}  # fmt: skip


def found_by(python: str, name: str) -> dict[str, Any]:
    """Return what the installation of *python* measures for the row *name*, in a process of its own."""
    command = [python, __file__, "--row", name, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"note": (done.stderr.strip().splitlines() or ["failed"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def told(row: Row, found: dict[str, Any], before: dict[str, Any] | None) -> str:
    """Return the line of one row; an older installation may lack what a row measures."""
    if "value" not in found:
        return f"{row.title:38}not there   {BEFORE}: {row.before}\n      {row.on}; {found['note']}"
    value, limit = found["value"], found.get("limit")
    faster = row.unit.endswith("/s")
    text = f"{row.title:38}{value:10.4g} {row.unit:11}"
    ratio = (limit / value if faster else value / limit) if limit else None
    text += f"limit {limit:8.4g}, {ratio:7.1f} times that" if limit and ratio else " " * 33
    if before is not None:
        was = before.get("value")
        text += (
            f"   before {was:8.4g}, now {(value / was if faster else was / value):7.1f} times as quick"
            if was
            else "   before: not there"
        )
    text += f"   {BEFORE}: {row.before}"
    columns = f"{found['columns']} columns; " if "columns" in found else ""
    return f"{text}\n      {columns}{row.on}{'; ' + found['note'] if 'note' in found else ''}"


def main() -> None:
    """Print the rows that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", choices=ROWS, action="append", help="only this row; may be given again")
    parser.add_argument("--against", help="the Python of another installation, measured beside this one")
    parser.add_argument("--json", action="store_true", help="print the numbers of one row, nothing else")
    arguments = parser.parse_args()
    if arguments.json:
        print(json.dumps(ROWS[arguments.row[0]].measure()))
        return
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} before the first row")
    for name in arguments.row or ROWS:
        before = found_by(arguments.against, name) if arguments.against else None
        print(told(ROWS[name], found_by(sys.executable, name), before), flush=True)


if __name__ == "__main__":
    main()
