"""The tile-level simulator against the cost model and against itself: laws, steady states, determinism, known epochs."""

from __future__ import annotations

import dataclasses
import json
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cascade.build import load_cascade
from fusemax.cli.simulate import as_record
from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError
from fusemax.machine import Machine, load_machine, machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.spec import load_mapping_file, mapping_file_of, with_changes
from fusemax.simulate.tile.result import Simulation
from fusemax.simulate.tiles import simulate
from fusemax.simulate.trace import chrome_trace
from fusemax.source import document_of
from tests.mappings import load_mapping
from tests.simulate.tile_cases import Case, attention, machines, mapped_from, product

SMALL = {"B": 1, "H": 2, "E": 64, "F": 64, "M": 4096, "P": 1024}


def words_of_cost(case: Case) -> dict[tuple[str, str, str], float]:
    """Return the words of the cost model by level, tensor and kind, nothing where nothing moves."""
    answer = cost(case.mapped, derive(case.mapped, case.machine), case.sizes)
    return {(k.level, k.tensor, k.action): v for k, v in answer.table("words").items() if v}


def words_of(simulation: Simulation) -> dict[tuple[str, str, str], float]:
    """Return the words of the walk in the same form."""
    return {(k.level, k.tensor, k.kind): v for k, v in simulation.words.items() if v}


def without_skips(simulation: Simulation) -> Simulation:
    """Return *simulation* without what a jump may change: how much was skipped, and the steps of the time line."""
    phases = tuple(
        dataclasses.replace(phase, skipped_cycles=0, timeline=None)  # type: ignore[arg-type]
        for phase in simulation.phases
    )
    return dataclasses.replace(simulation, phases=phases)


def busy_of(simulation: Simulation, unit: str) -> float:
    """Return the cycles in which *unit* was busy, over all phases."""
    return sum(phase.busy_cycles.get(unit, 0) for phase in simulation.phases)


def assert_laws(case: Case) -> None:
    """Assert that words and busy cycles are equal and that no fidelity is below the one before it."""
    answer = cost(case.mapped, derive(case.mapped, case.machine), case.sizes)
    run = simulate(case.mapped, case.machine, case.sizes)

    assert words_of_cost(case) == words_of(run)
    if answer.parameters["replicas"] == 1:
        for unit in case.machine.units:
            steps = sum(v for label, v in answer.table("cycles").items() if label.unit == unit)
            assert steps == pytest.approx(busy_of(run, unit))
    assert answer.bound_s <= answer.latency_s * (1 + 1e-12)
    assert answer.latency_s <= run.latency_s * (1 + 1e-12)


@given(case=attention())
def test_attention_obeys_the_laws(case: Case) -> None:
    """FuseMax's nest with any tiles, residences and schedule: equal words, bound <= schedule <= simulate."""
    assert_laws(case)


@given(case=product())
def test_product_obeys_the_laws(case: Case) -> None:
    """A matrix product with any cuts and loop order: equal words, partial sums included, bound <= schedule <= simulate."""
    assert_laws(case)


@given(case=st.one_of(attention(), product()))
def test_jumps_change_nothing(case: Case) -> None:
    """With and without jumps over steady states: the same cycles, words, waits, buffers and utilization."""
    fast = simulate(case.mapped, case.machine, case.sizes)
    slow = simulate(case.mapped, case.machine, case.sizes, fast_forward=False)

    assert without_skips(slow) == without_skips(fast)


@pytest.mark.parametrize(
    ("machine", "mapping", "sizes"),
    [
        ("fusemax", "fusemax", SMALL),
        ("fusemax", "one-tile", SMALL),
        ("fusemax", "auto", SMALL),
        ("flat", "fused-1-pass", SMALL),
        ("flat", "unfused", SMALL | {"M": 1024}),
        ("flat", "output-stationary", SMALL | {"M": 1024}),
        ("flat", "weight-stationary", SMALL | {"M": 1024}),
        ("flat", "linear-rows", {"R": 4096, "K": 768, "N": 3072}),
        ("flat", "linear-weights", {"R": 4096, "K": 768, "N": 3072}),
        ("fusemax", "fusemax", SMALL | {"M": 5000, "P": 3000}),
        ("fusemax", "auto", SMALL | {"M": 5000, "P": 3000}),
    ],
)
def test_shipped_mappings_obey_the_laws(machine: str, mapping: str, sizes: dict[str, int]) -> None:
    """Each published mapping, whole and ragged sizes: equal words, bound <= schedule <= simulate, jumps change nothing."""
    described, path = load_machine(machine)
    case = Case(load_mapping(mapping, described, path), described, sizes)
    assert_laws(case)
    fast = simulate(case.mapped, described, sizes)
    slow = simulate(case.mapped, described, sizes, fast_forward=False)

    assert without_skips(slow) == without_skips(fast)


def test_a_million_tokens_take_two_seconds() -> None:
    """BERT's heads, batch 64, a million tokens: 1.3e10 epochs in less than two seconds, nearly all of them skipped."""
    machine, path = load_machine("fusemax")
    mapped = load_mapping("fusemax", machine, path)
    sizes = {"B": 64, "H": 12, "E": 64, "F": 64, "M": 1 << 20, "P": 1 << 20}
    simulate(mapped, machine, SMALL)
    begin = time.process_time()
    run = simulate(mapped, machine, sizes)
    took = time.process_time() - begin
    expected = 64 * 12 * 4096 * 4096

    assert expected == run.phases[0].epochs
    assert took < 2.0
    assert run.phases[0].skipped_cycles > 0.99 * run.cycles


def test_the_paper_s_epoch_is_found() -> None:
    """Modulo scheduling gives an epoch of E + 1 + 1 + 8 + F cycles, as published (FuseMax, section V), no less."""
    machine, path = load_machine("fusemax")
    mapped = load_mapping("auto", machine, path)
    for width in (64, 128):
        kernel = simulate(mapped, machine, SMALL | {"E": width, "F": width}).phases[0].kernel
        assert kernel is not None

        assert Fraction(width + 1 + 1 + 8 + width) == kernel.interval
        assert kernel.reached
        assert kernel.depth == 2


def test_the_found_epoch_runs_as_fast_as_the_written_one() -> None:
    """Run tile by tile, the found epoch is no slower than the published binding."""
    machine, path = load_machine("fusemax")
    found, written = (load_mapping(name, machine, path) for name in ("auto", "fusemax"))

    assert simulate(found, machine, SMALL).cycles <= simulate(written, machine, SMALL).cycles


def tiny(buffers: int, **figures: object) -> Case:
    """Return a product of one row tile after the other on a 2x2 array: four tiles of 3 cycles, operands straight from L3."""
    data = {
        "title": "t", "source": "s", "clock": "1 GHz", "word": "2 B",
        "levels": {"DRAM": {"bandwidth": "2 GB/s"}, "L3": {"size": "1 KiB", "line": "2 B"}},
        "units": {"2d": {"shape": {"rows": 2, "columns": 2}, "operations": {"mac": 1}, **figures}},
    }  # fmt: skip

    described = machine_of(document_of(json.dumps(data)))
    node = {
        "for": ["r1"], "keep": {"L3": [{"tensor": "X", "buffers": buffers}]},
        "spatial": {"2d": {"r0": "rows", "n0": "columns"}}, "do": ["Y"],
    }  # fmt: skip
    mapping = {
        "cascade": "transformer/linear", "tiles": {"R0": 2, "N0": 2},
        "nests": [{"for": ["n1"], "keep": {"L3": ["W", "Y"]}, "do": [node]}], "bind": {"2d": ["Y"]},
    }  # fmt: skip
    return Case(mapped_from(mapping, described), described, {"R": 8, "K": 3, "N": 2})


def test_loads_and_tiles_take_turns_with_one_buffer() -> None:
    """By hand: W takes 6 cycles, then X (6) and its tile (3) four times in turn; Y (16 words) is stored at the end."""
    case = tiny(1)

    assert 6 + 4 * (6 + 3) + 16 == simulate(case.mapped, case.machine, case.sizes).cycles


def test_loads_hide_tiles_with_two_buffers() -> None:
    """By hand: with two buffers the loads of X follow each other, and only the last tile shows behind them."""
    case = tiny(2)
    run = simulate(case.mapped, case.machine, case.sizes)

    assert 6 + 4 * 6 + 3 + 16 == run.cycles
    assert {"X": 2, "W": 1, "Y": 1} == {b.tensor: b.tiles for b in run.buffers}


def test_fill_and_drain_delay_results_not_the_unit() -> None:
    """By hand: results come fill + drain cycles later, and the next tile of the array does not wait for them."""
    case = tiny(4, fill=2, drain=5)

    assert 6 + 4 * 6 + 3 + 7 + 16 == simulate(case.mapped, case.machine, case.sizes).cycles


def test_waits_name_who_waits_for_whom() -> None:
    """By hand: with one buffer the array waits for every load: 12 cycles for W and the first X, then 6 each time."""
    run = simulate((case := tiny(1)).mapped, case.machine, case.sizes)
    waits = {(w.unit, w.waiting, w.on): w.cycles for w in run.waits}

    assert 12 + 3 * 6 == sum(waits.values())
    assert {("2d", "Y", "load X"), ("2d", "Y", "load W")} >= set(waits)


@settings(max_examples=25)
@given(
    case=attention(), machine=machines(replicas=True), spread=st.sampled_from([[], ["b"], ["h", "b"], ["p2"]])
)
def test_more_cores_move_the_same_words(case: Case, machine: Machine, spread: list[str]) -> None:
    """Spread over several cores, all of them together move the words of one, and no law is broken."""
    many = case.machine.model_copy(update={"replicas": machine.replicas})
    nests = tuple(dataclasses.replace(nest, spread=tuple(spread)) for nest in case.mapped.nests)
    spread_out = Case(dataclasses.replace(case.mapped, nests=nests), many, case.sizes)
    one = simulate(case.mapped, case.machine, case.sizes)

    assert words_of(one) == words_of(simulate(spread_out.mapped, many, case.sizes))
    assert_laws(spread_out)


def test_the_same_bytes_each_time() -> None:
    """Two runs give the same record, byte by byte, tasks and time line included."""

    machine, path = load_machine("fusemax")
    mapped = load_mapping("auto", machine, path)
    runs = [simulate(mapped, machine, SMALL, events=500) for _ in range(2)]

    assert json.dumps(as_record(runs[0])) == json.dumps(as_record(runs[1]))
    assert chrome_trace(runs[0]) == chrome_trace(runs[1])


def test_no_task_overlaps_another_on_its_unit() -> None:
    """A unit does one task at a time, and each of the first tasks is in the trace."""
    machine, path = load_machine("fusemax")
    events = simulate(load_mapping("auto", machine, path), machine, SMALL, events=2000).phases[0].events
    for unit in ("2d", "1d"):
        mine = sorted((e.start, e.end) for e in events if e.unit == unit)

        assert all(one[1] <= two[0] for one, two in pairwise(mine))
        assert len(mine) > 100


def test_a_schedule_that_waits_for_itself_is_refused() -> None:
    """Steps in which a value is used before it can be there end in an error that names who waits for whom."""
    machine, path = load_machine("fusemax")

    _, document = load_mapping_file("fusemax", path)
    steps = [
        {"1d": ["SPNV", "RNV", "RM", "PRM", "SPD", "RD", "AV"]},
        {"2d": ["BQK", "LM", "SLN", "SLD", "SLNV"]},
    ]
    document = with_changes(document, {"schedule": steps})
    mapped = map_onto(load_cascade("attention/1-pass"), machine, mapping_file_of(document), document)
    with pytest.raises(FusemaxError) as error:
        simulate(mapped, machine, SMALL | {"P": 256})

    assert "waits for itself" in str(error.value)
    assert "waits for task" in str(error.value)


def test_a_tile_that_stays_is_shared_by_no_more_cores_than_load_it(tmp_path: Path) -> None:
    """Two cores, each a sequence of its own: V is loaded once by each, at half the bandwidth, 104 bytes in all."""
    (tmp_path / "machine.yaml").write_text(
        "title: t\nsource: s\nclock: 1 GHz\nword: 2 B\nreplicas: 2\n"
        "levels: {DRAM: {bandwidth: 1 GB/s}, L3: {size: 1 GiB, line: 8 B}}\n"
        "units:\n  2d: {shape: {rows: 4, columns: 2}, operations: {mac: 1, add: 1, max: 1, sub_exp: 1}}\n"
        "  1d: {shape: {lanes: 2}, operations: {mul: 1, add: 1, max: 1, div: 1, sub_exp: 3}}\n"
    )
    (tmp_path / "map.yaml").write_text(
        "title: t\nsource: s\ncascade: attention/1-pass\nabsorb: [SQ]\ntiles: {M0: 4, P0: 1, P1: 1}\nnests:\n"
        "- for: [b, h, p2]\n  keep: {L3: [Q, RD, RNV]}\n  do:\n  - for: [m1]\n    keep: {L3: [V]}\n    do:\n"
        "    - for: [p1]\n      spatial: {2d: {m0: rows, p0: columns}, 1d: {p0: lanes}}\n"
        "      do: [BQK, LM, RM, SLN, SLD, SLNV, PRM, SPD, RD, SPNV, RNV]\n"
        "  - for: [p1]\n    spatial: {1d: {p0: lanes}}\n    do: [AV]\n"
        "bind: {2d: [BQK, LM, SLN, SLD, SLNV], 1d: [RM, PRM, SPD, RD, SPNV, RNV, AV]}\n"
    )
    machine, path = load_machine(str(tmp_path / "machine.yaml"))
    run = simulate(
        load_mapping(str(tmp_path / "map.yaml"), machine, path),
        machine,
        {"B": 2, "H": 1, "E": 1, "F": 2, "M": 4, "P": 2},
    )

    assert run.cycles >= 104


def test_a_running_value_leaves_its_loop_once() -> None:
    """Kept through the loop that makes it, only its last generation is written where another nest reads it."""
    machine, path = load_machine("fusemax")
    _, document = load_mapping_file("fusemax", path)
    running, last = (dict(document.data["nests"][0]), document.data["nests"][0]["do"][1])
    running["do"] = [document.data["nests"][0]["do"][0]]
    nests = [running, {"for": ["b", "h", "p2"], "do": [last]}]
    steps = {"nests": nests, "schedule": "overlapped"}
    changed = with_changes(document, steps)
    mapped = map_onto(load_cascade("attention/1-pass"), machine, mapping_file_of(changed), changed)
    sizes = {"B": 1, "H": 2, "E": 64, "F": 64, "M": 2048, "P": 512}
    case = Case(mapped, machine, sizes)
    words = words_of_cost(case)
    assert words == words_of(simulate(mapped, machine, sizes))
    assert 2 * 512 * 64 == words["DRAM", "RNV", "write"]
