"""Words of the tile level by hand: unions, windows, running values, sums that begin anew, tiles that nobody wants."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fusemax.cascade.build import cascade_of
from fusemax.machine import machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.spec import mapping_file_of
from fusemax.simulate.tile.result import Simulation
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of

Words = dict[tuple[str, str, str], float]


def run(
    cascade: dict[str, Any],
    nest: dict[str, Any],
    sizes: dict[str, int],
    fast_forward: bool = True,
    **more: Any,
) -> Simulation:
    """Return the run of *cascade* in one *nest* on a machine of one unit, with *more* keys of the machine."""
    header = {"title": "t", "source": "s"}
    machine = {
        "clock": "1 GHz", "word": "2 B", "levels": {"DRAM": {"bandwidth": "8 GB/s"}, "L1": {"size": "1 GiB"}},
        "units": {
            "u": {
                "shape": {"lanes": 1},
                "operations": dict.fromkeys(("mul", "add", "sub", "max", "exp"), 1),
                "registers": {"depth": 1 << 20},
            }
        },
        **more,
    }  # fmt: skip
    cascade = {**header, **cascade}
    made = [line.partition("[")[0].strip() for line in cascade["einsums"].splitlines() if "[" in line]
    computed = [name for name in dict.fromkeys(made) if f"{name}[0" not in cascade["einsums"]]
    computed += [name for name in dict.fromkeys(made) if name not in computed]
    bind = {"u": list(dict.fromkeys(computed))}
    mapping = {**header, "cascade": "own", "nests": [nest], "bind": bind}
    on = machine_of(document_of(json.dumps({**header, **machine})))
    document = document_of(json.dumps(mapping))
    whole = cascade_of(document_of(json.dumps(cascade)), "own")
    plan = map_onto(whole, on, mapping_file_of(document), document)
    return simulate(plan, on, sizes, fast_forward=fast_forward)


def words(answer: Simulation) -> Words:
    """Return the words by level, tensor and kind, without zeros."""
    return {(k.level, k.tensor, k.kind): v for k, v in answer.words.items() if v}


PAIRS = {"inputs": {"X": ["D", "T"]}, "ranks": {"C": "D"}, "outputs": ["Y"]}


def test_a_body_takes_the_union_of_two_names() -> None:
    """X[c,t] and X[d,t] inside loops over t: three words per t, not six."""
    cascade = {**PAIRS, "einsums": "Y[c,d,t] = X[c,t] * X[d,t]\n"}
    found = words(run(cascade, {"for": ["t"], "do": ["Y"]}, {"D": 3, "T": 4}))

    assert found["DRAM", "X", "read"] == 3 * 4


def test_a_pair_off_the_diagonal_is_two_words() -> None:
    """X[c] and X[d] with loops over both: one word where c = d, two elsewhere; kept as a pair, the same comes in."""
    cascade = {**PAIRS, "inputs": {"X": ["D"]}, "einsums": "Y[c,d] = X[c] * X[d]\n"}
    direct = words(run(cascade, {"for": ["c", "d"], "do": ["Y"]}, {"D": 5}))
    kept = words(run(cascade, {"for": ["c", "d"], "keep": {"L1": ["X"]}, "do": ["Y"]}, {"D": 5}))

    assert direct["DRAM", "X", "read"] == 5 * 1 + 20 * 2
    assert kept["L1", "X", "fill"] == 5 * 1 + 20 * 2


def test_one_name_that_holds_all_keeps_the_tile() -> None:
    """X is kept inside a loop over c, but d runs inside: the tile is all of X, and stays."""
    cascade = {**PAIRS, "inputs": {"X": ["D"]}, "einsums": "Y[c,d] = X[c] * X[d]\n"}
    found = words(run(cascade, {"for": ["c"], "keep": {"L1": ["X"]}, "do": ["Y"]}, {"D": 5}))

    assert found["L1", "X", "fill"] == 5
    assert found["L1", "X", "read"] == 5 * 5


WINDOW = {
    "inputs": {"K": ["N"], "Q": ["P"]}, "sizes": ["W"], "ranks": {"N": "P + W - 1"}, "outputs": ["Y"],
    "einsums": "Y[p] = Q[p] * K[p+w] :: sum[w]\n",
}  # fmt: skip


def test_a_window_is_a_range() -> None:
    """Six queries in tiles of two see windows of three: four keys per tile, and all eight where nothing cuts."""
    tiled = {"for": ["p1"], "keep": {"L1": ["K"]}, "tiles": {"P0": 2}, "do": ["Y"]}
    found = words(run(WINDOW, tiled, {"P": 6, "W": 3}))
    whole = words(run(WINDOW, {"do": ["Y"]}, {"P": 6, "W": 3}))

    assert found["L1", "K", "fill"] == 3 * 4
    assert whole["DRAM", "K", "read"] == 8


def test_a_window_ends_where_the_tensor_does() -> None:
    """K[p+w-W+1] of four queries and W = 3: two, three and then the window's width, one by one."""
    cascade = {
        **WINDOW, "inputs": {"K": ["P"], "Q": ["P"]}, "ranks": {},
        "einsums": "Y[p] = Q[p] * K[p+w-W+1] :: sum[w] | p + w >= W - 1\n",
    }  # fmt: skip
    found = words(run(cascade, {"for": ["p"], "keep": {"L1": ["K"]}, "do": ["Y"]}, {"P": 4, "W": 3}))

    assert found["L1", "K", "fill"] == 1 + 2 + 3 + 3


@pytest.mark.parametrize(("loops", "back"), [(["w", "h"], 1 + 2), (["w", "e", "h"], 1 + 1 + 2 + 3 + 2)])
def test_sums_under_a_window_come_back_where_they_were_begun(loops: list[str], back: int) -> None:
    """Of three queries w = 0 sees the last, w = 1 the last two, w = 2 all: each comes back from its second visit on.

    A loop over e (two steps) inside of w visits all that w sees once more.
    """
    cascade = {
        "inputs": {"X": ["E", "W"], "Q": ["H", "P"]}, "outputs": ["Y"],
        "einsums": "S[h,p] = X[e,w] * Q[h,p] :: sum[w,e] | p + w >= W - 1\nY[h,p] = exp(S[h,p])\n",
    }  # fmt: skip
    inner = {"for": loops, "keep": {"L1": ["S"]}, "do": [{"for": ["p"], "do": ["S"]}]}
    nest = {"keep": {"DRAM": ["S"]}, "do": [inner, {"do": ["Y"]}]}
    found = words(run(cascade, nest, {"P": 3, "W": 3, "H": 2, "E": 2}))

    assert found["L1", "S", "fill"] == 2 * back


RUNNING = {
    "inputs": {"X": ["T", "A"]}, "outputs": ["Y"],
    "einsums": "S[0,a] = 0\nloop t:\n  S[t+1,a] = S[t,a] + X[t,a]\nY[a] = exp(S[T,a])\n",
}  # fmt: skip


def test_running_values_inside_another_loop_leave_and_come_back() -> None:
    """S kept inside loops over t and a: of T = 4 values per a three come back, and all leave, since Y reads the last."""
    inner = {"for": ["t", "a"], "keep": {"L1": ["S"]}, "do": ["S"]}
    found = words(
        run(RUNNING, {"keep": {"DRAM": ["S"]}, "do": [inner, {"for": ["a"], "do": ["Y"]}]}, {"T": 4, "A": 3})
    )

    assert found["L1", "S", "fill"] == 3 * 3
    assert found["L1", "S", "drain"] == 4 * 3
    assert found["DRAM", "S", "read"] == 3 * 3 + 3


def test_running_values_inside_their_own_loop_stay() -> None:
    """S kept inside loops over a, then t: only the last value leaves."""
    inner = {"for": ["a", "t"], "keep": {"L1": ["S"]}, "do": ["S"]}
    found = words(
        run(RUNNING, {"keep": {"DRAM": ["S"]}, "do": [inner, {"for": ["a"], "do": ["Y"]}]}, {"T": 4, "A": 3})
    )

    assert found["L1", "S", "drain"] == 3
    assert ("L1", "S", "fill") not in found


CHAIN = {"inputs": {"X": ["A"]}, "outputs": ["Y"], "einsums": "S[a] = exp(X[a])\nY[a] = exp(S[a])\n"}


@pytest.mark.parametrize("levels", [["L1"], ["L1", "u"]])
def test_what_nobody_outside_wants_does_not_leave(levels: list[str]) -> None:
    """S is made and read inside its place, at one level or at two: nothing moves."""
    nest = {"for": ["a"], "keep": {level: ["S"] for level in levels}, "do": [{"do": ["S"]}, {"do": ["Y"]}]}
    found = words(run(CHAIN, nest, {"A": 4}))

    assert {key: v for key, v in found.items() if key[1] == "S"} == {
        (levels[-1], "S", "write"): 4, (levels[-1], "S", "read"): 4,
    }  # fmt: skip


def test_sums_begin_anew_in_a_loop_that_they_do_not_have() -> None:
    """Y[a] sums over b twice, once per f: b - 1 partial sums are read back each time."""
    cascade = {
        "inputs": {"X": ["A", "B"], "Z": ["F"]}, "outputs": ["Y", "V"],
        "einsums": "Y[a] = X[a,b] * X[a,b] :: sum[b]\nV[f] = exp(Z[f])\n",
    }  # fmt: skip
    nest = {"for": ["f"], "do": [{"for": ["b", "a"], "do": ["Y"]}, {"do": ["V"]}]}
    found = words(run(cascade, nest, {"A": 3, "B": 5, "F": 2}))

    assert found["DRAM", "Y", "write"] == 2 * 5 * 3
    assert found["DRAM", "Y", "read"] == 2 * 4 * 3


def test_partial_sums_go_from_core_to_core() -> None:
    """Five tasks that sum into one value in registers on four cores: four bring it, all of four take it out."""
    cascade = {"inputs": {"X": ["B"]}, "outputs": ["Y"], "einsums": "Y[] = X[b] * X[b] :: sum[b]\n"}
    nest = {"for": ["b"], "spread": ["b"], "keep": {"u": ["Y"]}, "do": ["Y"]}
    found = words(run(cascade, nest, {"B": 5}, replicas=4))

    assert found["u", "Y", "fill"] == 3
    assert found["u", "Y", "drain"] == 4


def test_an_outermost_loop_that_is_not_named_in_spread_is_dealt_alone() -> None:
    """A maximum over 3 x 4 values on three cores: four cycles each; the second and the third bring what was found before."""
    cascade = {"inputs": {"X": ["A", "B"]}, "outputs": ["T"], "einsums": "T[] = X[a,b] :: max[a,b]"}
    nest = {"for": ["a", "b"], "keep": {"u": ["T"]}, "do": ["T"]}
    answer = run(cascade, nest, {"A": 3, "B": 4}, replicas=3, levels={"DRAM": {}})
    found = words(answer)

    assert answer.cycles == 4
    assert {found["DRAM", "T", "write"], found["u", "T", "drain"]} == {3}
    assert {found["DRAM", "T", "read"], found["u", "T", "fill"]} == {2}


@pytest.mark.parametrize("sizes", [{"D": 40}, {"D": 7}])
def test_unions_are_the_same_without_skipping(sizes: dict[str, int]) -> None:
    """Words that depend on where the loops stand hold steady states back, and nothing else changes."""
    cascade = {**PAIRS, "inputs": {"X": ["D", "H"]}, "einsums": "Y[c,d,h] = X[c,h] * X[d,h]\n"}
    nest = {"for": ["h", "c", "d"], "keep": {"L1": ["X"]}, "do": ["Y"]}
    quick, slow = (run(cascade, nest, {**sizes, "H": 30}, fast) for fast in (True, False))

    assert words(quick) == words(slow)
    assert quick.cycles == slow.cycles


@pytest.mark.parametrize("fast_forward", [True, False])
def test_a_generation_waits_for_the_one_before_in_any_cut(fast_forward: bool) -> None:
    """Six sums in a chain, each there two cycles after its own cycle: three cycles each, whole or cut into tiles of two."""
    slow = {
        "u": {"shape": {"lanes": 1}, "operations": {"add": 1, "exp": 1}, "fill": 2, "registers": {"depth": 9}}
    }
    times = []
    for loops in (["t"], ["t1", "t0"]):
        inner = {"for": loops, "keep": {"L1": ["S", {"tensor": "X", "buffers": 0}]}, "do": ["S"]}
        tiles = {} if len(loops) == 1 else {"T0": 2}
        nest = {"keep": {"DRAM": ["S"]}, "tiles": tiles, "do": [inner, {"do": ["Y"]}]}
        levels = {"DRAM": {}, "L1": {"size": "1 MiB"}}
        answer = run(RUNNING, nest, {"T": 6, "A": 1}, fast_forward, units=slow, levels=levels)
        times.append(answer.cycles)

    assert times == [6 * 3 + 3, 6 * 3 + 3]


@pytest.mark.parametrize("loops", [1, 4, 40])
def test_a_stall_is_waited_for_in_the_last_epoch_too(loops: int) -> None:
    """Of steps of one cycle and a stall of five each epoch takes six, the last one too: as long as the schedule says."""
    cascade = {"inputs": {"X": ["A"]}, "outputs": ["Y"], "einsums": "Y[a] = exp(X[a])\n"}
    nest = {"for": ["a"], "schedule": [{"u": ["Y"]}, {"stall": 5}], "do": ["Y"]}
    answer = run(cascade, nest, {"A": loops}, levels={"DRAM": {}, "L1": {"size": "1 GiB"}})

    assert answer.cycles == 6 * loops
