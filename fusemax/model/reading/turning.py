"""Encoders whose positions turn queries and keys: EuroBERT, Nomic BERT, ESM-2, DINOv3. Every token sees all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fusemax.model.reading.keys import Keys
from fusemax.model.reading.parts import activation, attention, depth, feed_forward, width
from fusemax.model.shape import FeedForward, Front, Layer, Model


def read_eurobert(keys: Keys, name: str, kind: str) -> Model:
    """Return a EuroBERT (arXiv 2503.05500): the layers of a Llama."""
    d_model, biased = width(keys), keys.flag("attention_bias")
    mixer = attention(keys, d_model, biased=biased, out_biased=biased)
    inner = feed_forward(keys, biased=keys.flag("mlp_bias"))
    layer = Layer(mixer=mixer, feed_forward=inner, times=depth(keys))
    return Model(
        name=name,
        kind=kind,
        d_model=d_model,
        vocabulary=keys.count("vocab_size"),
        layers=(layer,),
        causal=False,
    )


def read_nomic_bert(keys: Keys, name: str, kind: str) -> Model:
    """Return a Nomic BERT (arXiv 2402.01613): norms behind each sum, gated parts, no table of positions."""
    keys.refuse("num_experts", (None, 0), "experts of this kind are not modelled")
    d_model, biased = width(keys), keys.flag("qkv_proj_bias", default=True)
    part = keys.number("rotary_emb_fraction", default=0.0, most=1.0)
    said = keys.word("activation_function", known=("swiglu", "geglu", "gelu"), default="gelu")
    act = {"swiglu": "silu", "geglu": "gelu", "gelu": "gelu"}[said]
    mixer = attention(keys, d_model, rotary=part, biased=biased, out_biased=biased)
    inner = FeedForward(
        d_ff=keys.count("n_inner", default=4 * d_model), gated=said != "gelu", activation=act,
        biased=keys.flag("mlp_fc1_bias", default=True),
    )  # fmt: skip
    place = "before" if keys.flag("prenorm") else "after"
    layer = Layer(mixer=mixer, feed_forward=inner, times=depth(keys), place=place)
    types = keys.count("type_vocab_size", default=2, least=0)
    positions = 0 if mixer.rotary else keys.count("n_positions")
    return Model(
        name=name, kind=kind, d_model=d_model, vocabulary=keys.count("vocab_size"), layers=(layer,), norm="layer",
        causal=False, positions=positions, extra_weights=types * d_model,
    )  # fmt: skip


def read_esm(keys: Keys, name: str, kind: str) -> Model:
    """Return an ESM-2 (a model of proteins): norms before parts, biases everywhere, a norm behind the last layer."""
    turned = (
        keys.word("position_embedding_type", known=("rotary", "absolute"), default="absolute") == "rotary"
    )
    d_model = width(keys)
    mixer = attention(keys, d_model, rotary=1.0 if turned else 0.0, biased=True, out_biased=True)
    inner = feed_forward(keys, gated=False, biased=True, act="gelu")
    layer = Layer(mixer=mixer, feed_forward=inner, times=depth(keys))
    return Model(
        name=name, kind=kind, d_model=d_model, vocabulary=keys.count("vocab_size"), layers=(layer,), norm="layer",
        causal=False, positions=0 if turned else keys.count("max_position_embeddings"),
        last_norms=2 if keys.flag("emb_layer_norm_before") else 1,
    )  # fmt: skip


def read_dinov3(keys: Keys, name: str, kind: str) -> Model:
    """Return a DINOv3 (arXiv 2508.10104): each part scaled, registers, positions that turn; keys have no biases."""
    d_model, patch = width(keys), keys.count("patch_size")
    biased = keys.flag("query_bias", default=True)
    mixer = attention(
        keys, d_model, biased=biased, out_biased=keys.flag("proj_bias", default=True),
        keys_biased=keys.flag("key_bias"),
    )  # fmt: skip
    if keys.flag("value_bias", default=biased) != biased:
        keys.fail("value_bias", "biases of queries and none of values, or the other way, are not modelled")
    gated = keys.flag("use_gated_mlp")
    inner = FeedForward(
        d_ff=keys.count("intermediate_size"), gated=gated, biased=keys.flag("mlp_bias", default=True),
        activation=activation(keys, "gelu"),
    )  # fmt: skip
    front = Front(rows=1, inner=patch**2 * keys.count("num_channels", default=3), columns=d_model)
    more = 3 + keys.count("num_register_tokens", default=0, least=0)  # the filters' bias, class and mask
    return Model(
        name=name, kind=kind, d_model=d_model, vocabulary=0, norm="layer", causal=False, front=(front,),
        layers=(Layer(mixer=mixer, feed_forward=inner, times=depth(keys), scaled=True),),
        extra_weights=(front.inner + more) * d_model,
    )  # fmt: skip


Reader = Callable[[Keys, str, str], Model]
TURNING: Mapping[str, Reader] = {
    "eurobert": read_eurobert, "nomic_bert": read_nomic_bert, "esm": read_esm, "dinov3_vit": read_dinov3,
}  # fmt: skip
