"""Ranks that the cascade cuts itself: what is as long as a part, and names that a tile cannot have."""

from __future__ import annotations

import pytest

from fusemax.cascade.build import cascade_of
from fusemax.cascade.sizes import resolve_sizes
from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError, ProblemsError
from fusemax.machine import Machine, machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.space import mapped_phases
from fusemax.mapping.spec import mapping_file_of
from fusemax.search.answer import best_mapping
from fusemax.search.bound import bound_of
from fusemax.search.candidate import Tally
from fusemax.search.facts import facts_of
from fusemax.search.phase import candidates
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of

CHUNKS = """
title: t
source: s
inputs: {X: [E, T], Y: [E, T]}
ranks: {T: N*W, U: W}
outputs: [Z]
einsums: |
  S[n,w,u] = X[e,n*W+w]*Y[e,n*W+u] :: sum[e] | u <= w
  Z[n,w] = exp(S[n,w,u]) :: sum[u] | u <= w
"""
SHIFTED = """
title: t
source: s
inputs: {X: [C, P], Y: [P]}
sizes: [C0]
outputs: [Z]
einsums: |
  Z[c,p] = X[c,(p+c*C0)%P]*Y[p]
"""
MACHINE = """
title: t
source: s
clock: 1 GHz
word: 2 B
levels: {DRAM: {bandwidth: 10 GB/s}, L1: {size: 8 KiB}}
units: {v: {shape: {lanes: 8}, operations: {mac: 1, mul: 1, add: 1, exp: 1}, registers: {depth: 32}}}
"""


def machine() -> Machine:
    """Return a machine of eight lanes."""
    return machine_of(document_of(MACHINE))


def test_what_is_as_long_as_a_part_is_priced_with_its_tile() -> None:
    """U is as long as W, whose size the search chooses: its prices are those of the mappings that it writes."""
    facts = facts_of(cascade_of(document_of(CHUNKS), "own"), machine(), {"E": 4, "T": 64})
    found = list(candidates(facts, facts.names, "latency", {"W": 8}, Tally(), 0.0, effort=1))
    best = found[-1]
    mapped = mapped_phases(facts.cascade, [best.phase], [best.tiles])
    answer = cost(mapped, derive(mapped, machine()), {"E": 4, "T": 64})

    assert best.tiles["W"] == 8
    assert best.traffic_B == answer.traffic_B
    assert best.latency_s == answer.latency_s


@pytest.mark.parametrize("sizes", [{"E": 4, "T": 64}, {"E": 4, "T": 64, "W": 8}])
def test_a_part_may_be_given_or_left_to_the_search(sizes: dict[str, int]) -> None:
    """In plans of several phases too: a part that the mapping leaves open is a size like others."""
    for search in ("joined", "apart"):
        answer = best_mapping(
            cascade_of(document_of(CHUNKS), "own"), machine(), sizes, search=search, seconds=2
        )
        assert answer.cost.latency_s > 0


def test_a_size_that_follows_from_an_open_part_is_given_with_it() -> None:
    """U = 8 alone leaves open what W is, and so whether U is as long."""
    with pytest.raises(FusemaxError, match="needs a size for W"):
        facts_of(cascade_of(document_of(CHUNKS), "own"), machine(), {"E": 4, "T": 64, "U": 8})


def test_a_rank_whose_tile_would_be_called_as_another_size_stays_whole() -> None:
    """C0 is a size of the cascade: no tile of C has that name, and a mapping with one is refused."""
    cascade = cascade_of(document_of(SHIFTED), "own")
    answer = best_mapping(cascade, machine(), {"C": 4, "P": 64, "C0": 3}, seconds=1)
    assert "C0" not in answer.text

    text = "{title: t, source: s, cascade: own, tiles: {C0: 2}, nests: [{for: [p], do: [Z]}], bind: {v: [Z]}}"
    document = document_of(text)
    with pytest.raises(ProblemsError, match="the name of another size"):
        map_onto(cascade, machine(), mapping_file_of(document), document)


def test_what_follows_from_a_tile_cannot_be_set_beside_it() -> None:
    """The mapping cuts W: U is as long, and a size of its own is refused, not ignored."""
    cascade = cascade_of(document_of(CHUNKS), "own")
    text = "{title: t, source: s, cascade: own, tiles: {W: 8}, nests: [{for: [n], do: [S, Z]}], bind: {v: [S, Z]}}"
    document = document_of(text)
    mapped = map_onto(cascade, machine(), mapping_file_of(document), document)
    with pytest.raises(FusemaxError, match="U cannot be set"):
        cost(mapped, derive(mapped, machine()), {"E": 1, "T": 64, "U": 4})


def test_a_rank_is_not_made_of_a_part_and_a_tile() -> None:
    """N chunks of a tile that the mapping gives: T is refused, where it counted as N chunks of one token."""
    cascade = cascade_of(document_of(CHUNKS), "own")
    text = "{title: t, source: s, cascade: own, tiles: {W: 8}, nests: [{for: [n], do: [S, Z]}], bind: {v: [S, Z]}}"
    document = document_of(text)
    mapped = map_onto(cascade, machine(), mapping_file_of(document), document)
    with pytest.raises(FusemaxError, match="T would follow from a tile"):
        cost(mapped, derive(mapped, machine()), {"E": 1, "N": 4})
    assert cost(mapped, derive(mapped, machine()), {"E": 1, "T": 32}).traffic_B > 0


TWICE = """
title: keys as many as queries, by chunks
source: our own
inputs: {Q: [E, P], K: [E, M]}
ranks: {P: M1*M0, M: M1*M0}
outputs: [Z]
einsums: |
  S[m1,m0,p] = Q[e,p]*K[e,m1*M0+m0] :: sum[e] | m1*M0 + m0 <= p
  Z[p] = exp(S[m1,m0,p]) :: sum[m1,m0] | m1*M0 + m0 <= p
"""


def test_a_rank_that_is_only_as_long_as_one_that_is_cut_stays_whole() -> None:
    """P is walked as p, M by its parts: a mapping may cut P, and its parts are those of M alone."""
    cascade = cascade_of(document_of(TWICE), "own")
    answer = best_mapping(cascade, machine(), {"E": 4, "M": 32, "M0": 8}, seconds=5)
    loops = [root.digits for nest in answer.mapped.nests for root in nest.roots.values() if root.name == "p"]

    assert all(digit.name.startswith("p") for digits in loops for digit in digits)
    assert best_mapping(cascade, machine(), {"E": 4, "M": 32}, seconds=5).facts.sizes["P"] == 32


MEANS = """
title: means of windows, each beside each
source: our own
inputs: {X: [E, T]}
ranks: {T: L*W, I: L}
outputs: [Z]
einsums: |
  Y[e,l] = X[e,l*W+w]/W :: sum[w]
  Z[i,l] = Y[e,i]*Y[e,l] :: sum[e]
"""


def test_how_many_tiles_there_are_is_given_where_a_rank_is_as_long() -> None:
    """I is as long as there are windows: the search does not choose how many that are."""
    cascade = cascade_of(document_of(MEANS), "own")
    with pytest.raises(FusemaxError, match="I = L, needs a size for L"):
        best_mapping(cascade, machine(), {"E": 4, "T": 64})
    assert best_mapping(cascade, machine(), {"E": 4, "L": 8, "W": 8}, seconds=1).cost.latency_s > 0


SELF = """
title: t
source: s
ranks: {P: M1*M0, M: M1*M0}
inputs: {X: [E, P]}
outputs: [Z]
einsums: |
  RD[0,p] = 0
  N[e,p] = X[e,p]*X[e,p]
  loop m1:
    SN[m1,m0,p] = N[e,m1*M0+m0]*X[e,p] :: sum[e] | m1*M0 + m0 <= p
    SD[m1,p] = SN[m1,m0,p] :: sum[m0] | m1*M0 + m0 <= p
    RD[m1+1,p] = RD[m1,p] + SD[m1,p]
  Z[p] = RD[M1,p]*RD[M1,p]
"""


@pytest.mark.parametrize("length", [60, 61])
def test_a_rank_beside_the_one_that_is_cut_needs_no_tile(length: int) -> None:
    """P is as long as M, whatever the tile of M: either of them is enough, and tiles at the end may be short."""
    cascade, described = cascade_of(document_of(SELF), "own"), machine()
    by_queries, by_keys = (
        best_mapping(cascade, described, {"E": 8, name: length}, seconds=2, by_work=True) for name in "PM"
    )
    tile = by_queries.plan.phases[0].tiles["M0"]
    told = bound_of(facts_of(cascade, described, {"E": 8, "M": length, "M0": tile}))

    assert by_queries.facts.sizes["M"] == by_keys.facts.sizes["P"] == length
    assert by_queries.cost.latency_s == by_keys.cost.latency_s
    assert (
        0
        < by_queries.bound.latency_s
        <= told.latency_s * (1 + 1e-12)
        <= by_queries.cost.latency_s * (1 + 2e-12)
    )
    assert by_queries.bound.words["X"] == 8 * length
    executed = simulate(by_queries.mapped, described, {"E": 8, "P": length}, {})
    assert 2 * sum(count for key, count in executed.words.items() if key.level == "DRAM") == pytest.approx(
        by_queries.cost.traffic_B
    )


def test_sizes_of_a_rank_beside_the_one_that_is_cut() -> None:
    """61 in tiles of 8: eight tiles, both ranks of 61; not 64."""
    known = resolve_sizes(cascade_of(document_of(SELF), "own"), {"E": 8, "P": 61, "M0": 8})

    assert (known["M"], known["M1"], known["P"]) == (61, 8, 61)
