"""Two names of one unit take turns: neither a mapping nor the bound lets both work at once."""

from __future__ import annotations

import pytest

from fusemax.library.load import Library
from fusemax.search.answer import best_mapping

PRODUCT = """
title: a product
source: our own
inputs: {A: [I, K], B: [K, J]}
outputs: [Z]
einsums: |
  Z[i,j] = A[i,k]*B[k,j] :: sum[k]
"""
MACHINE = """
title: one unit, two names
source: our own
clock: 1 GHz
word: 2 B
levels:
  DRAM: {bandwidth: 1 TB/s}
  buffer: {size: 1 MiB}
units:
  grid:
    shape: {rows: 4, columns: 4}
    operations: {mac: 1}
  fed: {shape: {rows: 4, columns: 4}, operations: {mac: 1}SHARES}
"""


@pytest.mark.parametrize(("shares", "cycles"), [("", 64**3 / 32), (", shares: grid", 64**3 / 16)])
def test_two_names_of_one_unit_are_no_two_units(shares: str, cycles: float) -> None:
    """64^3 products on 16 lanes take 16384 cycles, whatever the lanes are called; on two units of 16, half of that."""
    machine = Library().machine(MACHINE.replace("SHARES", shares))
    answer = best_mapping(Library().cascade(PRODUCT), machine, {"I": 64, "J": 64, "K": 64})

    assert answer.bound.units_s == pytest.approx(cycles * 1e-9)
    assert answer.cost.latency_s == pytest.approx(cycles * 1e-9, rel=0.01)
