"""How many numbers a model holds, and what it keeps for each token of a sequence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from math import ceil

from fusemax.model.parallel import ALONE, Parallel
from fusemax.model.shape import (
    VECTORS,
    Attention,
    Beside,
    Experts,
    FeedForward,
    LatentAttention,
    Layer,
    Mixer,
    Model,
    Norm,
    norm_of_heads,
)
from fusemax.model.states import (
    GatedDelta,
    KimiDelta,
    Lightning,
    Recurrent,
    SelectiveScan,
    ShortConvolution,
    StateSpace,
)


def mixer_weights(mixer: Mixer | None, d_model: int, norm: Norm = "rms") -> int:
    """Return the weights of one mixer, those of its norms inside included."""
    if mixer is None:
        return 0
    if isinstance(mixer, Attention):
        return _attention_weights(mixer, d_model, norm)
    if isinstance(mixer, LatentAttention):
        return _latent_weights(mixer, d_model)
    if isinstance(mixer, Beside):
        return mixer_weights(mixer.attention, d_model, norm) + mixer_weights(mixer.state, d_model, norm)
    if isinstance(mixer, StateSpace):
        into = 2 * mixer.inner + 2 * mixer.groups * mixer.state + mixer.heads
        biases = into + d_model if mixer.biased else 0
        norm_of_it = mixer.inner if mixer.normed else 0
        inside = mixer.mixed * (mixer.taps + mixer.conv_biased) + 3 * mixer.heads + norm_of_it
        return d_model * into + biases + inside + mixer.inner * d_model
    if isinstance(mixer, ShortConvolution):
        biases = 4 * mixer.inner + d_model if mixer.biased else 0
        return 4 * mixer.inner * d_model + mixer.inner * mixer.taps + biases
    if isinstance(mixer, Lightning):
        return 5 * mixer.inner * d_model + mixer.inner
    if isinstance(mixer, KimiDelta):
        inner, rank = mixer.inner, mixer.head_dim
        into = (
            3 * inner + mixer.heads + 2 * rank
        )  # queries, keys, values; rates of writing; of decay and gate the ranks
        return d_model * (into + inner) + 2 * rank * inner + (3 * mixer.taps + 1) * inner + mixer.heads + rank
    if isinstance(mixer, GatedDelta):
        into = mixer.mixed + mixer.inner + 2 * mixer.heads
        inside = mixer.mixed * mixer.taps + 2 * mixer.heads + mixer.value_dim
        return d_model * into + inside + mixer.inner * d_model
    return _scan_weights(mixer, d_model)


def _attention_weights(mixer: Attention, d_model: int, norm: Norm) -> int:
    q, k = mixer.heads * mixer.head_dim, mixer.kv_heads * mixer.head_dim
    v, out = mixer.kv_heads * mixer.value_dim, mixer.heads * mixer.value_dim
    gate = {"": 0, "element": out, "head": mixer.heads}[mixer.gated]
    k = 0 if mixer.lent else k
    own = v if mixer.values == "own" and not mixer.lent else 0
    normed = {"": 0, "shared": (1 if mixer.lent else 2) * mixer.head_dim, "head": q + k, "whole": q + k}[
        mixer.qk_norm
    ]
    normed *= VECTORS[norm_of_heads(mixer, norm)]
    keyed = k if mixer.keys_biased else 0
    biases = (q + keyed + own + gate if mixer.biased else 0) + (d_model if mixer.out_biased else 0)
    normed += out if mixer.out_normed else 0
    return d_model * (q + k + own + gate + out) + normed + biases + (mixer.heads if mixer.sinks else 0)


def _latent_weights(mixer: LatentAttention, d_model: int) -> int:
    query = mixer.heads * (mixer.nope_dim + mixer.rope_dim)
    q_rank = mixer.q_rank
    queries = d_model * query if q_rank is None else d_model * q_rank + q_rank + q_rank * query
    latent = d_model * (mixer.kv_rank + mixer.rope_dim) + mixer.kv_rank
    expanded = mixer.kv_rank * mixer.heads * (mixer.nope_dim + mixer.value_dim)
    own = 0
    if mixer.indexer is not None:  # queries, a key with its norm, weights of heads
        heads, dim = mixer.indexer.heads, mixer.indexer.head_dim
        own = (q_rank or d_model) * heads * dim + d_model * dim + 2 * dim + d_model * heads
    return queries + latent + expanded + mixer.heads * mixer.value_dim * d_model + own


def _scan_weights(mixer: SelectiveScan, d_model: int) -> int:
    """Return the weights of a Mamba mixer: projections, convolution, steps (with biases), A, D."""
    inner, small = mixer.inner, mixer.rank + 2 * mixer.state
    biases = 2 * inner + d_model if mixer.biased else 0
    steps = (mixer.rank + 1) * inner
    normed = small if mixer.normed else 0
    own = inner * (mixer.taps + mixer.conv_biased) + inner * small + steps + inner * (mixer.state + 1)
    return d_model * 2 * inner + biases + own + normed + inner * d_model


def feed_forward_weights(part: FeedForward | Experts | None, d_model: int) -> int:
    """Return the weights of one feed-forward part, all its experts and their router included."""
    if part is None:
        return 0
    if isinstance(part, Experts):
        own = part.count * feed_forward_weights(part.expert, d_model) + part.count * d_model
        router = (part.count if part.router_biased else 0) + (d_model if part.shared_gated else 0)
        router += part.count + d_model if part.apart else 0
        return own + router + feed_forward_weights(part.shared, d_model)
    ways = 2 if part.gated else 1
    own = (ways * part.d_ff + d_model if part.biased else 0) + (part.d_ff if part.normed else 0)
    return (ways + 1) * d_model * part.d_ff + own


def norm_weights(model: Model) -> int:
    """Return the weights of one norm."""
    return model.d_model * VECTORS[model.norm]


def layer_weights(model: Model, layer: Layer) -> int:
    """Return the weights of one layer."""
    return sum(split_weights(model, layer))


def split_weights(model: Model, layer: Layer) -> tuple[int, int]:
    """Return the weights of one layer without its routed experts, and of those."""
    part = layer.feed_forward
    routed = part.count * feed_forward_weights(part.expert, model.d_model) if isinstance(part, Experts) else 0
    rest = (
        mixer_weights(layer.mixer, model.d_model, model.norm)
        + mixer_weights(layer.cross, model.d_model, model.norm)
        + feed_forward_weights(part, model.d_model)
        - routed
    )
    scales = model.d_model * sum(part is not None for part in (layer.mixer, layer.feed_forward))
    table = 2 * layer.table * model.d_model + norm_weights(model) if layer.table else 0
    return rest + layer.norms * norm_weights(model) + layer.scaled * scales + table, routed


def weights(model: Model) -> int:
    """Return the weights of the whole model.

    >>> from fusemax.model.config import model_of
    >>> from fusemax.source import document_of
    >>> text = ("{model_type: llama, hidden_size: 8, num_attention_heads: 2, intermediate_size: 16, "
    ...         "num_hidden_layers: 1, vocab_size: 10}")
    >>> weights(model_of(document_of(text), "small")) == 4*8*8 + 3*8*16 + 2*8 + 8 + 2*10*8
    True
    """
    layers = sum((layer.sets or layer.times) * layer_weights(model, layer) for layer in model.layers)
    return layers + first_weights(model) + last_weights(model) + encoder_weights(model)


def encoder_weights(model: Model) -> int:
    """Return the weights of the encoder, if there is one, without its table of tokens, which is that of *model*."""
    encoder = model.encoder
    return 0 if encoder is None else weights(encoder) - encoder.vocabulary * encoder.d_model


def first_weights(model: Model) -> int:
    """Return the weights before the layers: tables of tokens and of positions."""
    return (model.vocabulary + model.positions) * model.d_model + model.extra_weights


def last_weights(model: Model) -> int:
    """Return the weights after the layers: the last norm, and the matrix of the logits where it is one of its own."""
    head = 0 if model.tied or not model.head else model.head * model.d_model
    return head + model.last_norms * norm_weights(model)


def cache_words(mixer: Mixer | None, tokens: int, parallel: Parallel = ALONE) -> int:
    """Return the numbers that a chip keeps of a sequence of *tokens*: keys and values, a latent vector, or a state.

    A tensor group shares heads; where there are more chips than heads, several keep the same, and all keep the latent vectors.
    """
    if mixer is None:
        return 0
    if isinstance(mixer, LatentAttention):
        own = mixer.indexer.head_dim if mixer.indexer is not None else 0
        return ceil(tokens / parallel.context) * (mixer.kv_rank + mixer.rope_dim + own)
    if isinstance(mixer, Attention):
        if mixer.lent:
            return 0
        seen = tokens if mixer.window is None else min(tokens, mixer.window)
        kept = max(1, mixer.kv_heads // parallel.tensor) * (mixer.head_dim + mixer.value_dim)
        return ceil(seen / parallel.context) * kept
    if isinstance(mixer, Beside):
        return cache_words(mixer.attention, tokens, parallel) + cache_words(mixer.state, tokens, parallel)
    return _state_words(mixer, parallel.tensor)


def _state_words(mixer: Recurrent, n: int) -> int:
    """Return the numbers of a recurrent mixer's state on one of *n* chips: its own, and the convolution's last inputs."""
    if isinstance(mixer, SelectiveScan):
        return ceil(mixer.inner / n) * (mixer.state + mixer.taps - 1)
    if isinstance(mixer, ShortConvolution):
        return ceil(mixer.inner / n) * (mixer.taps - 1)
    heads = max(1, mixer.heads // n)
    if isinstance(mixer, Lightning):
        return heads * mixer.head_dim**2
    if isinstance(mixer, KimiDelta):
        return heads * mixer.head_dim * (mixer.head_dim + 3 * (mixer.taps - 1))
    if isinstance(mixer, GatedDelta):
        shared = 2 * max(1, mixer.key_heads // n) * mixer.key_dim
        inner = heads * mixer.value_dim
        return inner * mixer.key_dim + (inner + shared) * (mixer.taps - 1)
    inner, shared = heads * mixer.head_dim, 2 * max(1, mixer.groups // n) * mixer.state
    return inner * mixer.state + (inner + shared) * (mixer.taps - 1)


def layer_cache(layer: Layer, tokens: int, source: int = 0, parallel: Parallel = ALONE) -> int:
    """Return the numbers that a chip keeps of a sequence in one layer, with those of *source* tokens of an encoder."""
    return cache_words(layer.mixer, tokens, parallel) + cache_words(layer.cross, source, parallel)


def cache(model: Model, batch: int, tokens: int, source: int = 0) -> int:
    """Return the numbers that *model* keeps of *batch* sequences of *tokens*, with *source* tokens of an encoder."""
    return batch * sum(layer.times * layer_cache(layer, tokens, source) for layer in model.layers)


def stages(model: Model, parallel: Parallel) -> tuple[Mapping[int, int], ...]:
    """Return the layers of each pipeline stage: how many of each kind; where they do not come out even, the first have more.

    >>> from fusemax.model.shape import Attention, Layer, Model
    >>> layer = Layer(mixer=Attention(heads=1, kv_heads=1, head_dim=1, value_dim=1), feed_forward=None, times=7)
    >>> model = Model(name="m", kind="k", d_model=1, vocabulary=1, layers=(layer,))
    >>> stages(model, Parallel(pipeline=3))
    (Counter({0: 3}), Counter({0: 2}), Counter({0: 2}))
    """
    return tuple(Counter(model.kinds[first:last]) for first, last in _cuts(model, parallel))


def _cuts(model: Model, parallel: Parallel) -> list[tuple[int, int]]:
    """Return the first layer of each pipeline stage, and the one behind its last."""
    each, more = divmod(model.depth, parallel.pipeline)
    return list(pairwise(number * each + min(number, more) for number in range(parallel.pipeline + 1)))


def _sets(model: Model, parallel: Parallel) -> tuple[Mapping[int, int], ...]:
    """Return how many layers' weights each pipeline stage holds of each kind: those that share a set have them once."""
    passed: Counter[int] = Counter()
    numbered: list[tuple[int, int]] = []
    for kind in model.kinds:
        layer = model.layers[kind]
        numbered.append((kind, passed[kind] * (layer.sets or layer.times) // layer.times))
        passed[kind] += 1
    return tuple(Counter(kind for kind, _ in set(numbered[a:b])) for a, b in _cuts(model, parallel))


def chip_weights(model: Model, parallel: Parallel) -> float:
    """Return the weights on a chip of the stage that has most: matrices are cut over the tensor group.

    Experts are cut over those chips or spread over more of them; what has no matrix is counted as cut too.
    """
    held = []
    for number, layers in enumerate(_sets(model, parallel)):
        total = 0.0
        for kind, times in layers.items():
            rest, routed = split_weights(model, model.layers[kind])
            total += times * (rest / parallel.tensor + routed / max(parallel.tensor, parallel.expert))
        total += (first_weights(model) + encoder_weights(model)) / parallel.tensor if number == 0 else 0.0
        last = last_weights(model)
        if model.tied and model.head and parallel.pipeline > 1:
            last += model.head * model.d_model  # the last stage has a table of its own
        total += last / parallel.tensor if number == parallel.pipeline - 1 else 0.0
        held.append(total)
    return max(held)


def chip_cache(model: Model, parallel: Parallel, sequences: int, tokens: int, source: int = 0) -> int:
    """Return the numbers that a chip keeps of the *sequences* of its group, in the stage that has most."""
    return sequences * max(
        sum(
            times * layer_cache(model.layers[kind], tokens, source, parallel)
            for kind, times in layers.items()
        )
        for layers in stages(model, parallel)
    )
