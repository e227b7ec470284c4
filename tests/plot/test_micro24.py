"""The figures of the paper are all drawn, from tables alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import polars
import pytest

from fusemax.errors import FusemaxError
from fusemax.plot.sweep import draw_tables
from fusemax.table.store import read_tables
from tests.study_tables import draw_all, figures_of_the_paper, write_tables

ROOT = Path(__file__).parents[2]
SPECS = {spec.file: spec for spec in figures_of_the_paper()}


def test_every_figure_of_the_paper_is_there() -> None:
    """Figures 6a, 6b and 7 to 12 stand in the table once, each with a caption and a title."""
    numbers = [match[1] for name in SPECS if (match := re.match(r"figure-0*(\d+[ab]?)-", name))]
    assert ["6a", "6b", "7", "8", "9", "10", "11", "12"] == numbers
    assert all(spec.caption and spec.title and spec.ylabel for spec in SPECS.values())


def test_all_are_drawn(tmp_path: Path) -> None:
    """Each figure gives an SVG and a PNG."""
    paths = [path for picture in draw_all(write_tables(tmp_path)) for path in picture.paths]
    assert [tmp_path / f"{name}.{ending}" for name in SPECS for ending in ("svg", "png")] == paths
    assert all(path.stat().st_size > 5000 for path in paths)


def test_another_process_draws_the_same_bytes(tmp_path: Path) -> None:
    """No hash seed, date or order of a set shows in a file."""
    write_tables(tmp_path)
    paths = [path for picture in draw_all(tmp_path) for path in picture.paths]
    first = [path.read_bytes() for path in paths]
    code = "import sys, pathlib, tests.study_tables as t; t.draw_all(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    subprocess.run(command, check=True, env={"PYTHONHASHSEED": "7"}, timeout=120, cwd=ROOT)
    assert first == [path.read_bytes() for path in paths]


@pytest.mark.parametrize(("table", "column"), [("results", "utilization_1d"), ("breakdown", "einsum")])
def test_a_missing_column_is_told(tmp_path: Path, table: str, column: str) -> None:
    """A table without a column that a figure needs is refused by name."""
    write_tables(tmp_path, ("parquet",))
    path = tmp_path / f"{table}.parquet"
    polars.read_parquet(path).drop(column).write_parquet(path)
    with pytest.raises(FusemaxError, match=f"{table}: there is no column '{column}'"):
        draw_all(tmp_path)


def test_one_figure_alone(tmp_path: Path) -> None:
    """A figure is drawn from tables into any folder."""
    write_tables(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    draw_tables(read_tables(tmp_path), tmp_path / "elsewhere", SPECS["figure-12-latency-area"])
    found = {path.name for path in (tmp_path / "elsewhere").iterdir()}
    assert {"figure-12-latency-area.svg", "figure-12-latency-area.png"} == found
