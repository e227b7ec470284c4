"""Tiles that stay in some places and not in others, by hand: walk and cost model give the same words."""

from __future__ import annotations

from typing import Any

import pytest

from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from tests.walk.compare import compared
from tests.walk.design import Design
from tests.walk.test_walk import MACHINE, design
from tests.walk.walker import walk

HEAD: dict[str, Any] = {"title": "t", "source": "s"}


def agreed(one: Design) -> dict[tuple[str, str, str], float]:
    """Return the words of *one* by level, tensor and kind, which walk and cost model give alike."""
    mapped, machine = one.loaded()
    answer = cost(mapped, derive(mapped, machine), one.sizes)
    words = {(k.level, k.tensor, k.action): v for k, v in answer.table("words").items() if v}
    spilled = {(k.nest, k.level): value for k, value in answer.table("spilled").items()}
    walked = walk(mapped, machine, one.sizes, spilled=spilled)
    assert words == {key[1:]: value for key, value in walked.words.items()}
    return words


def test_a_lone_tile_stays_at_a_ragged_end_beside_a_part_of_a_rank() -> None:
    """L[b,m1] is used again by each m0: two tiles of b, of three and one, of which the second finds its one word alone.

    Per m1 with two m0: 2*3 + 1; with one m0: 4.
    """
    cascade = {
        **HEAD, "inputs": {"X": ["B", "M"], "L": ["B", "M1"]}, "ranks": {"M": "M1*M0"}, "outputs": ["Y"],
        "einsums": "Y[b,m1,m0] = X[b,m1*M0+m0]*L[b,m1]\n",
    }  # fmt: skip
    node = {"for": ["m1", "b1", "m0", "b0"], "keep": {"a": ["L"]}, "do": ["Y"]}
    mapping = {"tiles": {"B0": 3, "M0": 2}, "nests": [node], "bind": {"a": ["Y"]}}
    machine = {**MACHINE, "units": {"a": {**MACHINE["units"]["a"], "operations": {"mul": 1}}}}

    for length, words in ((4, 2 * 7), (3, 7 + 4)):
        one = design(mapping, {"B": 4, "M": length}, cascade)
        one = Design(one.cascade, machine, one.mapping, one.sizes)
        assert agreed(one)["a", "L", "fill"] == words


def test_a_lone_tile_of_a_tensor_with_a_part_of_a_rank_stays() -> None:
    """L[h,m1], all m1 in a tile: per h1 of three h each of two f brings 3*2 words, the lone h its 2 words once."""
    cascade = {
        **HEAD, "inputs": {"X": ["F", "M"], "L": ["H", "M1"]}, "ranks": {"M": "M1*M0"}, "outputs": ["Y"],
        "einsums": "Y[f,h] = X[f,m1*M0+m0]*L[h,m1] :: sum[m1,m0]\n",
    }  # fmt: skip
    node = {"for": ["h1", "f", "h0"], "keep": {"a": ["L"]}, "do": ["Y"]}
    mapping = {"tiles": {"H0": 3, "M0": 2}, "nests": [node], "bind": {"a": ["Y"]}}

    assert agreed(design(mapping, {"H": 4, "F": 2, "M": 4}, cascade))["a", "L", "fill"] == 2 * 3 * 2 + 2


def test_running_values_come_back_where_their_loop_is_cut() -> None:
    """S[m+1,p] with m in tiles of two inside of which p turns: S of two p comes back for each m but the first, 2*3; the lone p
    stays for a tile of m and comes back once."""
    cascade = {
        **HEAD, "inputs": {"X": ["M", "P"]}, "outputs": ["Y"],
        "einsums": "S[0,p] = 0\nloop m:\n  S[m+1,p] = S[m,p] + X[m,p]\nY[p] = S[M,p] + S[M,p]\n",
    }  # fmt: skip
    node = {"for": ["m1", "p1", "m0", "p0"], "keep": {"a": ["S"]}, "do": ["S"]}
    nests = [{"keep": {"L1": ["S"]}, "do": [node, {"do": ["Y"]}]}]
    mapping = {"tiles": {"M0": 2, "P0": 2}, "nests": nests, "bind": {"a": ["S", "Y"]}}

    assert agreed(design(mapping, {"M": 4, "P": 3}, cascade))["a", "S", "fill"] == 2 * 3 + 1


def test_two_names_of_places_in_a_chunk_under_a_condition() -> None:
    """X[n,w] and X[n,u], u <= w, u in a loop: each u takes all of X, four words in chunks of three and one."""
    cascade = {
        **HEAD, "inputs": {"X": ["N", "W"]}, "ranks": {"T": "N*W", "U": "W"}, "outputs": ["Y"],
        "einsums": "Y[n,w,u] = X[n,w] - X[n,u] | u <= w\n",
    }  # fmt: skip
    mapping = {"nests": [{"for": ["u"], "do": ["Y"]}], "tiles": {"W": 3}, "bind": {"a": ["Y"]}}

    assert agreed(design(mapping, {"T": 4}, cascade))["DRAM", "X", "read"] == 3 * 4


def test_a_short_last_chunk_brings_what_there_is() -> None:
    """X[n*W+u] in tasks of a chunk each: the last one has one word of three."""
    cascade = {
        **HEAD, "inputs": {"X": ["T"], "Z": ["T"]}, "ranks": {"T": "N*W", "U": "W"}, "outputs": ["Y"],
        "einsums": "Y[n,w] = Z[n*W+w] + X[n*W+u] :: sum[u]\n",
    }  # fmt: skip
    node = {"for": ["n"], "keep": {"a": ["X"]}, "do": ["Y"], "spread": ["n"]}
    mapping = {"nests": [node], "tiles": {"W": 3}, "bind": {"a": ["Y"]}}
    one = design(mapping, {"T": 4}, cascade)
    several = Design(one.cascade, {**MACHINE, "replicas": 2}, one.mapping, one.sizes)

    assert agreed(several)["a", "X", "fill"] == 4


@pytest.mark.parametrize(
    ("other", "length", "words"),
    [("a+A", "2*A", 5 * 2), ("a+1", "A+1", 5 * 2), ("2*a+1", "2*A", 5 * 2)],
)
def test_two_places_that_a_body_reads(other: str, length: str, words: int) -> None:
    """X[a] and X[a+A], the halves of a rotation: in each of five iterations over a two words, however far apart they are."""
    first = "2*a" if other.startswith("2") else "a"
    cascade = {
        **HEAD, "inputs": {"X": ["D"]}, "ranks": {"D": length}, "outputs": ["Y"],
        "einsums": f"Y[a] = X[{first}] - X[{other}]\n",
    }  # fmt: skip
    assert agreed(design({"nests": [{"for": ["a"], "do": ["Y"]}], "bind": {"a": ["Y"]}}, {"A": 5}, cascade))[
        "DRAM", "X", "read"
    ] == words  # fmt: skip


@pytest.mark.parametrize(
    ("other", "length", "words"), [("a+A", "2*A", 10), ("a+1", "A+1", 4 + 3), ("a+2", "A+2", 5 + 4)]
)
def test_two_places_in_tiles(other: str, length: str, words: int) -> None:
    """Tiles of three and two of a: those of both places together, 3 + min(3, shift) and 2 + min(2, shift)."""
    cascade = {
        **HEAD, "inputs": {"X": ["D"]}, "ranks": {"D": length}, "outputs": ["Y"],
        "einsums": f"Y[a] = X[a] - X[{other}]\n",
    }  # fmt: skip
    node = {"for": ["a1"], "keep": {"L1": ["X"]}, "do": ["Y"]}
    one = design({"tiles": {"A0": 3}, "nests": [node], "bind": {"a": ["Y"]}}, {"A": 5}, cascade)
    assert agreed(one)["L1", "X", "fill"] == words


def test_tiles_under_a_band_that_falls_stay_within_their_group() -> None:
    """T[a], 1 <= a+b < 4, groups of three a outside of b: a = 1,2 0,1,2 0,1, then 3: eight visits, none at once again.

    The four a that are begun never come back but for the others: 8 leave, 4 return.
    """
    cascade = {
        **HEAD, "inputs": {"X": ["B", "A"]}, "outputs": ["T"],
        "einsums": "T[a] = X[b,a] - X[b,a] :: max[b] | a + b >= 1, a + b < A\n",
    }  # fmt: skip
    machine = {**MACHINE, "units": {"a": {**MACHINE["units"]["a"], "operations": {"sub": 1, "max": 1}}}}
    node = {"for": ["a1", "b", "a0"], "keep": {"a": ["T"]}, "do": ["T"]}
    one = design({"tiles": {"A0": 3}, "nests": [node], "bind": {"a": ["T"]}}, {"A": 4, "B": 3}, cascade)
    words = agreed(Design(one.cascade, machine, one.mapping, one.sizes))

    assert (words["a", "T", "drain"], words["a", "T", "fill"]) == (8, 4)


def test_what_has_no_room_is_taken_from_outside() -> None:
    """X, eight words of two bytes, in a level of eight bytes: half of it is outside.

    Each of three f takes eight words from L1, of which four are in DRAM; the other four were brought from there once.
    """
    cascade = {
        **HEAD, "inputs": {"X": ["A"], "Z": ["F"]}, "outputs": ["Y"], "einsums": "Y[f,a] = X[a] - Z[f]\n",
    }  # fmt: skip
    nest = {"keep": {"L1": ["X"]}, "do": [{"for": ["f"], "do": ["Y"]}]}
    mapping = {"nests": [nest], "bind": {"a": ["Y"]}, "spill": {"L1": ["X"]}}
    machine = {**MACHINE, "levels": {**MACHINE["levels"], "L1": {"size": "8 B"}}}
    one = design(mapping, {"A": 8, "F": 3}, cascade)
    words = agreed(Design(one.cascade, machine, one.mapping, one.sizes))

    assert (words["L1", "X", "read"], words["L1", "X", "fill"]) == (3 * 8, 8)
    assert words["DRAM", "X", "read"] == 3 * 8 / 2 + 8 / 2


def _spilling(levels: dict[str, Any], keep: dict[str, Any], spill: dict[str, Any]) -> Design:
    """Return eight words X that each of three f takes, kept at some levels of which some overflow."""
    cascade = {
        **HEAD, "inputs": {"X": ["A"], "Z": ["F"]}, "outputs": ["Y"], "einsums": "Y[f,a] = X[a] - Z[f]\n",
    }  # fmt: skip
    mapping = {
        "nests": [{"keep": keep, "do": [{"for": ["f"], "do": ["Y"]}]}], "bind": {"a": ["Y"]}, "spill": spill,
    }  # fmt: skip
    one = design(mapping, {"A": 8, "F": 3}, cascade)
    return Design(one.cascade, {**MACHINE, "levels": levels}, one.mapping, one.sizes)


@pytest.mark.parametrize(("size", "outside"), [(16, 0.0), (12, 1 / 4)])
def test_what_has_no_room_at_two_levels_is_taken_from_further_out(size: int, outside: float) -> None:
    """X, 16 bytes, in L1 of eight: half of it is taken from L2, which sends half of the tile too, 3*4 + 4 words.

    L2 keeps X anyway: it overflows by its own size alone. So much of what it gives comes from DRAM.
    """
    levels = {**MACHINE["levels"], "L2": {"size": f"{size} B"}, "L1": {"size": "8 B"}}
    levels = {name: levels[name] for name in ("DRAM", "L2", "L1")}
    one = _spilling(levels, {"L2": ["X"], "L1": ["X"]}, {"L2": ["X"], "L1": ["X"]})
    words = agreed(one)

    assert words["L2", "X", "read"] == 3 * 8 / 2 + 8 / 2
    assert words["DRAM", "X", "read"] == outside * 16 + (1 - outside) * 8
    assert not compared(one).differences


@pytest.mark.parametrize("size", [8, 7])
def test_what_spills_takes_room_in_the_level_around(size: int) -> None:
    """Half of X, 16 bytes, spills from L1 into L2, which keeps nothing else: eight bytes have to be there."""
    levels = {"DRAM": {}, "L2": {"size": f"{size} B"}, "L1": {"size": "8 B"}}
    outcome = compared(_spilling(levels, {"L1": ["X"]}, {"L1": ["X"]}))

    assert not outcome.differences
    assert (outcome.refused is None) == (size == 8)


@pytest.mark.parametrize(
    ("read", "words"),
    [("S[m+1,p] + S[m+1,p]", 4 * 3), ("S[m,p] + S[m+1,p]", (2 * 4 - 1) * 3), ("S[m,p] + S[m,p]", 3 * 3)],
)
@pytest.mark.parametrize("inner", [[], ["p"]])
def test_each_generation_comes_where_it_is_only_read(read: str, words: int, inner: list[str]) -> None:
    """S of three p is made in each of four m and read from registers that keep it: each generation comes, the set one never.

    Of two that are read side by side both come: the tile is another one with each m.
    """
    cascade = {
        **HEAD, "inputs": {"X": ["M", "P"]}, "outputs": ["Y"],
        "einsums": f"S[0,p] = 0\nloop m:\n  S[m+1,p] = S[m,p] + X[m,p]\n  Y[m,p] = {read}\n",
    }  # fmt: skip
    reader = {"for": inner, "keep": {"a": ["S"]}, "do": ["Y"]}
    nest = {"for": ["m"], "keep": {"L1": ["S"]}, "do": [{"do": ["S"]}, reader]}
    one = design({"nests": [nest], "bind": {"a": ["S", "Y"]}}, {"M": 4, "P": 3}, cascade)

    assert agreed(one)["a", "S", "fill"] == words
    assert not compared(one).differences


def test_every_generation_leaves_that_is_read_in_another_nest() -> None:
    """S of three p stays in L1 while four m make it anew; a later nest reads S[m+1]: all four leave, twelve words."""
    cascade = {
        **HEAD, "inputs": {"X": ["M", "P"]}, "outputs": ["Y"],
        "einsums": "S[0,p] = 0\nloop m:\n  S[m+1,p] = S[m,p] + X[m,p]\n  Y[m,p] = S[m+1,p] + S[m+1,p]\n",
    }  # fmt: skip
    maker = {"keep": {"L1": ["S"]}, "do": [{"for": ["m"], "do": ["S"]}]}
    nests = [maker, {"for": ["m"], "do": ["Y"]}]
    one = design({"nests": nests, "bind": {"a": ["S", "Y"]}}, {"M": 4, "P": 3}, cascade)

    assert agreed(one)["L1", "S", "drain"] == 4 * 3
    assert not compared(one).differences


def test_places_that_are_named_by_numbers() -> None:
    """N[0,m], N[1,m] and N[2,m] are three words for each of four m, from DRAM to L1 and from there."""
    cascade = {
        **HEAD, "inputs": {"N": ["J", "M"]}, "outputs": ["Y"], "einsums": "Y[m] = N[0,m] - N[1,m] - N[2,m]\n",
    }  # fmt: skip
    nest = {"for": ["m"], "keep": {"L1": ["N"]}, "do": ["Y"]}
    one = design({"nests": [nest], "bind": {"a": ["Y"]}}, {"M": 4, "J": 3}, cascade)
    words = agreed(one)

    assert (words["L1", "N", "fill"], words["L1", "N", "read"]) == (3 * 4, 3 * 4)
    assert not compared(one).differences


def edges(places: int, taps: int, step: int) -> int:
    """Return how many pairs of a place and one of *taps* around it, *step* apart, lie within *places*."""
    return sum(0 <= m + step * (u - taps // 2) < places for m in range(places) for u in range(taps))


@pytest.mark.parametrize("places", [1, 2, 9])
@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("loops", [["d", "u"], ["u", "d"], ["u", "m"], ["m", "u"]])
def test_taps_beside_the_ends_of_a_row(places: int, step: int, loops: list[str]) -> None:
    """Y[d,m] takes X[d,m+s*(u-1)] of three u, where it is there: kept inside of u, five words d for each pair of m and u.

    With both in tiles of one; with m inside of the tile every u has its places once, as many as there are pairs.
    """
    cascade = {
        **HEAD, "inputs": {"X": ["D", "M"]}, "outputs": ["Y"],
        "einsums": f"Y[d,m] = X[d,m+{step}*u-{step}]/U :: sum[u] | m + {step}*u >= {step}, m + {step}*u < M + {step}\n",
    }  # fmt: skip
    machine = {
        **MACHINE,
        "units": {"a": {**MACHINE["units"]["a"], "operations": {"mac": 1, "div": 1, "add": 1}}},
    }
    nest = {"for": loops, "keep": {"L1": ["X"]}, "do": ["Y"]}
    one = design({"nests": [nest], "bind": {"a": ["Y"]}}, {"M": places, "D": 5, "U": 3}, cascade)
    one = Design(one.cascade, machine, one.mapping, one.sizes)

    assert agreed(one)["L1", "X", "fill"] == 5 * edges(places, 3, step)
    assert not compared(one).differences


def test_an_element_that_is_named_lies_in_all_of_its_rank() -> None:
    """W[d,m1*M0+m0] of all m in L1 and W[d,Y[n]] beside it, n in a loop around both: W comes once, 2*5 words."""
    cascade = {
        **HEAD, "inputs": {"W": ["D", "M"], "I": ["N"]}, "outputs": ["S", "Z"], "ranks": {"M": "M1*M0"},
        "einsums": "S[d,n] = W[d,m1*M0+m0] - I[n] :: max[m1,m0]\nZ[d,n] = W[d,I[n]] - I[n]\n",
    }  # fmt: skip
    machine = {**MACHINE, "units": {"a": {**MACHINE["units"]["a"], "operations": {"sub": 1, "max": 1}}}}
    node = {"for": ["n"], "keep": {"L1": ["W"]}, "do": [{"for": ["m1"], "do": ["S"]}, {"do": ["Z"]}]}
    mapping = {"tiles": {"M0": 2}, "nests": [node], "bind": {"a": ["S", "Z"]}}
    one = design(mapping, {"D": 2, "M": 5, "N": 3}, cascade)
    one = Design(one.cascade, machine, one.mapping, one.sizes)

    assert agreed(one)["L1", "W", "fill"] == 2 * 5
    assert not compared(one).differences


@pytest.mark.parametrize(("places", "taps"), [(5, 5), (7, 4), (4, 7)])
@pytest.mark.parametrize(
    ("loops", "tiles"),
    [
        (["p"], {}), (["n"], {}), (["d"], {}), (["p1"], {"P0": 3}), (["n1"], {"N0": 3}),
        (["p1", "n1"], {"P0": 3, "N0": 2}), (["n1", "p1"], {"P0": 2, "N0": 3}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("condition", [True, False])
def test_an_index_that_falls_along_a_rank(
    places: int, taps: int, loops: list[str], tiles: dict[str, int], condition: bool
) -> None:
    """X[d,p-n] of a convolution with all that came before: in each pair of tiles the distances between them that X has.

    Without a condition all are moved up by N; X then lacks those from P on.
    """
    index = "p-n" if condition else "p-n+N"
    cascade = {
        **HEAD, "inputs": {"X": ["D", "P"], "Z": ["D", "N"]}, "outputs": ["Y"],
        "einsums": f"Y[d,p] = X[d,{index}] - Z[d,n] :: max[n]{' | n <= p' if condition else ''}\n",
    }  # fmt: skip
    machine = {**MACHINE, "units": {"a": {**MACHINE["units"]["a"], "operations": {"sub": 1, "max": 1}}}}
    nest = {"for": loops, "keep": {"L1": ["X"]}, "do": ["Y"]}
    one = design(
        {"nests": [nest], "bind": {"a": ["Y"]}, "tiles": tiles}, {"P": places, "N": taps, "D": 2}, cascade
    )
    one = Design(one.cascade, machine, one.mapping, one.sizes)
    sides = [
        tiles.get(f"{rank}0", 1) if {rank.lower(), f"{rank.lower()}1"} & {*loops} else length
        for rank, length in (("P", places), ("N", taps))
    ]
    tile_of: dict[tuple[int, int], set[int]] = {}
    for p in range(places):
        for n in range(taps):
            at = p - n + (0 if condition else taps)
            if 0 <= at < places:
                tile_of.setdefault((p // sides[0], n // sides[1]), set()).add(at)

    assert agreed(one)["L1", "X", "fill"] == 2 * sum(map(len, tile_of.values()))
    assert not compared(one).differences


def test_what_a_running_value_is_set_from_leaves() -> None:
    """A of three p is made in registers and S[0,p] is set from it: three words are written and leave; none is read."""
    cascade = {
        **HEAD, "inputs": {"X": ["P"], "Z": ["M", "P"]}, "outputs": ["Y"],
        "einsums": "A[p] = X[p] + X[p]\nS[0,p] = A[p]\nloop m:\n  S[m+1,p] = S[m,p] + Z[m,p]\nY[p] = S[M,p] + S[M,p]\n",
    }  # fmt: skip
    maker = {"keep": {"a": ["A"]}, "do": ["A"]}
    nest = {"keep": {"L1": ["S"]}, "do": [{"for": ["m"], "do": ["S"]}, {"do": ["Y"]}]}
    one = design({"nests": [maker, nest], "bind": {"a": ["A", "S", "Y"]}}, {"P": 3, "M": 2}, cascade)
    words = agreed(one)

    assert (words["a", "A", "write"], words["a", "A", "drain"]) == (3, 3)
    assert ("a", "A", "read") not in words
    assert not compared(one).differences
