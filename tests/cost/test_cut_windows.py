"""Windows under a condition that cuts inside of the tensor, and names of one tensor that overlap: by hand, and by a walk."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cost import visits
from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from tests.walk.design import Design
from tests.walk.test_by_hand import agreed
from tests.walk.test_walk import MACHINE, design, walk

#: An index, a condition that leaves out more than what lies outside of the tensor, and the ranks of both.
ONE_WINDOW = (
    ("p-n", "n <= p, p < n + 3", "pn"),
    ("p-n", "n <= p, p < n + 3, n < 4", "pn"),
    ("p+w", "w <= p", "pw"),
    ("p+w-2", "w < p", "pw"),
    ("p+w", "p + w >= 2, p + w < 5", "pw"),
    ("p+w", "2*w <= p + 1", "pw"),
    ("2*p+w", "w <= p", "pw"),
    ("2*p+3*w", "p <= w, w <= p + 1", "pw"),
    ("p+w", "w <= q", "pwq"),
    ("p+w+n", "w <= p", "pwn"),
    ("p+w,q+u", "w <= p", "pwqu"),
)
#: Several indices of one tensor: beside a window, and two names exchanged, also without a condition.
JOINT = (
    ("p-n;p", "n <= p, p < n + 3", "pn"),
    ("p+w;p", "w <= p", "pw"),
    ("p+w;p+w+1", "w <= p", "pw"),
    ("2*p+w;2*p-w", "w <= p, p <= w + 1", "pw"),
    ("s,p;p,s", "", "sp"),
    ("s,p;p,s", "p <= s", "sp"),
    ("s,p;p,s", "p <= s, s < p + 3", "spq"),
)
#: Two windows that a condition cuts, a rank in two indices, accesses that cross: they are listed element by element.
SEVERAL = (
    ("p+w,q+u", "w <= p, u <= q", "pwqu"),
    ("p+w,p", "w <= p", "pw"),
    ("p+w,p", "", "pw"),
    ("p+w,q+w", "w <= q", "pwq"),
    ("p+w,p+q", "w <= p", "pwq"),
    ("p+q;p+w", "", "pqw"),
)


def windowed(
    case: tuple[str, str, str], node: dict[str, Any], tiles: dict[str, int], sizes: dict[str, int],
    whole: str = "P", reduced: str = "", cores: int = 1,
) -> Design:  # fmt: skip
    """Return Y = X[index]*U under the condition of *case*; X is *whole* long in each of its ranks, or as long as S and P."""
    index, condition, ranks = case
    names = index.split(";")
    sizes = {rank: size for rank, size in sizes.items() if (rank, ranks[0]) != ("P", "s")}
    out = [rank for rank in ranks if rank not in reduced]
    action = f" :: sum[{','.join(reduced)}]" if reduced else ""
    factors, under = "*".join(f"X[{name}]" for name in names), f" | {condition}" if condition else ""
    cascade = {
        "title": "t", "source": "s", "outputs": ["Y"],
        "ranks": {"M": "S", "P": "S"} if ranks[0] == "s" else {"M": whole},
        "inputs": {"X": ["M"] * len(names[0].split(",")), "U": [rank.upper() for rank in ranks]},
        "einsums": f"Y[{','.join(out)}] = {factors}*U[{','.join(ranks)}]{action}{under}\n",
    }  # fmt: skip
    levels = {**MACHINE["levels"], "L1": {"size": "1 GiB", "per_core": cores > 1}}
    units = {"a": {**MACHINE["units"]["a"], "operations": {"mac": 1, "mul": 1}}}
    mapping = {"title": "t", "source": "s", "cascade": "own", "nests": [node], "bind": {"a": ["Y"]}}
    machine = {**MACHINE, "levels": levels, "units": units, "replicas": cores}
    return Design(cascade, machine, {**mapping, "tiles": tiles}, sizes)


@st.composite
def designs(draw: st.DrawFn, cases: tuple[tuple[str, str, str], ...]) -> Design:
    """Return a small design: loops in any order that keeps a rank's own, X kept inside of some of them or nowhere."""
    case = draw(st.sampled_from(cases))
    ranks, cores = case[2], draw(st.sampled_from([1, 1, 3]))
    cut = {rank: draw(st.sampled_from(([], ["0"], ["1", "0"], [""]))) for rank in ranks}
    tiles = {f"{r.upper()}0": draw(st.integers(1, 4)) for r, parts in cut.items() if "0" in parts}
    waiting = {r: [f"{r}{part}" for part in (["1"] if parts == ["0"] else parts)] for r, parts in cut.items()}
    loops: list[str] = []
    while any(waiting.values()):
        loops.append(waiting[draw(st.sampled_from([r for r in ranks if waiting[r]]))].pop(0))
    outside = draw(st.integers(0, len(loops)))
    node: dict[str, Any] = {"for": loops[:outside], "do": [{"for": loops[outside:], "do": ["Y"]}]}
    if draw(st.integers(0, 4)):
        node["keep"] = {"L1": ["X"]}
    sizes = {rank.upper(): draw(st.integers(1, 9 if len(ranks) < 3 else 5)) for rank in ranks}
    reduced = "".join(rank for rank in ranks if draw(st.booleans()))
    return windowed(
        case, node, tiles, sizes, draw(st.sampled_from(["P", "P+3", f"P+{ranks[1].upper()}"])), reduced, cores
    )


def words_of_x(one: Design) -> tuple[dict[Any, float], dict[Any, float]]:
    """Return the words of X by level and kind, in the cost model and in the walk."""
    mapped, machine = one.loaded()
    table = cost(mapped, derive(mapped, machine), one.sizes).table("words")
    counted = {(k.level, k.action): v for k, v in table.items() if k.tensor == "X" and v}
    walked = walk(mapped, machine, one.sizes).words
    return counted, {(level, kind): v for (_, level, tensor, kind), v in walked.items() if tensor == "X"}


def test_a_convolution_of_three_taps_by_hand() -> None:
    """X[p-n] of five places under n <= p < n + 3 is 0, 1 and 2 alone.

    All of it: 3 words come, and each of 1 + 2 + 3 + 3 + 3 pairs reads one. Inside tiles of two places 2, 3 and 3 come. Bodies
    of such a tile read the places 0 and 1, then 0 to 3, then 0 to 4: all pairs of a tile are done, as far as X has them.
    """
    sizes, case, single = {"P": 5, "N": 5}, ONE_WINDOW[0], {"for": ["p0", "n"], "do": ["Y"]}
    whole = agreed(
        windowed(
            case, {"for": [], "keep": {"L1": ["X"]}, "do": [{"for": ["p", "n"], "do": ["Y"]}]}, {}, sizes
        )
    )
    tile = agreed(windowed(case, {"for": ["p1"], "keep": {"L1": ["X"]}, "do": [single]}, {"P0": 2}, sizes))
    bodies = agreed(windowed(case, {"for": ["p1"], "do": ["Y"]}, {"P0": 2}, sizes))

    assert (whole["L1", "X", "fill"], whole["L1", "X", "read"]) == (3, 12)
    assert (tile["L1", "X", "fill"], tile["L1", "X", "read"]) == (2 + 3 + 3, 12)
    assert bodies["DRAM", "X", "read"] == 2 + 4 + 5


@settings(deadline=None, max_examples=150)
@given(designs(ONE_WINDOW))
def test_words_of_a_window_under_a_condition_are_those_of_a_walk(one: Design) -> None:
    """In small random tiles, on one core and on three with memories of their own."""
    counted, walked = words_of_x(one)
    assert counted == pytest.approx(walked)


@settings(deadline=None, max_examples=120)
@given(designs(JOINT))
def test_words_of_names_that_overlap_are_those_of_a_walk(one: Design) -> None:
    """What any access means, each element once."""
    counted, walked = words_of_x(one)
    assert counted == pytest.approx(walked)


def test_two_names_exchanged_by_hand() -> None:
    """X[s,p] and X[p,s] of four in tiles of two: of the pair of tiles (0, 1) both halves, on the diagonal one tile of four."""
    node = {"for": ["s1", "p1"], "keep": {"L1": ["X"]}, "do": ["Y"]}
    tiles = {"S0": 2, "P0": 2}
    every = agreed(windowed(("s,p;p,s", "", "sp"), node, tiles, {"S": 4}))
    under = agreed(windowed(("s,p;p,s", "p <= s", "sp"), node, tiles, {"S": 4}))

    assert every["L1", "X", "fill"] == 4 + 8 + 8 + 4
    assert under["L1", "X", "fill"] == 4 + 8 + 4


@pytest.mark.parametrize(("condition", "fills"), [("", 12 + 12), (" | p <= s", 4 + 12)])
def test_two_names_in_two_bodies_under_one_place_by_hand(condition: str, fills: int) -> None:
    """X[s,p] and X[p,s] of four, kept inside tiles of two s: rows and columns, 8 + 8 - 4; p <= s leaves 4 of the first."""
    cascade = {
        "title": "t", "source": "s", "inputs": {"X": ["S", "S"], "U": ["P"]}, "ranks": {"P": "S"}, "outputs": ["Y", "Z"],
        "einsums": f"Y[s] = X[s,p]*U[p] :: sum[p]{condition}\nZ[s] = X[p,s]*U[p] :: sum[p]{condition}\n",
    }  # fmt: skip
    bodies = [{"for": ["p1"], "do": ["Y"]}, {"for": ["p1"], "do": ["Z"]}]
    node = {"for": ["s1"], "keep": {"L1": ["X"]}, "do": bodies}
    mapping = {"tiles": {"S0": 2, "P0": 2}, "nests": [node], "bind": {"a": ["Y", "Z"]}}

    assert agreed(design(mapping, {"S": 4}, cascade))["L1", "X", "fill"] == fills


@settings(deadline=None, max_examples=120)
@given(designs(SEVERAL))
def test_words_of_several_windows_are_those_of_a_walk(one: Design) -> None:
    """Two windows, or a rank in two indices, with a condition and without."""
    counted, walked = words_of_x(one)
    assert counted == pytest.approx(walked)


@settings(deadline=None, max_examples=60)
@given(designs((*ONE_WINDOW, *JOINT, *SEVERAL[:2])))
def test_more_tiles_than_can_be_visited_are_no_fewer_words_than_a_walk_has(one: Design) -> None:
    """With no steps at all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(visits, "VISITS", 0)
        counted, walked = words_of_x(one)
    assert all(counted.get(key, 0) >= words * (1 - 1e-9) for key, words in walked.items())


def test_a_long_window_is_no_fewer_words_than_its_tensor() -> None:
    """A million places in tiles of 64, each kept for 4,096 taps: each comes at least once, at most with all taps before it."""
    length, taps, tile = 2**20, 2**12, 64
    node = {"for": ["p1"], "keep": {"L1": ["X"]}, "do": [{"for": ["w1"], "do": ["Y"]}]}
    one = windowed(("p+w", "w <= p", "pw"), node, {"P0": tile, "W0": tile}, {"P": length, "W": taps}, "P+W")
    mapped, machine = one.loaded()
    table = cost(mapped, derive(mapped, machine), one.sizes).table("words")
    (fills,) = (v for k, v in table.items() if (k.tensor, k.action) == ("X", "fill"))

    assert length + taps - 1 <= fills <= length // tile * (taps + tile - 1)


def test_exchanged_names_of_long_tiles_take_no_time() -> None:
    """Five thousand elements in tiles of 500: more rows than can be held against each other, all words twice at most."""
    node = {"for": ["s1", "p1"], "keep": {"L1": ["X"]}, "do": ["Y"]}
    one = windowed(("s,p;p,s", "p <= s", "sp"), node, {"S0": 500, "P0": 500}, {"S": 5000})
    mapped, machine = one.loaded()
    table = cost(mapped, derive(mapped, machine), one.sizes).table("words")
    (fills,) = (v for k, v in table.items() if (k.tensor, k.action) == ("X", "fill"))

    assert 100 * 500**2 <= fills <= 110 * 500**2
