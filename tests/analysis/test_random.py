"""The bound is never above the definition on random cascades, and nearly always equal to it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.analysis.passes import TensorPasses, analyse
from fusemax.cascade.build import cascade_from_text
from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError
from tests.analysis.random_cascades import SIZES, random_cascade
from tests.analysis.random_layers import SIZES as LAYERS
from tests.analysis.random_layers import random_layers
from tests.analysis.random_sequences import SIZES as SEQUENCES
from tests.analysis.random_sequences import random_sequences
from tests.analysis.unrolled import Unrolled, passes

QUERIES = 10_000
LARGER = {"M": 6, "P": 6, "M1": 3, "M0": 2, "E": 2, "U": 2}


def positions_of(cascade: Cascade, rank: str, entry: TensorPasses) -> tuple[int, ...] | None:
    """Return where the ranks of a query stand in the tensor as written; None for a part of a rank."""
    ranks = cascade.tensors[entry.tensor].ranks
    if all(part in ranks for part in entry.ranks):
        return tuple(ranks.index(part) for part in entry.ranks)
    return (ranks.index(rank),) if rank in ranks else None


def compare(
    text: str, sizes: Mapping[str, int] = SIZES, larger: Mapping[str, int] | None = None, least: int = 0
) -> Counter[str]:
    """Return how many queries about the cascade are equal to, below, above the definition, or about a state.

    A recurrent state is swept again at every step: its count is per step, the definition's grows with the
    steps. With *larger* sizes, a query on which the two shapes differ is not decided. Queries of fewer than *least* passes by
    both are left out.
    """
    cascade = cascade_from_text(text, "random")
    unrolled = Unrolled(cascade, sizes)
    found: Counter[str] = Counter()
    for rank in analyse(cascade).ranks:
        for entry in rank.tensors:
            positions = positions_of(cascade, rank.rank, entry)
            if positions is None:
                continue
            exact = passes(unrolled, entry.tensor, positions)
            if max(exact, entry.count) < least:
                continue
            if entry.count > exact:
                found["above"] += 1
            elif entry.count == exact:
                found["equal"] += 1
            elif larger is not None and exact != passes(Unrolled(cascade, larger), entry.tensor, positions):
                found["undecided"] += 1
            else:
                found["state" if entry.grows_with else "below"] += 1
    return found


@given(st.data())
def test_never_above_on_one_sequence_under_several_names(data):
    """Whole and in tiles, masked, in bands and windows: the bound is at most what unrolling gives."""
    text = random_sequences(lambda options: data.draw(st.sampled_from(list(options))))
    try:
        cascade_from_text(text, "random")
    except FusemaxError:
        return  # the same variable drawn twice for one output

    assert 0 == compare(text, SEQUENCES)["above"], text


@given(st.data())
def test_never_above_on_layers(data):
    """Layers under masks of all kinds, windows with strides, runs of scans: the bound is at most what unrolling gives."""
    text = random_layers(lambda options: data.draw(st.sampled_from(list(options))))

    assert 0 == compare(text, LAYERS)["above"], text


@pytest.mark.slow
def test_five_thousand_cascades_without_a_crash(capsys):
    """Sequences under several names: never a traceback or above, nearly all equal that two shapes decide."""
    total: Counter[str] = Counter()
    for seed in range(5000):
        text = random_sequences(random.Random(seed).choice)
        try:
            cascade = cascade_from_text(text, "random")
        except FusemaxError:
            continue
        analyse(cascade)
        if seed < 500:
            total += compare(text, SEQUENCES, LARGER, least=2)
    with capsys.disabled():
        print(f"\n{total.total()} queries of two or more passes: {dict(total)}")  # noqa: T201

    assert 0 == total["above"]
    assert total["equal"] > 0.995 * (total["equal"] + total["below"])


@given(st.data())
def test_never_above_the_definition(data):
    """On any random cascade the bound is at most what unrolling gives."""
    text = random_cascade(lambda options: data.draw(st.sampled_from(list(options))))

    assert 0 == compare(text)["above"]


@pytest.mark.slow
def test_ten_thousand_queries(record_property, capsys):
    """Never above in ten thousand queries, equal in 99 of 100 that are not about a state."""
    total: Counter[str] = Counter()
    seed = 0
    while total.total() < QUERIES:
        total += compare(random_cascade(random.Random(seed).choice))
        seed += 1
    decided = total.total() - total["state"]
    rate = total["equal"] / decided
    record_property("equality_rate", rate)
    with capsys.disabled():
        print(f"\n{total.total()} queries on {seed} cascades: {dict(total)}; equal {rate:.2%} of {decided}")  # noqa: T201

    assert 0 == total["above"]
    assert rate > 0.99
