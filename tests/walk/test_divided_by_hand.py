"""A memory that groups of threads divide, and lanes that do not add up: by hand, for cost and for the simulator."""

from __future__ import annotations

import pytest

from fusemax.cascade.build import load_cascade
from fusemax.cost.evaluate import CapacityError, cost
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError
from fusemax.machine import machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.lanes import turned
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import MappingFile
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of
from fusemax.typed import typed

MACHINE = """
title: t
source: s
clock: 1 GHz
word: 2 B
levels:
  DRAM: {bandwidth: 64 GB/s}
  shared: {size: 1 MiB, per_core: true}
  registers:
    size: 1 KiB
    per_core: true
    divided: {rows: mma.rows, groups: 2, most: 512 B, step: 64 B, own: 64 B, beside: 128 B}
units:
  mma: {shape: {rows: 4, columns: 4}, operations: {mac: 1}, sums: [], accumulator: 4 B}
"""
MAPPING = """
title: t
source: s
cascade: transformer/linear
nests:
- keep: {registers: [Y]}
  do:
  - for: [k]
    spatial: {mma: {r: rows, n: columns}}
    do: [Y]
bind: {mma: [Y]}
"""


def mapped(mapping: str = MAPPING, cascade: str = "transformer/linear") -> Mapped:
    """The product on the machine above."""
    document = document_of(mapping)
    return map_onto(
        load_cascade(cascade), machine_of(document_of(MACHINE)), typed(document, MappingFile), document
    )


@pytest.mark.parametrize(
    ("rows", "columns", "needed"),
    [
        (16, 12, None),  # two groups of 8 rows: 384 B and 64 B each, seven steps of 64 B; with 128 B all of 1 KiB
        (16, 13, 1152),  # 416 B and 64 B: eight steps, 2 * 512 B + 128 B
        (4, 48, None),  # 768 B: both groups have half of the columns, 384 B and 64 B
        (3, 48, None),  # three rows take an instruction of four
        (1, 52, 1152),  # as four rows: 416 B and 64 B, so eight steps
        (5, 25, 1152),  # two instructions: 400 B and 64 B
    ],
)  # fmt: skip
def test_sums_lie_in_groups_by_whole_instructions(rows: int, columns: int, needed: int | None) -> None:
    """What is kept, with what a group has for itself, in steps; the least over the numbers of groups."""
    one, machine, sizes = mapped(), machine_of(document_of(MACHINE)), {"R": rows, "K": 4, "N": columns}
    if needed is None:
        cost(one, derive(one, machine), sizes)
        simulate(one, machine, sizes)
        return
    with pytest.raises(CapacityError, match=f"{needed:,} B"):
        cost(one, derive(one, machine), sizes)
    with pytest.raises(FusemaxError, match=f"{needed:,} B"):
        simulate(one, machine, sizes)


def test_what_is_summed_runs_in_time() -> None:
    """Eight of k over rows are eight steps for each of two fours of n: no lanes but those of columns have work."""
    text = MAPPING.replace("for: [k]", "for: [r]").replace("{r: rows, n", "{k: rows, n")
    one, machine, sizes = mapped(text), machine_of(document_of(MACHINE)), {"R": 1, "K": 8, "N": 8}

    answer = cost(one, derive(one, machine), sizes)

    assert sum(answer.table("cycles").values()) == 8 * 2
    assert simulate(one, machine, sizes).latency_s >= 16e-9


def test_what_is_made_lies_either_way_round() -> None:
    """Without its rows, which are summed over, a tile of p by e has p over rows; one digit alone stays where it is."""
    lanes = {"m0": "rows", "p0": "columns", "e": "columns"}

    assert turned((), lanes, {"m0"}) == {"p0": "rows", "e": "columns"}
    assert turned((), {"m0": "rows", "p0": "columns"}, {"m0"}) == {"p0": "columns"}
    assert turned(("rows",), lanes, {"m0"}) == lanes
