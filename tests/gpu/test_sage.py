"""SageAttention: products of bytes and of 16 bits in one kernel, each at its own rate."""

from __future__ import annotations

from statistics import median

import pytest

from fusemax.gpu.asked import study_file
from fusemax.gpu.compare import compare
from fusemax.gpu.predict import Kernel, cost_of
from fusemax.gpu.published import published
from fusemax.gpu.shape import Shape, flop
from fusemax.shipped import ROOT

SHAPE = Shape(
    batch=4, heads=32, kv_heads=32, seqlen_q=4096, seqlen_kv=4096, head_dim=128, head_dim_v=128, causal=False,
    direction="fwd",
)  # fmt: skip


def products(machine: str, mapping: str, dtype: str) -> float:
    """Return the cycles of both products on the busiest core, under all names of the matrix unit."""
    found = cost_of(Kernel(machine, mapping, "attention"), SHAPE, dtype).table("cycles")
    return sum(cycles for label, cycles in found.items() if label.einsum in ("BQK", "SLNV"))


@pytest.mark.parametrize(
    ("machine", "dtype", "part"),
    [
        ("a100", "int8qk-fp16pv", 3 / 4),  # scores twice as fast, values as before
        ("a100", "int8qk-fp8pv", 1 / 2),  # both twice as fast
        ("rtx4090", "int8qk-fp16pv", 3 / 8),  # scores four times as fast, values summed in 16 bits twice
        ("l20", "int8qk-fp16pv", 3 / 4),  # a card for servers sums in 32 bits as fast
    ],
)
def test_the_time_of_products_by_hand(machine: str, dtype: str, part: float) -> None:
    """Against flash2, which has both products of 16 bits."""
    assert products(machine, "sage", dtype) == pytest.approx(
        part * products(machine, "flash2", "fp16"), rel=1e-12
    )


def test_the_scores_of_4_bits() -> None:
    """On an RTX 4090 they take an eighth of the time of 16 bits, values of 8 bits half."""
    found = products("rtx4090", "sage-4bit", "int4qk-fp8pv")
    assert found == pytest.approx((1 / 8 + 1 / 2) / 2 * products("rtx4090", "flash2", "fp16"), rel=1e-12)


def test_published_rates_without_a_constant() -> None:
    """Its ten rows of an A100, to which nothing of it is fitted, are within 15% and half of them within 10%."""
    rows = [row for row in published() if row.kernel == "sage" and row.gpu == "A100"]
    compared, left_out = compare(study_file(ROOT / "studies" / "gpu.yaml"), rows)
    errors = [abs(entry.error) for entry in compared]

    assert len(compared) == 10
    assert not left_out
    assert median(errors) < 0.1
    assert max(errors) < 0.15


def test_the_roofline_knows_the_rates_of_narrow_products() -> None:
    """Scores of 8 bits take half of the time of 16 on an A100, so both products three quarters, on the busiest core of 108.

    The roofline is never above the time in which everything else is hidden.
    """
    rows = [row for row in published() if row.kernel == "sage" and row.gpu == "A100" and not row.shape.causal]
    compared, _ = compare(study_file(ROOT / "studies" / "gpu.yaml"), rows)
    for entry in compared:
        plain = flop(entry.row.shape) / 312e12
        assert 3 / 4 <= entry.baselines_s["roofline"] / plain < 3 / 4 * 1.1
        assert entry.baselines_s["roofline"] <= entry.prediction.least_s * (1 + 1e-9)
