"""Pictures of a whole model's pass: one colour for a kind of work in all of them, texts that stand apart, round ticks."""

from __future__ import annotations

import re
from pathlib import Path

from matplotlib.colors import to_hex

from fusemax.plot.layer import Span, Whole, draw_layer, draw_wholes
from fusemax.plot.style import looks

WORKS = ("norm", "projection", "attention")


def texts(path: Path) -> list[str]:
    """Return the texts of an SVG file."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8"))


def test_a_kind_of_work_has_one_colour(tmp_path: Path) -> None:
    """The third of all kinds looks the same in a layer without the first two and in a bar of all three."""
    span = Span(part="layer", name="scores", work="attention", time_s=1e-3, limit="DRAM")
    layer, _ = draw_layer("a", [span], tmp_path, "layer", WORKS)
    bar, _ = draw_wholes(
        "b", [Whole(name="pass", parts=dict.fromkeys(WORKS, 0.3))], "1", tmp_path, "bar", WORKS
    )
    color = to_hex(looks(WORKS, stacked=True)["attention"].color)

    assert color in layer.read_text(encoding="utf-8")
    assert color in bar.read_text(encoding="utf-8")
    assert "attention" in texts(layer)
    assert not {"norm", "projection"} & set(texts(layer))


def test_beside_a_bar_stands_what_is_said_of_it(tmp_path: Path) -> None:
    """Its sum, or a text of its own; no text begins with a space, which browsers leave out."""
    wholes = [
        Whole(name="one", parts={"a": 0.25, "b": 0.5}, said="14 ms"),
        Whole(name="other", parts={"a": 0.5}),
    ]
    found = texts(draw_wholes("t", wholes, "1", tmp_path, "bar")[0])

    assert {"14 ms", "0.5", "one", "other"} <= set(found)
    assert found == [text.strip() for text in found]


def test_ticks_of_bytes_are_round(tmp_path: Path) -> None:
    """80 decimal gigabytes are 74.5 GiB: ticks at 15, 30, 45, 60 GiB rather than at 18.6, 37.3, ..."""
    whole = Whole(name="one chip", parts={"weights": 16e9}, mark=80e9)
    found = texts(draw_wholes("t", [whole], "B", tmp_path, "memory")[0])

    assert ["0", "15 GiB", "30 GiB", "45 GiB", "60 GiB", "75 GiB"] == [
        text for text in found if re.fullmatch(r"0|[\d.]+ GiB", text) and text != "14.9 GiB"
    ]
