"""The taxonomy: tables with the published classes, figures, and an answer to wrong files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from fusemax.errors import FusemaxError
from fusemax.shipped import find
from fusemax.source import read_yaml
from fusemax.study.kinds.taxonomy import kernel_rows, plan, traffic_rows
from tests.study.engine import run_file

#: FuseMax (MICRO 2024, arXiv 2406.10491), Table I.
TABLE_1 = {
    "PyTorch": 3, "TensorFlow": 3, "FLAT": 3, "E.T.": 3, "TileFlow": 2, "Choi et al.": 2,
    "FlashAttention": 1, "FlashAttention-2": 1, "Rabe and Staats": 1,
}  # fmt: skip
SMALL = """
kind: taxonomy
title: small
source: our own
sizes: {B: 1, H: 1, E: 64, F: 64, M0: 256}
tile: {P: 256}
lengths: [4Ki]
buffers: [64KiB, 16MiB]
word: 2B
traffic: [attention/3-pass, attention/1-pass]
kernels:
- {kernel: PyTorch, cascade: attention/3-pass, passes: PASSES}
mechanisms:
- {name: attention, rank: M, written: attention/3-pass, online: attention/1-pass}
"""


def small(tmp_path: Path, passes: str = "3") -> Path:
    """Write a small study file and return its path."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.replace("PASSES", passes), encoding="utf-8")
    return path


def test_published_classes():
    """The shipped study tells the passes of Table I, and its cascades have them."""
    rows = kernel_rows(plan(read_yaml(find("studies", "taxonomy")), {}))

    assert {row["kernel"]: row["published_passes"] for row in rows} == TABLE_1
    assert {row["kernel"]: row["passes"] for row in rows} == TABLE_1


def test_tables_and_figures(tmp_path):
    """A run leaves three tables and two figures."""
    out = run_file(small(tmp_path), tmp_path / "out")
    rows = list(csv.DictReader((out / "passes.csv").read_text(encoding="utf-8").splitlines()))

    assert [("written", "3"), ("online", "1")] == [(row["form"], row["passes"]) for row in rows]
    assert ["2*M*P0", "0"] == [row["live_words"] for row in rows]
    assert {"passes.svg", "passes.png", "traffic.svg", "traffic.png"} <= {path.name for path in out.iterdir()}
    assert "1 of 1 published kernels" in (out / "report.html").read_text(encoding="utf-8")


def test_traffic_by_hand(tmp_path):
    """Three passes load M * min(E, P0) words twice again, less what stays; one pass loads nothing again."""
    rows = traffic_rows(plan(read_yaml(small(tmp_path)), {}))
    extra = {(row["cascade"], row["buffer_B"]): row["group_extra_B"] for row in rows}

    assert 2 * (2 * 4096 * 64 - 64 * 1024) == extra["attention/3-pass", 64 * 1024]
    assert 0 == extra["attention/3-pass", 16 * 2**20]
    assert 0 == extra["attention/1-pass", 64 * 1024]


def test_a_wrong_class_is_an_error(tmp_path):
    """A published class that the cascade does not have ends the run with a message."""
    with pytest.raises(FusemaxError, match="passes differ from the published class: PyTorch"):
        run_file(small(tmp_path, passes="1"), tmp_path / "out")


def test_bytes_say_their_unit(tmp_path):
    """Memories and widths are quantities; a bare number may be words, bits or KiB."""
    path = small(tmp_path)
    path.write_text(
        path.read_text(encoding="utf-8").replace("word: 2B", "word: 2").replace("[64KiB,", "[64,"),
        encoding="utf-8",
    )
    with pytest.raises(FusemaxError) as refused:
        plan(read_yaml(path), {})
    assert "word: expected a quantity in B, got 2 without a unit" in str(refused.value)
    assert "buffers.0: expected a quantity in B, got 64 without a unit" in str(refused.value)
