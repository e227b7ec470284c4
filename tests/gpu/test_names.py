"""Kernels by the names that published tables use, at every width that they are built for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from statistics import median

import pytest

from fusemax.gpu.asked import study_file
from fusemax.gpu.compare import compare
from fusemax.gpu.predict import Kernel, cost_of
from fusemax.gpu.published import published
from fusemax.gpu.shape import Shape
from fusemax.shipped import ROOT


@pytest.mark.parametrize("machine", ["h100", "h100-pcie", "h20", "h200", "h800"])
@pytest.mark.parametrize("width", [64, 80, 96, 128, 192, 256])
def test_flash_attention_3_has_room_at_every_width(machine: str, width: int) -> None:
    """Weights lie in the registers of their scores: 192 rows of width 96 had no room while they did not."""
    call = Shape(
        batch=4, heads=16, kv_heads=16, seqlen_q=1024, seqlen_kv=1024, head_dim=width, head_dim_v=width,
        causal=True, direction="fwd",
    )  # fmt: skip
    assert cost_of(Kernel(machine, "flash3", "grouped/causal"), call, "bf16").latency_s > 0


@pytest.mark.parametrize(("gpu", "most"), [("H100", 0.05), ("H20", 0.05)])
def test_flash_mla_has_no_constant(gpu: str, most: float) -> None:
    """17 published times, one to eight queries: an H100 waits for the cache, which is read once, an H20 for its products."""
    table = published(ROOT / "studies" / "gpu" / "public.csv")
    rows = [row for row in table if row.kernel == "flashmla" and row.gpu == gpu]
    found, left = compare(study_file(ROOT / "studies" / "gpu.yaml"), rows)
    assert not left
    assert len(found) == {"H100": 5, "H20": 12}[gpu]
    assert median(abs(one.error) for one in found) < most
    assert {one.prediction.limit for one in found} == {"DRAM" if gpu == "H100" else "tensor"}


def test_a_kernel_of_another_name_is_told_the_nearest() -> None:
    """Of a kernel that no entry names, the reason says which one may be meant; of a known one in a strange format, not."""
    row = published(ROOT / "studies" / "gpu" / "public.csv")[0]
    strange = (replace(row, kernel="flashmal"), replace(row, kernel="sage", dtype="mxfp8"))
    _, left = compare(study_file(ROOT / "studies" / "gpu.yaml"), strange)
    assert [one.reason for one in left] == [
        "no mapping for kernel flashmal at bf16; did you mean 'flashmla'?",
        "no mapping for kernel sage at mxfp8",
    ]


def test_the_table_of_serving_frameworks() -> None:
    """Ten rows for each chip, phase and format; they only judge, and all are predicted; long decoding as far off as stated."""
    table = published(ROOT / "studies" / "gpu" / "serving.csv")
    strata = Counter((row.gpu, row.shape.seqlen_q == 1, row.dtype) for row in table)
    assert len(strata) == 30
    assert set(strata.values()) == {10}
    assert {row.split for row in table} == {"test"}
    assert all(row.shape.causal == (row.shape.seqlen_q > 1) for row in table)
    found, left = compare(study_file(ROOT / "studies" / "gpu.yaml"), table)
    assert not left
    long = [one for one in found if one.row.shape.seqlen_q == 1 and one.prediction.time_s > 1e-4]
    assert len(long) == 28
    assert median(abs(one.error) for one in long) < 0.12
