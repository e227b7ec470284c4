"""Masked nests against a walk over their tiles; uneven tasks, partial overlap and offloaded operations by hand."""

from __future__ import annotations

from functools import cache
from itertools import product
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cascade.build import cascade_from_text
from fusemax.cost.evaluate import Cost, cost
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.errors import ProblemsError
from fusemax.machine import machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import mapping_file_of
from fusemax.source import document_of

CASCADE = """
title: t
source: s
inputs: {{X: [P], Y: [M], W: [W]}}
outputs: [Z, U]
einsums: |
  Z[p] = X[p]*Y[m] :: sum[m] | {condition}
  U[w] = 2*W[w]
"""
MACHINE = """
title: t
source: s
clock: 1 Hz
word: 1 B
replicas: 1
levels: {{DRAM: {{bandwidth: 1000000 B/s}}, near: {{per_core: true, size: 1000 B, bandwidth: 8 B/s}}}}
units:
  left: {{shape: {{lanes: 1}}, operations: {{mac: 1, mul: 1, add: 1}}}}
  right: {{shape: {{lanes: 1}}, operations: {{mul: 2}}}}
  tile: {{shape: {{rows: 1, columns: 1}}, operations: {{add: 1}}}}
"""
MAPPING = """
title: t
source: s
cascade: none
tiles: {{P0: tile.rows, M0: tile.columns}}
nests:
- name: masked
  for: [p1]
  spread: [p1]
  deal: {deal}
  do:
  - for: [m1]
    keep: {{near: [Y]}}
    do: [Z]
- name: rest
  do: [U]
bind: {{left: [Z, U]}}
offload: {offload}
schedule: {schedule}
"""


def answer(
    sizes: dict[str, int], condition: str, p0: int = 3, m0: int = 2, cores: int = 1, offload: str = "{}",
    schedule: str = "overlapped", deal: str = "longest_first",
) -> Cost:  # fmt: skip
    """Cost of one masked nest beside a plain one."""
    mapped, program = derived(condition, offload, schedule, deal)
    return cost(mapped, program, sizes, {"tile.rows": p0, "tile.columns": m0, "replicas": cores})


@cache
def derived(
    condition: str, offload: str = "{}", schedule: str = "overlapped", deal: str = "longest_first"
) -> tuple[Mapped, Program]:
    """The mapping above, derived; tiles and cores are figures of the machine, to be given with each point."""
    machine = machine_of(document_of(MACHINE.format()))
    document = document_of(MAPPING.format(offload=offload, schedule=schedule, deal=deal))
    cascade = cascade_from_text(CASCADE.format(condition=condition))
    mapped = map_onto(cascade, machine, mapping_file_of(document), document)
    return mapped, derive(mapped, machine)


CONDITIONS = {
    "m <= p": lambda p, m, s: m <= p,
    "m <= p + M - P": lambda p, m, s: m <= p + s["M"] - s["P"],
    "m <= p, m > p - W": lambda p, m, s: p - s["W"] < m <= p,
    "p < m": lambda p, m, s: p < m,
}


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 25), st.integers(1, 25), st.integers(1, 6), st.integers(1, 6), st.integers(1, 9),
    st.sampled_from(sorted(CONDITIONS)),
)  # fmt: skip
def test_steps_and_words_of_a_masked_nest_equal_a_walk(
    P: int, M: int, p0: int, m0: int, W: int, condition: str
) -> None:
    """Tiles without a point cost nothing, tiles with one what they hold; a tile stays when it is wanted again at once."""
    sizes = {"P": P, "M": M, "W": W}
    tiles: set[tuple[int, int]] = set()
    points = 0
    for p, m in product(range(P), range(M)):
        if CONDITIONS[condition](p, m, sizes):
            tiles.add((p // p0, m // m0))
            points += 1
    found = answer(sizes, condition, p0, m0)
    held = {(i, j): (min(P, (i + 1) * p0) - i * p0, min(M, (j + 1) * m0) - j * m0) for i, j in tiles}
    assert found.values["cycles[left,Z]"] == pytest.approx(sum(rows * keys for rows, keys in held.values()))
    filled, there = 0, None
    for i, j in sorted(tiles):
        filled += 0 if there == j else held[i, j][1]
        there = j
    assert found.values["words[masked,near,fill,Y]"] == filled
    busy = found.values["activity[left,Z]"] * found.latency_s
    assert busy == pytest.approx(points)


def task_cycles(sizes: dict[str, int], condition: str, p0: int, m0: int) -> list[int]:
    """Cycles of the tasks, tiles of queries in their order: those of the touched pairs, as long as they are."""
    works = []
    for i in range(ceil(sizes["P"] / p0)):
        rows = range(i * p0, min(sizes["P"], (i + 1) * p0))
        touched = {m // m0 for p in rows for m in range(sizes["M"]) if CONDITIONS[condition](p, m, sizes)}
        works.append(sum(len(rows) * (min(sizes["M"], (j + 1) * m0) - j * m0) for j in touched))
    return works


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(1, 6), st.integers(1, 4),
    st.integers(1, 9), st.sampled_from(sorted(CONDITIONS)), st.sampled_from(["in_order", "longest_first"]),
)  # fmt: skip
def test_the_busiest_core_is_that_of_a_walk(
    P: int, M: int, W: int, p0: int, m0: int, cores: int, condition: str, deal: str
) -> None:
    """Unequal tasks, ragged ones too, go to the core that is free first, as the deal says."""
    sizes = {"P": P, "M": M, "W": W}
    works = task_cycles(sizes, condition, p0, m0)
    loads = [0] * cores
    for work in sorted(works, reverse=True) if deal == "longest_first" else works:
        loads[loads.index(min(loads))] += work
    found = answer(sizes, condition, p0, m0, cores, deal=deal)
    busiest = max(loads)
    if deal == "longest_first" and sum(work > 0 for work in works) > 32 * cores:
        busiest = max(sum(works) / cores, *works)
    if deal == "longest_first" or sum(work > 0 for work in works) <= 32 * cores:
        assert found.values["cycles[left,Z]"] == pytest.approx(busiest)
    assert found.bound_s <= found.latency_s * (1 + 1e-12)


def test_a_deal_belongs_to_a_top_level_nest_and_is_one_of_two() -> None:
    """A deal further inside, and an unknown one, are mistakes with their place."""
    inside = MAPPING.replace("  deal: {deal}\n", "").replace(
        "  - for: [m1]", "  - for: [m1]\n    deal: in_order"
    )
    document = document_of(inside.format(offload="{}", schedule="overlapped"))
    cascade = cascade_from_text(CASCADE.format(condition="m <= p"))
    with pytest.raises(ProblemsError, match="deal and schedule belong to a top-level nest"):
        map_onto(cascade, machine_of(document_of(MACHINE.format())), mapping_file_of(document), document)
    with pytest.raises(ProblemsError, match="'longest_first' or 'in_order', got 'shortest'"):
        derived("m <= p", deal="shortest")


def test_an_unknown_condition_is_refused_by_name() -> None:
    """A condition that is not affine has no cost, and says so; neither has one with a step of whatever sign."""
    for condition in ("m*m <= p", "(M - P)*m <= p"):
        with pytest.raises(ProblemsError) as caught:
            answer({"P": 4, "M": 4, "W": 1}, condition)
        assert f"the cost of Z under the condition {condition} is not known" in str(caught.value)


def test_partial_overlap_is_between_serial_and_overlapped() -> None:
    """Half of what is not the longest unit is hidden; the pipeline of each task is filled once, its start is added."""
    sizes, half = {"P": 1, "M": 1, "W": 8}, "{U.mul: {right: 1/2}}"
    times = {
        name: answer(sizes, "m <= p", offload=half, schedule=name).values["computing_s[rest]"]
        for name in ("overlapped", "serial", "{overlap: 1}", "{overlap: 0.5}", "{overlap: 0, start: 5 s}")
    }
    left, right = 4.0, 8.0
    assert (
        times["overlapped"] == times["{overlap: 1}"] - left == right
    )  # one epoch: all of it fills the pipeline
    assert times["serial"] == left + right
    assert times["{overlap: 0.5}"] == left + right
    assert times["{overlap: 0, start: 5 s}"] == left + right + 5


def test_a_hidden_memory_works_behind_the_units() -> None:
    """A core's memory is one more unit of a partial overlap, unless it is hidden; an unknown one is refused by name."""
    sizes = {"P": 12, "M": 12, "W": 1}
    open_, hidden = (
        answer(sizes, "m <= p", 3, 2, schedule=f"{{overlap: 0, hidden: {names}}}")
        for names in ("[]", "[near]")
    )
    near = hidden.values["time_s[masked,near]"]
    assert near > 0
    assert open_.values["computing_s[masked]"] == pytest.approx(hidden.values["computing_s[masked]"] + near)
    for names, text in (("[far]", "'far' is no level"), ("[DRAM]", "DRAM is no memory inside a core")):
        with pytest.raises(ProblemsError, match=text):
            derived("m <= p", schedule=f"{{overlap: 0, hidden: {names}}}")


def test_offloaded_parts_are_checked() -> None:
    """Parts above the whole and units that cannot do the operation are mistakes of the mapping."""
    for offload, text in (
        ("{U.mul: {right: 3/2}}", "more than the whole"),
        ("{U.exp: {right: 1}}", "U has no operation 'exp'"),
        ("{Z.mac: {right: 1}}", "unit right cannot do 'mac'"),
        ("{V.mul: {right: 1}}", "'V' is no Einsum"),
        ("{U.mul: {up: 1}}", "'up' is no unit"),
    ):
        with pytest.raises(ProblemsError, match=text):
            answer({"P": 4, "M": 4, "W": 1}, "m <= p", offload=offload)


@pytest.mark.parametrize("deal", ["longest_first", "in_order"])
def test_a_sweep_counts_bands_as_a_point_does(deal: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled code gives the bits of plain code, bands included."""
    import numpy as np

    from fusemax.cost import lower

    monkeypatch.setenv("FUSEMAX_CACHE", str(tmp_path))
    _, program = derived("m <= p + M - P, m > p + M - P - W", deal=deal)
    rng = np.random.default_rng(0)
    given = {"tile.rows", "tile.columns", "replicas"}
    columns = [
        rng.integers(1, 60, 200) * 1.0 if value is None or name in given else np.full(200, float(value))
        for name, value in program.parameters.items()
    ]
    plain = lower.run(program, ["latency_s", "bound_s"], np.array(columns).T)
    monkeypatch.setattr(lower, "COMPILE_FROM", 1)
    assert np.array_equal(plain, lower.run(program, ["latency_s", "bound_s"], np.array(columns).T))


KEPT = """
title: t
source: s
cascade: none
tiles: {{P0: 2, M0: 2}}
nests:
- {{name: n, for: {loops}, keep: {{near: {kept}}}, do: [Z]}}
- {{name: rest, do: [U]}}
bind: {{left: [Z, U]}}
"""


@pytest.mark.parametrize(
    ("condition", "loops", "kept", "sizes", "words"),
    [
        ("m <= p", "[p1, m1]", "[X]", {"P": 8, "M": 8}, {"X": 8}),
        ("m <= p", "[m1, p1]", "[X]", {"P": 8, "M": 8}, {"X": 18}),
        ("m <= p + M - P", "[p1, m1]", "[Y]", {"P": 8, "M": 2}, {"Y": 2}),
        ("m <= p, m > p - W", "[p1, m1]", "[X, Y]", {"P": 8, "M": 8}, {"X": 8, "Y": 8}),
    ],
)
def test_a_mask_leaves_out_only_tiles_that_are_not_wanted(
    condition: str, loops: str, kept: str, sizes: dict[str, int], words: dict[str, int]
) -> None:
    """A tile is brought once for all tiles of the other rank that it stays for, however many of these are empty."""
    cascade = cascade_from_text(CASCADE.format(condition=condition))
    document = document_of(KEPT.format(loops=loops, kept=kept))
    machine = machine_of(document_of(MACHINE.format()))
    mapped = map_onto(cascade, machine, mapping_file_of(document), document)
    found = cost(mapped, derive(mapped, machine), {**sizes, "W": 2})
    assert words == {name: found.values[f"words[n,near,fill,{name}]"] for name in words}
    assert all(value >= 0 for name, value in found.values.items() if name.startswith("words["))


@pytest.mark.parametrize("length", [2**29, 2**31, 2**34, 2**40])
def test_long_masks_are_exact_in_a_sweep_too(length: int, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Triangles of so many tiles are whole numbers beyond 64 bits; a sweep gives the bits of a single point."""
    import numpy as np

    from fusemax.cost import lower

    monkeypatch.setenv("FUSEMAX_CACHE", str(tmp_path))
    mapped, program = derived("m <= p")
    single = answer({"P": length, "M": length, "W": 1}, "m <= p", 1, 1)
    assert single.values["cycles[left,Z]"] == length * (length + 1) / 2
    names = ["cycles[left,Z]", "latency_s", "words[masked,near,fill,Y]"]
    column = np.array([[single.parameters[name] for name in program.parameters]] * 3)
    monkeypatch.setattr(lower, "COMPILE_FROM", 1)
    swept = lower.run(program, names, column)
    assert [[single.values[name] for name in names]] * 3 == swept.tolist()
    assert mapped.name
