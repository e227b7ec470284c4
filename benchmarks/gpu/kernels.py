"""Triton kernels that load one part of a GPU at a time: products beside exponentials, memory, a launch."""

from __future__ import annotations

from typing import Any

import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]

#: Rows, columns and depth of a product, and so of a tile of exponentials.
TILE = (128, 64, 64)
THREADS = 256


@triton.jit
def alone(
    LEFT, RIGHT, OUT, epochs, PRODUCTS: tl.constexpr, EXPS: tl.constexpr, P0: tl.constexpr, N0: tl.constexpr
):
    """In every epoch so many products and so many tiles of exponentials that do not need one another."""
    p, n = tl.arange(0, P0), tl.arange(0, N0)
    left = tl.load(LEFT + p[:, None] * N0 + n[None, :])
    right = tl.load(RIGHT + n[:, None] * N0 + n[None, :])
    total = tl.zeros((P0, N0), tl.float32)
    value = left.to(tl.float32)
    for _ in range(epochs):
        for _product in tl.static_range(PRODUCTS):
            total = tl.dot(left, right, total)
        for _exp in tl.static_range(EXPS):
            value = tl.exp2(value) - 1.0
    tl.store(OUT + tl.program_id(0) * P0 * N0 + p[:, None] * N0 + n[None, :], total + value)


@triton.jit
def chained(
    LEFT, RIGHT, OUT, epochs, PRODUCTS: tl.constexpr, EXPS: tl.constexpr, P0: tl.constexpr, N0: tl.constexpr
):
    """The same as in attention: exponentials of what the first products made are what the last one reads."""
    p, n = tl.arange(0, P0), tl.arange(0, N0)
    left = tl.load(LEFT + p[:, None] * N0 + n[None, :])
    right = tl.load(RIGHT + n[:, None] * N0 + n[None, :])
    total = tl.zeros((P0, N0), tl.float32)
    for _ in range(epochs):
        value = tl.zeros((P0, N0), tl.float32)
        for _product in tl.static_range(PRODUCTS - 1):
            value = tl.dot(left, right, value)
        for _exp in tl.static_range(EXPS):
            value = tl.exp2(value) - 1.0
        total = tl.dot(value.to(left.dtype), right, total)
    tl.store(OUT + tl.program_id(0) * P0 * N0 + p[:, None] * N0 + n[None, :], total)


@triton.jit
def read(DATA, OUT, words, rounds, BLOCK: tl.constexpr):
    """All programs together read *words* so many times, past the first-level cache."""
    found = tl.zeros((BLOCK,), tl.float32)
    for _ in range(rounds):
        for start in range(tl.program_id(0) * BLOCK, words, tl.num_programs(0) * BLOCK):
            place = start + tl.arange(0, BLOCK)
            found += tl.load(DATA + place, mask=place < words, other=0.0, cache_modifier=".cg")
    tl.store(OUT + tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), found)


@triton.jit
def nothing(_DATA):
    """A launch, and no more."""


def compiled(architecture: int) -> dict[str, Any]:
    """Return every kernel compiled for a GPU that need not be there, by its name."""
    from triton.backends.compiler import GPUTarget  # pyright: ignore[reportMissingImports]
    from triton.compiler import ASTSource  # pyright: ignore[reportMissingImports]

    halves = {"LEFT": "*fp16", "RIGHT": "*fp16", "OUT": "*fp32", "epochs": "i32"}
    mixed = {"PRODUCTS": 4, "EXPS": 2, "P0": TILE[0], "N0": TILE[1]}
    sources = {
        "alone": (alone, halves, mixed),
        "chained": (chained, halves, mixed),
        "read": (read, {"DATA": "*fp32", "OUT": "*fp32", "words": "i32", "rounds": "i32"}, {"BLOCK": 4096}),
        "nothing": (nothing, {"_DATA": "*fp32"}, {}),
    }
    target = GPUTarget("cuda", architecture, 32)
    return {
        name: triton.compile(
            ASTSource(kernel, {**signature, **dict.fromkeys(values, "constexpr")}, values),
            target=target,
            options={"num_warps": THREADS // 32},
        )
        for name, (kernel, signature, values) in sources.items()
    }
