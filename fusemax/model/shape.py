"""What a model is made of, whatever file it was read from: layers in order, each a mixer and a feed-forward part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Attention with grouped heads: ``heads`` of queries, ``kv_heads`` of keys and values.

    Attributes
    ----------
    head_dim, value_dim
        Elements of a query or key, and of a value.
    window
        How many keys, up to its own place, a query sees; None for all.
    biases
        Elements of the biases of the four projections, 0 for none.
    qk_norm
        Whether queries and keys are normalised, head by head.
    sinks
        Whether each head has a learned score beside its keys'.
    """

    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    window: int | None = None
    biases: int = 0
    qk_norm: bool = False
    sinks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): the cache holds one latent vector a token.

    Attributes
    ----------
    nope_dim, rope_dim
        Elements of a query or key without and with a rotary position.
    value_dim
        Elements of a value.
    q_rank
        Rank of the queries' projection; None where it is whole.
    kv_rank
        Elements of the latent vector that keys and values are made from.
    """

    heads: int
    nope_dim: int
    rope_dim: int
    value_dim: int
    q_rank: int | None
    kv_rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSpace:
    """A Mamba-2 mixer (arXiv 2405.21060): ``heads`` of ``head_dim`` channels, each with a state of ``state`` elements.

    ``groups`` heads' worth of B and C are shared; ``taps`` are those of the short convolution.
    """

    heads: int
    head_dim: int
    state: int
    groups: int
    taps: int

    @property
    def inner(self) -> int:
        """Channels inside the mixer."""
        return self.heads * self.head_dim


Mixer = Attention | LatentAttention | StateSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedForward:
    """A feed-forward part of width ``d_ff``; ``gated`` ones have two matrices on the way in. ``biases`` as in attention."""

    d_ff: int
    gated: bool
    biases: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """``count`` feed-forward parts of which each token takes ``per_token``, beside one that all take (``shared``).

    ``router_biases`` are the numbers that the router adds to its scores.
    """

    count: int
    per_token: int
    expert: FeedForward
    shared: FeedForward | None = None
    router_biases: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """``times`` equal layers of a model; ``parallel`` ones feed both parts from one norm."""

    mixer: Mixer
    feed_forward: FeedForward | Experts | None
    times: int
    norms: int = 2
    parallel: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A transformer or state-space model.

    Attributes
    ----------
    norm
        ``rms`` (a scale) or ``layer`` (a scale and a shift).
    positions
        Rows of a table of learned positions, 0 for none.
    rotary
        Whether queries and keys are turned by their positions.
    causal
        Whether a token sees only those before it: such a model decodes.
    tied
        Whether the logits use the embedding's matrix.
    head
        Rows of the last matrix, 0 for a model without one.
    unused
        Keys of the configuration that say nothing about sizes or work here.
    order
        For each layer, from the first on, which of ``layers`` it is; empty where they stand one kind after another.
    """

    name: str
    kind: str
    d_model: int
    vocabulary: int
    layers: tuple[Layer, ...]
    norm: Literal["rms", "layer"] = "rms"
    positions: int = 0
    rotary: bool = True
    causal: bool = True
    tied: bool = False
    head: int = 0
    extra_weights: int = 0
    unused: tuple[str, ...] = ()
    order: tuple[int, ...] = ()

    @property
    def depth(self) -> int:
        """The number of layers."""
        return sum(layer.times for layer in self.layers)

    @property
    def kinds(self) -> tuple[int, ...]:
        """For each layer, from the first on, which of ``layers`` it is."""
        return self.order or tuple(
            number for number, layer in enumerate(self.layers) for _ in range(layer.times)
        )
