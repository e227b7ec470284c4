"""The picture of a cascade: every Einsum in it, a boundary for each later pass, the same bytes each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemax.analysis.passes import analyse
from fusemax.cascade.build import load_cascade
from fusemax.errors import FusemaxError
from fusemax.plot.dag import _rows as rows_of
from fusemax.plot.dag import draw
from fusemax.shipped import shipped


@pytest.mark.parametrize("name", shipped("einsums"))
def test_rows_hold_everything_once_and_run_downwards(name):
    """Each Einsum and input stands in one row, below all that it reads but for its loop's previous step."""
    cascade = load_cascade(name)
    rows, bands = rows_of(cascade, analyse(cascade).main)
    row = {one: at for at, names in enumerate(rows) for one in names}
    order = {einsum.name: at for at, einsum in enumerate(cascade.computed)}

    assert {*order, *cascade.inputs} == {one for one in row if " " not in one}
    assert len(bands) <= analyse(cascade).main.sweeps - 1
    for einsum in cascade.computed:
        for access in einsum.reads:
            if access.tensor in row and order.get(access.tensor, -1) < order[einsum.name]:
                assert row[access.tensor] < row[einsum.name]


def test_the_same_bytes_each_time(tmp_path: Path):
    """A picture drawn twice is one file: it may be kept under version control."""
    cascade = load_cascade("attention/1-pass")
    files = [draw(cascade, analyse(cascade), tmp_path / f"{n}.svg").read_bytes() for n in range(2)]

    assert files[0] == files[1]
    assert files[0].startswith(b"<?xml")


def test_a_wrong_path_is_answered(tmp_path: Path):
    """A folder that does not exist, or an unknown format, is an error of fusemax's own."""
    cascade = load_cascade("paper/cascade-1")

    with pytest.raises(FusemaxError, match="cannot be drawn"):
        draw(cascade, analyse(cascade), tmp_path / "no" / "such.svg")
    with pytest.raises(FusemaxError, match="cannot be drawn"):
        draw(cascade, analyse(cascade), tmp_path / "picture.txt2")
