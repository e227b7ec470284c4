"""Grids: the shipped ones, and every mistake in one's own at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemax.errors import FusemaxError
from fusemax.gpu.backends import BACKENDS
from fusemax.gpu.grid import read_grid
from fusemax.gpu.measure import DEFAULT_GRIDS
from fusemax.shipped import find


@pytest.mark.parametrize("name", DEFAULT_GRIDS.values())
def test_shipped_grids(name: str) -> None:
    """Each point stands once, a causal mask is square, and heads share keys evenly."""
    points = read_grid(find("studies", name), tuple(BACKENDS))
    assert len({point.label() for point in points}) == len(points) > 10
    for point in points:
        assert not point.shape.causal or point.shape.seqlen_q == point.shape.seqlen_kv
        assert point.shape.heads % point.shape.kv_heads == 0


def test_tokens_give_the_batch(tmp_path: Path) -> None:
    """16384 tokens are 32 sequences of 512 and one of 16384; the backends of one shape stand together."""
    path = tmp_path / "grid.yaml"
    block = (
        "{name: a, backends: [math, flash], tokens: 16384, heads: [8], head_dim: 64, seqlen: [512, 16384]}"
    )
    path.write_text(f"title: t\nblocks: [{block}]\n", encoding="utf-8")
    assert [
        "math bf16 fwd b32 h8/8 q512 kv512 d64",
        "flash bf16 fwd b32 h8/8 q512 kv512 d64",
        "math bf16 fwd b1 h8/8 q16384 kv16384 d64",
        "flash bf16 fwd b1 h8/8 q16384 kv16384 d64",
    ] == [point.label() for point in read_grid(path, tuple(BACKENDS))]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("heads: [8], heads_kv: [2]", "unknown key 'heads_kv'"),
        ("heads: [[8, 3]]", "8 is no multiple of 3"),
        ("heads: [8], batch: [1]", "give either 'batch' or 'tokens'"),
        ("heads: [8], causal: [true], queries: 1", "a causal mask needs as many queries as keys"),
        ("heads: [0]", "heads.0: expected more than 0, got 0"),
        ("heads: [[8, 0]]", "heads.0.1: expected more than 0, got 0"),
        ("heads: [[8, many]]", "heads.0.1: expected a whole number, got 'many'"),
    ],
)
def test_mistakes_have_a_place(change: str, place: str, tmp_path: Path) -> None:
    """Each mistake of a block is told with file and line."""
    path = tmp_path / "grid.yaml"
    block = "{name: a, backends: [math], tokens: 64, head_dim: 64, seqlen: [64], " + change + "}"
    path.write_text(f"title: t\nblocks:\n- {block}\n", encoding="utf-8")
    with pytest.raises(FusemaxError) as caught:
        read_grid(path, tuple(BACKENDS))
    assert str(caught.value).startswith(f"{path}:3:")
    assert place in str(caught.value)


def test_unknown_backends_are_listed(tmp_path: Path) -> None:
    """A misspelt backend is told with those there are."""
    path = tmp_path / "grid.yaml"
    block = "{name: a, backends: [flesh], tokens: 64, heads: [1], head_dim: 64, seqlen: [64]}"
    path.write_text(f"title: t\nblocks:\n- {block}\n", encoding="utf-8")
    with pytest.raises(FusemaxError) as caught:
        read_grid(path, tuple(BACKENDS))
    assert f"{path}:3:24: blocks.0.backends.0: unknown backend 'flesh'" == str(caught.value).splitlines()[0]
