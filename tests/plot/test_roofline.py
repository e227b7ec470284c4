"""Rooflines: points below the lines that bound them, for studies and for single costs."""

from __future__ import annotations

import re
from pathlib import Path

import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fusemax as fm
from fusemax.errors import FusemaxError
from fusemax.plot.points import chart
from fusemax.plot.spec import FigureSpec
from fusemax.plot.sweep import draw_tables
from fusemax.study.columns import ROOFLINE
from fusemax.table.table import Tables, table_of

SPEC = FigureSpec(file="roof", kind="roofline", x="intensity", y="speed", series="chip")
SIZES = {"B": 2, "H": 4, "E": 64, "F": 64, "M": 4096, "P": 4096}


def tables(folder: Path) -> Tables:
    """Return a table of two chips: one bound by its bandwidth of 2 B/s, one by its peak of 8 lane-cycles/s."""
    rows = {"chip": ["a", "b"], "intensity": [2.0, 16.0], "speed": [3.0, 8.0], "peak": 8.0, "bandwidth": 2.0}
    return Tables(folder=folder, tables={"results": table_of(polars.DataFrame(rows), ROOFLINE)})


def test_roofs_are_named_with_their_units(tmp_path: Path) -> None:
    """Peak and bandwidth stand beside the roofs, words and units on both axes, which are logarithmic unasked."""
    (svg, _) = draw_tables(tables(tmp_path), tmp_path, SPEC).paths
    text = svg.read_text(encoding="utf-8")
    wanted = ("8 lane-cycles/s", "2 B/s", "work for each byte (lane-cycles/B)", "speed (lane-cycles/s)")
    assert [word for word in wanted if f">{word}<" not in text] == []


def test_a_table_without_roofs_is_refused(tmp_path: Path) -> None:
    """The message says what the table would have to tell."""
    frame = tables(tmp_path).table("results").frame.drop("peak")
    lacking = Tables(folder=tmp_path, tables={"results": table_of(frame, ROOFLINE)})
    with pytest.raises(FusemaxError, match="a roofline needs a column that tells the peak; results has none"):
        chart(lacking, SPEC)


@pytest.mark.parametrize(
    ("machine", "mapping"), [("fusemax", "fusemax"), ("flat", "unfused"), ("h100", "flash2")]
)
def test_values_from_the_definition(machine: str, mapping: str) -> None:
    """Peak is lanes times clock times cores, speed a share of it, and no unit is quicker than its roof."""
    design = fm.Design(None, machine, mapping)
    answer = design.cost({**SIZES, "E": 128, "F": 128})
    parameters = answer.parameters
    rows = {row["unit"]: row for row in answer.roofline.rows()}
    assert set(rows) == {unit for unit, share in answer.utilization.items() if share > 0}
    for unit, row in rows.items():
        lanes = parameters["replicas"]
        for dimension in design.machine.units[unit].shape:
            lanes *= parameters[f"{unit}.{dimension}"]
        assert row["peak"] == pytest.approx(lanes * parameters["clock"])
        assert row["speed"] == pytest.approx(answer.utilization[unit] * row["peak"])
        work = row["speed"] * answer.latency_s
        assert row["intensity"] == pytest.approx(work / answer.traffic_B)
        assert row["speed"] <= min(row["peak"], row["intensity"] * row["bandwidth"]) * (1 + 1e-9)
        assert row["bandwidth"] == pytest.approx(
            answer.values.get("DRAM.bandwidth", parameters.get("DRAM.bandwidth"))
        )


@given(st.floats(1e-3, 1e6), st.floats(1e-3, 1e3), st.floats(0.01, 1.0), st.floats(1e-3, 1e3))
def test_a_point_knows_its_own_roof(peak: float, bandwidth: float, share: float, x: float) -> None:
    """What a row says of its roofs stays with its point, where several stand at one place too."""
    speed = share * min(peak, x * bandwidth)
    rows = {"chip": ["a", "a"], "intensity": x, "speed": [speed, speed / 2], "peak": [peak, 2 * peak]}
    frame = polars.DataFrame(rows).with_columns(bandwidth=polars.lit(bandwidth))
    found = chart(Tables(folder=Path(), tables={"results": table_of(frame, ROOFLINE)}), SPEC)
    points = {(point.y, point.more) for point in found.panels[0].series["a"]}
    assert points == {(speed, (peak, bandwidth)), (speed / 2, (2 * peak, bandwidth))}


def test_costs_side_by_side(tmp_path: Path) -> None:
    """A stack of energies and a roofline of two designs are one line each; energies add up to the totals."""
    designs = {"unfused": ("flat", "unfused"), "FuseMax": ("fusemax", "fusemax")}
    both = fm.compare({name: fm.Design(None, *given).cost(SIZES) for name, given in designs.items()})
    for name, total in zip(both["configuration"], both["energy_J"], strict=True):
        parts = [row["energy_J"] for row in both.energy.rows() if row["configuration"] == name]
        assert sum(parts) == pytest.approx(total)
    stack = both.energy.plot(
        "configuration", "energy_J", kind="stacks", series="component", file=tmp_path / "e"
    )
    assert re.search(r"energy \([um]?J\)", stack.paths[0].read_text(encoding="utf-8"))
    roofs = both.roofline.plot(
        "intensity", "speed", kind="roofline", series="configuration", panels=["unit"], file=tmp_path / "r"
    )
    assert "speed (lane-cycles/s)" in roofs.paths[0].read_text(encoding="utf-8")
    with pytest.raises(FusemaxError, match="at least one"):
        fm.compare({})
