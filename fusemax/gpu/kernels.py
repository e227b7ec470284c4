"""Our own Triton kernels of the 3-pass, 2-pass and 1-pass cascades, to measure what their passes cost.

Each is the cascade of the same name in ``einsums/attention`` with its names: P queries, M keys, E the
width; one program computes P0 queries of one head, and every pass over the keys goes in tiles of M0. A
kernel differs from the others in its passes alone: what a later pass needs again is kept in DRAM
(``scratch``), in the format of the inputs except that bfloat16 gives way to float16, whose mantissa is
longer and whose range suffices for scaled scores.

Exponentials are taken to the base 2; the scale that the scores carry includes log2(e). Masked scores are
-inf. Each row sees key 0, so that the maxima of the first tile are finite and no later tile can give a NaN
in the running forms; the 2-pass kernel, whose local maxima may be -inf in a tile that a row does not see,
puts 0 in their place.

This module imports triton; import it only where that is installed. With ``TRITON_INTERPRET=1`` the kernels
run on the CPU, which is how they are tested.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]

from fusemax.gpu import libraries

LOG2_E = 1.4426950408889634


@triton.jit
def _load(base, rows, limit, E: tl.constexpr):
    """Return the rows *rows* of a row-major matrix of width E; rows from *limit* on are 0."""
    columns = tl.arange(0, E)
    return tl.load(base + rows[:, None] * E + columns[None, :], mask=rows[:, None] < limit, other=0.0)


@triton.jit
def _store(base, rows, limit, values, E: tl.constexpr):
    """Write *values* to the rows *rows* below *limit* of a row-major matrix of width E."""
    columns = tl.arange(0, E)
    values = values.to(base.dtype.element_ty)
    tl.store(base + rows[:, None] * E + columns[None, :], values, mask=rows[:, None] < limit)


@triton.jit
def _scores(q, K, p, m, M, scale, CAUSAL: tl.constexpr, E: tl.constexpr):
    """Return one tile of QK, scaled, with -inf where the mask hides a key."""
    k = _load(K, m, M, E)
    qk = tl.dot(q, tl.trans(k), input_precision="ieee") * scale
    seen = m[None, :] < M
    if CAUSAL:
        seen = seen & (m[None, :] <= p[:, None])
    return tl.where(seen, qk, -float("inf"))


@triton.jit
def _end(tile, M, CAUSAL: tl.constexpr, P0: tl.constexpr):
    """Return where the keys end that the queries of *tile* see."""
    end = M
    if CAUSAL:
        end = tl.minimum(M, (tile + 1) * P0)
    return end


@triton.jit
def one_pass(
    Q, K, V, AV, scratch, maxima, P, M, group, scale,
    CAUSAL: tl.constexpr, E: tl.constexpr, P0: tl.constexpr, M0: tl.constexpr,
):  # fmt: skip
    """Write AV of one tile of queries: running maximum RM, denominator RD and numerator RNV."""
    tile = tl.program_id(0)
    head = tl.program_id(1).to(tl.int64)
    p = tile * P0 + tl.arange(0, P0)
    q = _load(Q + head * P * E, p, P, E)
    K += (head // group) * M * E
    V += (head // group) * M * E
    rm = tl.full((P0,), -float("inf"), tl.float32)
    rd = tl.zeros((P0,), tl.float32)
    rnv = tl.zeros((P0, E), tl.float32)
    for start in range(0, _end(tile, M, CAUSAL, P0), M0):
        m = start + tl.arange(0, M0)
        bqk = _scores(q, K, p, m, M, scale, CAUSAL, E)
        new = tl.maximum(rm, tl.max(bqk, 1))
        sln = tl.exp2(bqk - new[:, None])
        prm = tl.exp2(rm - new)
        rd = rd * prm + tl.sum(sln, 1)
        v = _load(V, m, M, E)
        rnv = rnv * prm[:, None] + tl.dot(sln.to(v.dtype), v, input_precision="ieee")
        rm = new
    _store(AV + head * P * E, p, P, rnv / rd[:, None], E)


@triton.jit
def two_pass(
    Q, K, V, AV, scratch, maxima, P, M, group, scale,
    CAUSAL: tl.constexpr, E: tl.constexpr, P0: tl.constexpr, M0: tl.constexpr,
):  # fmt: skip
    """Write AV of one tile of queries in two passes; the local numerators and maxima are kept in DRAM.

    ``scratch`` holds SLN[head, p, m], ``maxima`` LM[head, p, m1].
    """
    tile = tl.program_id(0)
    head = tl.program_id(1).to(tl.int64)
    M1 = tl.cdiv(M, M0)
    p = tile * P0 + tl.arange(0, P0)
    rows = (head * P + p)[:, None]
    q = _load(Q + head * P * E, p, P, E)
    K += (head // group) * M * E
    V += (head // group) * M * E
    end = _end(tile, M, CAUSAL, P0)
    gm = tl.full((P0,), -float("inf"), tl.float32)
    sd = tl.zeros((P0,), tl.float32)
    for start in range(0, end, M0):
        m = start + tl.arange(0, M0)
        bqk = _scores(q, K, p, m, M, scale, CAUSAL, E)
        lm = tl.max(bqk, 1)
        sln = tl.exp2(bqk - tl.where(lm == -float("inf"), 0.0, lm)[:, None])
        new = tl.maximum(gm, lm)
        sd = sd * tl.exp2(gm - new) + tl.exp2(lm - new) * tl.sum(sln, 1)
        gm = new
        inside = (p[:, None] < P) & (m[None, :] < M)
        tl.store(scratch + rows * M + m[None, :], sln.to(scratch.dtype.element_ty), mask=inside)
        tl.store(maxima + (head * P + p) * M1 + start // M0, lm, mask=p < P)
    tl.debug_barrier()  # the passes of one program read what its other threads wrote
    av = tl.zeros((P0, E), tl.float32)
    for start in range(0, end, M0):
        m = start + tl.arange(0, M0)
        inside = (p[:, None] < P) & (m[None, :] < M)
        sln = tl.load(scratch + rows * M + m[None, :], mask=inside, other=0.0)
        lm = tl.load(maxima + (head * P + p) * M1 + start // M0, mask=p < P, other=0.0)
        a = sln.to(tl.float32) * (tl.exp2(lm - gm) / sd)[:, None]
        v = _load(V, m, M, E)
        av += tl.dot(a.to(v.dtype), v, input_precision="ieee")
    _store(AV + head * P * E, p, P, av, E)


@triton.jit
def three_pass(
    Q, K, V, AV, scratch, maxima, P, M, group, scale,
    CAUSAL: tl.constexpr, E: tl.constexpr, P0: tl.constexpr, M0: tl.constexpr,
):  # fmt: skip
    """Write AV of one tile of queries in three passes, with QK and then SN kept in DRAM.

    ``scratch`` holds QK[head, p, m], over which the second pass writes SN.
    """
    tile = tl.program_id(0)
    head = tl.program_id(1).to(tl.int64)
    p = tile * P0 + tl.arange(0, P0)
    rows = (head * P + p)[:, None]
    q = _load(Q + head * P * E, p, P, E)
    K += (head // group) * M * E
    V += (head // group) * M * E
    end = _end(tile, M, CAUSAL, P0)
    gm = tl.full((P0,), -float("inf"), tl.float32)
    for start in range(0, end, M0):
        m = start + tl.arange(0, M0)
        qk = _scores(q, K, p, m, M, scale, CAUSAL, E).to(scratch.dtype.element_ty)
        gm = tl.maximum(gm, tl.max(qk.to(tl.float32), 1))
        inside = (p[:, None] < P) & (m[None, :] < M)
        tl.store(scratch + rows * M + m[None, :], qk, mask=inside)
    tl.debug_barrier()  # the passes of one program read what its other threads wrote
    sd = tl.zeros((P0,), tl.float32)
    for start in range(0, end, M0):
        m = start + tl.arange(0, M0)
        inside = (p[:, None] < P) & (m[None, :] < M)
        qk = tl.load(scratch + rows * M + m[None, :], mask=inside, other=-float("inf"))
        sn = tl.exp2(qk.to(tl.float32) - gm[:, None])
        sd += tl.sum(sn, 1)
        tl.store(scratch + rows * M + m[None, :], sn.to(scratch.dtype.element_ty), mask=inside)
    tl.debug_barrier()
    sd = tl.where(p < P, sd, 1.0)
    av = tl.zeros((P0, E), tl.float32)
    for start in range(0, end, M0):
        m = start + tl.arange(0, M0)
        inside = (p[:, None] < P) & (m[None, :] < M)
        sn = tl.load(scratch + rows * M + m[None, :], mask=inside, other=0.0)
        v = _load(V, m, M, E)
        a = sn.to(tl.float32) / sd[:, None]
        av += tl.dot(a.to(v.dtype), v, input_precision="ieee")
    _store(AV + head * P * E, p, P, av, E)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """How a program is cut: P0 queries by M0 keys, the warps that compute it, the tiles in flight."""

    P0: int
    M0: int
    warps: int
    stages: int = 2


def tiles_for(E: int) -> Tiles:
    """Return tiles whose operands take at most 96 KiB of shared memory, which every recent GPU has."""
    return Tiles(P0=128, M0=64, warps=8) if E <= 128 else Tiles(P0=64, M0=32, warps=8)


_KERNELS: Mapping[int, Any] = {1: one_pass, 2: two_pass, 3: three_pass}


def _scratch(passes: int, q: Any, keys: int, tiles: Tiles) -> tuple[Any, Any]:
    """Return room for one value per query and key, and for one maximum per query and tile of keys.

    One element stands for what the kernel does not touch.
    """
    torch = libraries.torch()
    dtype = torch.float16 if q.dtype == torch.bfloat16 else q.dtype
    scores = (*q.shape[:3], keys) if passes > 1 else (1,)
    maxima = (*q.shape[:3], -(-keys // tiles.M0)) if passes == 2 else (1,)
    return (
        torch.empty(scores, dtype=dtype, device=q.device),
        torch.empty(maxima, dtype=torch.float32, device=q.device),
    )


def prepare(
    passes: int, q: Any, k: Any, v: Any, causal: bool, tiles: Tiles | None = None
) -> Callable[[], Any]:
    """Return a function that computes attention in *passes* passes and returns the output.

    Scratch and output are allocated here, once, so that a timed call is one kernel launch.

    Parameters
    ----------
    q : [batch, heads, P, E], contiguous; E a power of 2 from 16 on
    k, v : [batch, kv_heads, M, E], contiguous
    causal : query p sees the keys up to p; needs P == M
    """
    batch, heads, P, E = q.shape
    kv_heads, M = k.shape[1], k.shape[2]
    cut = tiles or tiles_for(E)
    kernel = _KERNELS[passes]
    scratch, maxima = _scratch(passes, q, M, cut)
    out = libraries.torch().empty_like(q)
    grid = (-(-P // cut.P0), batch * heads)
    sizes = (P, M, heads // kv_heads, LOG2_E / E**0.5)
    constants = {"CAUSAL": causal, "E": E, "P0": cut.P0, "M0": cut.M0}

    def run() -> Any:
        kernel[grid](
            q, k, v, out, scratch, maxima, *sizes, **constants, num_warps=cut.warps, num_stages=cut.stages
        )
        return out

    return run
