"""How many numbers a model holds, and what it keeps for each token of a sequence."""

from __future__ import annotations

from fusemax.model.shape import (
    Attention,
    Experts,
    FeedForward,
    LatentAttention,
    Layer,
    Mixer,
    Model,
    StateSpace,
)


def mixer_weights(mixer: Mixer, d_model: int) -> int:
    """Return the weights of one mixer, those of its norms inside included."""
    if isinstance(mixer, Attention):
        q, k, v = (
            mixer.heads * mixer.head_dim,
            mixer.kv_heads * mixer.head_dim,
            mixer.kv_heads * mixer.value_dim,
        )
        extra = (
            mixer.biases + (2 * mixer.head_dim if mixer.qk_norm else 0) + (mixer.heads if mixer.sinks else 0)
        )
        return d_model * (q + k + v) + mixer.heads * mixer.value_dim * d_model + extra
    if isinstance(mixer, LatentAttention):
        return _latent_weights(mixer, d_model)
    inner, shared = mixer.inner, 2 * mixer.groups * mixer.state
    into = d_model * (2 * inner + shared + mixer.heads)
    return into + (inner + shared) * (mixer.taps + 1) + 3 * mixer.heads + inner + inner * d_model


def _latent_weights(mixer: LatentAttention, d_model: int) -> int:
    query = mixer.heads * (mixer.nope_dim + mixer.rope_dim)
    q_rank = mixer.q_rank
    queries = d_model * query if q_rank is None else d_model * q_rank + q_rank + q_rank * query
    latent = d_model * (mixer.kv_rank + mixer.rope_dim) + mixer.kv_rank
    expanded = mixer.kv_rank * mixer.heads * (mixer.nope_dim + mixer.value_dim)
    return queries + latent + expanded + mixer.heads * mixer.value_dim * d_model


def feed_forward_weights(part: FeedForward | Experts | None, d_model: int) -> int:
    """Return the weights of one feed-forward part, all its experts and their router included."""
    if part is None:
        return 0
    if isinstance(part, Experts):
        own = part.count * feed_forward_weights(part.expert, d_model) + part.count * d_model
        return own + part.router_biases + feed_forward_weights(part.shared, d_model)
    return (3 if part.gated else 2) * d_model * part.d_ff + part.biases


def norm_weights(model: Model) -> int:
    """Return the weights of one norm."""
    return model.d_model * (1 if model.norm == "rms" else 2)


def layer_weights(model: Model, layer: Layer) -> int:
    """Return the weights of one layer."""
    parts = mixer_weights(layer.mixer, model.d_model) + feed_forward_weights(
        layer.feed_forward, model.d_model
    )
    return parts + layer.norms * norm_weights(model)


def weights(model: Model) -> int:
    """Return the weights of the whole model.

    >>> from fusemax.model.config import model_of
    >>> from fusemax.source import document_of
    >>> text = ("{model_type: llama, hidden_size: 8, num_attention_heads: 2, intermediate_size: 16, "
    ...         "num_hidden_layers: 1, vocab_size: 10}")
    >>> weights(model_of(document_of(text), "small")) == 4*8*8 + 3*8*16 + 2*8 + 8 + 2*10*8
    True
    """
    layers = sum(layer.times * layer_weights(model, layer) for layer in model.layers)
    tables = (model.vocabulary + model.positions) * model.d_model
    head = 0 if model.tied or not model.head else model.head * model.d_model
    return layers + tables + head + norm_weights(model) + model.extra_weights


def cache_words(mixer: Mixer, tokens: int) -> int:
    """Return the numbers that a mixer keeps of a sequence of *tokens*: keys and values, a latent vector, or a state."""
    if isinstance(mixer, Attention):
        seen = tokens if mixer.window is None else min(tokens, mixer.window)
        return seen * mixer.kv_heads * (mixer.head_dim + mixer.value_dim)
    if isinstance(mixer, LatentAttention):
        return tokens * (mixer.kv_rank + mixer.rope_dim)
    assert isinstance(mixer, StateSpace)
    shared = 2 * mixer.groups * mixer.state
    return mixer.inner * mixer.state + (mixer.inner + shared) * (mixer.taps - 1)


def cache(model: Model, batch: int, tokens: int) -> int:
    """Return the numbers that *model* keeps of *batch* sequences of *tokens*, in all layers."""
    return batch * sum(layer.times * cache_words(layer.mixer, tokens) for layer in model.layers)
