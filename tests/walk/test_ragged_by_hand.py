"""Short tiles beside longer ones - in groups of cores, in chunks that end, in lanes - by hand, and alike in all witnesses."""

from __future__ import annotations

import pytest

from fusemax.cascade.sizes import SizeError
from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.simulate.tiles import simulate
from tests.walk.compare import compared
from tests.walk.test_by_hand import HEAD, agreed
from tests.walk.test_ends_by_hand import on
from tests.walk.test_walk import design


@pytest.mark.parametrize("times", [1, 3])
def test_a_lone_tile_beside_that_of_another_core_of_its_group_does_not_stay(times: int) -> None:
    """Q[h], h = 2*h2 + h0, h2 side by side on two cores, h0 inside of w: three h are {0, 2}, then {1}, in each w.

    The second core's one h does not stay alone: the group's tile holds it with the first core's, which changes.
    """
    cascade = {
        **HEAD, "inputs": {"Q": ["H"], "Z": ["W"]}, "outputs": ["Y"], "einsums": "Y[h,w] = Q[h] - Z[w]\n",
    }  # fmt: skip
    inside = {"for": ["w", "h0"], "keep": {"L2": ["Q"]}, "do": ["Y"]}
    node = {"for": ["h2", "h1"], "do": [inside], "spread": ["h2"], "side_by_side": ["h2"]}
    mapping = {"tiles": {"H0": 2, "H1": 1}, "nests": [node], "bind": {"a": ["Y"]}}
    levels = {"DRAM": {"bandwidth": "8 GB/s"}, "L2": {"size": "1 KiB", "shared_by": 2}}
    one = on(design(mapping, {"H": 3, "W": times}, cascade), levels, replicas=2)

    assert agreed(one)["L2", "Q", "fill"] == 3 * times
    assert not compared(one).differences


def test_a_short_chunk_that_is_alone_in_its_loop_stays() -> None:
    """X of seven in chunks of four, places j in tiles of two inside of z: whole chunks come for each of five z, 4*5.

    The last chunk has places 4, 5 and 6: two tiles, which come for each z. Of five elements it has one, which comes once.
    """
    cascade = {
        **HEAD, "inputs": {"X": ["T"], "Z": ["Z"]}, "ranks": {"T": "I1*I0", "J0": "I0"}, "outputs": ["Y", "V"],
        "einsums": "Y[i1,z] = X[i1*I0+j0]*Z[z] :: sum[j0]\nV[i1,i0] = X[i1*I0+i0]*X[i1*I0+i0]\n",
    }  # fmt: skip
    node = {"for": ["i1", "z", "j01"], "keep": {"a": ["X"], "DRAM": ["Y"]}, "do": ["Y"]}
    mapping = {"tiles": {"I0": 4, "J00": 2}, "nests": [node, {"do": ["V"]}], "bind": {"a": ["Y", "V"]}}
    for length, words in ((7, 5 * 4 + 5 * 3), (5, 5 * 4 + 1), (8, 5 * 8)):
        one = on(design(mapping, {"T": length, "Z": 5}, cascade))
        assert agreed(one)["a", "X", "fill"] == words
        assert not compared(one).differences


@pytest.mark.parametrize("spread", [[], ["z"]])
def test_an_empty_tile_of_a_chunk_that_ends_takes_no_place(spread: list[str]) -> None:
    """X of one element in a chunk of three: the tile of places 2 and 3 is empty, and X stays for each z, on each core."""
    cascade = {
        **HEAD, "inputs": {"X": ["T"], "Z": ["Z"]}, "ranks": {"T": "I1*I0", "J0": "I0"}, "outputs": ["Y", "V"],
        "einsums": "Y[i1,z] = X[i1*I0+j0]*Z[z] :: sum[j0]\nV[i1,i0] = X[i1*I0+i0]*X[i1*I0+i0]\n",
    }  # fmt: skip
    node = {"for": ["z", "i1", "j01"], "keep": {"a": ["X"], "DRAM": ["Y"]}, "do": ["Y"], "spread": spread}
    mapping = {"tiles": {"I0": 3, "J00": 2}, "nests": [node, {"do": ["V"]}], "bind": {"a": ["Y", "V"]}}
    one = on(design(mapping, {"T": 1, "Z": 5}, cascade), replicas=2)

    assert agreed(one)["a", "X", "fill"] == 2
    assert not compared(one).differences


def test_ranks_in_time_and_in_lanes_are_not_one_in_the_simulator() -> None:
    """M[] of three b in two rows, each beside three a in time: 2*3 steps, not the five of nine in two rows; then nine."""
    cascade = {
        **HEAD, "inputs": {"X": ["B", "A"]}, "outputs": ["Y"],
        "einsums": "M[] = X[b,a] :: max[b,a]\nY[b,a] = X[b,a] - M[]\n",
    }  # fmt: skip
    first = {"spatial": {"a": {"b": "rows"}}, "do": ["M"]}
    nests = [{"keep": {"DRAM": ["M"]}, "do": [first, {"for": ["a", "b"], "do": ["Y"]}]}]
    mapping = {"nests": nests, "bind": {"a": ["M", "Y"]}, "schedule": "serial"}
    one = on(design(mapping, {"B": 3, "A": 3}, cascade), {"DRAM": {}})
    mapped, machine = one.loaded()

    assert simulate(mapped, machine, one.sizes).cycles == 2 * 3 + 9
    assert not compared(one).differences


@pytest.mark.parametrize("cores", [1, 2])
def test_two_names_of_a_tensor_meet_on_each_core(cores: int) -> None:
    """X[a] and X[z], four in tiles of two, z outside: with z = {0, 1} two elements, then four; then four and two."""
    cascade = {
        **HEAD, "inputs": {"X": ["A"]}, "ranks": {"Z": "A"}, "outputs": ["Y"], "einsums": "Y[a,z] = X[a] - X[z]\n",
    }  # fmt: skip
    node = {"for": ["z1", "a1"], "spread": ["z1"], "keep": {"a": ["X"]}, "do": ["Y"]}
    mapping = {"tiles": {"A0": 2, "Z0": 2}, "nests": [node], "bind": {"a": ["Y"]}}
    one = on(design(mapping, {"A": 4}, cascade), replicas=cores)

    assert agreed(one)["a", "X", "fill"] == 2 + 4 + 4 + 2
    assert not compared(one).differences


def test_two_names_of_a_tensor_inside_of_another_rank_s_loop() -> None:
    """X[a] and X[z], four in tiles of two, f between: each of the four pairs of tiles comes in each of three f."""
    cascade = {
        **HEAD, "inputs": {"X": ["A"], "Z": ["F"]}, "ranks": {"Z": "A"}, "outputs": ["Y"],
        "einsums": "Y[a,z,f] = X[a] - X[z] - Z[f]\n",
    }  # fmt: skip
    node = {"for": ["z1", "f", "a1"], "keep": {"a": ["X"]}, "do": ["Y"]}
    mapping = {"tiles": {"A0": 2, "Z0": 2}, "nests": [node], "bind": {"a": ["Y"]}}
    one = on(design(mapping, {"A": 4, "F": 3}, cascade))

    assert agreed(one)["a", "X", "fill"] == 3 * (2 + 4 + 4 + 2)
    assert not compared(one).differences


def test_a_running_value_that_nobody_reads_again_does_not_come_back() -> None:
    """S[t+1,p] is made and read in one iteration, S[t,p] by nobody: of four t by three p the last leave."""
    cascade = {
        **HEAD, "inputs": {"X": ["T", "P"]}, "outputs": ["Y"],
        "einsums": "S[0,p] = 0\nG[0,p] = 0\nloop t:\n  S[t+1,p] = X[t,p] + X[t,p]\n"
        "  G[t+1,p] = G[t,p] + S[t+1,p]\nY[p] = S[T,p] + G[T,p]\n",
    }  # fmt: skip
    node = {"for": ["t1", "p", "t0"], "keep": {"a": ["S", "G"]}, "do": ["S", "G"]}
    nests = [{"keep": {"L1": ["S", "G"]}, "do": [node, {"do": ["Y"]}]}]
    mapping = {"tiles": {"T0": 2}, "nests": nests, "bind": {"a": ["S", "G", "Y"]}}
    one = on(design(mapping, {"T": 4, "P": 3}, cascade))
    words = agreed(one)

    assert (words["a", "S", "drain"], ("a", "S", "fill") in words) == (3, False)
    assert (words["a", "G", "drain"], words["a", "G", "fill"]) == (6, 3)
    assert not compared(one).differences


@pytest.mark.parametrize(("second", "words"), [("a < b", 22), ("a > b", 25)])
def test_bodies_that_share_a_place_bring_what_any_of_them_touches(second: str, words: int) -> None:
    """X[a,b] of five by five, kept for single b under a < b, which touch all a of b = 1 to 4: 20 words.

    Also kept for tiles of two by two: under a < b tile (0, 0) adds a = 0 and 1 of b = 0, two words. Under a > b the tiles
    (0, 0), (2, 0) and (4, 0) add all five.
    """
    cascade = {
        **HEAD, "inputs": {"X": ["A", "B"]}, "outputs": ["Y", "Z"],
        "einsums": f"Y[b] = X[a,b] + X[a,b] :: sum[a] | a < b\nZ[a] = X[a,b] + X[a,b] :: sum[b] | {second}\n",
    }  # fmt: skip
    bodies = [{"for": ["b1", "b0"], "do": ["Y"]}, {"for": ["b1", "a1"], "do": ["Z"]}]
    nests = [{"keep": {"L1": ["X"], "DRAM": ["Z"]}, "do": bodies}]
    mapping = {"tiles": {"A0": 2, "B0": 2}, "nests": nests, "bind": {"a": ["Y", "Z"]}}
    one = on(design(mapping, {"A": 5, "B": 5}, cascade))

    assert agreed(one)["L1", "X", "fill"] == words


def test_a_running_value_takes_room_while_other_nodes_of_its_loop_run() -> None:
    """S[p] of three is made anew in each t, and stays where X and Z of two other nodes are: 6 + 6 bytes, not 6 at a time."""
    cascade = {
        **HEAD, "inputs": {"X": ["T", "P"], "Z": ["T", "P"]}, "outputs": ["Y"],
        "einsums": "S[0,p] = 0\nloop t:\n  D[t,p] = X[t,p] + Z[t,p]\n  S[t+1,p] = S[t,p] + D[t,p]\nY[p] = S[T,p] + S[T,p]\n",
    }  # fmt: skip
    node = {
        "for": ["t"], "keep": {"DRAM": ["D"]},
        "do": [{"keep": {"L1": ["X"]}, "do": ["D"]}, {"keep": {"L1": ["S"]}, "do": ["S"]}],
    }  # fmt: skip
    nests = [{"keep": {"DRAM": ["S"]}, "do": [node, {"do": ["Y"]}]}]
    mapping = {"nests": nests, "bind": {"a": ["D", "S", "Y"]}, "schedule": "serial"}
    for size in (11, 12):
        one = on(design(mapping, {"T": 4, "P": 3}, cascade), {"DRAM": {}, "L1": {"size": f"{size} B"}})
        outcome = compared(one)
        assert not outcome.differences
        assert (outcome.refused is None) == (size == 12)


def test_two_lists_that_name_elements_of_one_tensor_name_different_ones() -> None:
    """K[I[n]] and K[J[n]] of five n: five words each, in tiles of two and for each of three f that turn outside."""
    cascade = {
        **HEAD, "inputs": {"K": ["M"], "I": ["N"], "J": ["N"], "Z": ["F"]}, "outputs": ["Y"],
        "einsums": "Y[n,f] = K[I[n]] - K[J[n]] + Z[f]\n",
    }  # fmt: skip
    node = {"for": ["f", "n1"], "keep": {"L1": ["K"]}, "do": ["Y"]}
    mapping = {"tiles": {"N0": 2}, "nests": [node], "bind": {"a": ["Y"]}}
    one = on(design(mapping, {"N": 5, "F": 3, "M": 7}, cascade))

    assert agreed(one)["L1", "K", "fill"] == 3 * 2 * 5
    assert not compared(one).differences


@pytest.mark.parametrize("nodes", [[["Y", "Z"]], [["Y"], ["Z"]]])
def test_two_names_of_places_are_refused_where_their_lengths_differ(nodes: list[list[str]]) -> None:
    """X[a] and X[z] of one sequence, in one body, or kept for two: in the same words by cost and simulator."""
    cascade = {
        **HEAD, "inputs": {"X": ["A"]}, "same": [["Z", "A"]], "outputs": ["Y", "Z"],
        "einsums": "Y[a] = X[a] - X[a]\nZ[z] = X[z] - X[z]\n",
    }  # fmt: skip
    inside = [{"do": names} for names in nodes]
    mapping = {"nests": [{"keep": {"L1": ["X"]}, "do": inside}], "bind": {"a": ["Y", "Z"]}}
    mapped, machine = on(design(mapping, {}, cascade)).loaded()
    program = derive(mapped, machine)
    said = "X has the names a and z in nest Z of mapping .*, of ranks A=4 and Z=2\n  hint: take equal lengths"

    with pytest.raises(SizeError, match=said):
        cost(mapped, program, {"A": 4, "Z": 2})
    with pytest.raises(SizeError, match=said):
        simulate(mapped, machine, {"A": 4, "Z": 2})
    assert not compared(on(design(mapping, {"A": 4, "Z": 4}, cascade))).differences


@pytest.mark.parametrize(
    ("condition", "cores", "steps"),
    [
        ("t <= p", 1, 36),
        ("t <= p", 5, 8),
        ("t <= p", 12, 6),
        ("2*t <= p", 1, 24),
        ("2*t <= p", 5, 5),
        ("2*t <= p", 12, 4),
    ],
)
def test_tasks_under_a_mask_hold_what_the_digits_between_those_over_cores_leave(
    condition: str, cores: int, steps: int
) -> None:
    """Six h as 4*h2 + 2*h1 + h0, with h2 and h0 over cores: tasks have two h, {0, 2} and {1, 3}, or one, {4} and {5}.

    Of three p one step has 1, 2 and 3 of ``t <= p`` and 1, 1 and 2 of ``2*t <= p``. So tasks weigh twice (6, 4, 2, 3, 2, 1),
    or twice (4, 2, 2, 2, 1, 1): the heaviest first, five cores end at 8, 8, 7, 7 and 6, or at 5, 5, 5, 5 and 4; each of twelve
    has one.
    """
    cascade = {
        **HEAD, "inputs": {"Q": ["H", "P"], "K": ["H", "T"]}, "outputs": ["Y"],
        "einsums": f"Y[h,t,p] = Q[h,p]*K[h,t] | {condition}\n",
    }  # fmt: skip
    node = {"for": ["h2", "h0", "p", "t"], "spread": ["h2", "h0", "p"], "do": ["Y"]}
    mapping = {"tiles": {"H1": 2, "H0": 2}, "nests": [node], "bind": {"a": ["Y"]}}
    one = on(design(mapping, {"H": 6, "T": 3, "P": 3}, cascade), replicas=cores)
    mapped, machine = one.loaded()

    assert sum(cost(mapped, derive(mapped, machine), one.sizes).table("cycles").values()) == steps
    assert not compared(one).differences


@pytest.mark.parametrize(
    ("einsum", "loops", "length", "words"),
    [
        ("X[p,p]*X[w,w]", ["w"], 4, 4),
        ("X[p,p]*X[w,w] | p <= w", ["w"], 4, 4),
        ("X[p,p]*X[w,w]", ["p1", "w"], 4, 2 * (2 + 2 + 3 + 3)),
        ("X[p,p]*X[w,w]", ["p", "w"], 3, 3 * 1 + 6 * 2),
        ("X[p,w]*X[w,p]", ["p", "w"], 3, 3 * 1 + 6 * 2),
        ("X[p,p]*X[p,w]", ["w"], 3, 3 * (3 + 3 - 1)),
        ("X[p,p]*X[p,w]", ["p"], 3, 3 * 3),
    ],
)
def test_diagonals_and_names_exchanged_beside_each_other(
    einsum: str, loops: list[str], length: int, words: int
) -> None:
    """A diagonal that no loop moves holds that of another name: its words come once.

    Where both move, a tile of two p holds the w in it, and one more word of each other w. ``X[p,w]`` and ``X[w,p]`` are one
    word where p = w, else two. A diagonal of three and a column have one word in common; a row holds its one word of it.
    """
    cascade = {
        **HEAD, "inputs": {"X": ["P", "P"]}, "ranks": {"W": "P"}, "outputs": ["Y"], "einsums": f"Y[p,w] = {einsum}\n",
    }  # fmt: skip
    node = {"for": loops, "keep": {"L1": ["X"]}, "do": ["Y"]}
    mapping = {"tiles": {"P0": 2} if "p1" in loops else {}, "nests": [node], "bind": {"a": ["Y"]}}
    one = on(design(mapping, {"P": length}, cascade))

    assert agreed(one)["L1", "X", "fill"] == words
    assert not [d for d in compared(one).differences if not d.what.startswith("room")]


@pytest.mark.parametrize("einsum", ["X[p,p]*X[w,p]", "X[p,w]*X[w,p]", "X[p,p]*X[w,w]"])
def test_names_that_cross_inside_of_a_loop_over_a_part_alone_are_refused(einsum: str) -> None:
    """Of w0 without w1 a tile has every second w: of names that cross it is not known which elements both have."""
    cascade = {
        **HEAD, "inputs": {"X": ["P", "P"]}, "ranks": {"W": "P"}, "outputs": ["Y"], "einsums": f"Y[p,w] = {einsum}\n",
    }  # fmt: skip
    node = {"for": ["w0"], "keep": {"L1": ["X"]}, "do": ["Y"]}
    one = on(design({"tiles": {"W0": 2}, "nests": [node], "bind": {"a": ["Y"]}}, {"P": 5}, cascade))
    outcome = compared(one)

    if einsum == "X[p,p]*X[w,w]":  # diagonals: all five p hold each w
        assert agreed(one)["L1", "X", "fill"] == 5
        return
    names = einsum.replace("*", " and ")
    assert f"nests.0.do: X is read as {names} inside of w0, without a loop over w1 outside of it" in str(
        outcome.refused
    )
    assert "loop over w1 too" in str(outcome.refused)


@pytest.mark.parametrize(("length", "outside"), [(3, 1 / 3), (7, 3 / 5)])
def test_of_a_short_chunk_only_what_is_there_overflows(length: int, outside: float) -> None:
    """G in chunks of five, made at i0 and read at j0, in L1 of four bytes: three elements, or a chunk of five, are six or ten.

    Z takes all of a chunk for each of its places: 3*3, or 5*5 + 2*2. What L1 has no room for comes from DRAM, and went there.
    """
    cascade = {
        **HEAD, "inputs": {"X": ["T"]}, "ranks": {"T": "I1*I0", "J0": "I0"}, "outputs": ["Z"],
        "einsums": "G[i1,i0] = X[i1*I0+i0]*X[i1*I0+i0]\nZ[i1,i0] = G[i1,j0]*X[i1*I0+i0] :: sum[j0]\n",
    }  # fmt: skip
    node = {"for": ["i1"], "keep": {"L1": ["G"]}, "do": [{"do": ["G"]}, {"for": ["i0"], "do": ["Z"]}]}
    mapping = {"tiles": {"I0": 5}, "nests": [node], "bind": {"a": ["G", "Z"]}, "spill": {"L1": ["G"]}}
    one = on(
        design(mapping, {"T": length}, cascade), {"DRAM": {"bandwidth": "8 GB/s"}, "L1": {"size": "4 B"}}
    )
    read = sum(n * n for n in (min(5, length), max(0, length - 5)))
    words = cost(one.loaded()[0], derive(*one.loaded()), one.sizes).table("words")
    found = {(k.level, k.action): value for k, value in words.items() if k.tensor == "G"}

    assert found["L1", "read"] == pytest.approx(read)
    assert found["DRAM", "read"] == pytest.approx(outside * read)
    assert found["DRAM", "write"] == pytest.approx(outside * length)
    assert not compared(one).differences


@pytest.mark.parametrize("cores", [1, 4])
def test_under_a_causal_mask_a_tile_stays_from_row_to_row_of_one_task(cores: int) -> None:
    """Rows of 16 in tasks of two, columns of 16: the first task wants tile 0, then 0 and 1, and finds 0 there: two come.

    The second one wants 0, 1, 2 and 0, 1, 2, 3: seven come, whoever does the tasks.
    """
    cascade = {
        **HEAD, "inputs": {"Q": ["P"], "K": ["M"]}, "outputs": ["Y"],
        "einsums": "Y[p] = Q[p]*K[m] :: sum[m] | m <= p\n",
    }  # fmt: skip
    inner = {"for": ["p1"], "keep": {"a": ["Y"]}, "do": [{"for": ["m1"], "keep": {"a": ["K"]}, "do": ["Y"]}]}
    node = {"for": ["p2"], "spread": ["p2"], "do": [inner]}
    mapping = {"tiles": {"P0": 16, "P1": 2, "M0": 16}, "nests": [node], "bind": {"a": ["Y"]}}
    one = on(design(mapping, {"P": 64, "M": 64}, cascade), replicas=cores)

    assert agreed(one)["a", "K", "fill"] == 16 * (2 + 7)
    assert not compared(one).differences
