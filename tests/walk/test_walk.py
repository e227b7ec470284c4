"""Three witnesses that share no counting - a walk through every iteration, the cost model, the simulator - agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped
from tests.walk import compare, cores, fuzz
from tests.walk.compare import compared
from tests.walk.design import Design
from tests.walk.designs import draw_design
from tests.walk.features import FEATURES
from tests.walk.groups import Grouping
from tests.walk.laws import broken_laws
from tests.walk.trace import Trace
from tests.walk.walker import walk

MACHINE: dict[str, Any] = {
    "title": "t", "source": "s", "clock": "1 GHz", "word": "2 B",
    "levels": {"DRAM": {"bandwidth": "8 GB/s"}, "L1": {"size": "1 MiB"}},
    "units": {
        "a": {
            "shape": {"rows": 2, "columns": 2},
            "operations": {"mac": 1, "add": 1, "sub": 1},
            "registers": {"depth": 64},
        }
    },
}  # fmt: skip


def design(mapping: dict[str, Any], sizes: dict[str, int], cascade: Any = "transformer/linear") -> Design:
    """Return a design on the small machine."""
    name = cascade if isinstance(cascade, str) else "own"
    return Design(cascade, MACHINE, {"title": "t", "source": "s", "cascade": name, **mapping}, sizes)


def words_of(one: Design) -> dict[tuple[str, str, str], float]:
    """Return the words of a walk by level, tensor and kind."""
    return {key[1:]: value for key, value in walk(*one.loaded(), one.sizes).words.items()}


def test_a_product_by_hand() -> None:
    """Y (3x1) = X (3x2) W (2x1), rows in tiles of 2, k outside: by hand.

    For each of two k, W (1 word) stays in L1 while two row tiles use it: 2 words filled, 4 read. X is read from DRAM, each
    word once. Y is written for each k, 3 words, and read back for the second k.
    """
    node = {"for": ["k", "r1"], "spatial": {"a": {"r0": "rows", "n": "columns"}}, "do": ["Y"]}
    one = design(
        {
            "tiles": {"R0": 2},
            "nests": [{"keep": {"DRAM": ["Y"]}, "do": [{**node, "keep": {"L1": ["W"]}}]}],
            "bind": {"a": ["Y"]},
        },
        {"R": 3, "K": 2, "N": 1},
    )
    expected = {
        ("DRAM", "X", "read"): 6, ("DRAM", "W", "read"): 2, ("L1", "W", "fill"): 2, ("L1", "W", "read"): 4,
        ("DRAM", "Y", "write"): 6, ("DRAM", "Y", "read"): 3,
    }  # fmt: skip

    assert expected == words_of(one)
    assert {"Y": ({("Y", "a"): 4},)} == walk(*one.loaded(), one.sizes).cycles
    assert {"a": 6} == walk(*one.loaded(), one.sizes).useful


def test_one_tensor_under_two_variables_by_hand() -> None:
    """X[:,t] is read as c and as d: its two words are brought in once for each of three t."""
    cascade = {
        "title": "t", "source": "s", "inputs": {"X": ["D", "T"]}, "ranks": {"C": "D"}, "outputs": ["Y"],
        "einsums": "S[t] = X[c,t] :: sum[c]\nY[d,t] = X[d,t] - S[t]\n",
    }  # fmt: skip
    node = {"for": ["t"], "keep": {"L1": ["X", "S"]}, "do": [{"do": ["S"]}, {"do": ["Y"]}]}
    one = design({"nests": [node], "bind": {"a": ["S", "Y"]}}, {"D": 2, "T": 3}, cascade)
    words = words_of(one)

    assert words["DRAM", "X", "read"] == 6
    assert words["L1", "X", "read"] == 12
    assert ("DRAM", "S", "write") not in words


def test_a_union_is_another_tile_when_a_loop_moves_one_of_its_accesses() -> None:
    """X[a] and X[z], z in tiles of two of three: {0,1} with each a, then {2} with each a, each brought anew."""
    cascade = {
        "title": "t", "source": "s", "inputs": {"X": ["A"]}, "ranks": {"Z": "A"}, "outputs": ["Y"],
        "einsums": "Y[] = X[a] - X[z] :: sum[a,z]\n",
    }  # fmt: skip
    node = {"for": ["z1", "a"], "keep": {"L1": ["X"]}, "do": ["Y"]}
    nest = {"keep": {"DRAM": ["Y"]}, "do": [node]}
    words = words_of(design({"tiles": {"Z0": 2}, "nests": [nest], "bind": {"a": ["Y"]}}, {"A": 3}, cascade))

    assert words["L1", "X", "fill"] == (2 + 2 + 3) + (2 + 2 + 1)


def test_what_is_made_anew_the_same_has_left_the_first_time() -> None:
    """S stays in registers through a loop over f that it does not have; its readers take it from L1 in each f."""
    cascade = {
        "title": "t", "source": "s", "inputs": {"X": ["A"], "Z": ["F"]}, "outputs": ["Y"],
        "einsums": "S[a] = X[a] + X[a]\nY[f,a] = S[a] - Z[f]\n",
    }  # fmt: skip
    node = {"for": ["f"], "keep": {"L1": ["S"]}, "do": [{"keep": {"a": ["S"]}, "do": ["S"]}, {"do": ["Y"]}]}
    words = words_of(design({"nests": [node], "bind": {"a": ["S", "Y"]}}, {"A": 3, "F": 2}, cascade))

    assert words["a", "S", "drain"] == 3
    assert ("L1", "S", "fill") not in words


@settings(
    max_examples=60,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(seed=st.integers(0, 10**9), kind=st.sampled_from(sorted(FEATURES)))
def test_random_designs_agree(seed: int, kind: str) -> None:
    """Words, cycles and useful work are equal, and bound <= schedule <= simulate; a failing design is made small."""
    one = draw_design(Random(seed), FEATURES[kind])
    reason = FEATURES[kind].not_simulated
    if compared(one, reason).differences:
        small = fuzz.smallest(one, reason, tries=100)
        text = "\n".join(str(difference) for difference in compared(small, reason).differences)
        pytest.fail(f"{text}\n{small.as_text()}")


@settings(
    max_examples=15,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(seed=st.integers(0, 10**9), kind=st.sampled_from(["plain", "digits", "offload", "cores"]))
def test_laws_of_time(seed: int, kind: str) -> None:
    """More bandwidth, ports, room or cores is never slower; twice the clock and bandwidth is half the time."""
    broken = broken_laws(draw_design(Random(seed), FEATURES[kind]), simulated=True)

    assert not broken, "\n".join(map(str, broken))


def test_most_random_designs_are_legal() -> None:
    """At least six of ten designs of each kind are accepted, or the laws would say little."""
    for kind in FEATURES:
        accepted = 0
        for number in range(40):
            try:
                fuzz.design_of(1, number, kind).loaded()
                accepted += 1
            except compare.FusemaxError:
                continue

        assert accepted >= 24, kind


def _less_kept(mapped: Mapped) -> Mapped:
    """Return *mapped* with one residence of its last nest forgotten."""
    nest = mapped.nests[-1]
    fewer = dataclasses.replace(nest, residences=nest.residences[:-1])
    return dataclasses.replace(mapped, nests=(*mapped.nests[:-1], fewer))


def _plant_in_cost(patch: pytest.MonkeyPatch) -> None:
    derive = compare.derive
    patch.setattr(compare, "derive", lambda mapped, machine: derive(_less_kept(mapped), machine))


def _plant_in_simulator(patch: pytest.MonkeyPatch) -> None:
    simulate = compare.simulate

    def wrong(mapped: Mapped, machine: Machine, sizes: dict[str, int]) -> object:
        return simulate(_less_kept(mapped), machine, sizes)

    patch.setattr(compare, "simulate", wrong)


def _plant_in_walk(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Trace, "_seen_before", lambda *_: set())


def _plant_in_deal(patch: pytest.MonkeyPatch) -> None:
    """The walk takes every nest for one task on one core."""
    patch.setattr(cores, "spread_loops", lambda *_: ())


def _plant_in_groups(patch: pytest.MonkeyPatch) -> None:
    """The walk lets each core of a group bring its own tiles to the level that they share."""
    patch.setattr(Grouping, "seen", lambda _, place: place)


@pytest.mark.parametrize(
    ("plant", "kinds"),
    [
        (_plant_in_cost, ["plain"]),
        (_plant_in_simulator, ["plain"]),
        (_plant_in_walk, ["plain"]),
        (_plant_in_cost, ["masks"]),
        (_plant_in_cost, ["regions"]),
        (_plant_in_cost, ["windows"]),
        (_plant_in_cost, ["aliases"]),
        (_plant_in_deal, ["masked-cores", "no-spread"]),
        (_plant_in_groups, ["groups"]),
    ],
)
def test_a_planted_error_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], kinds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tile forgotten by the cost model or the simulator, partial sums or cores by the walk: seen within 200 designs."""
    plant(monkeypatch)

    assert any(fuzz.run(seed, kinds, 600, 20).kinds for seed in range(10))
