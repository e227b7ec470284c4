"""Tile formulas: other tiles in them, and values that are no tile."""

from __future__ import annotations

import pytest

from fusemax.cost.evaluate import CapacityError
from fusemax.cost.point import cost_of
from fusemax.errors import ProblemsError
from fusemax.language.formula import formula
from fusemax.mapping.spec import Fit
from fusemax.mapping.tiles import TileError, written_out
from fusemax.shipped import ROOT

SIZES = {"B": 1, "H": 2, "M": 512, "P": 512, "E": 64, "F": 64}


def test_a_tile_may_use_other_tiles() -> None:
    """Rules are replaced by what they say, through several steps."""
    tiles = {"P0": formula("2*E", "1"), "M0": formula("max(16, P0/2)", "1"), "M1": formula("-M0", "1")}
    assert str(written_out("M0", tiles)) == str(formula("max(16, (2*E)/2)", "1"))
    assert str(written_out("M1", tiles)) == str(formula("-max(16, (2*E)/2)", "1"))
    assert written_out("P0", tiles) == tiles["P0"]


def test_tiles_that_need_each_other_are_refused() -> None:
    """A circle, and a tile that is only found with the costs."""
    with pytest.raises(TileError, match="M0 and P0 need each other"):
        written_out("P0", {"P0": formula("M0", "1"), "M0": formula("P0 + 1", "1")})
    with pytest.raises(TileError, match=r"P0 is found by fit\(\)"):
        written_out("M0", {"P0": Fit(level="L2"), "M0": formula("P0", "1")})


def changed(folder, old: str, new: str) -> str:
    """A copy of a shipped mapping with one line changed."""
    text = (ROOT / "arch" / "gpu" / "flash2.yaml").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith(old))
    path = folder / "mine.yaml"
    path.write_text(text.replace(line, new), encoding="utf-8")
    return str(path)


def test_a_circle_is_told_with_its_place(tmp_path) -> None:
    """The file, the line and the tile."""
    mapping = changed(tmp_path, "  M0:", "  M0: M1\n  M1: M0")
    with pytest.raises(ProblemsError, match=r"mine.yaml:\d+:\d+: tiles.M0: M0 and M1 need each other"):
        cost_of("attention", "h200", mapping, SIZES)


@pytest.mark.parametrize(("rule", "value"), [("E/3", "21.3333"), ("E - 64", "0"), ("E - 128", "-64")])
@pytest.mark.parametrize("cascade", ["attention", "grouped/causal"])
def test_a_tile_that_is_no_whole_number_from_one_is_refused(
    tmp_path, rule: str, value: str, cascade: str
) -> None:
    """Nothing is rounded: the tile is named with its value, and how to mend it."""
    mapping = changed(tmp_path, "  M0:", f"  M0: {rule}")
    with pytest.raises(CapacityError, match=f"tile M0 of nest AV in mapping .* is {value}, but"):
        cost_of(cascade, "h200", mapping, SIZES)
