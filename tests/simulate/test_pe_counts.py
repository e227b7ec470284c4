"""The register-level simulator against the cost model: two derivations that share no code must agree."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cost.evaluate import Cost, cost
from fusemax.cost.model import derive
from fusemax.machine import load_machine
from fusemax.simulate.array import simulate_array
from fusemax.simulate.pe.result import PeResult
from fusemax.simulate.tiles import simulate
from tests.mappings import load_mapping
from tests.simulate.small_mappings import Case, attention_cases


def _both(case: Case) -> tuple[PeResult, Cost]:
    program = derive(case.mapped, case.machine, case.figures)
    answer = cost(case.mapped, program, case.sizes, case.figures)
    return simulate_array(case.mapped, case.machine, case.sizes, case.figures), answer


def _words(answer: Cost) -> dict[tuple[str, str, str], float]:
    """Return the cost model's words by level, direction and tensor, those that are none left out."""
    found: dict[tuple[str, str, str], float] = {}
    for label, value in answer.table("words").items():
        key = (label.level, label.action, label.tensor)
        found[key] = found.get(key, 0.0) + value
    return {key: value for key, value in found.items() if value}


def _moved(result: PeResult) -> dict[tuple[str, str, str], int]:
    return {key: value for key, value in result.words.items() if value}


@given(attention_cases())
def test_words_equal_those_of_the_cost_model(case: Case):
    """Words moved are equal tensor by tensor, level by level and direction by direction."""
    result, answer = _both(case)

    assert _words(answer) == _moved(result)


@settings(max_examples=20)
@given(attention_cases())
def test_words_at_the_edges_are_the_words_that_bodies_move(case: Case):
    """What the clock counts at the arrays' edges is what the loops say that bodies read and write."""
    result, _ = _both(case)
    direct: dict[str, int] = {}
    for (_, kind, tensor), words in result.words.items():
        if kind in ("read", "write"):
            direct[f"{tensor} {kind}"] = direct.get(f"{tensor} {kind}", 0) + words
    loaded = {tensor: words for (_, kind, tensor), words in result.words.items() if kind == "fill"}

    assert {
        n: direct[n] - (loaded.get(n.split()[0], 0) if n.endswith("read") else 0) for n in direct
    } == dict(result.edge_words)


@settings(max_examples=20)
@given(attention_cases())
def test_cycles_are_ordered_and_explained(case: Case):
    """bound <= schedule <= simulate, and the parts add up to the simulated cycles."""
    result, answer = _both(case)
    clock = answer.parameters["clock"]

    assert answer.bound_s <= answer.latency_s * (1 + 1e-12)
    assert answer.latency_s * clock <= result.cycles * (1 + 1e-12)
    assert sum(result.parts.values()) == result.cycles


@settings(max_examples=20)
@given(attention_cases())
def test_busy_cycles_equal_those_of_the_cost_model(case: Case):
    """Element-cycles of every Einsum, counted where they happen, are the operations of the cost model times their cycles."""
    result, answer = _both(case)
    clock = answer.parameters["clock"]
    lanes = {unit: float(count) for unit, count in result.lanes.items()}
    expected = {
        (lab.unit, lab.einsum): value * lanes[lab.unit] * answer.latency_s * clock
        for lab, value in answer.table("activity").items()
    }

    assert expected == pytest.approx({key: float(value) for key, value in result.busy.items()}, rel=1e-9)


@settings(max_examples=25)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, 14), st.integers(1, 14))
@pytest.mark.parametrize("mapping", ["flat/linear-rows", "flat/linear-weights"])
def test_words_of_a_product_equal_those_of_the_cost_model(
    mapping: str, rows: int, columns: int, K: int, R: int, N: int
):
    """The same for a product of matrices, with ragged tiles and a block that just fits the buffer."""
    machine, path = load_machine("fusemax")
    figures = {
        "2d.rows": float(rows),
        "2d.columns": float(columns),
        "L3.size": 2.0 * K * (N + R + rows + columns),
    }
    case = Case(load_mapping(mapping, machine, path), machine, {"R": R, "K": K, "N": N}, figures)
    result, answer = _both(case)

    assert _words(answer) == _moved(result)


@settings(max_examples=20)
@given(attention_cases())
def test_words_equal_those_of_the_tile_level(case: Case):
    """Words moved are equal tensor by tensor, level by level and direction by direction in both simulators."""
    result, _ = _both(case)
    tiles = simulate(case.mapped, case.machine, case.sizes, case.figures)
    moved: dict[tuple[str, str, str], float] = {}
    for key, words in tiles.words.items():
        place = (key.level, key.kind, key.tensor)
        moved[place] = moved.get(place, 0.0) + words

    assert {key: words for key, words in moved.items() if words} == _moved(result)
