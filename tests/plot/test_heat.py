"""Heat maps: a field for each pair of two axes, coloured by a third column, empty where there is no value."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import polars
import pytest

from fusemax.errors import FusemaxError
from fusemax.plot.spec import FigureSpec
from fusemax.plot.sweep import draw_tables
from fusemax.table.table import Tables, table_of

SPEC = FigureSpec(file="heat", kind="heat", x="M", y="latency_s", series="chip", log="y", unit="ms")


def tables(folder: Path, values: list[float | None]) -> Tables:
    """Return a table of two chips at three lengths."""
    frame = polars.DataFrame(
        {"chip": ["a", "a", "a", "b", "b", "b"], "M": [1024, 2048, 3000] * 2, "latency_s": values}
    )
    return Tables(folder=folder, tables={"results": table_of(frame)})


def fields(svg: Path) -> list[tuple[int, int, int]]:
    """Return the colours of the fields, as red, green and blue."""
    found = []
    for element in ElementTree.fromstring(svg.read_text(encoding="utf-8")).iter():
        style = element.get("style", "")
        if element.tag.endswith("path") and "fill: #" in style and "stroke: #ffffff" in style:
            code = style.partition("fill: #")[2][:6]
            found.append((int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)))
    return found


def test_colours_follow_the_values(tmp_path: Path) -> None:
    """Each decade is as far from the last in lightness, the least is darkest, and a gap has no field."""
    picture = draw_tables(tables(tmp_path, [1e-3, 1e-2, 1e-1, 1.0, None, 1e-2]), tmp_path, SPEC)
    light = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in fields(picture.paths[0])]
    assert 5 == len(light)
    first, second, third, fourth, again = light
    assert first < second < third < fourth
    assert second == again
    assert "1 point has no value and left a gap: chip = b, M = 2048" in picture.caption
    text = picture.paths[0].read_text(encoding="utf-8")
    assert all(f">{word}<" in text for word in ("a", "b", "1K", "2K", "3000", "chip", "latency (ms)"))


def test_ratios_and_equal_values(tmp_path: Path) -> None:
    """Against a baseline the other rows are left; values that are all equal have one colour."""
    spec = FigureSpec(file="heat", kind="heat", x="M", y="latency_s", series="chip", baseline="a")
    picture = draw_tables(tables(tmp_path, [1.0, 2.0, 3.0, 2.0, 4.0, 6.0]), tmp_path, spec)
    assert 1 == len(set(fields(picture.paths[0])))
    assert 3 == len(fields(picture.paths[0]))


@pytest.mark.parametrize(
    ("change", "said"),
    [({"series": None}, "series: heat need one"), ({"log": "xy"}, "only y can be logarithmic")],
)
def test_what_it_cannot_show(tmp_path: Path, change: dict[str, str], said: str) -> None:
    """A heat map has two axes of places of equal width."""
    from dataclasses import replace

    with pytest.raises(FusemaxError, match=said):
        draw_tables(tables(tmp_path, [1.0] * 6), tmp_path, replace(SPEC, **change))  # pyright: ignore[reportArgumentType]
