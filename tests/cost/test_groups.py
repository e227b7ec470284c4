"""Levels that groups of cores share, by hand: words, rooms, times, power and area; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from fusemax.cost.evaluate import Cost, cost
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError
from fusemax.simulate.tile.result import Simulation
from fusemax.simulate.tiles import simulate
from tests.walk.design import Design
from tests.walk.walker import Walk, walk

HEAD: dict[str, Any] = {"title": "t", "source": "s"}
SIZES = {"R": 4, "K": 3, "N": 8}


def machine(cores: int = 4, **levels: dict[str, Any]) -> dict[str, Any]:
    """Return a machine of *cores* with two lanes each, and *levels* inside DRAM."""
    unit = {"shape": {"lanes": 2}, "operations": {"mac": 1}, "registers": {"depth": 64}}
    return {
        **HEAD, "clock": "1 GHz", "word": "2 B", "replicas": cores,
        "levels": {"DRAM": {"bandwidth": "64 GB/s"}, **levels}, "units": {"a": unit},
    }  # fmt: skip


PAIR = {"size": "1 KiB", "bandwidth": "2 GB/s", "shared_by": 2}
OWN = {"size": "1 KiB", "per_core": True}


def mapping(**changes: Any) -> dict[str, Any]:
    """Return a product with two tasks of two columns each side by side, *changes* to its nest made."""
    inner = {"for": ["k"], "keep": {"pair": ["X", "W"]}, "spatial": {"a": {"n0": "lanes"}}, "do": ["Y"]}
    nest = {
        "for": ["r1", "n2", "n1"], "spread": ["r1", "n2", "n1"], "side_by_side": ["n1"],
        "keep": {"a": ["Y"]}, "do": [inner],
    }  # fmt: skip
    tiles = {"R0": 2, "N0": 2, "N1": 2}
    return {
        **HEAD, "cascade": "transformer/linear", "tiles": tiles, "nests": [{**nest, **changes}], "bind": {"a": ["Y"]},
    }  # fmt: skip


def answers(
    described: dict[str, Any], mapped: dict[str, Any], sizes: dict[str, int] = SIZES
) -> tuple[Cost, Walk, Simulation]:
    """Return what the cost model, the walk and the simulator say."""
    one, on = Design("transformer/linear", described, mapped, sizes).loaded()
    return cost(one, derive(one, on), sizes), walk(one, on, sizes), simulate(one, on, sizes)


def words(found: tuple[Cost, Walk, Simulation]) -> dict[tuple[str, str, str], float]:
    """Return the words by level, tensor and kind, on which all three agree."""
    answer, walked, run = found
    mine = {(k.level, k.tensor, k.action): v for k, v in answer.table("words").items() if v}
    assert mine == {key[1:]: v for key, v in walked.words.items()}
    assert mine == {(k.level, k.tensor, k.kind): v for k, v in run.words.items() if v}
    return mine


def test_what_two_cores_want_at_one_time_comes_once() -> None:
    """Eight tasks of r1, n2, n1 with three k each. A tile of X is 2 words, for both n1 of a pair: 2*2*3 tiles come.

    W differs between the cores: 2 words for each of 8*3, 4 in a tile of both. Each core reads all it needs: 8*3*2 of each.
    """
    found = answers(machine(pair=PAIR), mapping())
    expected = {
        ("DRAM", "X", "read"): 24, ("pair", "X", "fill"): 24, ("pair", "X", "read"): 48,
        ("DRAM", "W", "read"): 48, ("pair", "W", "fill"): 48, ("pair", "W", "read"): 48,
    }  # fmt: skip
    moved = words(found)
    rooms = {k.tensor: v for k, v in found[0].table("room").items() if k.level == "pair"}

    assert expected == {key: moved[key] for key in expected}
    assert rooms == {"X": 2 * 2, "W": 4 * 2}
    assert rooms == {key[2]: v for key, v in found[1].room.items() if key[1] == "pair"}
    assert rooms == {b.tensor: b.high_water_B for b in found[2].buffers if b.level == "pair"}


def test_a_group_waits_for_its_own_level_alone() -> None:
    """Two pairs do two of the four tasks of pairs each: of 168 words a pair moves half, 168 B at 2 B a cycle; 12 steps."""
    answer, walked, run = answers(machine(pair=PAIR), mapping())

    assert answer.values["time_s[Y,pair]"] == pytest.approx(168 / 2 * 1e-9, rel=1e-12)
    assert answer.bound_s == answer.values["time_s[Y,pair]"]
    assert {12.0} == {v for core in walked.cycles["Y"] for v in core.values()}
    assert run.latency_s >= answer.bound_s


def test_a_ragged_group_is_as_long_as_its_first_core() -> None:
    """N = 5 in tiles of two: groups of two tasks and of the last one. Four groups of tasks on one pair: 4 * 3 k * 2 steps,
    of X 2 words for each group and k."""
    found = answers(machine(2, pair=PAIR), mapping(), {**SIZES, "N": 5})
    answer, walked, _ = found

    assert words(found)["DRAM", "X", "read"] == 4 * 3 * 2
    assert words(found)["DRAM", "W", "read"] == 2 * 3 * 5
    assert [v for k, v in answer.table("cycles").items()] == [24]
    assert {24.0} == {v for core in walked.cycles["Y"] for v in core.values()}


def test_what_stays_for_groups_in_a_row_comes_to_each_of_them() -> None:
    """X kept around n2: 2 words of each r and k for the two pairs that do its two n2; with one pair, once."""
    inner = {"for": ["k"], "spatial": {"a": {"n0": "lanes"}}, "do": ["Y"]}
    middle = {"for": ["n2", "n1"], "keep": {"a": ["Y"]}, "do": [inner]}
    nest = {"for": ["r1"], "keep": {"pair": ["X"]}, "do": [middle]}

    for cores, copies in ((4, 2), (2, 1)):
        found = words(answers(machine(cores, pair=PAIR), mapping(**nest)))
        assert found["pair", "X", "fill"] == copies * 4 * 3


def test_multicast_is_a_shared_level_without_a_size() -> None:
    """X goes through the pair to a memory of each core: read once outside, written to both."""
    inner = {
        "for": ["k"], "keep": {"pair": [{"tensor": "X", "buffers": 0}], "own": ["X", "W"]},
        "spatial": {"a": {"n0": "lanes"}}, "do": ["Y"],
    }  # fmt: skip
    found = words(answers(machine(pair={"shared_by": 2}, own=OWN), mapping(do=[inner])))

    assert (found["DRAM", "X", "read"], found["pair", "X", "read"], found["own", "X", "fill"]) == (24, 48, 48)
    assert (found["DRAM", "W", "read"], found["own", "W", "fill"]) == (48, 48)


def test_leakage_and_area_count_groups() -> None:
    """Two pairs' memories: 2 mm2 and 2 W."""
    described = machine(pair={**PAIR, "leakage": "1 W", "area": {"sram": "1 mm2"}})
    answer, _, _ = answers(described, mapping())

    assert answer.values["area_m2[pair]"] == pytest.approx(2e-6, rel=1e-12)
    assert answer.values["energy_J[pair,leakage]"] == pytest.approx(2 * answer.latency_s, rel=1e-12)


@pytest.mark.parametrize(
    ("levels", "text"),
    [
        ({"pair": {**PAIR, "shared_by": 3}}, "3 cores that share pair do not divide 4 cores"),
        ({"pair": PAIR, "L2": {"size": "1 MiB"}}, "L2 is shared by all cores, and pair around it by 2"),
        ({"own": OWN, "pair": PAIR}, "pair is shared by 2 cores, and own around it by 1"),
        (
            {"pair": PAIR, "four": {**PAIR, "shared_by": 4}},
            "four is shared by 4 cores, and pair around it by 2",
        ),
        (
            {"pair": {**PAIR, "per_core": True}},
            "a level that each core has (per_core) is not shared_by several",
        ),
        ({"pair": {**PAIR, "shared_by": 1.5}}, "expected a whole number"),
    ],
)
def test_groups_that_cannot_be(levels: dict[str, Any], text: str) -> None:
    """Groups are equal, and what fewer cores share is further in."""
    with pytest.raises(FusemaxError, match=text.replace("(", r"\(").replace(")", r"\)")):
        Design("transformer/linear", machine(**levels), mapping(), SIZES).loaded()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"side_by_side": []}, "which loops run side by side on a group's cores"),
        ({"side_by_side": ["n2"]}, "loops side by side are the innermost ones in spread; here those are n1"),
        ({"side_by_side": ["k"]}, "'k' is no loop in spread"),
        ({"keep": {"L2": ["Y"]}}, "Y is kept at L2, which all cores share, inside of n1"),
        ({"do": [{"for": ["k"], "do": ["Y"]}]}, "this nest keeps nothing at a level that groups of cores share"),
        (
            {"for": [], "keep": {"pair": ["X"]}, "do": [{"for": ["r1", "n2", "n1"], "do": ["Y"]}]},
            "X is kept at pair outside of r1",
        ),
        (
            {"for": ["r1", "n2", "k"], "spread": ["r1", "n2", "k"], "side_by_side": ["k"], "keep": {"pair": ["X"]},
             "do": ["Y"]},
            "Y needs the iterations of k one after another",
        ),
    ],
)  # fmt: skip
def test_mappings_that_groups_cannot_run(changes: dict[str, Any], text: str) -> None:
    """Each is refused when it is read, with what to do."""
    described = machine(L2={"size": "1 MiB"}, pair=PAIR)
    with pytest.raises(FusemaxError, match=text):
        Design("transformer/linear", described, mapping(**changes), SIZES).loaded()


def test_nothing_spills_beside_a_shared_level() -> None:
    """What would go to DRAM for each core, or once for a group, is not said."""
    mapped = {**mapping(), "spill": {"own": ["W"]}}
    with pytest.raises(FusemaxError, match="what spills from own is not counted beside pair"):
        Design("transformer/linear", machine(pair=PAIR, own=OWN), mapped, SIZES).loaded()


def test_more_side_by_side_than_cores_and_unequal_groups_are_refused_at_a_point() -> None:
    """Four columns of tiles beside each other on pairs; three cores in pairs."""
    mapped = {**mapping(), "tiles": {"R0": 2, "N0": 2, "N1": 4}}
    one, on = Design("transformer/linear", machine(pair=PAIR), mapped, SIZES).loaded()
    program = derive(one, on)
    for asked, figures, text in (
        (SIZES, {}, "4 iterations side by side, and pair is shared by 2 cores"),
        (SIZES, {"replicas": 3.0}, "2 cores share pair, which does not divide all 3"),
    ):
        with pytest.raises(FusemaxError, match=text):
            cost(one, program, asked, figures)
        with pytest.raises(FusemaxError, match=text):
            simulate(one, on, asked, figures)
