"""Grids: what a part means point by point, and what is said about one that is wrong."""

from __future__ import annotations

import itertools
import math

import pytest

import fusemax
from fusemax.cost.evaluate import CapacityError, cost
from fusemax.cost.model import derive
from fusemax.machine import load_machine
from fusemax.study.spec.ranges import numbers
from tests.mappings import load_mapping

SIZES = {"B": 2, "H": 4, "E": 64, "F": 64, "M": 4096, "P": "M"}


def single(sizes: dict[str, int], figures: dict[str, float]):
    """Return the cost of one point of FuseMax, or None where its tiles do not fit."""
    machine, path = load_machine("fusemax")
    mapped = load_mapping("fusemax", machine, path)
    try:
        return cost(mapped, derive(mapped, machine, figures), sizes, figures)
    except CapacityError:
        return None


def test_rows_are_the_points_in_order():
    """The last name changes fastest, and every row has the bits of its point alone; what does not fit is null."""
    rows, buffers, lengths = [64, 256], [2.0**14, 2.0**18, 2.0**22], [1000, 4096]
    table = fusemax.sweep(
        "fusemax", "fusemax", sizes={"B": 2, "H": 4, "E": 64, "F": 64, "P": "M"},
        grid={"M": lengths, "2d.shape": rows, "L3.size": ["16 KiB", "256 KiB", "4 MiB"]},
    )  # fmt: skip
    expected = []
    for length, side, size in itertools.product(lengths, rows, buffers):
        sizes = {"B": 2, "H": 4, "E": 64, "F": 64, "M": length, "P": length}
        answer = single(sizes, {"2d.rows": side, "2d.columns": side, "L3.size": size})
        values = (answer.latency_s, answer.traffic_B, answer.energy_J) if answer else (None, None, None)
        expected.append((length, float(side), size, answer is not None, *values))
    columns = ("M", "2d.rows", "L3.size", "fits", "latency_s", "traffic_B", "energy_J")
    assert expected == table.select(columns).rows()
    assert 0 < table["fits"].sum() < table.height


def test_zipped_names_go_together():
    """A zip of two lists of three makes three rows."""
    table = fusemax.sweep(
        "fusemax", "fusemax", sizes=SIZES, zip=[["2d.rows", "L3.size"]],
        grid={"2d.rows": [64, 128, 256], "clock": ["1 GHz", "2 GHz"], "L3.size": ["1 MiB", "2 MiB", "4 MiB"]},
    )  # fmt: skip
    assert 6 == table.height
    assert {(64.0, 2.0**20), (128.0, 2.0**21), (256.0, 2.0**22)} == set(
        table.select("2d.rows", "L3.size").rows()
    )


def test_conditions_leave_points_out():
    """Conditions may compare names, quantities and results."""
    grid = {"2d.rows": [64, 128, 256], "1d.lanes": [64, 128, 256]}
    every = fusemax.sweep("fusemax", "fusemax", sizes=SIZES, grid=grid)
    bound = sorted(every["area_m2"])[5]
    kept = fusemax.sweep(
        "fusemax", "fusemax", sizes=SIZES, grid=grid,
        where=["2d.rows <= 1d.lanes", f"area_m2 < {bound * 1e6!r} mm2", "1d.lanes != 128"],
    )  # fmt: skip
    expected = [
        (row["2d.rows"], row["1d.lanes"])
        for row in every.iter_rows(named=True)
        if row["2d.rows"] <= row["1d.lanes"] and row["area_m2"] < bound and row["1d.lanes"] != 128
    ]
    assert expected == kept.select("2d.rows", "1d.lanes").rows()


def test_a_front_and_the_best_are_those_of_the_whole_table():
    """Kept rows are rows of the whole table: those that no other beats, and the first when sorted."""
    grid = {"2d.shape": [32, 64, 128, 256], "L3.size": {"from": "1 MiB", "to": "8 MiB", "steps": 8}}
    every = fusemax.sweep("fusemax", "fusemax", sizes=SIZES, grid=grid)
    front = fusemax.sweep("fusemax", "fusemax", sizes=SIZES, grid=grid, pareto=["latency", "area", "traffic"])
    points = every.select("latency_s", "area_m2", "traffic_B").rows()
    unbeaten = {
        p for p in points
        if not any(o != p and all(a <= b for a, b in zip(o, p, strict=True)) for o in points)
    }  # fmt: skip
    assert unbeaten == set(front.select("latency_s", "area_m2", "traffic_B").rows())
    assert front.drop("point", "equal_points").rows() == every[front["point"].to_list()].rows()
    best = fusemax.sweep("fusemax", "fusemax", sizes=SIZES, grid=grid, top=3, by="energy_delay")
    products = every.select((every["energy_J"] * every["latency_s"]).alias("product"))["product"]
    assert sorted(products)[:3] == best["energy_delay"].to_list()


def test_tiles_can_be_swept():
    """A tile given as a number takes the place of the rule of the mapping; too large a one does not fit."""
    table = fusemax.sweep(
        "fusemax", "fusemax", sizes=SIZES, figures={"L3.size": "512 KiB"}, grid={"tiles.P1": [1, 4, 16]}
    )
    assert [1, 4, 16] == table["P1"].to_list()
    assert [True, True, False] == table["fits"].to_list()
    traffic = table["traffic_B"].to_list()
    assert traffic[0] > traffic[1]
    assert traffic[2] is None
    assert ["", "", "L3 is too small in nest AV"] == table["reason"].to_list()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([1, "4Ki"], (1.0, 4096.0)),
        ({"from": 1, "to": 5, "steps": 3}, (1.0, 3.0, 5.0)),
        ({"from": "1Ki", "to": "1Mi", "steps": 11, "scale": "log"}, tuple(2.0**k for k in range(10, 21))),
        ({"from": 1000, "to": 2000, "steps": 3, "scale": "log", "round": 128}, (1024.0, 1408.0, 2048.0)),
    ],
)
def test_values_of_an_axis(written, expected):
    """Lists and ranges, with exact ends and powers of two."""
    assert expected == numbers("M", written)


def test_a_figure_keeps_its_fractions():
    """Only sizes are whole numbers."""
    low, middle, high = numbers("clock", {"from": "1 GHz", "to": "2 GHz", "steps": 3, "scale": "log"})
    assert (1e9, 2e9) == (low, high)
    assert math.isclose(middle, 2**0.5 * 1e9)


MISTAKES = {
    "fraction": {"grid": {"M": {"from": 1000, "to": 2000, "steps": 4, "scale": "log"}}},
    "unknown figure": {"grid": {"L3.sise": ["1 MiB"]}},
    "unknown unit": {"grid": {"3d.shape": [64]}},
    "twice": {"grid": {"M": [1, 2]}, "sizes": {**SIZES, "M": 4}},
    "range key": {"grid": {"clock": {"from": "1 GHz", "too": "2 GHz", "steps": 2}}},
    "repeated": {"grid": {"clock": ["1 GHz", "1 GHz"]}},
    "zip": {"grid": {"clock": ["1 GHz", "2 GHz"], "2d.rows": [1, 2, 3]}, "zip": [["clock", "2d.rows"]]},
    "missing size": {"grid": {"clock": ["1 GHz"]}, "sizes": {"B": 1}},
    "unknown output": {"grid": {"clock": ["1 GHz"]}, "outputs": ["latancy_s"]},
    "unknown name in where": {"grid": {"clock": ["1 GHz", "2 GHz"]}, "where": ["2d.row <= 4"]},
    "circle": {"grid": {"clock": ["1 GHz", "2 GHz"]}, "sizes": {**SIZES, "M": "P"}},
    "unknown tile": {"grid": {"tiles.P3": [1, 2]}},
    "one measure": {"grid": {"clock": ["1 GHz", "2 GHz"]}, "pareto": ["latency"]},
    "top alone": {"grid": {"clock": ["1 GHz", "2 GHz"]}, "top": 3},
    "no whole number": {"grid": {"H": [3, 4]}, "sizes": {**{k: v for k, v in SIZES.items() if k != "H"}, "E": "128/H"}},
}  # fmt: skip


def test_mistakes_are_said_in_words(golden):
    """Each mistake gives an error that says what, where and how to mend it."""
    texts = []
    for name, arguments in MISTAKES.items():
        with pytest.raises(fusemax.FusemaxError) as caught:
            fusemax.sweep("fusemax", "fusemax", **{"sizes": SIZES, **arguments})
        texts.append(f"# {name}\n{caught.value}\n")
    golden("study/grid", "\n".join(texts))


NAMES = {
    "c.yaml": "inputs: {X: [A]}\nsame: [[Z, A]]\noutputs: [Y, Z]\neinsums: |\n  Y[a] = X[a] - X[a]\n  Z[z] = X[z] - X[z]\n",
    "machine.yaml": "clock: 1 GHz\nword: 2 B\nlevels: {DRAM: {bandwidth: 8 GB/s}, L1: {size: 1 KiB}}\n"
    "units: {a: {shape: {rows: 2}, operations: {sub: 1}}}\n",
    "m.yaml": "cascade: ./c.yaml\nnests: [{keep: {L1: [X]}, do: [{do: [Y]}, {do: [Z]}]}]\nbind: {a: [Y, Z]}\n",
}


def test_names_of_ranks_that_are_not_equally_long_are_no_points_of_a_grid(tmp_path):
    """Two names of X: where both are four long both read its four words; else the point does not fit, as `cost` refuses it."""
    for name, text in NAMES.items():
        (tmp_path / name).write_text(f"title: t\nsource: s\n{text}")
    paths = str(tmp_path / "machine.yaml"), str(tmp_path / "m.yaml")
    said = "X has the names a and z in nest Z"
    table = fusemax.sweep(*paths, grid={"A": [3, 4], "Z": [3, 4]})

    assert [True, False, False, True] == table["fits"].to_list()
    assert ["", *[f"{said}, of ranks that are not equally long"] * 2, ""] == table["reason"].to_list()
    assert [2 * 3 * n if n else None for n in (3, None, None, 4)] == table["traffic_B"].to_list()
    with pytest.raises(fusemax.FusemaxError, match=f"{said} of mapping m, of ranks A=3 and Z=4"):
        fusemax.Design(None, *paths).cost(A=3, Z=4)
    with pytest.raises(fusemax.FusemaxError, match=f"{said} of mapping m, of ranks A=3 and Z=4"):
        fusemax.sweep(*paths, sizes={"A": 3, "Z": 4}, grid={"clock": ["1 GHz"]})
