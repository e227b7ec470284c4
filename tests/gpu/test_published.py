"""The table of published measurements keeps its promises, and times and rates in one row agree."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from fusemax.errors import FusemaxError, ProblemsError
from fusemax.gpu.published import COLUMNS, Published, published
from fusemax.gpu.rows import Row, RowFile
from fusemax.gpu.shape import flop, split
from fusemax.shipped import ROOT

TABLE = ROOT / "studies" / "gpu" / "published.csv"


@pytest.fixture(scope="module")
def rows() -> tuple[Published, ...]:
    """Return the rows of the shipped table."""
    return published()


def _half_a_digit(printed: str) -> float:
    """Return the largest relative error that rounding to the last digit of *printed* can make."""
    exponent = Decimal(printed).as_tuple().exponent
    return float(Decimal((0, (5,), int(exponent) - 1)) / Decimal(printed))


def test_printed_time_and_rate_agree(rows: tuple[Published, ...]) -> None:
    """Where a source prints both, counted operations over time are the printed rate, but for rounding."""
    texts = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()))
    both = [(row, text) for row, text in zip(rows, texts, strict=True) if text["tflops"] and text["time_ms"]]
    assert len(both) > 600
    for row, text in both:
        assert row.convention is not None
        assert row.printed_time_s is not None
        rounding = _half_a_digit(text["tflops"]) + _half_a_digit(text["time_ms"])
        rate = flop(row.shape, row.convention) / row.printed_time_s
        assert row.rate_FLOP_per_s == pytest.approx(rate, rel=1.05 * rounding + 1e-4), f"line {row.line}"


def test_one_printed_row() -> None:
    """cuDNN 9.1 and 9.4 on an H200 as the front end's benchmark tables print them."""
    found = [
        row
        for row in published()
        if (row.gpu, row.kernel, row.shape.direction) == ("H200", "cudnn", "fwd")
        and row.shape.label() == "fwd b4 h16/16 q4096 kv4096 d128"
        and row.dtype == "bf16"
    ]
    assert {654.153e12, 704.41e12} == {row.rate_FLOP_per_s for row in found}
    assert found[0].time_s == pytest.approx(4 * 4 * 16 * 4096**2 * 128 / found[0].rate_FLOP_per_s)


def test_split_is_one_of_the_shape(rows: tuple[Published, ...]) -> None:
    """A shape is on one side for every GPU, kernel and source, and about a quarter of shapes calibrate."""
    sides = defaultdict(set)
    for row in rows:
        key = (row.shape.direction, row.shape.causal, row.shape.batch, row.shape.heads, row.shape.kv_heads)
        sides[*key, row.shape.seqlen_q, row.shape.seqlen_kv, row.shape.head_dim].add(row.split)
    assert all(len(side) == 1 for side in sides.values())
    share = sum(side == {"calibration"} for side in sides.values()) / len(sides)
    assert 0.2 < share < 0.3


def test_every_row_has_a_time_and_a_source(rows: tuple[Published, ...]) -> None:
    """Times lie between a microsecond and a minute, rates under the fastest chip's peak."""
    assert all(1e-6 < row.time_s < 60 for row in rows)
    assert all(flop(row.shape) / row.time_s < 5e15 for row in rows)
    assert all(len(row.source) > 20 for row in rows)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """A table with three wrong lines names all three."""
    good = TABLE.read_text(encoding="utf-8").splitlines()[1]
    side = "test" if ",test," in good else "calibration"
    other = {"test": "calibration", "calibration": "test"}[side]
    lines = [
        ",".join(COLUMNS),
        good.replace("4096", "many", 1),
        good.replace(f",{side},", f",{other},"),
        good.replace("fwd", "sideways"),
    ]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(FusemaxError) as caught:
        published(path)
    assert [
        f"{path}:2:1: seqlen_q: expected a whole number from 1, got 'many'",
        f"{path}:3:1: split: this shape belongs to {side!r}, not {other!r}",
        f"{path}:4:1: direction: expected one of fwd, bwd, fwd+bwd, got 'sideways'",
    ] == str(caught.value).splitlines()


def measured_row(**changes: object) -> Row:
    """A row as ``fusemax gpu measure`` writes it."""
    known = {
        "device": "NVIDIA H200", "point": "p", "kind": "attention", "status": "ok", "backend": "cudnn", "dtype": "bf16",
        "direction": "fwd", "causal": 1, "batch": 2, "heads": 32, "kv_heads": 8, "seqlen_q": 4096, "seqlen_kv": 4096,
        "head_dim": 128, "latency_s": 6.2e-4, "seed": 0, "torch": "2", "fusemax": "0", "date": "2026-01-01",
    }  # fmt: skip
    return Row(**{**known, **changes})  # type: ignore[arg-type]


def test_a_file_of_measurements_is_a_table(tmp_path: Path) -> None:
    """Right rows of attention count, under the names that a study gives them; the others do not."""
    file = RowFile(tmp_path / "ours.csv")
    file.open()
    file.append(measured_row())
    file.append(measured_row(point="q", status="refused", latency_s=None))
    file.append(measured_row(point="r", kind="copy", backend=None, direction=None, causal=None))
    (row,) = published(tmp_path / "ours.csv")
    assert ("NVIDIA H200", "cudnn", "bf16", 6.2e-4) == (row.gpu, row.kernel, row.dtype, row.time_s)
    assert (4096, 8, True, 0) == (row.shape.seqlen_kv, row.shape.kv_heads, row.shape.causal, row.shape.window)
    assert row.split == split(row.shape)


def test_a_broken_measurement_is_told_with_its_line(tmp_path: Path) -> None:
    """A time that is none, and a row that is too short."""
    file = RowFile(tmp_path / "ours.csv")
    file.open()
    file.append(measured_row(latency_s="soon"))
    with pytest.raises(ProblemsError, match=r"ours.csv:2:1: latency_s: expected a number, got 'soon'"):
        published(tmp_path / "ours.csv")
    with (tmp_path / "ours.csv").open("a") as stream:
        stream.write("NVIDIA H200,p\n")
    with pytest.raises(ProblemsError, match=r"ours.csv:3:1: expected \d+ fields"):
        published(tmp_path / "ours.csv")
