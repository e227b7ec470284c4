"""Marks that a reader would otherwise miss: bars without height, and thousands of points at one place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fusemax.plot.curves import dot
from fusemax.plot.spec import FigureSpec
from fusemax.plot.style import looks
from fusemax.plot.sweep import draw_tables
from fusemax.table.table import Tables, table_of


def tables(folder: Path, **columns: list[object]) -> Tables:
    """Return a table of *columns*."""
    return Tables(folder=folder, tables={"results": table_of(polars.DataFrame(columns))})


def test_a_bar_equal_to_the_baseline_is_seen(tmp_path: Path) -> None:
    """On a logarithmic axis a ratio of 1 has no height: a line of its colour stands for it."""
    names, values = ["base", "same", "half"], [2.0, 2.0, 1.0]
    given = tables(tmp_path, name=names, x=["a"] * 3, y=values)
    spec = FigureSpec(file="b", kind="bars", x="x", y="y", series="name", baseline="base", log="y")
    text = draw_tables(given, tmp_path, spec).paths[0].read_text(encoding="utf-8")
    assert "stroke: #e69f00; stroke-width: 2.5" in text.lower()
    assert "stroke: #56b4e9; stroke-width: 2.5" not in text.lower()


def test_a_crowd_is_one_mark_for_each_place(tmp_path: Path) -> None:
    """Ten thousand points at two places are two marks, the darker the more, and the caption says so."""
    xs = [1.0] * 9_900 + [2.0] * 100
    given = tables(tmp_path, x=xs, y=xs)
    picture = draw_tables(given, tmp_path, FigureSpec(file="s", kind="scatter", x="x", y="y", log="xy"))
    assert "one mark, the darker the more they are" in picture.caption
    assert picture.paths[0].stat().st_size < 40_000
    few = draw_tables(
        tables(tmp_path, x=[1.0], y=[2.0]), tmp_path, FigureSpec(file="s", kind="scatter", x="x", y="y")
    )
    assert "" == few.caption


def test_every_mark_keeps_its_ink_beside_a_white_edge() -> None:
    """The mark of each series, as legends and points draw it, colours a quarter of a disk's pixels at the least."""
    ink: dict[str, int] = {}
    for name, look in looks([f"s{number}" for number in range(8)]).items():
        picture = Figure(figsize=(0.5, 0.5), dpi=200)
        axes = picture.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.axis("off")
        with rc_context({"lines.markersize": 4.5}):
            handle = dot(look)
        handle.set_data([0.5], [0.5])
        handle.set_transform(axes.transAxes)
        axes.add_line(handle)
        canvas = FigureCanvasAgg(picture)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
        ink[name] = int((pixels < 215).any(axis=2).sum())
    assert min(ink.values()) >= ink["s0"] / 4, ink
