"""Exchanges on tori and meshes: closed forms against messages on the graph of links, sums by hand, and blocks of chips."""

from __future__ import annotations

from math import prod

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.errors import FusemaxError
from fusemax.model.links import simulated_s, torus
from fusemax.model.torus import Side, block, exchange_rounds, exchange_s, gather_rounds, gather_s

SIDES = st.lists(
    st.builds(
        Side, length=st.integers(2, 5), closed=st.booleans(), link_Bps=st.sampled_from([5e10, 9e10])
    ),
    min_size=1, max_size=3,
)  # fmt: skip


@given(sides=SIDES, size_B=st.floats(1, 1e9), round_s=st.floats(0, 1e-5))
def test_closed_forms(sides: list[Side], size_B: float, round_s: float) -> None:
    """The formula is the time of the messages on the links of the block."""
    graph = torus(sides)
    gathered = simulated_s(graph, gather_rounds(sides, size_B), round_s)
    assert gather_s(sides, size_B, round_s) == pytest.approx(gathered, rel=1e-9)
    exchanged = simulated_s(graph, exchange_rounds(sides, size_B), round_s)
    assert exchange_s(sides, size_B, round_s) == pytest.approx(exchanged, rel=1e-9)


@given(sides=SIDES)
def test_everything_arrives(sides: list[Side]) -> None:
    """Following the messages, every chip gets the bytes of all others: its part of each phase is what it lacked."""
    size_B = 1.0
    got: dict[tuple[int, ...], float] = {}
    for messages in gather_rounds(sides, size_B):
        for source, target, sent_B in messages:
            assert source != target
            got[target] = got.get(target, 0.0) + sent_B
    n = prod(side.length for side in sides)
    assert len(got) == n
    assert list(got.values()) == pytest.approx([size_B * (n - 1) / n] * n)


@given(sides=SIDES)
def test_messages_go_the_shortest_way(sides: list[Side]) -> None:
    """No chip is farther from another than the longest ways of the sides together."""
    assert networkx.diameter(torus(sides)) == sum(side.longest for side in sides)


def test_by_hand() -> None:
    """A ring of four and a torus of 4 x 4, links of 50 GB/s, 8 MB: bandwidths of two and of four links."""
    ring = Side(length=4, closed=True, link_Bps=50e9)
    assert gather_s([ring], 8e6, 1e-6) == pytest.approx(3 * (1e-6 + 1e6 / 50e9))
    # each half: rings of four with a 16th of it, half each way, then with a quarter
    by_hand = 3 * (1e-6 + 4e6 / 16 / 2 / 50e9) + 3 * (1e-6 + 4e6 / 4 / 2 / 50e9)
    assert gather_s([ring, ring], 8e6, 1e-6) == pytest.approx(by_hand)
    line = Side(length=4, closed=False, link_Bps=50e9)
    assert gather_s([line], 8e6, 1e-6) == pytest.approx(3 * (1e-6 + 2e6 / 50e9))
    # all-to-all on a line of four: two chips send two others 2 MB each through the link in the middle
    assert exchange_s([line], 8e6, 1e-6) == pytest.approx(3e-6 + 8e6 / 50e9)
    # on a ring the same goes two ways: a chip 2 MB to each neighbour, and 1 MB each way around to the third
    assert exchange_s([ring], 8e6, 1e-6) == pytest.approx(2e-6 + 4e6 / 50e9)


@pytest.mark.parametrize(
    ("n", "stride", "found"),
    [
        (4, 1, [(4, True, 50e9)]),
        (2, 1, [(2, False, 50e9)]),  # half of a ring is a line
        (2, 2, [(2, True, 25e9)]),  # every second chip of a ring: its links are shared by two groups
        (16, 1, [(4, True, 50e9), (4, True, 50e9)]),
        (4, 4, [(4, True, 50e9)]),  # the second side
        (8, 2, [(2, True, 25e9), (4, True, 50e9)]),
    ],
)
def test_blocks(n: int, stride: int, found: list[tuple[int, bool, float]]) -> None:
    """Groups of a torus of 4 x 4 chips."""
    sides = block([4, 4], [True, True], 50e9, n, stride)
    assert found == [(side.length, side.closed, side.link_Bps) for side in sides]


def test_no_block() -> None:
    """Three of four chips of a side, or six over two sides, are no block."""
    for n in (3, 6):
        with pytest.raises(FusemaxError, match=f"a group of {n} chips, 1 apart, is no block of 4 x 4 chips"):
            block([4, 4], [True, True], 50e9, n, 1)
