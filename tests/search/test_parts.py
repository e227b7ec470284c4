"""Operations of which each unit does a part: where no unit can do all of one, several do it together."""

from __future__ import annotations

import pytest

from fusemax.cascade.build import load_cascade
from fusemax.errors import FusemaxError
from fusemax.library.load import Library
from fusemax.machine import load_machine
from fusemax.search.answer import best_mapping
from fusemax.search.facts import facts_of
from fusemax.simulate.tiles import simulate

DIFFERENCES = """
title: exponentials of differences
source: our own
inputs: {X: [I, J], Y: [I]}
outputs: [Z]
einsums: |
  Z[i,j] = exp(X[i,j] - Y[i])
"""
MACHINE = """
title: two units, neither of which does everything
source: our own
clock: 1 GHz
word: 2 B
levels:
  DRAM: {bandwidth: 100 GB/s}
  buffer: {size: 64 KiB}
units:
  differences: {shape: {lanes: 8}, operations: {sub: 1}}
  exponentials: {shape: {lanes: 4}, operations: {OTHER: 1}}
"""
SIZES = {"I": 16, "J": 64}


def test_each_unit_does_its_part() -> None:
    """16 x 64 exponentials on 4 lanes take 256 cycles, the differences half of it; the bound says the same."""
    machine = Library().machine(MACHINE.replace("OTHER", "exp"))
    answer = best_mapping(Library().cascade(DIFFERENCES), machine, SIZES)

    assert answer.cost.latency_s == pytest.approx(16 * 64 / 4 / 1e9)
    assert answer.bound.units_s == pytest.approx(16 * 64 / 4 / 1e9)
    assert "Z.exp: {exponentials: 1}" in answer.text
    assert simulate(answer.mapped, machine, SIZES, {}).latency_s >= answer.cost.latency_s


def test_the_part_that_no_unit_does_is_told() -> None:
    """With differences here and logarithms there an exponential is what is missing."""
    machine = Library().machine(MACHINE.replace("OTHER", "log"))

    with pytest.raises(FusemaxError, match=r"Z needs 'sub_exp' \(of its parts, no unit does exp\)"):
        facts_of(Library().cascade(DIFFERENCES), machine, SIZES)


def test_attention_on_a_chip_with_a_unit_for_exponentials() -> None:
    """A TPU's vector unit takes differences, the unit beside it exponentials: nobody has to say so."""
    sizes = {"B": 1, "H": 2, "M": 256, "P": 256, "E": 128, "F": 128}
    machine, _ = load_machine("tpu-v5e")
    answer = best_mapping(load_cascade("attention/3-pass"), machine, sizes, seconds=4)

    assert "SN.exp: {eup: 1}" in answer.text
    assert simulate(answer.mapped, machine, sizes, {}).latency_s >= 0.999 * answer.cost.bound_s
