"""Shapes against masks counted pair by pair, and the split against what it promises."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.gpu.shape import Shape, compulsory_bytes, flop, split

SQUARE = Shape(
    batch=2,
    heads=4,
    kv_heads=2,
    seqlen_q=64,
    seqlen_kv=64,
    head_dim=16,
    head_dim_v=16,
    causal=False,
    direction="fwd",
)


@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 14), st.booleans())
def test_seen_counts_the_pairs_of_the_mask(queries: int, more: int, window: int, causal: bool) -> None:
    """Query i of sq sees key j when j <= i + skv - sq, and only the last *window* of these."""
    keys = queries + more
    shape = replace(SQUARE, seqlen_q=queries, seqlen_kv=keys, causal=causal, window=window if causal else 0)
    pairs = [(i, j) for i in range(queries) for j in range(keys)]
    if causal:
        pairs = [(i, j) for i, j in pairs if j <= i + more and (not window or j > i + more - window)]
    assert len(pairs) == shape.seen()


def test_operations_of_both_directions() -> None:
    """Two products forward and five backward: 4·b·h·s·s·d and 2.5 times that (FlashAttention-2, 4.1)."""
    forward = 4 * 2 * 4 * 64 * 64 * 16
    assert forward == flop(SQUARE)
    assert 2.5 * forward == flop(replace(SQUARE, direction="bwd"))
    assert 3.5 * forward == flop(replace(SQUARE, direction="fwd+bwd"))
    assert forward / 2 == flop(replace(SQUARE, causal=True))
    assert forward == flop(replace(SQUARE, causal=True), "rectangle")
    assert forward * 65 / 128 == pytest.approx(flop(replace(SQUARE, causal=True), "exact"))


def test_bytes_that_any_kernel_moves() -> None:
    """Written out for a small shape with 2-byte elements: Q 8·64·16, K and V 4·64·16, the output as Q."""
    queries, keys = 8 * 64 * 16, 4 * 64 * 16
    assert 2 * (queries + 2 * keys + queries) == compulsory_bytes(SQUARE, 2)
    both = 2 * (3 * queries + 2 * keys) + 2 * (queries + 2 * keys)
    assert both == compulsory_bytes(replace(SQUARE, direction="bwd"), 2)


def test_split_takes_a_quarter() -> None:
    """About a quarter of many shapes calibrate, and a window does not move a shape to the other side."""
    base = replace(SQUARE, batch=1, heads=1, kv_heads=1)
    sides = {seqlen: split(replace(base, seqlen_q=seqlen, seqlen_kv=seqlen)) for seqlen in range(1, 4001)}
    share = sum(side == "calibration" for side in sides.values()) / len(sides)
    assert share == pytest.approx(0.25, abs=0.03)
    assert split(SQUARE) == split(replace(SQUARE, window=16))
