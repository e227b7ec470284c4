"""What a model is made of, whatever file it was read from: layers in order, each a mixer and a feed-forward part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fusemax.model.states import Recurrent, StateSpace

Norm = Literal["rms", "layer", "layer without shift", "layer without weights"]
#: Vectors of weights of each kind of norm: a scale, and a shift.
VECTORS: Mapping[Norm, int] = {"rms": 1, "layer": 2, "layer without shift": 1, "layer without weights": 0}
Place = Literal["before", "after", "around", "branch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Attention with grouped heads: ``heads`` of queries, ``kv_heads`` of keys and values.

    Attributes
    ----------
    head_dim, value_dim
        Elements of a query or key, and of a value.
    window, chunked
        How many keys, up to its own place, a query sees; None for all. In a model that is not causal, those at most half of it
        away before and behind. Where it is ``chunked``, the sequence is cut into pieces of that length, and a query sees those
        of its own piece.
    biased, out_biased, keys_biased
        Whether the projections of queries, keys and values have biases, and that of the output; whether those of keys have one
        too where the others do.
    qk_norm
        Whether queries and keys are normalised: all heads with one scale (``shared``), each with its own (``head``), or all
        heads of a token at once (``whole``).
    sinks
        Whether each head has a learned score beside its keys'.
    rotary
        Elements of a query or key that its position turns; 0 for none.
    alibi
        Whether scores fall with the distance (ALiBi, arXiv 2108.12409).
    relative
        Ranges of distances of which each has a learned number that is added to a head's scores (T5, arXiv 1910.10683, section
        2.1); 0 for none.
    cap
        Scores s become cap*tanh(s/cap); None leaves them.
    scale
        What scores are multiplied by; None for 1/sqrt(head_dim).
    gated
        Whether the sigmoid of a projection gates what heads make: each ``element`` of it, or each ``head`` by one number.
    values
        Whether values have a projection of their own (``own``), or are the keys before these are normalised (``keys``).
    values_normed
        Whether each head's values are normalised, without weights.
    lent
        Whether keys and values are those of a layer before, which has them in its cache (Gemma 4).
    out_normed
        Whether all that heads make of a token is normalised before the output's product (BitNet, arXiv 2504.12285, section 2).
    """

    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    window: int | None = None
    chunked: bool = False
    biased: bool = False
    out_biased: bool = False
    keys_biased: bool = True
    qk_norm: Literal["", "shared", "head", "whole"] = ""
    sinks: bool = False
    rotary: int = 0
    alibi: bool = False
    relative: int = 0
    cap: float | None = None
    scale: float | None = None
    gated: Literal["", "element", "head"] = ""
    values: Literal["own", "keys"] = "own"
    values_normed: bool = False
    lent: bool = False
    out_normed: bool = False


def norm_of_heads(mixer: Attention, norm: Norm) -> Norm:
    """Return the kind of norm of *mixer*'s queries and keys in a model with *norm*: one for each head has no shift."""
    return "layer without shift" if mixer.qk_norm == "head" and norm == "layer" else norm


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexer:
    """What chooses the keys that queries attend to (DeepSeek-V3.2, arXiv 2512.02556, section 2.1): ``heads`` of ``head_dim``.

    Its queries come from those of latent attention, its one key for each token from the layer's input.
    """

    heads: int
    head_dim: int


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
    chosen
        How many keys a query attends to at the most, those that score best; None for all.
    indexer
        What chooses them; None where they are those that the layer before chose.
    turned
        Whether positions turn the elements with a rotary position (in Kimi Linear they do not).
    """

    heads: int
    nope_dim: int
    rope_dim: int
    value_dim: int
    q_rank: int | None
    kv_rank: int
    chosen: int | None = None
    indexer: Indexer | None = None
    turned: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Attention and a mixer with a state side by side (Falcon-H1): both read the layer's input, their outcomes are added."""

    attention: Attention
    state: StateSpace


Mixer = Attention | LatentAttention | Beside | Recurrent


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedForward:
    """A feed-forward part of width ``d_ff``; ``gated`` ones have two matrices on the way in, ``biased`` ones biases.

    ``activation`` names what it computes in between, as ``fusemax.model.layers.forward`` has it;
    ``normed`` ones normalise that (BitNet).
    """

    d_ff: int
    gated: bool
    biased: bool = False
    activation: str = "silu"
    normed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """``count`` feed-forward parts of which each token takes ``per_token``, beside one that all take (``shared``).

    Attributes
    ----------
    router_biased
        Whether the router adds a number to each score: before experts are chosen alone (``choice``), or to its product.
    scores
        What the products of the router become: ``softmax`` over all experts, ``sigmoid`` each, or a ``softmax of the chosen``.
    normalised
        Whether the weights of a token's experts are divided by their sum.
    scale
        What the weights are multiplied by.
    shared_gated
        Whether a sigmoid of one more product weighs the shared expert.
    weighs_input
        Whether the weight multiplies an expert's input instead of its output.
    apart
        Whether what all take and what the chosen ones make stand between norms of their own, the chosen ones and the router
        behind norms of the layer's sum; the router's has a scale, each expert a factor of its weight (Gemma 4).
    """

    count: int
    per_token: int
    expert: FeedForward
    shared: FeedForward | None = None
    router_biased: Literal["", "choice", "product"] = ""
    scores: Literal["softmax", "sigmoid", "softmax of the chosen"] = "softmax"
    normalised: bool = True
    scale: float = 1.0
    shared_gated: bool = False
    weighs_input: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """``times`` equal layers of a model; ``parallel`` ones feed both parts from the layer's input.

    Attributes
    ----------
    mixer, feed_forward
        The two parts; a layer may lack one of them.
    norms
        How many norms it has.
    cross
        Attention between the two parts, with a norm of its own, whose keys and values come from the tokens of the encoder.
    bare
        Whether no norm stands before its mixer, where others have one.
    sets
        How many sets of weights layers in a row share (ALBERT, arXiv 1909.11942, section 3.1); None where each has its own.
    table
        Elements of a token in a table of this layer's own, which a product of the layer's outcome gates; 0 for none (Gemma 4).
    scaled
        Whether a scale for each feature multiplies what a part adds to its input (CaiT, arXiv 2103.17239, section 2.2).
    place
        Where they stand: ``before`` each part (of parallel parts, one for both where there is one), ``after`` each sum with
        the residual, ``around`` each part (before it, and between it and the residual), or ``branch`` (only between).
    """

    mixer: Mixer | None
    feed_forward: FeedForward | Experts | None
    times: int
    norms: int = 2
    place: Place = "before"
    parallel: bool = False
    bare: bool = False
    sets: int | None = None
    scaled: bool = False
    table: int = 0
    cross: Attention | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A convolution before the layers: ``rows`` products for each token, of ``inner`` numbers with ``columns`` filters.

    An ``activated`` one bends what it makes.
    """

    rows: int
    inner: int
    columns: int
    activated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """How a file says that its weights are stored: the ``method`` by its name there, and ``bits`` of a weight."""

    method: str
    bits: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A transformer or state-space model.

    Attributes
    ----------
    positions
        Rows of a table of learned positions, 0 for none.
    causal
        Whether a token sees only those before it: such a model decodes.
    tied
        Whether the logits use the embedding's matrix.
    head
        Rows of the last matrix, 0 for a model without one.
    last_norms
        Norms before and after the layers.
    residual
        What each part is multiplied by before it is added to its input.
    extra_weights
        Weights of anything else: biases of the logits, tables of kinds of tokens, patches.
    unused
        Keys of the configuration that say nothing about sizes or work here.
    assumed
        Keys that it lacks, with the values that this kind of model has then.
    order
        For each layer, from the first on, which of ``layers`` it is; empty where they stand one kind after another.
    table
        Elements of a row of the tables of tokens and positions, which a product widens; None where they are wide enough.
    front
        What makes tokens of images or sounds.
    stored
        How its file says that weights are stored; None where it does not. Whoever prices it says the width of weights.
    encoder
        What reads the source, whose tokens the layers' ``cross`` attends to; its table of tokens is that of this model.
    """

    name: str
    kind: str
    d_model: int
    vocabulary: int
    layers: tuple[Layer, ...]
    norm: Norm = "rms"
    positions: int = 0
    causal: bool = True
    tied: bool = False
    head: int = 0
    last_norms: int = 1
    residual: float = 1.0
    extra_weights: int = 0
    unused: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    order: tuple[int, ...] = ()
    table: int | None = None
    front: tuple[Front, ...] = ()
    encoder: Model | None = None
    stored: Stored | None = None

    @property
    def every(self) -> tuple[Layer, ...]:
        """The kinds of layers, with those of the encoder behind them."""
        return self.layers if self.encoder is None else (*self.layers, *self.encoder.layers)

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
