"""Decoders whose layers are attention with rotary positions and a dense feed-forward part: one entry for each family.

What a family has beside what its keys say is a fact of its public modelling code in the transformers library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from fusemax.model.reading.keys import DEEPEST, Keys
from fusemax.model.reading.parts import (
    alternating,
    attention,
    decoder,
    depth,
    each,
    feed_forward,
    period,
    width,
    window,
)
from fusemax.model.shape import Layer, Model, Norm, Place

QkNorm = Literal["", "shared", "head", "whole"]
Windows = Literal["none", "all", "asked", "some"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What a kind of decoder has beside what its keys say.

    Attributes
    ----------
    norm, place, norms, parallel
        As :class:`~fusemax.model.shape.Layer` has them.
    bias, out_bias, inner_bias
        Keys that say whether queries, keys and values, the output, and the feed-forward part have biases; with a default each.
    qk_norm, qk_norm_key
        How queries and keys are normalised, where that key (if there is one) says so.
    gated, activation
        Of the feed-forward part.
    rotary
        The part of a head that is turned, if no key says it.
    windows
        ``all`` layers have that of ``sliding_window``, those that are ``asked`` for by ``use_sliding_window``, or ``some``: as
        ``layer_types`` says, or all but each ``every``-th.
    still
        Whether layers without a window have no positions, where there are such with one.
    heads_bias
        Whether the logits have biases.
    layer_extra
        Single numbers that are learned in each layer beside its matrices (two curvatures of xIELU).
    inside
        Whether a norm stands before the last product of each part, too.
    """

    norm: Norm = "rms"
    place: Place = "before"
    norms: int = 2
    parallel: bool = False
    bias: tuple[str, bool] = ("attention_bias", False)
    out_bias: tuple[str, bool] | None = None
    inner_bias: tuple[str, bool] = ("mlp_bias", False)
    qk_norm: QkNorm = ""
    qk_norm_key: str = ""
    gated: bool = True
    activation: str = "silu"
    rotary: float = 1.0
    tied: bool = False
    windows: Windows = "none"
    every: int | None = None
    still: bool = False
    heads_bias: bool = False
    layer_extra: int = 0
    inside: bool = False


QKV = ("qkv", True)  #: biases of queries, keys and values that no key says
NO_BIAS = ("", False)
FAMILIES: Mapping[str, Family] = {
    "llama": Family(),
    "mistral": Family(windows="all"),
    "ministral": Family(windows="some"),
    "ministral3": Family(windows="all"),
    "qwen2": Family(bias=QKV, out_bias=NO_BIAS, windows="asked"),
    "qwen3": Family(qk_norm="shared", windows="asked"),
    "gemma": Family(activation="gelu_pytorch_tanh", tied=True),
    "gemma2": Family(activation="gelu_pytorch_tanh", tied=True, norms=4, place="around", windows="some", every=2),
    "gemma3": Family(
        activation="gelu_pytorch_tanh", tied=True, norms=4, place="around", windows="some", every=6, qk_norm="shared"
    ),
    "phi": Family(
        norm="layer", norms=1, parallel=True, bias=("", True), inner_bias=("", True), gated=False, activation="gelu_new",
        rotary=0.5, heads_bias=True, qk_norm="shared", qk_norm_key="qk_layernorm",
    ),
    "phi3": Family(windows="all"),
    "cohere": Family(
        norm="layer without shift", norms=1, parallel=True, tied=True, qk_norm="head", qk_norm_key="use_qk_norm"
    ),
    "cohere2": Family(
        norm="layer without shift", norms=1, parallel=True, tied=True, windows="some", every=4, still=True
    ),
    "olmo": Family(norm="layer without weights"),
    "olmo2": Family(place="branch", qk_norm="whole"),
    "olmo3": Family(place="branch", qk_norm="whole", windows="some", every=4),
    "starcoder2": Family(
        norm="layer", bias=("use_bias", True), inner_bias=("use_bias", True), gated=False, activation="gelu_pytorch_tanh",
        tied=True, windows="all",
    ),
    "stablelm": Family(
        norm="layer", bias=("use_qkv_bias", False), out_bias=NO_BIAS, rotary=0.25, qk_norm="head", qk_norm_key="qk_layernorm"
    ),
    "granite": Family(),
    "cwm": Family(windows="some"),
    "orion": Family(norm="layer"),
    "bitnet": Family(activation="relu2", inside=True),
    "glm": Family(bias=("attention_bias", True), out_bias=NO_BIAS, rotary=0.5),
    "glm4": Family(bias=("attention_bias", True), out_bias=NO_BIAS, rotary=0.5, norms=4, place="around"),
    "nemotron": Family(norm="layer", gated=False, activation="relu2", rotary=0.5),
    "arcee": Family(gated=False, activation="relu2"),
    "smollm3": Family(tied=True, windows="asked"),
    "exaone4": Family(place="branch", qk_norm="shared", windows="some", every=4, still=True),
    "seed_oss": Family(bias=("attention_bias", True), out_bias=("attention_out_bias", False)),
    "helium": Family(),
    "ernie4_5": Family(bias=("use_bias", False), inner_bias=("use_bias", False), tied=True),
    "exaone": Family(),
    "mimo": Family(bias=("attention_bias", True), out_bias=NO_BIAS),
    "minicpm": Family(tied=True),
    "vaultgemma": Family(activation="gelu_pytorch_tanh", tied=True, windows="some", every=2),
    "hunyuan_v1_dense": Family(qk_norm="shared"),
    "internlm2": Family(bias=("bias", False)),
    "internlm3": Family(bias=("qkv_bias", False), out_bias=("bias", False), inner_bias=("bias", False)),
    "internlm": Family(bias=("bias", True)),
    "apertus": Family(gated=False, activation="xielu", qk_norm="shared", layer_extra=2),
    "persimmon": Family(
        norm="layer", bias=("", True), inner_bias=("", True), gated=False, activation="relu2", rotary=0.5, qk_norm="shared",
        qk_norm_key="qk_layernorm",
    ),
    "gpt_neox": Family(
        norm="layer", parallel=True, bias=("attention_bias", True), inner_bias=("", True), gated=False, activation="gelu",
        rotary=0.25,
    ),
}  # fmt: skip
OTHER_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("qwen2_vl", "qwen2_5_vl", "qwen2_vl_text", "qwen2_5_vl_text"), "qwen2"),
    "gemma3_text": "gemma3", "qwen3_vl_text": "qwen3", **dict.fromkeys(("yi", "aquila", "xverse"), "llama"),
    **dict.fromkeys(("phi4mm", "phi4_multimodal", "phi3_v"), "phi3"),
}  # fmt: skip


def read_dense(keys: Keys, name: str, kind: str) -> Model:
    """Return a decoder of one of :data:`FAMILIES`."""
    family = FAMILIES[OTHER_NAMES.get(kind, kind)]
    d_model = width(keys)
    biased = _says(keys, family.bias)
    out_biased = biased if family.out_bias is None else _says(keys, family.out_bias)
    normed = family.qk_norm if not family.qk_norm_key or keys.flag(family.qk_norm_key) else ""
    inner = feed_forward(
        keys, gated=family.gated, biased=_says(keys, family.inner_bias), act=family.activation,
        default=4 * d_model if kind == "gpt_neox" else None,
    )  # fmt: skip
    inner = replace(inner, normed=family.inside)
    windows, turned = _windows(keys, family), _turned(keys, family)
    norms = 1 if keys.flag("shared_layernorm") else family.norms
    parallel = keys.flag("use_parallel_residual", default=family.parallel)
    if parallel and not family.parallel:
        norms = 1

    def layer(number: int) -> Layer:
        still = family.still and windows[number] is None and any(windows)
        mixer = attention(
            keys, d_model, window=windows[number], biased=biased, out_biased=out_biased, qk_norm=normed,
            rotary=0.0 if still or not turned[number] else family.rotary, cap=_cap(keys), scale=_scale(keys, kind),
            out_normed=family.inside,
        )  # fmt: skip
        return Layer(
            mixer=mixer, feed_forward=inner, times=1, norms=norms, place=family.place, parallel=parallel
        )

    layers, order = each(keys, layer)
    extra = (keys.count("vocab_size") if family.heads_bias else 0) + family.layer_extra * depth(keys)
    residual = residual_of(keys)
    return decoder(
        keys, name, kind, layers, order, family.tied, norm=family.norm, extra_weights=extra, residual=residual
    )


def residual_of(keys: Keys) -> float:
    """Return what parts are multiplied by: as it stands there, or ``scale_depth`` over the root of the depth (MiniCPM)."""
    if keys.has("scale_depth"):
        return keys.number("scale_depth", default=1.0) / min(depth(keys), DEEPEST) ** 0.5
    return keys.number("residual_multiplier", default=1.0)


def _says(keys: Keys, bias: tuple[str, bool]) -> bool:
    key, default = bias
    return keys.flag(key, default=default) if key not in ("", "qkv") else default


def _windows(keys: Keys, family: Family) -> list[int | None]:
    """Return the window of each layer."""
    if family.windows == "some":
        return alternating(keys, period(keys, family.every))
    if family.windows == "none" or (family.windows == "asked" and not keys.flag("use_sliding_window")):
        return [None] * depth(keys)
    if family.windows == "asked":
        first = keys.count("max_window_layers", default=0, least=0)
        length = window(keys)
        kinds = alternating(keys, None, length)
        return (
            kinds if keys.has("layer_types") else [length if n >= first else None for n in range(depth(keys))]
        )
    return [window(keys)] * depth(keys)


def _turned(keys: Keys, family: Family) -> list[bool]:
    """Return for each layer whether positions turn its queries and keys: of SmolLM3's, all but every fourth."""
    layers = depth(keys)
    said = keys.get("no_rope_layers")
    if said:
        if not isinstance(said, list) or len(said) != layers or any(one not in (0, 1) for one in said):
            keys.fail("no_rope_layers", f"expected a list of {layers} numbers: 1 with positions, 0 without")
            return [True] * layers
        return [bool(one) for one in said]
    if keys.has("no_rope_layer_interval"):
        every = keys.count("no_rope_layer_interval")
        return [(number + 1) % every != 0 for number in range(layers)]
    return [True] * layers


def _cap(keys: Keys) -> float | None:
    return keys.number("attn_logit_softcapping", default=0.0) or None


def _scale(keys: Keys, kind: str) -> float | None:
    """Return what scores are multiplied by, where the configuration says it."""
    if keys.has("attention_multiplier"):
        return keys.number("attention_multiplier", default=1.0)
    if kind.startswith("gemma") and keys.has("query_pre_attn_scalar"):
        return keys.number("query_pre_attn_scalar", default=1.0, least=1e-6) ** -0.5
    return None
