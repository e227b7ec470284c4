"""Gemma 4: wider heads in layers without a window, whose values are their keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from fusemax.model.reading.keys import Keys
from fusemax.model.reading.parts import alternating, attention, decoder, each, feed_forward, width
from fusemax.model.shape import Layer, Model


def read_gemma_4(keys: Keys, name: str, kind: str) -> Model:
    """Return a dense Gemma 4: wider heads without a window, whose values are their keys; values are normalised, too."""
    for key, said in (
        ("hidden_size_per_layer_input", "tables of tokens for each layer are not modelled"),
        ("num_kv_shared_layers", "layers that share keys and values are not modelled"),
        ("enable_moe_block", "experts beside a dense part, with norms of their own, are not modelled"),
    ):
        keys.refuse(key, (None, 0, False), said)
    if not keys.has("hidden_size_per_layer_input"):
        keys.fail(
            "hidden_size_per_layer_input", "required key is missing", "0 for a model without such tables"
        )
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
    inner = feed_forward(keys, act="gelu_pytorch_tanh")

    def layer(number: int) -> Layer:
        seen = windows[number]
        mixer = whole if seen is None else replace(near, window=seen)
        return Layer(mixer=mixer, feed_forward=inner, times=1, norms=4, place="around")

    return decoder(keys, name, kind, *each(keys, layer), tied=True)


Reader = Callable[[Keys, str, str], Model]
GEMMA: Mapping[str, Reader] = {"gemma4": read_gemma_4, "gemma4_text": read_gemma_4}
