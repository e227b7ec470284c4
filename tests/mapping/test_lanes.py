"""Units that work with one lane are told by ``check`` and ``cost``."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusemax.cli import build
from fusemax.cli.check import check_file, checked

CASCADE = """
title: t
source: s
inputs: {X: [K]}
outputs: [Y]
einsums: |
  Y[k] = X[k]*X[k]
"""
MACHINE = """
title: t
source: s
clock: 1 Hz
word: 1 B
levels: {DRAM: {}}
units: {u: {shape: {lanes: LANES}, operations: {mul: 1}}}
"""
MAPPING = """
title: t
source: s
cascade: CASCADE
nests: [{FOR do: [Y]}]
bind: {u: [Y]}
"""
SAID = "one lane in Y: no 'spatial' for u there"


def written(folder: Path, lanes: str, inside: str) -> Path:
    """Write a machine of so many lanes, and a mapping with *inside* in its nest beside it."""
    (folder / "squares.yaml").write_text(CASCADE)
    (folder / "machine.yaml").write_text(MACHINE.replace("LANES", lanes))
    path = folder / "mine.yaml"
    path.write_text(MAPPING.replace("CASCADE", str(folder / "squares.yaml")).replace("FOR", inside))
    return path


@pytest.mark.parametrize(
    ("lanes", "inside", "told"),
    [
        ("4", "", True),
        ("4", "spatial: {u: {k: lanes}},", False),
        ("4", "for: [k],", False),  # one point at a time: there is nothing for other lanes
        ("1", "", False),
    ],
)
def test_a_unit_with_one_lane_at_work_is_told(tmp_path: Path, lanes: str, inside: str, told: bool) -> None:
    """Four lanes and several points, but no word of how they come together."""
    path = written(tmp_path, lanes, inside)

    assert check_file(path) == (f"mapping; {SAID}" if told else "mapping")


def test_cost_tells_it_too(tmp_path: Path) -> None:
    """Beside the utilization of the unit."""
    path = written(tmp_path, "4", "")
    machine = str(tmp_path / "machine.yaml")
    arguments = [
        "cost",
        str(tmp_path / "squares.yaml"),
        "--machine",
        machine,
        "--mapping",
        str(path),
        "--set",
        "K=8",
    ]
    found = CliRunner().invoke(build(), arguments, env={"COLUMNS": "160"})

    assert SAID in found.output
    assert "8 cycles" in found.output


@pytest.mark.parametrize(
    ("inside", "told"),
    [("", True), ("for: [k1],", False), ("spatial: {u: {k0: lanes}},", False), ("keep: {DRAM: [X]},", True)],
)
def test_tiles_that_nothing_goes_over_are_noted(tmp_path: Path, inside: str, told: bool) -> None:
    """K is cut into K1 and K0, but its elements are gone through one after the other all the same."""
    path = written(tmp_path, "4", inside)
    path.write_text(path.read_text() + "tiles: {K0: 4}\n")
    _, notes = checked(path)
    assert bool(notes) == told
    assert not told or "tiles of K change nothing" in notes[0]
