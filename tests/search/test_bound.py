"""Bounds against pebbling: the words that a machine with so small a memory must move, and what a mapping within it moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.errors import FusemaxError
from fusemax.library.load import Library
from fusemax.search.answer import best_mapping
from fusemax.search.bound import bound_of
from fusemax.search.facts import facts_like, facts_of
from fusemax.search.missing import missing
from fusemax.search.split import Cases, split, strongest, weighted_each
from fusemax.search.words import IN_FLIGHT, fast_words

PRODUCT = """
title: a product
source: our own
inputs: {A: [I, K], B: [K, J]}
outputs: [Z]
einsums: |
  Z[i,j] = A[i,k]*B[k,j] :: sum[k]
"""
MACHINE = """
title: one buffer
source: our own
clock: 1 GHz
word: 2 B
levels:
  DRAM: {bandwidth: 1 GB/s}
  buffer: {size: SIZE B}
units:
  grid: {shape: {lanes: 4}, operations: {mac: 1}}
"""


@pytest.mark.parametrize("words", [64, 256, 1024])
def test_a_product_moves_no_fewer_words_than_its_bound(words: int) -> None:
    """2*I*J*K/sqrt(S) words: the best mapping found is above that, and near it where S is small beside the operands."""
    machine = Library().machine(MACHINE.replace("SIZE", str(2 * words)))
    sizes = {"I": 256, "J": 256, "K": 256}
    answer = best_mapping(Library().cascade(PRODUCT), machine, sizes, objective="traffic")
    size = words + 4 * IN_FLIGHT
    least = 2 * 256**3 / size**0.5 - 9 / 8 * 256**2 - 2 * size + 256**2  # the last: the results go out

    assert fast_words(answer.facts) == size
    assert answer.bound.least_words >= least * (1 - 1e-12)
    assert answer.bound.traffic_B <= answer.cost.traffic_B <= 2 * 2 * (2 * 256**3 / size**0.5 + 256**2)
    assert sum(part for _, part in missing(answer)) == pytest.approx(1 - answer.gap, abs=0.01)


@pytest.mark.parametrize(("pair", "more"), [("size: 100 B, ", 2 * 100), ("", 0)])
def test_what_groups_of_cores_share_holds_words_too(pair: str, more: int) -> None:
    """Four cores, two pairs: each pair's own memory counts once for the pair; one without a size holds nothing."""
    levels = (
        f"buffer: {{size: 1000 B}}\n  pair: {{{pair}shared_by: 2}}\n  local: {{size: 10 B, per_core: true}}"
    )
    text = MACHINE.replace("buffer: {size: SIZE B}", levels).replace("levels:", "replicas: 4\nlevels:")
    facts = facts_of(Library().cascade(PRODUCT), Library().machine(text), {"I": 256, "J": 256, "K": 256})
    lanes = 4 * 4

    assert fast_words(facts) == (1000 + more + 4 * 10) / 2 + lanes * IN_FLIGHT


def test_what_leaks_is_part_of_the_bound_of_energy() -> None:
    """Two cores: 3 W of the outermost level, 1 W of each core's own, 0.5 W of its unit, during the bound of the latency."""
    leaky = MACHINE
    for old, new in (
        (
            "{size: SIZE B}",
            "{size: 4 KiB, per_core: true, leakage: 1 W, line: 2 B, energy: {read: 1 pJ, write: 1 pJ}}",
        ),
        (
            "{bandwidth: 1 GB/s}",
            "{bandwidth: 1 GB/s, leakage: 3 W, line: 2 B, energy: {read: 8 pJ, write: 8 pJ}}",
        ),
        ("{mac: 1}}", "{mac: 1}, leakage: 500 mW, energy: {mac: 1 pJ}}"),
        ("levels:", "replicas: 2\nlevels:"),
    ):
        leaky = leaky.replace(old, new)
    still = leaky.replace("leakage: 1 W, ", "").replace("leakage: 3 W, ", "").replace("leakage: 500 mW, ", "")
    sizes = {"I": 32, "J": 32, "K": 32}
    answer = best_mapping(Library().cascade(PRODUCT), Library().machine(leaky), sizes, objective="energy")
    dry = bound_of(facts_of(Library().cascade(PRODUCT), Library().machine(still), sizes))

    assert dry.latency_s == answer.bound.latency_s
    assert answer.bound.energy_J == pytest.approx(dry.energy_J + (3 + 2 * 1 + 2 * 0.5) * dry.latency_s)
    assert answer.bound.energy_J <= answer.cost.energy_J


def test_nothing_is_claimed_where_a_level_has_no_size() -> None:
    """What could hold everything makes nothing move again."""
    machine = Library().machine(MACHINE.replace("{size: SIZE B}", "{}"))
    facts = facts_of(Library().cascade(PRODUCT), machine, {"I": 256, "J": 256, "K": 256})

    assert bound_of(facts, again=True).least_words == 0


def test_reads_and_writes_that_take_ways_of_their_own() -> None:
    """Reads and writes do not wait for each other: 32 KiB read at 2 GB/s, 512 B written at 1 MB/s."""
    text = MACHINE.replace("SIZE", "100000").replace(
        "{bandwidth: 1 GB/s}", "{bandwidth: {read: 2 GB/s, write: 1 MB/s}}"
    )
    machine = Library().machine(text)
    facts = facts_of(Library().cascade(PRODUCT), machine, {"I": 16, "J": 16, "K": 512})

    assert bound_of(facts).memory_s == pytest.approx(max(2 * 16 * 512 * 2 / 2e9, 16 * 16 * 2 / 1e6))


@pytest.mark.parametrize("machine", ["fusemax", "flat", "h100"])
def test_an_open_tile_has_the_bound_of_its_best_size(machine: str) -> None:
    """Up to 24 every size is a case of its own: the bound is that of the size that has the least, given by hand."""
    library = Library()
    cascade, described = library.cascade("attention/1-pass"), library.machine(machine)
    sizes = {"B": 1, "H": 2, "M": 24, "P": 48, "E": 16, "F": 16}
    each = [
        bound_of(facts_of(cascade, described, {**sizes, "M0": tile})).units_s
        for tile in range(1, 25)
        if 24 % tile == 0
    ]

    assert 0 < bound_of(facts_of(cascade, described, sizes)).units_s <= min(each) * (1 + 1e-12)
    assert bound_of(facts_of(cascade, described, sizes)).units_s >= 0.99 * min(each)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_weights_prove_no_more_than_the_split_of_any_case(data: st.DataObject) -> None:
    """One set of weights for all cases: where one of them takes least everywhere, they prove its own split."""
    units, cases = ["a", "b", "c"][: data.draw(st.integers(1, 3))], data.draw(st.integers(1, 5))
    times = st.lists(st.integers(1, 99), min_size=cases, max_size=cases).map(np.array)
    seconds = {
        (str(n), "x"): Cases({unit: data.draw(times).astype(float) for unit in units})
        for n in range(data.draw(st.integers(1, 4)))
    }
    least = data.draw(st.integers(0, cases - 1))
    if data.draw(st.booleans()):
        for ways in seconds.values():
            for value in ways.whole.values():
                value[least] = value.min() / 2
    weights = strongest(units, seconds, cases)
    proved = weighted_each(seconds, weights, cases)
    splits = [split(units, {key: ways.at(n) for key, ways in seconds.items()})[0] for n in range(cases)]

    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) >= 0
    assert (proved <= np.array(splits) * (1 + 1e-9)).all()
    if all(
        v[least] < np.delete(v, least).min(initial=np.inf) for w in seconds.values() for v in w.whole.values()
    ):
        assert proved.min() == pytest.approx(splits[least])


def test_other_figures_of_the_same_sizes() -> None:
    """What depends on sizes alone is computed once: bounds are those of facts made anew."""
    library = Library()
    cascade, machine = library.cascade("causal/1-pass"), library.machine("fusemax")
    sizes = {"B": 1, "H": 2, "M": 512, "P": 512, "E": 64, "F": 64}
    first = facts_of(cascade, machine, sizes, {"L3.size": 2**22})
    bound_of(first)
    for figures in ({"L3.size": 2**23}, {"2d.rows": 64, "2d.columns": 32}, {"DRAM.bandwidth": 1e9}):
        other = facts_like(first, figures)
        assert bound_of(other) == bound_of(facts_of(cascade, machine, sizes, figures))
    with pytest.raises(FusemaxError, match="no such figure"):
        facts_like(first, {"L9.size": 1.0})
