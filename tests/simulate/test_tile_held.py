"""What a kept tile holds, and accesses that are no sums of ranks, in the tile-level simulator."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby, product

import pytest

from fusemax.errors import FusemaxError
from fusemax.simulate.tiles import simulate
from tests.simulate.test_tile_regions import machine, mapped_as, moved_of
from tests.simulate.test_tiles import words_of
from tests.walk.walker import walk

OWN = "\ntitle: t\nsource: s\ninputs: {inputs}\nranks: {ranks}\noutputs: [Y]\neinsums: |\n  {einsum}\n"
TRIPLES = OWN.format(
    inputs="{X: [A, B]}", ranks="{B: A, C: A}", einsum="Y[a,c] = X[a,b] :: sum[b] | a < b, b < c"
)
TILED = {"for": ["a1"], "keep": {"L1": ["X"]}, "do": ["Y"]}


@pytest.mark.parametrize(
    ("inputs", "ranks", "einsum", "sizes", "words"),
    [
        ("{X: [N], K: [W]}", "{N: A + W - 1}", "Y[a] = X[a+w]*K[w] :: sum[w]", {"A": 8, "W": 3}, 4 + 3 - 1),
        ("{X: [N], K: [W]}", "{N: 2*A + W}", "Y[a] = X[2*a+w]*K[w] :: sum[w]", {"A": 8, "W": 3}, 2 * 3 + 2 + 1),
        ("{X: [N]}", "{N: A + 1}", "Y[a] = X[a] + X[a+1]", {"A": 8}, 4 + 1),
        ("{X: [N]}", "{N: A + 9}", "Y[a] = X[a] + X[a+9]", {"A": 8}, 4 + 4),
        ("{X: [N]}", "{N: 2*A}", "Y[a] = X[2*a] + X[2*a+1]", {"A": 8}, 4 + 4),
        ("{X: [A, B]}", "{}", "Y[a] = X[a,b] + X[a,0] :: sum[b]", {"A": 8, "B": 5}, 4 * 5),
    ],
)  # fmt: skip
def test_room_of_a_tile_of_four(
    inputs: str, ranks: str, einsum: str, sizes: Mapping[str, int], words: int
) -> None:
    """Of a in tiles of 4: a window has a place for each sum, shifted accesses the union of theirs."""
    mapped = mapped_as(OWN.format(inputs=inputs, ranks=ranks, einsum=einsum), TILED, {"A0": 4})
    (kept,) = simulate(mapped, machine(), sizes).buffers

    assert kept.high_water_B == 2 * words
    assert max(walk(mapped, machine(), sizes).room.values()) == kept.high_water_B


def test_room_is_never_more_than_the_tensor() -> None:
    """X[a] and a window of 5 around it, all of 8 elements: 8 words, not 8*5."""
    text = OWN.format(
        inputs="{X: [A], K: [W]}", ranks="{W: 2*R + 1}",
        einsum="Y[a] = X[a]*X[a+w-R]*K[w] :: sum[w] | a + w >= R, a + w < A + R",
    )  # fmt: skip
    (kept,) = simulate(mapped_as(text, TILED | {"for": []}, {}), machine(), {"A": 8, "R": 2}).buffers

    assert kept.high_water_B == 2 * 8


def test_neighbours_around_a_ring() -> None:
    """X[a] and X[(a + A - 1) % A] in tiles of 2 of 6: each tile has its two and the one before, 3 words, three times."""
    text = OWN.format(inputs="{X: [A]}", ranks="{}", einsum="Y[a] = X[a] + X[(a + A - 1) % A]")
    mapped = mapped_as(text, TILED, {"A0": 2})
    run = simulate(mapped, machine(), {"A": 6})

    assert words_of(run)[("DRAM", "X", "read")] == 3 * 3


def test_whole_parts_of_a_rank() -> None:
    """X[a // 2] and X[0]: of 6 values of a three elements, in tiles of 2 one each; the first is there for the others too."""
    text = OWN.format(inputs="{X: [B]}", ranks="{A: 2*B}", einsum="Y[a] = X[a // 2] + X[0]")
    mapped = mapped_as(text, TILED, {"A0": 2})
    run = simulate(mapped, machine(), {"B": 3})

    assert words_of(run)[("DRAM", "X", "read")] == 1 + 2 + 2


def test_an_index_without_a_value_is_refused() -> None:
    """A remainder of 0 is no place in a tensor."""
    text = OWN.format(inputs="{X: [A]}", ranks="{}", einsum="Y[a] = X[a] + X[(a + 1) % (A - 6)]")
    with pytest.raises(FusemaxError, match=r"index .* has no value"):
        simulate(mapped_as(text, TILED, {"A0": 2}), machine(), {"A": 6})


@pytest.mark.parametrize("size", [12, 160])
def test_tiles_under_conditions_of_which_loops_tell_the_row(size: int) -> None:
    """A tile X[a,b1] comes whole for each c and a that leave a b in it; 160 rows of 160 are listed row by row."""
    nest = {"for": ["c", "a", "b1"], "keep": {"L1": ["X"]}, "do": ["Y"]}
    half = size // 2
    mapped = mapped_as(TRIPLES, nest, {"B0": half})
    run = simulate(mapped, machine(), {"A": size})

    order = [
        (a, b1) for c, a, b1 in product(range(size), range(size), range(2))
        if max(a + 1, half * b1) < min(c, half * (b1 + 1))
    ]  # fmt: skip
    stays = [tile for tile, _ in groupby(order)]
    assert len(stays) < len(order)
    assert words_of(run)[("DRAM", "X", "read")] == half * len(stays)
    if size < 20:
        assert moved_of(run) == dict(walk(mapped, machine(), {"A": size}).words)
