"""Gemma 4: wider heads without a window, whose values are their keys; experts, tables of layers, keys that are lent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from fusemax.model.reading.keys import Keys
from fusemax.model.reading.parts import (
    activation,
    alternating,
    attention,
    chosen,
    decoder,
    depth,
    each,
    feed_forward,
    width,
)
from fusemax.model.shape import Experts, FeedForward, Layer, Model

TABLE = "hidden_size_per_layer_input"


def read_gemma_4(keys: Keys, name: str, kind: str) -> Model:
    """Return a Gemma 4 (structure: the transformers library's modelling code): values are normalised, too."""
    if keys.get(TABLE) is None and not keys.has(TABLE):
        keys.fail(TABLE, "required key is missing", "0 for a model without such tables")
    table, layers = keys.count(TABLE, default=0, least=0), depth(keys)
    d_model, windows, biased = width(keys), alternating(keys, 6), keys.flag("attention_bias")
    near = attention(keys, d_model, qk_norm="shared", biased=biased, out_biased=biased, scale=1.0)
    near = replace(near, values_normed=True)
    dim, alike = keys.count("global_head_dim", default=512), keys.flag("attention_k_eq_v")
    shared = keys.count("num_global_key_value_heads", default=near.kv_heads) if alike else near.kv_heads
    keys.divides(("num_global_key_value_heads",), near.heads, shared, "groups of query heads")
    whole = replace(
        near,
        kv_heads=shared,
        head_dim=dim,
        value_dim=dim,
        rotary=dim // 8 * 2,
        values="keys" if alike else "own",
    )
    lent = keys.count("num_kv_shared_layers", default=0, least=0)
    if lent and lent >= layers:
        keys.fail(
            "num_kv_shared_layers", f"of {layers} layers, {lent} have the keys of others: none has its own"
        )
    inner, wide = feed_forward(keys, act="gelu_pytorch_tanh"), keys.flag("use_double_wide_mlp")
    routed = _routed(keys, inner) if keys.flag("enable_moe_block") else None

    def layer(number: int) -> Layer:
        seen, borrows = windows[number], number >= layers - lent
        mixer = replace(whole if seen is None else replace(near, window=seen), lent=borrows)
        part = replace(inner, d_ff=2 * inner.d_ff) if wide and borrows else inner
        return Layer(
            mixer=mixer,
            feed_forward=routed or part,
            times=1,
            norms=7 if routed else 4,
            place="around",
            table=table,
        )

    rows = keys.count("vocab_size_per_layer_input", default=keys.count("vocab_size")) if table else 0
    tables = layers * table * (rows + d_model) + table
    return decoder(keys, name, kind, *each(keys, layer), tied=True, extra_weights=tables)


def _routed(keys: Keys, inner: FeedForward) -> Experts:
    """Return experts beside the dense part *inner*."""
    expert = replace(
        inner, d_ff=keys.count("moe_intermediate_size"), activation=activation(keys, "gelu_pytorch_tanh")
    )
    found = Experts(
        count=keys.count("num_experts"),
        per_token=keys.count("top_k_experts"),
        expert=expert,
        shared=inner,
        apart=True,
    )
    return chosen(keys, found, "top_k_experts")


Reader = Callable[[Keys, str, str], Model]
GEMMA: Mapping[str, Reader] = {"gemma4": read_gemma_4, "gemma4_text": read_gemma_4}
