"""Masks and windows in the tile-level simulator: held against a walk through every iteration, and tasks dealt to cores."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.machine import Machine, load_machine, machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import load_mapping_file, mapping_file_of
from fusemax.simulate.tile import kernel
from fusemax.simulate.tile.result import Simulation
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of
from tests.simulate.test_tiles import without_skips, words_of
from tests.walk.walker import walk

CASCADE = """
title: t
source: s
inputs: {{X: [E, P], Y: [E, M]}}
ranks: {{W: W}}
outputs: [Z]
einsums: |
  S[p,m] = X[e,p]*Y[e,m] :: sum[e] | {condition}
  Z[p] = S[p,m]*S[p,m] :: sum[m] | {condition}
"""
CONDITIONS = (
    "m <= p",
    "m <= p+M-P",
    "m <= p+M-P, m > p+M-P-3",
    "p < m",
    "m == p",
    "m + p >= P - 1",
    "m <= p, m >= p-2",
)


def machine(cores: int = 1) -> Machine:
    """Return three memories over an array and a row of lanes."""
    units = {
        "array": {"shape": {"rows": 2, "columns": 3}, "operations": {"mac": 1}, "registers": {"depth": 1 << 16}, "fill": 3},
        "lanes": {"shape": {"lanes": 2}, "operations": {"mac": 1, "mul": 1, "add": 2}, "registers": {"depth": 1 << 16}},
    }  # fmt: skip
    levels = {
        "DRAM": {"bandwidth": "5 GB/s"}, "L2": {"size": "1 MiB", "bandwidth": "9 GB/s"},
        "L1": {"size": "1 MiB", "per_core": True},
    }  # fmt: skip
    data = {
        "title": "t",
        "source": "s",
        "clock": "1 GHz",
        "word": "1 B",
        "replicas": cores,
        "levels": levels,
        "units": units,
    }
    return machine_of(document_of(json.dumps(data)))


def masked(
    condition: str, nest: dict[str, Any], tiles: dict[str, int], described: Machine, schedule: Any
) -> Mapped:
    """Return the two Einsums above under *condition* as *nest* says."""
    data = {
        "title": "t", "source": "s", "cascade": "none", "tiles": tiles, "nests": [nest],
        "bind": {"array": ["S"], "lanes": ["Z"]}, "schedule": schedule,
    }  # fmt: skip
    cascade = cascade_from_text(CASCADE.format(condition=condition).replace("ranks: {W: W}\n", ""))
    document = document_of(json.dumps(data))
    return map_onto(cascade, described, mapping_file_of(document), document)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A mapping of the two Einsums, as text, and sizes."""

    condition: str
    nest: str
    tiles: str
    schedule: str
    sizes: dict[str, int]

    def mapped(self) -> Mapped:
        """Return it on the machine above."""
        nest, tiles, schedule = (json.loads(text) for text in (self.nest, self.tiles, self.schedule))
        return masked(self.condition, nest, tiles, machine(), schedule)


@st.composite
def cases(draw: st.DrawFn) -> Drawn:
    """Draw a condition, loops in any order, tiles ragged and longer than their rank, and what is kept where."""
    tiles = {"P0": draw(st.integers(1, 4)), "M0": draw(st.integers(1, 5))}
    if draw(st.booleans()):
        tiles["P1"] = draw(st.integers(1, 3))
    rows = ["p2", "p1"] if "P1" in tiles else ["p1"]
    loops = draw(st.sampled_from([[*rows, "m1"], ["m1", *rows], [rows[0], "m1", *rows[1:]]]))
    body: dict[str, Any] = {
        "spatial": {"array": {"p0": "rows", "m0": "columns"}, "lanes": {"p0": "lanes"}},
        "do": ["S", "Z"],
    }
    cut = draw(st.integers(0, len(loops)))
    within = [t for t in ("X", "Y", "Z") if draw(st.booleans())]
    around = [t for t in ("X", "Y") if cut == 0 and t not in within and draw(st.booleans())]
    inner = {**body, "for": loops[cut:], "keep": {"L1": keep(draw, within)}}
    nest = {"for": loops[:cut], "keep": {"L2": keep(draw, around)}, "do": [inner]}
    schedule = draw(st.sampled_from(["overlapped", "serial", "auto", [{"array": ["S"]}, {"lanes": ["Z"]}]]))
    sizes = {"P": draw(st.integers(1, 14)), "M": draw(st.integers(1, 14)), "E": draw(st.integers(1, 3))}
    condition = draw(st.sampled_from(CONDITIONS))
    return Drawn(condition, json.dumps(nest), json.dumps(tiles), json.dumps(schedule), sizes)


def keep(draw: st.DrawFn, tensors: list[str]) -> list[dict[str, Any]]:
    """Draw how many buffers each tensor has."""
    return [{"tensor": tensor, "buffers": draw(st.integers(1, 3))} for tensor in tensors]


@settings(max_examples=150)
@given(case=cases())
def test_words_under_a_mask_are_those_of_a_walk(case: Drawn) -> None:
    """Every tensor, level and direction, and the points that are useful: as a walk through every iteration counts them."""
    mapped, described, sizes = case.mapped(), machine(), case.sizes
    run = simulate(mapped, described, sizes)
    walked = walk(mapped, described, sizes)

    assert {key[1:]: count for key, count in walked.words.items() if count} == words_of(run)
    for unit, lanes in (("array", 6), ("lanes", 2)):
        assert walked.useful.get(unit, 0) == pytest.approx(run.utilization[unit] * lanes * run.cycles)
        (busiest,) = [dict(cores[0]) if cores else {} for cores in walked.cycles.values()]
        assert sum(v for key, v in busiest.items() if key[1] == unit) == run.phases[0].busy_cycles.get(
            unit, 0
        )


@settings(max_examples=100)
@given(case=cases(), stretch=st.integers(1, 12), cores=st.integers(1, 3))
def test_jumps_change_nothing_under_a_mask(case: Drawn, stretch: int, cores: int) -> None:
    """With and without jumps over steady states: the same cycles, words, waits and buffers, on some cores too."""
    mapped, described, sizes = case.mapped(), machine(), case.sizes
    larger = {**sizes, "P": sizes["P"] * stretch, "M": sizes["M"] * stretch}
    many = described.model_copy(update={"replicas": machine(cores).replicas})
    fast, slow = (simulate(mapped, many, larger, fast_forward=fast) for fast in (True, False))

    assert without_skips(slow) == without_skips(fast)


def shipped(cascade: str, machine_: str, mapping: str) -> tuple[Mapped, Machine]:
    """Return a shipped cascade on a shipped machine."""
    described, path = load_machine(machine_)
    file, document = load_mapping_file(mapping, path)
    return map_onto(load_cascade(cascade), described, file, document), described


def compile_everything() -> None:
    """Let the next run be compiled from its first event on."""
    for run in (kernel.clock(), kernel.visits()):
        run.spent_s = max(run.spent_s, run.cold_s)


@pytest.mark.parametrize(("M", "P"), [(2048, 2048), (2048, 700), (700, 2048)])
@pytest.mark.parametrize("mapping", ["fusemax", "auto", "one-tile"])
def test_causal_fusemax_runs_alike_with_and_without_jumps(mapping: str, M: int, P: int) -> None:
    """FuseMax's mapping under a causal mask, square, few queries, many queries."""
    mapped, described = shipped("causal/1-pass", "fusemax", mapping)
    sizes = {"B": 1, "H": 4, "E": 64, "F": 64, "M": M, "P": P}
    fast, slow = (simulate(mapped, described, sizes, fast_forward=fast) for fast in (True, False))

    assert without_skips(slow) == without_skips(fast)
    pairs = sum(min(ceil(M / 256), p + 1) for p in range(ceil(P / 256)))
    assert 4 * pairs == fast.phases[0].epochs


@pytest.mark.parametrize(("M", "P"), [(16384, 16384), (10240, 16384), (12288, 16640)])
@pytest.mark.parametrize("mapping", ["fusemax", "auto"])
def test_rows_that_grow_alike_are_skipped(mapping: str, M: int, P: int) -> None:
    """Causal FuseMax with some 8 rows of tiles, each with more columns than the one before: as without jumps, most skipped."""
    mapped, described = shipped("causal/1-pass", "fusemax", mapping)
    sizes, figures = {"B": 1, "H": 1, "E": 64, "F": 64, "M": M, "P": P}, {"L3.size": 0.6 * 2**20}
    compile_everything()
    fast, slow = (simulate(mapped, described, sizes, figures, fast_forward=fast) for fast in (True, False))

    assert without_skips(slow) == without_skips(fast)
    pairs = sum(min(ceil(M / 256), p + 1) for p in range(ceil(P / 256)))
    assert pairs == fast.phases[0].epochs
    assert fast.phases[0].skipped_cycles > 0.5 * fast.cycles


def test_a_causal_kernel_on_132_cores_takes_seconds() -> None:
    """Causal FlashAttention-2 on an H100, 2 x 16 heads of 4096 tokens, equals its run without jumps."""
    mapped, described = shipped("grouped/causal", "h100", "flash2")
    sizes = {"B": 2, "H": 16, "R": 1, "E": 64, "F": 64, "M": 4096, "P": 4096}
    compile_everything()
    simulate(mapped, described, {**sizes, "M": 256, "P": 256})
    begin = time.process_time()
    fast = simulate(mapped, described, sizes)
    took = time.process_time() - begin

    assert took < 5.0
    assert without_skips(simulate(mapped, described, sizes, fast_forward=False)) == without_skips(fast)


@pytest.mark.slow
def test_a_million_causal_tokens_take_seconds() -> None:
    """BERT's heads, batch 64, a million tokens under a causal mask: 6.4e9 epochs in less than four seconds."""
    mapped, described = shipped("causal/1-pass", "fusemax", "fusemax")
    sizes = {"B": 64, "H": 12, "E": 64, "F": 64, "M": 1 << 20, "P": 1 << 20}
    compile_everything()
    simulate(mapped, described, {**sizes, "B": 1, "M": 1024, "P": 1024})
    begin = time.process_time()
    run = simulate(mapped, described, sizes)

    assert time.process_time() - begin < 4.0
    assert 64 * 12 * (4096 * 4097 // 2) == run.phases[0].epochs


def linear(
    tiles: dict[str, int], spread: list[str], cores: int, sizes: dict[str, int], dram: dict[str, str] | None = None,
    kept: Sequence[str] = (),
) -> Simulation:  # fmt: skip
    """Return a product on *cores* cores of one multiplier each, with the keys *dram* of the outermost level.

    Tiles of the tensors *kept* stay in registers.
    """
    data = {
        "title": "t", "source": "s", "clock": "1 GHz", "word": "2 B", "replicas": cores,
        "levels": {"DRAM": dram or {}},
        "units": {"2d": {"shape": {"rows": 1}, "operations": {"mac": 1}, "registers": {"depth": 64}}},
    }  # fmt: skip
    described = machine_of(document_of(json.dumps(data)))
    mapping = {
        "title": "t", "source": "s", "cascade": "transformer/linear", "tiles": tiles, "bind": {"2d": ["Y"]},
        "nests": [{"for": spread, "spread": spread, "keep": {"2d": list(kept)}, "do": ["Y"]}],
    }  # fmt: skip
    document = document_of(json.dumps(mapping))
    mapped = map_onto(load_cascade("transformer/linear"), described, mapping_file_of(document), document)
    return simulate(mapped, described, sizes)


@pytest.mark.parametrize(
    ("tiles", "cores", "sizes", "cycles"),
    [
        (
            {"R0": 7, "N0": 5},
            3,
            {"R": 1, "K": 2, "N": 24},
            2 * 10,
        ),  # five tasks, the last shorter: two rounds of 5*2
        ({"R0": 1, "N0": 6}, 2, {"R": 4, "K": 1, "N": 3}, 2 * 3),  # a tile longer than its rank
        ({"R0": 4, "N0": 4}, 2, {"R": 5, "K": 1, "N": 4}, 16),  # tasks of 16 and 4 points, side by side
        ({"R0": 4, "N0": 4}, 2, {"R": 9, "K": 1, "N": 4}, 16 + 4),  # 16 | 16 + 4
        ({"R0": 4, "N0": 4}, 9, {"R": 9, "K": 1, "N": 4}, 16),  # more cores than tasks
    ],
)
def test_the_busiest_core_does_its_own_tasks(
    tiles: dict[str, int], cores: int, sizes: dict[str, int], cycles: int
) -> None:
    """By hand: tasks are as long as what they hold, and each goes to the core that is free first."""
    assert cycles == linear(tiles, ["r1", "n1"], cores, sizes).cycles


@pytest.mark.parametrize("cores", [1, 2, 4, 5])
def test_cores_that_are_done_leave_their_bandwidth_to_the_others(cores: int) -> None:
    """Five tasks of 21 words of 2 B at 1 B per cycle take 5 * 42 cycles, on whatever many cores: on four, one does two.

    An even share would give that one a quarter to the end: 2 * 42 * 4.
    """
    run = linear({}, ["r"], cores, {"R": 5, "K": 10, "N": 1}, {"bandwidth": "1 GB/s"})

    assert run.cycles == 5 * 42


def test_each_way_and_level_is_shared_as_its_own_words_are() -> None:
    """Four steps of a sum on two cores, of which the first reads no partial sums: 1 word of DRAM a cycle, 16 sums of 4 and 4.

    Read alone: 4*8 + 3*16 = 80 words, of which the busiest core (steps 0 and 2) reads 8 and 8 + 16: 20 and 60 cycles. Read and
    written, X in registers: 16 + 16 + 3*16 + 4*16 = 144 words, of which X takes 8 and 8 cycles; step 0 reads 4 of W, step 2
    4 and 16 sums, of 64 words in all for these 24; both write 16 of 64: 4*64/24 + 32 = 42.7 and 20*64/24 + 32 = 85.3 cycles.
    """
    sizes = {"R": 4, "K": 4, "N": 4}
    apart = {"read_bandwidth": "2 GB/s", "write_bandwidth": "64 GB/s"}
    read = linear({"K0": 1}, ["k1"], 2, sizes, apart)
    both = linear({"K0": 1}, ["k1"], 2, sizes, {"bandwidth": "2 GB/s"}, kept=["X"])

    assert read.cycles == 20 + 60
    assert both.cycles == 8 + 43 + 8 + 86


def test_tasks_weigh_what_all_their_bodies_do() -> None:
    """M = 1 and m <= p + M - P: only the last query sees the key, but all have their sum squared."""
    nest = {
        "for": ["p"], "spread": ["p"], "keep": {"DRAM": ["Z"]},
        "do": [{"for": ["m"], "do": ["S", "Z"]}, {"do": ["U"]}],
    }  # fmt: skip
    described = machine(4)
    text = CASCADE.format(condition="m <= p+M-P").replace("ranks: {W: W}\n", "").replace("[Z]", "[U]")
    data = {
        "title": "t", "source": "s", "cascade": "none", "nests": [nest], "bind": {"array": ["S"], "lanes": ["Z", "U"]},
        "schedule": "overlapped",
    }  # fmt: skip
    document = document_of(json.dumps(data))
    mapped = map_onto(
        cascade_from_text(text + "  U[p] = Z[p]*Z[p]\n"), described, mapping_file_of(document), document
    )
    run = simulate(mapped, described, {"P": 12, "M": 1, "E": 1})

    # query 11 takes S, Z and U, a cycle each, the others U alone: four cores have 3 + 1, 4, 3 and 3 cycles, the first is run
    assert run.phases[0].busy_cycles["array"] == 1
    assert run.phases[0].busy_cycles["lanes"] == 2 + 1


@settings(max_examples=60)
@given(
    P=st.integers(1, 30), p0=st.integers(1, 5), m0=st.integers(1, 4), cores=st.integers(2, 5),
    deal=st.sampled_from(["longest_first", "in_order"]),
)  # fmt: skip
def test_masked_tasks_are_dealt_as_the_mapping_says(P: int, p0: int, m0: int, cores: int, deal: str) -> None:
    """A walk over the tasks of a causal square: the busiest core has the steps of the pairs that its tasks touch."""
    described = machine(cores)
    nest = {"for": ["p1"], "spread": ["p1"], "deal": deal, "do": [{"for": ["m1"], "do": ["S", "Z"]}]}
    mapped = masked("m <= p", nest, {"P0": p0, "M0": m0}, described, "overlapped")
    run = simulate(mapped, described, {"P": P, "M": P, "E": 1})
    work = []
    for first in range(0, P, p0):
        rows = min(p0, P - first)
        columns = min(P, ((first + rows - 1) // m0 + 1) * m0)
        work.append(rows * columns)
    loads = [0] * cores
    for length in sorted(work, reverse=True) if deal == "longest_first" else work:
        loads[loads.index(min(loads))] += length

    assert max(loads) == run.phases[0].busy_cycles["lanes"]


@pytest.mark.parametrize(
    ("nest", "tiles", "sizes", "words"),
    [
        # p = 0, 1, 2 see keys of m1 = 0 alone: one stay, 3 words; p = 3: key 3; p = 4: keys 0 to 2, 3 and 4
        ({"for": ["p"], "do": [{"for": ["m1"], "keep": {"L1": ["Y"]}, "do": [{"for": ["m0"], "do": ["S", "Z"]}]}]},
         {"M0": 3}, {"P": 5, "M": 9}, {"fill Y": 9}),
        # p = 0, 1: keys 0 and 1, which p = 2 wants again, and key 2; p = 3: two tiles of two keys
        ({"for": ["p1", "p0"], "do": [{"for": ["m1"], "keep": {"L1": ["Y"]}, "do": [{"for": ["m0"], "do": ["S", "Z"]}]}]},
         {"P0": 2, "M0": 2}, {"P": 4, "M": 4}, {"fill Y": 2 + 1 + 2 + 2}),
        # sums of p = 3, 4, 5 stay from m = 2 on, when all three are added to, to m = 5, when p = 5 alone is
        ({"for": ["m"], "do": [{"for": ["p1"], "keep": {"L1": ["Z"]}, "do": [{"for": ["p0"], "do": ["S", "Z"]}]}]},
         {"P0": 3}, {"P": 6, "M": 6}, {"fill Z": 2 + 3 + 1 + 3, "drain Z": 3 + 3 + 2 + 3 + 1 + 3}),
    ],
)  # fmt: skip
def test_a_tile_that_stays_for_the_next_row_brings_what_all_its_rows_want(
    nest: dict[str, Any], tiles: dict[str, int], sizes: dict[str, int], words: dict[str, int]
) -> None:
    """The only tile that a mask leaves of a row goes on to the next row, which wants more of it, or less."""
    run = simulate(masked("m <= p", nest, tiles, machine(), "overlapped"), machine(), {**sizes, "E": 1})
    moved = {f"{key.kind} {key.tensor}": count for key, count in run.words.items() if key.level == "L1"}

    assert words == {name: moved[name] for name in words}


def test_conditions_that_are_no_band_by_hand() -> None:
    """2*m <= p in tiles of 2 of 4: the two pairs with m1 = 0 hold a point; beside m <= p, in one body, (1, 1) does too."""
    described = machine()
    nest = {"for": ["p1", "m1"], "do": ["S", "Z"]}
    mapped = masked("2*m <= p", nest, {"P0": 2, "M0": 2}, described, "overlapped")
    run = simulate(mapped, described, {"P": 4, "M": 4, "E": 1})
    one, two = mapped.cascade.computed
    other = masked("m <= p", nest, {"P0": 2, "M0": 2}, described, "overlapped").cascade.computed[1]
    both = dataclasses.replace(mapped.cascade, einsums=(*mapped.cascade.einsums[:-2], one, other))
    whole = simulate(dataclasses.replace(mapped, cascade=both), described, {"P": 4, "M": 4, "E": 1})

    assert two.name == other.name
    assert run.phases[0].epochs == 2
    assert whole.phases[0].epochs == 3
