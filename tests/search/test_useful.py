"""What conditions leave to be done in any case, against walks over all points, tile by tile and for every size of a tile."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from fusemax.library.load import Library
from fusemax.search.answer import best_mapping
from fusemax.search.bound import bound_of
from fusemax.search.facts import Facts, facts_of
from fusemax.search.useful import cases_of, least_size, points_of, share, useful_points

MACHINE = """
title: one buffer
source: our own
clock: 1 GHz
word: 2 B
levels:
  DRAM: {bandwidth: 1 GB/s}
  buffer: {size: 64 KiB}
units:
  grid: {shape: {lanes: 4}, operations: {mac: 1, add: 1, mul: 1}}
"""
MASKED = """
title: a product under a condition, and what is done with its results
source: our own
inputs: {A: [P, K], B: [M, K], C: [P]}
outputs: [Y, X]
einsums: |
  Z[p,m] = A[p,k]*B[m,k] :: sum[k] | CONDITION
  Y[p,m] = Z[p,m]*C[p]
  X[k] = A[p,k]*C[p] :: sum[p]
"""
CHUNKS = """
title: sums inside chunks
source: our own
inputs: {A: [P], B: [P]}
ranks: {P: N*W, U: W}
outputs: [Z]
einsums: |
  Z[n,w] = A[n*W+w]*B[n*W+u] :: sum[u] | u RELATION w
"""
HOLDS: dict[str, Callable[[int, int, int, int], bool]] = {
    "m <= p": lambda p, m, P, M: m <= p,
    "m <= p + M - P": lambda p, m, P, M: m <= p + M - P,
    "m >= p + 3": lambda p, m, P, M: m >= p + 3,
    "m + p <= 6": lambda p, m, P, M: m + p <= 6,
    "m + p >= P + 2": lambda p, m, P, M: m + p >= P + 2,
    "2*m <= p": lambda p, m, P, M: 2 * m <= p,
}  # fmt: skip


def _facts(cascade: str, sizes: dict[str, int]) -> Facts:
    library = Library()
    return facts_of(library.cascade(cascade), library.machine(MACHINE), sizes)


@pytest.mark.parametrize("condition", HOLDS)
@pytest.mark.parametrize(("P", "M"), [(5, 9), (9, 5), (7, 7)])
def test_no_more_is_certain_than_what_a_walk_finds(condition: str, P: int, M: int) -> None:
    """Points of both ranks exactly; of one rank those with a point behind them, exactly under a band."""
    facts = _facts(MASKED.replace("CONDITION", condition), {"P": P, "M": M, "K": 3})
    left = [(p, m) for p, m in itertools.product(range(P), range(M)) if HOLDS[condition](p, m, P, M)]
    rows, columns = (len({point[n] for point in left}) for n in (0, 1))

    for einsum in ("Z", "Y", "X"):
        assert useful_points(facts, einsum, frozenset("pm")) == pytest.approx(len(left))
        assert share(facts, einsum, frozenset("k")) == float(bool(left))
        for variable, walked, size in (("p", rows, P), ("m", columns, M)):
            found = share(facts, einsum, frozenset(variable)) * size
            assert len(left) / (P * M) * size - 1e-9 <= found <= walked + 1e-9
            if "2*" not in condition:
                assert found == pytest.approx(walked)


@pytest.mark.parametrize("relation", ["<=", "<", ">="])
@pytest.mark.parametrize("length", [7, 24, 60])
def test_chunks_of_every_length_do_no_less_than_is_certain(relation: str, length: int) -> None:
    """Every size of a chunk, ragged ones included, walked point by point: none has fewer points than its case says."""
    facts = _facts(CHUNKS.replace("RELATION", relation), {"P": length})
    holds = {"<=": int.__le__, "<": int.__lt__, ">=": int.__ge__}[relation]
    cases = cases_of(facts)

    assert least_size(facts, "W") == (2 if relation == "<" else 1)
    for size in range(least_size(facts, "W"), length + 1):
        walked = sum(holds(u, point % size) for point in range(length) for u in range(size))
        case = next(one for one in cases if one.low["W"] <= size <= one.high["W"])
        certain = useful_points(facts, "Z", frozenset("nwu"), case)
        assert 0 < certain <= walked + 1e-9
        if case.low == case.high and length % size == 0:
            assert certain == pytest.approx(walked)
        assert points_of(facts, frozenset("n"), case) <= -(-length // size)
        last = [point % size for point in range(length) if any(holds(u, point % size) for u in range(size))]
        assert useful_points(facts, "Z", frozenset("nw"), case) <= len(last) + 1e-9
        assert relation != "<=" or useful_points(facts, "Z", frozenset("nw"), case) == length


def test_a_mapping_of_open_chunks_has_a_bound() -> None:
    """It says something, and the best mapping found is not below it, whatever is to be least."""
    library = Library()
    cascade, machine = library.cascade(CHUNKS.replace("RELATION", "<=")), library.machine(MACHINE)
    for objective in ("latency", "traffic"):
        answer = best_mapping(cascade, machine, {"P": 96}, objective=objective)
        assert 0 < answer.bound.latency_s <= answer.cost.latency_s
        assert 2 * (2 * 96 + 1) == answer.bound.traffic_B <= answer.cost.traffic_B


def test_words_under_a_causal_mask_all_move() -> None:
    """Every row and every column has a point: operands move whole, though half of the products are left out."""
    facts = _facts(MASKED.replace("CONDITION", "m <= p"), {"P": 64, "M": 64, "K": 8})
    bound = bound_of(facts)

    assert bound.words["A"] == bound.words["B"] == 64 * 8
    assert bound.words["C"] == 64
    assert bound.words["X"] == 8
    assert bound.words["Y"] == 64 * 65 / 2
