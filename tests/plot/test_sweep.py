"""Figures of any study: every kind is drawn, labelled, and the same each time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import get_args

import polars
import pytest

from fusemax.errors import FusemaxError
from fusemax.plot.spec import FigureSpec, Log
from fusemax.plot.sweep import draw
from tests.study_tables import write_tables

_XY = ("lines", "scatter")
PLAIN = FigureSpec(
    file="mine",
    kind="bars",
    x="seq_len",
    y="latency_s",
    series="configuration",
    panels=("model",),
    where={"part": "attention"},
    title="Mine",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a results folder with the tables of the tiny study."""
    return write_tables(tmp_path)


def _texts(svg: Path) -> list[str]:
    root = ElementTree.fromstring(svg.read_text(encoding="utf-8"))
    return ["".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("}text")]


@pytest.mark.parametrize(
    ("kind", "log"),
    [("bars", "none"), ("bars", "y"), ("stacks", "none"), *((k, g) for k in _XY for g in get_args(Log))],
)
def test_every_kind_is_drawn_and_labelled(folder: Path, kind: str, log: Log) -> None:
    """Both files hold a picture; axes, ticks, panels, series and title are written in it."""
    svg, png = draw(folder, replace(PLAIN, kind=kind, log=log)).paths
    assert b"\x89PNG" == png.read_bytes()[:4]
    texts = _texts(svg)
    for wanted in ("Mine", "sequence length (tokens)", "latency (s)", "BERT", "XLM", "unfused", "+Binding"):
        assert texts.count(wanted) == 1, wanted
    assert {"1K", "1M"} <= set(texts)


def test_texts_are_large_enough(folder: Path) -> None:
    """No text is smaller than 8 pt at the width at which the figure is printed."""
    svg, _ = draw(folder, PLAIN).paths
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg.read_text(encoding="utf-8"))]
    assert min(sizes) >= 8
    width = re.search(r'width="([\d.]+)pt"', svg.read_text(encoding="utf-8"))
    assert width is not None
    assert float(width[1]) <= 7.16 * 72 + 1


def test_labels_of_the_user_come_first(folder: Path) -> None:
    """Labels that the study gives replace those made from column names."""
    svg, _ = draw(folder, replace(PLAIN, xlabel="tokens", ylabel="how long (s)")).paths
    assert {"tokens", "how long (s)"} <= set(_texts(svg))


def test_a_ratio_names_its_baseline(folder: Path) -> None:
    """Without a label of the user's, the axis says what is divided by what."""
    svg, _ = draw(folder, replace(PLAIN, baseline="FLAT", ratio="baseline/value", log="y")).paths
    assert "latency: FLAT/own" in _texts(svg)
    assert "FLAT" not in _texts(svg)


def test_bytes_are_the_same_each_time(folder: Path) -> None:
    """A figure that is drawn again has the same bytes, SVG and PNG."""
    first = [path.read_bytes() for path in draw(folder, PLAIN).paths]
    assert first == [path.read_bytes() for path in draw(folder, PLAIN).paths]


def test_a_grid_leaves_out_what_is_not_there(tmp_path: Path) -> None:
    """Two panel columns make a grid; a pair without rows stays empty."""
    rows = {"x": [1, 2, 1, 2, 1, 2], "y": [1.0, 2.0] * 3, "a": list("ppppqq"), "b": list("ssttss")}
    polars.DataFrame(rows).write_csv(tmp_path / "results.csv")
    svg, _ = draw(tmp_path, FigureSpec(file="grid", kind="lines", x="x", y="y", panels=("a", "b"))).paths
    titles = [text for text in _texts(svg) if "," in text]
    assert ["p, s", "p, t", "q, s"] == sorted(titles)


def test_many_names_take_several_lines(tmp_path: Path) -> None:
    """Twenty series are drawn with their names, none beyond the edge of the picture."""
    rows = {"x": [1] * 20, "y": [1.0] * 20, "who": [f"configuration {at}" for at in range(20)]}
    polars.DataFrame(rows).write_csv(tmp_path / "results.csv")
    svg, _ = draw(tmp_path, FigureSpec(file="many", kind="bars", x="x", y="y", series="who")).paths
    assert set(rows["who"]) <= set(_texts(svg))


def test_nothing_is_written_when_nothing_can_be_drawn(folder: Path) -> None:
    """A mistake leaves no picture behind."""
    before = sorted(folder.iterdir())
    with pytest.raises(FusemaxError):
        draw(folder, replace(PLAIN, y="speed"))
    assert before == sorted(folder.iterdir())
