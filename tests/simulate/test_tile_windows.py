"""Windows under conditions, tiles beyond the end of a tensor, names of one tensor under a mask: words as a walk has them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.simulate.tiles import simulate
from tests.walk.design import Design
from tests.walk.walker import walk

MACHINE: dict[str, Any] = {
    "title": "t", "source": "s", "clock": "1 Hz", "word": "1 B", "levels": {"DRAM": {}, "near": {"size": "1 GB"}},
    "units": {"v": {"shape": {"lanes": 1}, "operations": {"mac": 1, "mul": 1, "add": 1, "sub": 1}}},
}  # fmt: skip
#: An index of X, with the condition that leaves out some of it.
WINDOWS = (
    ("p-n", "n <= p, p < n + 3"), ("p+n", "n <= p"), ("2*p+n", "n <= p"), ("p+2*n", "n <= p, p <= n+1"),
    ("p+n", "p + n >= 2, p + n < 5"), ("p+n", ""), ("p-n", "n <= p"),
)  # fmt: skip


def design(
    einsums: str, inputs: dict[str, list[str]], ranks: dict[str, str], nest: dict[str, Any], sizes: dict[str, int],
    tiles: dict[str, int] | None = None,
) -> Design:  # fmt: skip
    """Return a design of one nest that keeps X near, on a machine with one lane."""
    cascade = {
        "title": "t", "source": "s", "inputs": inputs, "ranks": ranks, "outputs": ["Y"], "einsums": einsums,
    }  # fmt: skip
    mapping = {"title": "t", "source": "s", "cascade": "own", "nests": [nest], "bind": {"v": ["Y"]}}
    return Design(cascade, MACHINE, {**mapping, **({"tiles": tiles} if tiles else {})}, sizes)


def filled(one: Design) -> float:
    """Return the words of X that come near, as simulated; all words are those of the walk."""
    mapped, machine = one.loaded()
    run = simulate(mapped, machine, one.sizes)
    walked = walk(mapped, machine, one.sizes, {}, {})
    found = {(key.nest, key.level, key.tensor, key.kind): words for key, words in run.words.items() if words}
    assert found == {tuple(key): words for key, words in walked.words.items() if words}
    return sum(
        words
        for key, words in run.words.items()
        if (key.level, key.tensor, key.kind) == ("near", "X", "fill")
    )


def test_of_a_tile_under_a_window_what_the_condition_leaves_comes() -> None:
    """X[p-n] where n <= p < n + 3, all of it kept: of five places three are named, 0, 1 and 2."""
    nest = {"keep": {"near": ["X"]}, "do": [{"for": ["p", "n"], "do": ["Y"]}]}
    one = design(
        "Y[p,n] = X[p-n]*U[n] | n <= p, p < n + 3\n",
        {"X": ["M"], "U": ["N"]},
        {"M": "P"},
        nest,
        {"P": 5, "N": 5},
    )

    assert filled(one) == 3


def test_a_tile_beyond_the_end_of_its_tensor_takes_no_place() -> None:
    """X[p+n] of two places: where p is 0, 0 and 1 come for each of three q; where p is 1, place 2 is not there and 1 stays."""
    nest = {"for": ["p", "q", "n"], "keep": {"near": ["X"]}, "do": ["Y"]}
    inputs = {"X": ["M"], "U": ["N", "Q"]}
    one = design("Y[p,q] = X[p+n]*U[n,q] :: sum[n]\n", inputs, {"M": "P"}, nest, {"P": 2, "N": 2, "Q": 3})

    assert filled(one) == 3 * 2 + 1


@pytest.mark.parametrize("loops", [["z2", "a1", "f"], ["a1", "z2", "f"]])
def test_two_names_of_which_one_has_all_of_a_tile_under_a_mask(loops: list[str]) -> None:
    """X[a,c] and X[z,c] where z <= a, all of z in each tile: three places by two c, which stay."""
    nest = {"for": loops, "keep": {"near": ["X"]}, "do": ["Y"]}
    einsum = "Y[c,f] = X[a,c] - X[z,c] - F[f] :: sum[a,z] | z <= a\n"
    tiles = {"A0": 2, "Z0": 2, "Z1": 2}
    one = design(einsum, {"X": ["A", "C"], "F": ["F"]}, {"Z": "A"}, nest, {"A": 3, "C": 2, "F": 3}, tiles)

    assert filled(one) == 3 * 2


def test_elements_that_two_tensors_name_in_ragged_tiles() -> None:
    """X[b,I[b,n]] and X[b,J[b,n]]: each of three b and three n names two elements, in tiles of two."""
    nest = {"keep": {"near": ["X"]}, "do": [{"for": ["b1", "n1", "n0", "b0"], "do": ["Y"]}]}
    inputs = {"X": ["B", "M"], "I": ["B", "N"], "J": ["B", "N"]}
    einsum = "Y[b,n] = X[b,I[b,n]]*X[b,J[b,n]]\n"
    one = design(einsum, inputs, {}, nest, {"B": 3, "N": 3, "M": 9}, {"B0": 2, "N0": 2})

    assert filled(one) == 2 * 3 * 3


def test_a_body_reads_the_pairs_of_a_rank_in_two_indices_that_there_are() -> None:
    """X[p+n,p] of two p and one n at a time: two elements, in each of three n; not the four of all pairs."""
    nest = {"for": ["n"], "keep": {"near": ["X"]}, "do": [{"do": ["Y"]}]}
    inputs = {"X": ["M", "P"], "U": ["N"]}
    one = design("Y[p] = X[p+n,p]*U[n] :: sum[n]\n", inputs, {"M": "P+N"}, nest, {"P": 2, "N": 3})
    mapped, machine = one.loaded()
    words = {(k.level, k.tensor, k.kind): n for k, n in simulate(mapped, machine, one.sizes).words.items()}

    assert filled(one) == 3 * 2
    assert words["near", "X", "read"] == 3 * 2


@st.composite
def windows(draw: st.DrawFn) -> Design:
    """Draw a window, with or without a condition, in any loops, tiles and places; the tensor may end before it does."""
    index, condition = draw(st.sampled_from(WINDOWS))
    out = [v for v in ("p", "n") if draw(st.booleans())] + ["q"]
    summed = [v for v in ("p", "n") if v not in out]
    einsum = f"Y[{','.join(out)}] = X[{index}]*U[n,q]" + (f" :: sum[{','.join(summed)}]" if summed else "")
    tiles: dict[str, int] = {}
    loops: list[list[str]] = []
    for name in "pnq":
        cut = draw(st.sampled_from(["tiles", "both", "whole", "none"]))
        if cut in ("tiles", "both"):
            tiles[name.upper() + "0"] = draw(st.integers(1, 4))
        loops.append(
            {"tiles": [f"{name}1"], "both": [f"{name}1", f"{name}0"], "whole": [name], "none": []}[cut]
        )
    order = draw(st.permutations([k for k, mine in enumerate(loops) for _ in mine]))
    names = [loops[k].pop(0) for k in order]
    at = draw(st.integers(0, len(names)))
    nest = {"for": names[:at], "keep": {"near": ["X"]}, "do": [{"for": names[at:], "do": ["Y"]}]}
    sizes = {"P": draw(st.integers(1, 9)), "N": draw(st.integers(1, 6)), "Q": draw(st.integers(1, 5))}
    ranks = {"M": draw(st.sampled_from(["P", "P+1", "N+P", "P+3"]))}
    text = einsum + (f" | {condition}" if condition else "") + "\n"
    return design(text, {"X": ["M"], "U": ["N", "Q"]}, ranks, nest, sizes, tiles)


@settings(max_examples=100)
@given(one=windows())
def test_windows_are_counted_as_a_walk_counts_them(one: Design) -> None:
    """Every tensor, level and direction."""
    filled(one)
