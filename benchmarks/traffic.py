"""The bound on traffic against the size of the fast memory, beside what the best mappings found move.

A product of square matrices and attention in one pass, on a machine that is one fast memory before DRAM. Run it as
``python -m benchmarks.traffic docs/traffic-bound.png``; it takes a minute or two.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fusemax.analysis.passes import analyse
from fusemax.analysis.traffic import traffic_bound, value_of
from fusemax.cascade.build import load_cascade
from fusemax.errors import FusemaxError
from fusemax.machine import machine_of
from fusemax.search.answer import best_mapping
from fusemax.source import document_of

MACHINE = """
title: One fast memory before DRAM
source: our own
clock: 1 GHz
word: 2 B
levels:
  DRAM: {{bandwidth: 100 GB/s}}
  near: {{size: {size_B} B}}
units:
  lanes:
    shape: {{lanes: 1024}}
    operations: {{mac: 1, mul: 1, add: 1, sub: 1, max: 1, div: 1, exp: 1, sub_exp: 1}}
"""
#: cascade: (what it is called, the rank of the bound, sizes)
CASES = {
    "transformer/linear": ("product of 2048 x 2048 matrices", "K", {"R": 2048, "N": 2048, "K": 2048}),
    "attention/1-pass": (
        "attention, 8192 queries and keys of 64", "M",
        {"B": 1, "H": 1, "M": 8192, "P": 8192, "E": 64, "F": 64},
    ),
}  # fmt: skip
SIZES_KIB = (8, 32, 128, 512, 2048, 8192, 32768)
WORD_B = 2


def moved(name: str, seconds: float = 8.0) -> list[tuple[int, float, float | None]]:
    """Return, for each size of the fast memory, the bound and what the best mapping found moves, in bytes."""
    _, rank, sizes = CASES[name]
    cascade = load_cascade(name)
    least = traffic_bound(analyse(cascade), rank).least
    rows: list[tuple[int, float, float | None]] = []
    for size_KiB in SIZES_KIB:
        capacity = size_KiB * 1024 / WORD_B
        bound_B = value_of(least, {**sizes, "S": capacity}) * WORD_B
        machine = machine_of(document_of(MACHINE.format(size_B=size_KiB * 1024), "machine.yaml"))
        try:
            found = best_mapping(cascade, machine, sizes, objective="traffic", seconds=seconds).cost.traffic_B
        except FusemaxError:
            found = None
        rows.append((size_KiB, bound_B, found))
    return rows


def draw(path: Path) -> None:
    """Write the figure: one panel for each cascade, both axes logarithmic."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(CASES), figsize=(10, 4), layout="constrained")
    for panel, (name, (title, _, _)) in zip(panels, CASES.items(), strict=True):
        rows = moved(name)
        for row in rows:
            print(name, *row)
        panel.plot([r[0] for r in rows], [r[1] / 2**20 for r in rows], label="lower bound", color="0.35")
        best = [(r[0], r[2] / 2**20) for r in rows if r[2] is not None]
        panel.plot(*zip(*best, strict=True), "o", label="best mapping found", color="tab:blue")
        panel.set(xscale="log", yscale="log", title=title, xlabel="fast memory (KiB)", ylabel="traffic (MiB)")
        panel.set_xticks(SIZES_KIB, [f"{size:,}" for size in SIZES_KIB])
        panel.set_yscale("log", base=2)
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panel.minorticks_off()
        panel.grid(color="0.9")
        panel.legend(frameon=False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
