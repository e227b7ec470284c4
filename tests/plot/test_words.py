"""Names, units and numbers of any study have room: nothing runs past an axis, lies on other words or says another number."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import polars
import pytest

from fusemax.plot.bars import bars
from fusemax.plot.names import MOST_GRADED
from fusemax.plot.scales import sized
from fusemax.plot.spec import FigureSpec, Picture
from fusemax.plot.sweep import draw_tables
from fusemax.plot.ticks import power
from fusemax.plot.words import cut, inches
from fusemax.table.column import Column, measure, size, text
from fusemax.table.table import Table, Tables

LONG = [
    f"{place}, a machine with a name that nobody would print, of the {place} kind"
    for place in ("first", "second", "third")
]
COLUMNS = (text("name"), size("M"), measure("latency_s"), Column(name="clock", role="size", unit="Hz"))


def drawn(
    tmp_path: Path, rows: list[tuple[str, int, float, float]], **given: object
) -> tuple[Picture, list[str]]:
    """A figure of *rows* (name, M, latency, clock), and its words."""
    frame = polars.DataFrame(rows, schema=["name", "M", "latency_s", "clock"], orient="row")
    spec = FigureSpec(**{"file": "f", "kind": "bars", "x": "M", "y": "latency_s", **given})  # pyright: ignore[reportArgumentType]
    picture = draw_tables(Tables(folder=tmp_path, tables={"results": Table(frame, COLUMNS)}), tmp_path, spec)
    root = ElementTree.fromstring(picture.paths[0].read_text(encoding="utf-8"))
    return picture, ["".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("}text")]


@pytest.mark.parametrize(
    ("latency_s", "unit", "shown"),
    [(2.1e-5, "us", 21), (3.3e-2, "ms", 33), (40.0, "s", 40), (7e-9, "ns", 7)],
)
@pytest.mark.parametrize("kind", ["bars", "lines", "scatter"])
def test_an_axis_has_the_unit_of_its_values(
    tmp_path: Path, kind: str, latency_s: float, unit: str, shown: float
) -> None:
    """The ticks are the numbers themselves: no factor stands apart, which a reader would miss."""
    _, words = drawn(tmp_path, [("a", 1024, latency_s / 2, 1e9), ("a", 2048, latency_s, 1e9)], kind=kind)
    assert f"latency ({unit})" in words
    numbers = [float(word) for word in words if re.fullmatch(r"[\d.]+", word)]
    assert 0.7 * shown <= max(numbers) <= shown


@pytest.mark.parametrize("kind", ["bars", "stacks"])
def test_bars_of_nothing_but_zeros_have_an_axis(tmp_path: Path, kind: str) -> None:
    """A warning of matplotlib would be an error here."""
    _, words = drawn(tmp_path, [("a", 1, 0.0, 1e9), ("a", 2, 0.0, 1e9)], kind=kind, series="name")
    assert "0" in words or "0.0" in words


def test_very_large_numbers_say_their_power(tmp_path: Path) -> None:
    """Beyond all units each tick has its power of ten."""
    _, words = drawn(tmp_path, [("a", 1, 1e14, 1e9), ("a", 2, 2e14, 1e9)])
    assert "2·10¹⁴" in words or "1.5·10¹⁴" in words


def test_ticks_of_a_short_logarithmic_axis_differ(tmp_path: Path) -> None:
    """Less than a decade: texts with as many digits as tell them apart."""
    _, words = drawn(tmp_path, [("a", 1024, 2.1e-5, 1e9)], log="y")
    numbers = [word for word in words if re.fullmatch(r"\d+", word)]
    assert len(numbers) == len(set(numbers)) > 2
    assert power(2.2e-5) == "2.2·10⁻⁵"


@pytest.mark.parametrize("kind", ["bars", "lines", "rows", "heat", "stacks"])
@pytest.mark.parametrize("x", ["name", "M"])
def test_long_names_are_cut_and_told(tmp_path: Path, kind: str, x: str) -> None:
    """On an axis, in a legend and over panels; the caption has them in full."""
    if kind == "lines" and x == "name":
        return
    rows = [(name, 1024, 1e-3 * (at + 1), 1e9) for at, name in enumerate(LONG)]
    series = (
        {"series": "M" if x == "name" else "name"}
        if kind not in ("bars",)
        else {"panels": ["name"], "series": "name"}
    )
    picture, words = drawn(tmp_path, rows, kind=kind, x=x, **series)
    assert all(inches(word) < 7.2 for word in words)
    assert "…" in " ".join(words)
    assert all(name in picture.caption for name in LONG)


def test_what_is_cut_stays_apart() -> None:
    """Names with one beginning are cut in the middle."""
    found = cut([f"{'x' * 40} {end}" for end in ("one", "two")], 1.0)
    assert len(set(found)) == 2
    assert all(inches(name) <= 1.0 for name in found)


def test_series_that_round_alike_stay_apart(tmp_path: Path) -> None:
    """Clocks of 500 and 500.5 MHz are two lines, not two values of one."""
    rows = [("a", M, M * 1e-6, clock) for M in (1024, 2048) for clock in (500e6, 500.5e6)]
    _, words = drawn(tmp_path, rows, kind="lines", series="clock")
    assert {"500 MHz", "500.5 MHz"} <= set(words)


def test_two_thousand_series_have_a_legend_of_six(tmp_path: Path) -> None:
    """Numbers go from dark to light, and the caption says how many there are."""
    rows = [
        ("a", M, M * 1e-6 / clock * 1e9, clock)
        for M in (1024, 2048)
        for clock in (5e8 + 5e5 * n for n in range(2000))
    ]
    picture, words = drawn(tmp_path, rows, kind="lines", series="clock", log="y")
    assert sum("Hz" in word for word in words) == MOST_GRADED
    assert f"The legend names {MOST_GRADED} of 2000 series." in picture.caption


def test_bars_on_a_logarithmic_axis_have_no_caps(tmp_path: Path) -> None:
    """A line stands for a bar only where it is no taller than one."""
    from matplotlib.figure import Figure

    from fusemax.plot.points import chart
    from fusemax.plot.style import looks

    rows = [("a", 2**n, 10.0**n, 1e9) for n in range(6)]
    frame = polars.DataFrame(rows, schema=["name", "M", "latency_s", "clock"], orient="row")
    spec = FigureSpec(file="f", kind="bars", x="M", y="latency_s", log="y")
    content = chart(Tables(folder=tmp_path, tables={"results": Table(frame, COLUMNS)}), spec)
    axes = Figure().add_subplot()
    bars(axes, content.panels[0], content, spec, looks(content.known))
    assert not axes.lines


def test_a_title_says_what_is_shown(tmp_path: Path) -> None:
    """Without one of the study's own: what, along what, and of which rows."""
    rows = [("a", 1024, 1e-3, 1e9), ("a", 2048, 2e-3, 1e9)]
    assert "Latency over M: a, clock 1 GHz" in drawn(tmp_path, rows, where={"name": "a", "clock": 1e9})[1]
    assert "Latency by name: M 1K" in drawn(tmp_path, rows, x="name", where={"M": 1024})[1]


def test_a_unit_is_kept_where_it_is_asked_for() -> None:
    """Neither shares nor columns with a unit of their own change."""
    column = measure("latency_s", shown="s")
    assert sized(column, [1e-6]) is column
    assert sized(measure("latency_s"), [1e-6, 1.0], is_log=True).shown == ""
