"""Closed forms of the published study's mappings, written by hand from their description: an independent witness.

They are re-derivations of the tables of FuseMax's public artifact, extended to ragged tiles, rectangular arrays and
unequal P, M, E, F by counting tiles with ceilings. Nothing here imports the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

WORD = 2


@dataclass(frozen=True)
class Shape:
    """An attention workload."""

    B: int
    H: int
    M: int
    P: int
    E: int
    F: int


@dataclass(frozen=True)
class Array:
    """A machine of the study's kind."""

    rows: int = 256
    columns: int = 256
    lanes: int = 256
    buffer_bytes: float = 2**24
    bandwidth: float = 400 * 2**30
    clock: float = 940e6
    exponential: int = 7
    division: int = 1


def divisors(n: int) -> list[int]:
    """All divisors of n, smallest first."""
    return [d for d in range(1, n + 1) if n % d == 0]


def rounds(length: int, tile: int, lanes: int) -> int:
    """Rounds in which lanes take all tiles of a rank; the last tile may be ragged and need fewer."""
    return sum(ceil(min(tile, length - start) / lanes) for start in range(0, length, tile))


def fused_tiles(s: Shape, a: Array, scores: bool = False) -> int | None:
    """The largest number of query tiles per block that fits beside one tile of keys and values; None if none does."""
    tiles = ceil(s.P / a.columns)
    fitting = [d for d in divisors(tiles) if fused_bytes(s, a, d, scores) <= a.buffer_bytes]
    return max(fitting) if fitting else None


def fused_bytes(s: Shape, a: Array, per_block: int, scores: bool) -> int:
    """Bytes of Q, three running tensors, a tile of K and V, and of score rows where they are kept."""
    queries, keys = min(s.P, per_block * a.columns), min(s.M, a.rows)
    words = queries * (s.E + s.F + 2) + keys * (s.E + s.F)
    return WORD * (words + (2 * queries * keys if scores else 0))


def fused_counts(s: Shape, a: Array, scores: bool = False) -> dict[str, float]:
    """Tiles, traffic and L3 words of the 1-pass mapping."""
    per_block = fused_tiles(s, a, scores)
    assert per_block is not None
    G, key_tiles, query_tiles = s.B * s.H, ceil(s.M / a.rows), ceil(s.P / a.columns)
    blocks = query_tiles // per_block
    loads = blocks if key_tiles > 1 else 1
    R, u = G * key_tiles * s.P, G * s.P * s.E
    fills = u + loads * G * s.M * (s.E + s.F)
    return {
        "G": G,
        "tiles": G * key_tiles * query_tiles,
        "key_tiles": key_tiles,
        "traffic": WORD * (fills + G * s.P * s.F),
        "l3_read": R * s.E + G * query_tiles * s.M * (s.E + s.F) + 2 * R + R * s.F + G * s.P * (s.F + 1)
        + (2 * G * s.M * s.P if scores else 0),
        "l3_write": 2 * R + R * s.F + (2 * G * s.M * s.P if scores else 0),
        "l3_fill": fills,
    }  # fmt: skip


def pipelined_seconds(s: Shape, a: Array) -> float:
    """FuseMax's epochs: four steps, the arrays side by side in each."""
    c = fused_counts(s, a)
    n, once = c["tiles"], c["G"] * rounds(s.P, a.columns, a.lanes)
    row = once * c["key_tiles"]
    cycles = (
        max(n * (s.E + 1), row * (1 + s.F) + once * s.F * a.division)
        + row
        + max(n, row) * (a.exponential + 1)
        + max(n, row) * s.F
    )
    return max(c["traffic"] / a.bandwidth, cycles / a.clock)


def one_tile_seconds(s: Shape, a: Array) -> float:
    """One tile after the other, with a wait for the column maxima."""
    c = fused_counts(s, a)
    n, once = c["tiles"], c["G"] * rounds(s.P, a.columns, a.lanes)
    row = once * c["key_tiles"]
    cycles = (
        max(n * (s.E + 1), row + once * s.F * a.division)
        + n * a.rows
        + row
        + max(n, row) * (a.exponential + 1)
        + max(n * s.F, 2 * row * s.F)
    )
    return max(c["traffic"] / a.bandwidth, cycles / a.clock)


def unfused_seconds_and_bytes(s: Shape, a: Array) -> tuple[float, float]:
    """Three phases through DRAM, each the larger of its memory and its computing time."""
    G, key_tiles, query_tiles = s.B * s.H, ceil(s.M / a.rows), ceil(s.P / a.columns)
    S, keys = G * s.M * s.P, min(s.M, a.rows)

    def blocks(width: int) -> int:
        fitting = [
            d
            for d in divisors(query_tiles)
            if WORD * width * (min(s.P, d * a.columns) + keys) <= a.buffer_bytes
        ]
        return (query_tiles // max(fitting)) if key_tiles > 1 else 1

    scores = WORD * (G * s.P * s.E + blocks(s.E) * G * s.M * s.E + S)
    output = WORD * (G * s.P * s.F + blocks(s.F) * G * s.M * s.F + S)
    softmax = WORD * 2 * S
    n = G * key_tiles * query_tiles
    per_row = G * s.P * ceil(s.M / a.lanes) * 4
    seconds = (
        max(scores / a.bandwidth, n * s.E / a.clock)
        + max(softmax / a.bandwidth, per_row / a.clock)
        + max(output / a.bandwidth, n * s.F / a.clock)
    )
    return seconds, scores + output + softmax


def cascade_seconds(s: Shape, a: Array) -> float:
    """The 1-pass cascade on FLAT's arrays: products on the 2D array, the rest on the 1D array, all overlapped.

    Difference and exponential take ``exponential`` cycles together. With keys in ragged tiles each lane does exactly the
    keys there are.
    """
    c = fused_counts(s, a, scores=True)
    n, once = c["tiles"], c["G"] * rounds(s.P, a.columns, a.lanes)
    per_tile = once * c["key_tiles"] * (3 + a.exponential + 2 * s.F)
    row = once * s.M * (2 + a.exponential) + per_tile + once * s.F * a.division
    return max(c["traffic"] / a.bandwidth, n * (s.E + s.F) / a.clock, row / a.clock)


def linear_bytes(rows: int, K: int, N: int, a: Array) -> float:
    """Least traffic of a matmul: all weights resident, or the largest block of rows that fits beside a column tile."""
    choices = []
    row_tiles = ceil(rows / a.rows)
    if WORD * K * (N + min(rows, a.rows)) <= a.buffer_bytes:
        choices.append(1)
    fitting = [
        d
        for d in divisors(row_tiles)
        if WORD * K * (min(rows, d * a.rows) + min(N, a.columns)) <= a.buffer_bytes
    ]
    if fitting:
        choices.append(row_tiles // max(fitting) if N > a.columns else 1)
    return WORD * (rows * K + min(choices) * K * N + rows * N)
