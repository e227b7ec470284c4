"""Tiles at the ends of tensors and chunks, shifted names, contradictions: by hand, and alike in all three witnesses."""

from __future__ import annotations

from typing import Any

import pytest

from fusemax.simulate.tile.room import Stock, geometry_of
from fusemax.simulate.tile.values import point_of
from tests.walk.compare import compared
from tests.walk.design import Design
from tests.walk.test_by_hand import HEAD, agreed
from tests.walk.test_walk import MACHINE, design

OPERATIONS = dict.fromkeys(("mac", "mul", "add", "sub", "exp", "max", "ge", "where", "topk"), 1)


def on(one: Design, levels: dict[str, Any] | None = None, replicas: int = 1) -> Design:
    """Return *one* on a machine with more operations, with other *levels* or several cores."""
    units = {"a": {**MACHINE["units"]["a"], "operations": OPERATIONS}}
    machine = {**MACHINE, "units": units, "levels": levels or MACHINE["levels"], "replicas": replicas}
    return Design(one.cascade, machine, one.mapping, one.sizes)


def test_both_halves_of_a_tensor_where_two_loops_turn_together() -> None:
    """X[b,a] and X[b,a+A], each in three b and four a: two words in each of twelve iterations, none cut off at an end."""
    cascade = {
        **HEAD, "inputs": {"X": ["B", "D"]}, "ranks": {"D": "2*A"}, "outputs": ["Y"],
        "einsums": "Y[b,a] = X[b,a] - X[b,a+A]\n",
    }  # fmt: skip
    one = on(
        design({"nests": [{"for": ["b", "a"], "do": ["Y"]}], "bind": {"a": ["Y"]}}, {"A": 4, "B": 3}, cascade)
    )

    assert agreed(one)["DRAM", "X", "read"] == 2 * 3 * 4
    assert not compared(one).differences


@pytest.mark.parametrize("loops", [[], ["a"], ["a", "b"]])
@pytest.mark.parametrize("condition", ["a + b >= 3, a + b < 3", "a <= b - 1, a >= b + 1", "a > b + B"])
def test_where_no_point_is_left_nothing_is_done(condition: str, loops: list[str]) -> None:
    """Conditions that contradict each other, or that no pair satisfies, also around a body without a loop: no word moves."""
    cascade = {
        **HEAD, "inputs": {"X": ["A"], "Z": ["B"]}, "outputs": ["Y"],
        "einsums": f"Y[a,b] = X[a] - Z[b] | {condition}\n",
    }  # fmt: skip
    node = {"for": loops, "keep": {"L1": ["X"]}, "do": ["Y"]}
    one = on(design({"nests": [node], "bind": {"a": ["Y"]}}, {"A": 4, "B": 4}, cascade))

    assert agreed(one) == {}
    assert not compared(one).differences


@pytest.mark.parametrize("cores", [1, 4])
def test_a_chunk_that_ends_early_comes_to_the_cores_that_want_it(cores: int) -> None:
    """X of seven in chunks of three, places j in a loop over cores: of j = 0 three words come, of j = 1 and 2 two each."""
    cascade = {
        **HEAD, "inputs": {"X": ["T"]}, "ranks": {"T": "I1*I0", "J0": "I0"}, "outputs": ["Y", "Z"],
        "einsums": "Y[i1] = X[i1*I0+j0]*X[i1*I0+j0] :: sum[j0]\nZ[i1,i0] = X[i1*I0+i0]*X[i1*I0+i0]\n",
    }  # fmt: skip
    nests = [{"for": ["j0"], "keep": {"DRAM": ["Y"], "a": ["X"]}, "do": ["Y"]}, {"do": ["Z"]}]
    one = on(
        design({"tiles": {"I0": 3}, "nests": nests, "bind": {"a": ["Y", "Z"]}}, {"T": 7}, cascade),
        replicas=cores,
    )

    assert agreed(one)["a", "X", "fill"] == 3 + 2 + 2
    assert not compared(one).differences


@pytest.mark.parametrize("inner", [3, 1])
def test_a_window_whose_tile_has_gaps(inner: int) -> None:
    """K[p+w], p = 3*p1 + p0 with p0 in a loop around all p1, nine p and one w: three keys in each of three p0.

    Where p0 has but one iteration three p1 are in each of three p2.
    """
    cascade = {
        **HEAD, "inputs": {"K": ["N"], "Q": ["W"]}, "ranks": {"N": "P + W - 1"}, "outputs": ["Y"],
        "einsums": "Y[p] = K[p+w]*Q[w] :: sum[w]\n",
    }  # fmt: skip
    node = {"for": ["p2", "p0"], "keep": {"a": ["K"]}, "do": ["Y"]}
    mapping = {"tiles": {"P0": inner, "P1": 3}, "nests": [node], "bind": {"a": ["Y"]}}
    one = on(design(mapping, {"P": 9, "W": 1}, cascade))

    assert agreed(one)["a", "K", "fill"] == 9
    assert not compared(one).differences


def test_an_inner_loop_turns_as_often_as_all_of_its_tile_needs() -> None:
    """S[b] of four, b = 3*b1 + b0 with b0 in a loop and b1 in none, inside two c: four words leave and come back once.

    The last b stands alone in its tile of three, but not in the loop: the tile of b0 = 0 has it beside the first.
    """
    cascade = {
        **HEAD, "inputs": {"X": ["B", "C"]}, "outputs": ["S"], "einsums": "S[b] = X[b,c]*X[b,c] :: sum[c]\n",
    }  # fmt: skip
    node = {"for": ["b2", "c", "b0"], "keep": {"a": ["S"]}, "do": ["S"]}
    mapping = {"tiles": {"B0": 3, "B1": 3}, "nests": [node], "bind": {"a": ["S"]}}
    words = agreed(on(design(mapping, {"B": 4, "C": 2}, cascade)))

    assert (words["a", "S", "drain"], words["a", "S", "fill"]) == (8, 4)


def test_two_names_of_a_chunk_take_room_once_in_the_simulator() -> None:
    """X[t], t = 2*i1 + i0, is made and read as X[2*i1+j]: two words of each chunk, not four: four bytes hold them."""
    cascade = {
        **HEAD, "inputs": {"Z": ["T"]}, "ranks": {"T": "I1*I0", "J0": "I0"}, "outputs": ["Y"],
        "einsums": "X[t] = Z[t] - Z[t]\nY[i1,i0] = X[i1*I0+j0]*X[i1*I0+i0] :: sum[j0]\n",
    }  # fmt: skip
    node = {"for": ["i1"], "keep": {"L1": ["X"]}, "do": [{"do": ["X"]}, {"do": ["Y"]}]}
    mapping = {"tiles": {"I0": 2}, "nests": [node], "bind": {"a": ["X", "Y"]}}
    one = on(design(mapping, {"T": 6}, cascade), {"DRAM": {}, "L1": {"size": "4 B"}})
    outcome = compared(one)

    assert (outcome.refused, outcome.not_simulated, outcome.differences) == (None, None, ())


@pytest.mark.parametrize(
    ("condition", "keys"), [("m <= p", 5), ("m > p - 3, m <= p", 4), ("m + p < 5", 5), ("m <= p + M - P", 8)]
)
def test_a_tile_under_a_mask_has_room_for_what_is_touched(condition: str, keys: int) -> None:
    """Five queries in tiles of two, eight keys one by one: a tile touches at most so many keys, in every witness.

    Of five queries the last sees keys 0 to 4; a window of three from two queries is four keys; m + p < 5 leaves five for the
    first; with the cache's offset the last query sees all eight.
    """
    cascade = {
        **HEAD, "inputs": {"Q": ["P"], "K": ["M"]}, "outputs": ["Y"],
        "einsums": f"Y[p] = Q[p]*K[m] :: sum[m] | {condition}\n",
    }  # fmt: skip
    node = {
        "for": ["p1"],
        "keep": {"L1": ["K"]},
        "do": [{"for": ["m", "p0"], "keep": {"a": ["Y"]}, "do": ["Y"]}],
    }
    mapping = {"tiles": {"P0": 2}, "nests": [node], "bind": {"a": ["Y"]}}
    sizes = {"P": 5, "M": 8}
    for size, fits in ((2 * keys, True), (2 * keys - 1, False)):
        one = on(design(mapping, sizes, cascade), {"DRAM": {}, "L1": {"size": f"{size} B"}})
        mapped, machine = one.loaded()
        point = point_of(mapped, machine, sizes, {})
        needed = Stock.of(mapped, machine, mapped.nests[0]).needed_B(
            point, geometry_of(mapped, machine, mapped.nests[0], point), "L1"
        )
        outcome = compared(one)
        assert needed == 2 * keys
        assert not outcome.differences
        assert (outcome.refused is None) == fits


def test_a_tile_that_fits_under_a_mask_is_the_same_everywhere() -> None:
    """m <= p: nine keys, of which three queries see three: all of them fit into six bytes, in tiles as long as they like."""
    cascade = {
        **HEAD, "inputs": {"Q": ["P"], "K": ["M"]}, "outputs": ["Y"],
        "einsums": "Y[p] = Q[p]*K[m] :: sum[m] | m <= p\n",
    }  # fmt: skip
    node = {
        "for": ["m1"],
        "keep": {"L1": ["K"]},
        "do": [{"for": ["p", "m0"], "keep": {"a": ["Y"]}, "do": ["Y"]}],
    }
    mapping = {"tiles": {"M0": "fit(L1)"}, "nests": [node], "bind": {"a": ["Y"]}}
    machine = {"DRAM": {}, "L1": {"size": "6 B"}}

    assert not compared(on(design(mapping, {"P": 3, "M": 9}, cascade), machine)).differences


def test_a_tile_that_stays_at_a_ragged_end_alone_has_room_beside_another_node() -> None:
    """X[b] in tiles of three of four b inside f: the last tile holds one b, whose word stays while the other node has V[b].

    One after the other, two bytes would do for the whole tiles of three, whose words follow each other.
    """
    cascade = {
        **HEAD, "inputs": {"X": ["B"], "V": ["B"], "Z": ["F"]}, "outputs": ["Y", "W"],
        "einsums": "Y[f,b] = X[b] - Z[f]\nW[f,b] = V[b] - Z[f]\n",
    }  # fmt: skip
    inside = [
        {"for": ["b0"], "keep": {"L1": [name]}, "do": [made]} for name, made in (("X", "Y"), ("V", "W"))
    ]
    mapping = {
        "tiles": {"B0": 3}, "nests": [{"for": ["b1", "f"], "do": inside}], "bind": {"a": ["Y", "W"]}, "schedule": "serial",
    }  # fmt: skip
    for length, size in ((4, 4), (6, 2)):
        for room in (size, size - 1):
            one = on(
                design(mapping, {"B": length, "F": 2}, cascade), {"DRAM": {}, "L1": {"size": f"{room} B"}}
            )
            outcome = compared(one)
            assert not outcome.differences
            assert (outcome.refused is None) == (room == size)


def test_a_tile_by_a_formula_of_a_size_that_another_tile_gives() -> None:
    """J0 is as long as I0, four; in tiles of two: one sum is written in each, and read back once."""
    cascade = {
        **HEAD, "inputs": {"X": ["T"]}, "ranks": {"T": "I1*I0", "J0": "I0"}, "outputs": ["Y", "Z"],
        "einsums": "Y[i1] = X[i1*I0+j0]*X[i1*I0+j0] :: sum[j0]\nZ[i1,i0] = X[i1*I0+i0]*X[i1*I0+i0]\n",
    }  # fmt: skip
    nests = [{"for": ["j01"], "keep": {"DRAM": ["Y"]}, "do": ["Y"]}, {"do": ["Z"]}]
    mapping = {"tiles": {"I0": 4, "J00": "ceil(J0/2)"}, "nests": nests, "bind": {"a": ["Y", "Z"]}}
    one = on(design(mapping, {"T": 4}, cascade))
    words = agreed(one)

    assert (words["DRAM", "Y", "write"], words["DRAM", "Y", "read"]) == (2, 1)
    assert not compared(one).differences


@pytest.mark.parametrize("cores", [1, 3])
def test_tasks_in_a_row_that_want_a_lone_tile_at_a_ragged_end(cores: int) -> None:
    """S[p], one word a task, tasks (p2, f, p1) with two p1 but one in the last p2: two by seven times, then once.

    Three cores that do the seven last tasks bring that word three times.
    """
    cascade = {
        **HEAD, "inputs": {"S": ["P"], "Z": ["F"]}, "outputs": ["Y"], "einsums": "Y[f,p] = S[p] - Z[f]\n",
    }  # fmt: skip
    loops = ["p2", "f", "p1"]
    node = {"for": loops, "spread": loops, "keep": {"a": ["S"]}, "do": ["Y"]}
    mapping = {"tiles": {"P0": 1, "P1": 2}, "nests": [node], "bind": {"a": ["Y"]}}
    one = on(design(mapping, {"P": 3, "F": 7}, cascade), replicas=cores)

    assert agreed(one)["a", "S", "fill"] == 2 * 7 + cores
    assert not compared(one).differences


def test_a_window_under_a_digit_with_a_gap_has_the_steps_of_that_digit() -> None:
    """V[p+w], two w, p = 3*p1 + p0 with p0 in a loop, four p: keys 0, 1, 3, 4, then 1, 2, then 2, 3."""
    cascade = {
        **HEAD, "inputs": {"V": ["N"], "Q": ["W"]}, "ranks": {"N": "P + W - 1"}, "outputs": ["Y"],
        "einsums": "Y[p] = V[p+w]*Q[w] :: sum[w]\n",
    }  # fmt: skip
    node = {"for": ["p2", "p0"], "keep": {"a": ["V"]}, "do": ["Y"]}
    mapping = {"tiles": {"P0": 3, "P1": 3}, "nests": [node], "bind": {"a": ["Y"]}}

    assert agreed(on(design(mapping, {"P": 4, "W": 2}, cascade)))["a", "V", "fill"] == 4 + 2 + 2


@pytest.mark.parametrize("loops", [["i1", "i0"], ["i1", "i0", "j0"]])
def test_a_chunk_that_another_name_holds_stays_while_a_loop_goes_through_it(loops: list[str]) -> None:
    """X of five in chunks of two, by its place i0 in one body and all places j0 in another: all of X comes once.

    Kept outside of a loop over j0 too, where that is a loop: inside of it j0 alone would move.
    """
    cascade = {
        **HEAD, "inputs": {"X": ["T"]}, "ranks": {"T": "I1*I0", "J0": "I0"}, "outputs": ["Y", "Z"],
        "einsums": "Y[i1,i0] = X[i1*I0+i0]*X[i1*I0+i0]\nZ[i1,i0] = X[i1*I0+i0] - X[i1*I0+j0] :: sum[j0]\n",
    }  # fmt: skip
    inside = [{"do": ["Y"]}, {"for": loops[2:], "do": ["Z"]}]
    node = {"for": loops[:2], "keep": {"L1": ["X"]}, "do": inside}
    one = on(design({"tiles": {"I0": 2}, "nests": [node], "bind": {"a": ["Y", "Z"]}}, {"T": 5}, cascade))

    assert agreed(one)["L1", "X", "fill"] == 5
    assert not compared(one).differences


def test_what_is_short_in_a_chunk_that_ends_early_comes_again_without_what_is_not_there() -> None:
    """X of eleven in chunks of four, by j inside of two tiles of C: each brings the eleven that there are, not twelve."""
    cascade = {
        **HEAD, "inputs": {"X": ["T"], "W": ["C", "T"]}, "ranks": {"T": "I1*I0", "J0": "I0"}, "outputs": ["Y", "Z"],
        "einsums": "Y[i1,i0] = X[i1*I0+i0]*X[i1*I0+i0]\nZ[c,i1] = X[i1*I0+j0]*W[c,i1*I0+j0] :: sum[j0]\n",
    }  # fmt: skip
    nests = [{"for": ["i1"], "do": ["Y"]}, {"for": ["i1", "c1", "j0"], "keep": {"a": ["X"]}, "do": ["Z"]}]
    mapping = {"tiles": {"I0": 4, "C0": 3}, "nests": nests, "bind": {"a": ["Y", "Z"]}}
    one = on(design(mapping, {"T": 11, "C": 6}, cascade))

    assert agreed(one)["a", "X", "fill"] == 2 * 11
    assert not compared(one).differences
