"""``fusemax check`` refuses a mapping whose tiles cannot fit, and no shipped one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fusemax.cli.check import check_file
from fusemax.cost.evaluate import CapacityError
from fusemax.shipped import ROOT

HOME = ROOT / "arch" / "fusemax"


@pytest.mark.parametrize(("scores", "fits"), [(1, True), (6, True), (7, False), (64, False)])
def test_scores_of_an_element(tmp_path: Path, scores: int, fits: bool) -> None:
    """Two words a score in files of twelve: six scores fit, seven do not."""
    shutil.copy(HOME / "machine.yaml", tmp_path / "machine.yaml")
    text = (HOME / "fusemax.yaml").read_text(encoding="utf-8").replace("M0: 2d.rows", f"M0: {256 * scores}")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    if fits:
        assert check_file(tmp_path / "mine.yaml") == "mapping"
        return
    with pytest.raises(CapacityError, match=r"(?s)2d is too small .*BQK.*whole tiles"):
        check_file(tmp_path / "mine.yaml")


FILES = [path for name in ("fusemax", "flat") for path in sorted((ROOT / "arch" / name).glob("*.yaml"))]


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_shipped_files(file: Path) -> None:
    """All of them can fit."""
    assert check_file(file)
