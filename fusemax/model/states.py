"""Mixers that keep a state of fixed size for a sequence, whatever its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSpace:
    """A Mamba-2 mixer (arXiv 2405.21060): ``heads`` of ``head_dim`` channels, each with a state of ``state`` elements.

    ``groups`` heads' worth of B and C are shared; ``taps`` are those of the short convolution. ``biased`` ones have biases in
    the two projections, ``conv_biased`` ones in the convolution. What comes out is normed ``behind`` its gate, all at once, or
    ``before`` it, each group by itself, or not.
    """

    heads: int
    head_dim: int
    state: int
    groups: int
    taps: int
    biased: bool = False
    conv_biased: bool = True
    normed: Literal["behind", "before", ""] = "behind"

    @property
    def inner(self) -> int:
        """Channels inside the mixer."""
        return self.heads * self.head_dim

    @property
    def mixed(self) -> int:
        """Channels of the convolution: those of the heads, and of B and C."""
        return self.inner + 2 * self.groups * self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectiveScan:
    """A Mamba mixer (arXiv 2312.00752): ``inner`` channels, each with a state of ``state`` elements and a step of its own.

    The steps come from ``rank`` numbers a token; ``normed`` ones normalise these, B and C (Jamba, arXiv 2403.19887).
    """

    inner: int
    state: int
    rank: int
    taps: int
    biased: bool = False
    conv_biased: bool = True
    normed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedDelta:
    """A gated delta rule (arXiv 2412.06464): ``heads`` of values, ``key_heads`` of queries and keys that they share.

    A head's state holds ``key_dim`` x ``value_dim`` elements; ``taps`` are those of the short convolution.
    """

    heads: int
    key_heads: int
    key_dim: int
    value_dim: int
    taps: int

    @property
    def inner(self) -> int:
        """Elements of all values."""
        return self.heads * self.value_dim

    @property
    def mixed(self) -> int:
        """Channels of the convolution: queries, keys and values."""
        return self.inner + 2 * self.key_heads * self.key_dim


@dataclass(frozen=True, slots=True, kw_only=True)
class KimiDelta:
    """Kimi delta attention (arXiv 2510.26692): a delta rule whose every feature decays at a rate of its own.

    ``heads`` of ``head_dim`` have a state of ``head_dim`` x ``head_dim``; the rates, and the gate of what comes out, are made
    from ``head_dim`` numbers a token each. ``taps`` are those of the short convolutions.
    """

    heads: int
    head_dim: int
    taps: int

    @property
    def inner(self) -> int:
        """Elements of all queries, of all keys, or of all values."""
        return self.heads * self.head_dim


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortConvolution:
    """A convolution over the last ``taps`` tokens of ``inner`` channels, between two gates (LFM2, arXiv 2511.23404)."""

    inner: int
    taps: int
    biased: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lightning:
    """Lightning attention (arXiv 2501.08313, section 2.2): linear attention whose state decays at a rate of each head's own.

    Queries, keys and values go through SiLU; what ``heads`` of ``head_dim`` make is normed all at once, and gated.
    """

    heads: int
    head_dim: int

    @property
    def inner(self) -> int:
        """Elements of all queries, of all keys, or of all values."""
        return self.heads * self.head_dim


Recurrent = StateSpace | SelectiveScan | GatedDelta | KimiDelta | ShortConvolution | Lightning
