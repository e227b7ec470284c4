"""The shape of one attention call, how many operations people count in it, and its side of the split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Direction = Literal["fwd", "bwd", "fwd+bwd"]
Convention = Literal["standard", "exact", "rectangle"]
Split = Literal["calibration", "test"]

#: One shape in so many is for calibration.
CALIBRATION_SHARE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One attention call: its sizes, its mask and its direction.

    A causal mask with fewer queries than keys is aligned at the bottom right: the last query sees every key.
    ``window`` is how many keys a query sees at most, itself included; 0 is no limit.
    """

    batch: int
    heads: int
    kv_heads: int
    seqlen_q: int
    seqlen_kv: int
    head_dim: int
    head_dim_v: int
    causal: bool
    direction: Direction
    window: int = 0

    def seen(self) -> int:
        """Return how many (query, key) pairs one head computes: those that the mask leaves.

        >>> tiny = dict(batch=1, heads=1, kv_heads=1, head_dim=8, head_dim_v=8, direction="fwd")
        >>> Shape(seqlen_q=2, seqlen_kv=4, causal=True, **tiny).seen()
        7
        """
        if not self.causal:
            return self.seqlen_q * self.seqlen_kv
        before = self.seqlen_kv - self.seqlen_q  # keys that every query sees
        limit = self.window or self.seqlen_kv
        full = max(0, self.seqlen_q - max(0, limit - before))  # queries that see *limit* keys
        partial = self.seqlen_q - full
        return full * limit + partial * before + partial * (partial + 1) // 2

    def label(self) -> str:
        """Return the shape as one short text.

        >>> Shape(batch=4, heads=32, kv_heads=8, seqlen_q=4096, seqlen_kv=4096, head_dim=128, head_dim_v=128,
        ...       causal=True, direction="fwd").label()
        'fwd b4 h32/8 q4096 kv4096 d128 causal'
        """
        width = f"d{self.head_dim}" + (f"/{self.head_dim_v}" if self.head_dim_v != self.head_dim else "")
        words = [
            self.direction,
            f"b{self.batch}",
            f"h{self.heads}/{self.kv_heads}",
            f"q{self.seqlen_q}",
            f"kv{self.seqlen_kv}",
            width,
        ]
        words += ["causal"] * self.causal + [f"window{self.window}"] * bool(self.window)
        return " ".join(words)


def _standard(shape: Shape) -> float:
    """A causal square counts as half of it; a causal rectangle (fewer queries than keys) counts exactly."""
    if shape.causal and not shape.window and shape.seqlen_q == shape.seqlen_kv:
        return shape.seqlen_q * shape.seqlen_kv / 2
    return shape.seen()


_PAIRS: Mapping[Convention, Callable[[Shape], float]] = {
    "standard": _standard,
    "exact": Shape.seen,
    "rectangle": lambda shape: shape.seqlen_q * shape.seqlen_kv,
}
#: Products per (query, key) pair, as (of width head_dim, of width head_dim_v): QK and AV forward; backward
#: QK again, dQ and dK of the one width, dV and dA of the other.
_PRODUCTS: Mapping[Direction, tuple[int, int]] = {"fwd": (1, 1), "bwd": (3, 2), "fwd+bwd": (4, 3)}


def flop(shape: Shape, convention: Convention = "standard") -> float:
    """Return the floating-point operations that are counted for *shape*, 2 per multiply-add.

    Only the matrix products count, as everyone does: 4·b·h·sq·skv·d forward, 2.5 times that backward.
    *convention* says how masked pairs count: ``standard`` takes half of a causal square, ``exact`` the pairs
    that the mask leaves, ``rectangle`` every pair.

    >>> sizes = dict(batch=1, heads=16, kv_heads=16, seqlen_q=64, seqlen_kv=64, head_dim=128, head_dim_v=128)
    >>> flop(Shape(**sizes, causal=False, direction="fwd")) == 4 * 16 * 64 * 64 * 128
    True
    """
    of_width, of_width_v = _PRODUCTS[shape.direction]
    per_pair = 2 * (of_width * shape.head_dim + of_width_v * shape.head_dim_v)
    return shape.batch * shape.heads * _PAIRS[convention](shape) * per_pair


def compulsory_bytes(shape: Shape, element_B: int) -> int:
    """Return the bytes that any kernel must move, each input read and each output written once.

    Forward: Q, K, V in and the output out. Backward: these four and the output's gradient in, and three
    gradients out.
    """
    queries = shape.batch * shape.heads * shape.seqlen_q
    keys = shape.batch * shape.kv_heads * shape.seqlen_kv
    of_q, of_out = queries * shape.head_dim, queries * shape.head_dim_v
    of_kv = keys * (shape.head_dim + shape.head_dim_v)
    forward = of_q + of_kv + of_out
    backward = forward + of_out + of_q + of_kv
    elements = {"fwd": forward, "bwd": backward, "fwd+bwd": forward + backward}
    return elements[shape.direction] * element_B


def split(shape: Shape) -> Split:
    """Return whether measurements of *shape* may calibrate a constant or only test a prediction.

    It is decided by the sizes, the mask and the direction alone, so that a shape is on the same side for
    every GPU, kernel, number format and source: one shape in four, by the SHA-256 of its text, calibrates.
    """
    text = (
        f"b{shape.batch},h{shape.heads},hkv{shape.kv_heads},q{shape.seqlen_q},kv{shape.seqlen_kv},"
        f"d{shape.head_dim},causal{int(shape.causal)},{shape.direction}"
    )
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return "calibration" if number % CALIBRATION_SHARE == 0 else "test"
