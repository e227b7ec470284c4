"""Decoders with experts: one reader for each way in which their keys say who routes and who is always taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

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
    period,
    width,
    window,
)
from fusemax.model.shape import Experts, FeedForward, Layer, Mixer, Model

SHARED = "shared_expert_intermediate_size"
Scores = dict[str, Any]
CHOSEN: Scores = {"scores": "softmax of the chosen"}
SIGMOID: Scores = {"scores": "sigmoid", "router_biased": "choice"}


def experts(
    keys: Keys,
    count: str,
    per_token: str,
    width: str,
    shared: FeedForward | None = None,
    biased: bool = False,
    act: str = "silu",
    **more: Any,
) -> Experts:
    """Return the experts whose number, choice and width stand at these keys; *more* are other fields of them."""
    d_ff = keys.count(width)
    expert = FeedForward(d_ff=d_ff, gated=True, biased=biased, activation=activation(keys, act))
    found = Experts(
        count=keys.count(count), per_token=keys.count(per_token), expert=expert, shared=shared, **more,
    )  # fmt: skip
    return chosen(keys, found, per_token)


def shared_part(keys: Keys, number: str, width: str) -> FeedForward | None:
    """Return what every token takes: as wide as *number* experts of *width*; None where there are none."""
    many = keys.count(number, default=0, least=0)
    wide = keys.count(width)
    return FeedForward(d_ff=many * wide, gated=True, activation=activation(keys)) if many else None


def read_mixtral(keys: Keys, name: str, kind: str) -> Model:
    """Return a model whose layers all have experts: Mixtral and its kin."""
    traits = _MIXTRALS[kind]
    d_model, layers = width(keys), depth(keys)
    part = experts(
        keys, traits.get("count", "num_local_experts"), traits.get("per_token", "num_experts_per_tok"), "intermediate_size",
        act=traits.get("act", "silu"), **traits.get("experts", CHOSEN),
    )  # fmt: skip
    if keys.has("shared_intermediate_size"):
        many = keys.count("shared_intermediate_size", least=0)
        part = replace(part, shared=replace(part.expert, d_ff=many) if many else None)
    if keys.has("norm_topk_prob"):
        part = replace(part, normalised=keys.flag("norm_topk_prob"))
    biased = keys.flag("attention_bias", default=traits.get("biased", False))
    mixer = attention(
        keys, d_model, window=window(keys) if traits.get("windowed") else None, biased=biased, out_biased=biased,
        qk_norm=traits.get("qk_norm", ""), scale=_multiplied(keys), cap=keys.number("max_attn_value", default=0.0) or None,
    )  # fmt: skip
    place = traits.get("place", "before")
    layer = Layer(
        mixer=mixer, feed_forward=part, times=layers, norms=4 if place == "around" else 2, place=place
    )
    head_biased = keys.flag("lm_head_bias")
    return decoder(
        keys, name, kind, (layer,), tied=traits.get("tied", False), norm=traits.get("norm", "rms"),
        residual=keys.number("residual_multiplier", default=1.0),
        extra_weights=keys.count("vocab_size") if head_biased else 0,
    )  # fmt: skip


_MIXTRALS: Mapping[str, Mapping[str, Any]] = {
    "mixtral": {"windowed": True},
    "minimax_m2": {"qk_norm": "whole", "experts": SIGMOID},
    "phimoe": {"norm": "layer", "windowed": True, "experts": {"scores": "softmax", "normalised": False}},
    "granitemoe": {"tied": True},
    "granitemoeshared": {"tied": True},
    "flex_olmo": {
        "count": "num_experts",
        "qk_norm": "whole",
        "place": "branch",
        "experts": {"scores": "softmax", "normalised": False},
    },
    "grok-1": {
        "count": "num_experts",
        "place": "around",
        "tied": True,
        "act": "gelu",
        "experts": {"scores": "softmax", "normalised": False},
    },
    "olmoe": {
        "count": "num_experts",
        "qk_norm": "whole",
        "experts": {"scores": "softmax", "normalised": False},
    },
}


def _multiplied(keys: Keys) -> float | None:
    return keys.number("attention_multiplier", default=1.0) if keys.has("attention_multiplier") else None


def read_qwen_experts(keys: Keys, name: str, kind: str) -> Model:
    """Return a Qwen model with experts: which layers have them, one that every token takes."""
    d_model = width(keys)
    shared = feed_forward(keys, SHARED) if keys.has(SHARED) or kind not in PLAIN else None
    normalised = keys.flag("norm_topk_prob", default=kind in GATED)
    part = experts(
        keys, "num_experts", "num_experts_per_tok", "moe_intermediate_size", shared, shared_gated=shared is not None,
        normalised=normalised,
    )  # fmt: skip
    step = keys.count("decoder_sparse_step", default=1)
    only = keys.places("mlp_only_layers", depth(keys)) or set()
    dense = [number in only or (number + 1) % step != 0 for number in range(depth(keys))]
    narrow = feed_forward(keys) if any(dense) else None
    mixers = _qwen_mixers(keys, kind, d_model)

    def layer(number: int) -> Layer:
        return Layer(mixer=mixers[number], feed_forward=narrow if dense[number] else part, times=1)

    return decoder(keys, name, kind, *each(keys, layer))


def read_qwen_dense(keys: Keys, name: str, kind: str) -> Model:
    """Return a Qwen3.5 without experts: gated delta rules, gated attention in every fourth layer, a dense part."""
    mixers, inner = _qwen_mixers(keys, kind, width(keys)), feed_forward(keys)

    def layer(number: int) -> Layer:
        return Layer(mixer=mixers[number], feed_forward=inner, times=1)

    return decoder(keys, name, kind, *each(keys, layer))


PLAIN = (
    "qwen3_moe",
    "qwen3_vl_moe_text",
    "qwen3_omni_moe_text",
)  #: kinds that have no expert which every token takes
#: Kinds whose layers are gated delta rules, and attention under a gate in every fourth of them.
GATED_DENSE = ("qwen3_5", "qwen3_5_text")
GATED_EXPERTS = ("qwen3_next", "qwen3_5_moe", "qwen3_5_moe_text")
GATED = (*GATED_DENSE, *GATED_EXPERTS)


def _qwen_mixers(keys: Keys, kind: str, d_model: int) -> list[Mixer]:
    from fusemax.model.reading.recurrent import gated_delta

    if kind == "qwen2_moe":
        biased = keys.flag("qkv_bias", "attention_bias", default=True)
        return [attention(keys, d_model, biased=biased)] * depth(keys)
    biased = keys.flag("attention_bias")
    if kind not in GATED:
        return [attention(keys, d_model, qk_norm="shared", biased=biased, out_biased=biased)] * depth(keys)
    full = attention(
        keys, d_model, qk_norm="shared", biased=biased, out_biased=biased, rotary=0.25,
        gated="element" if keys.flag("attn_output_gate", default=True) else "",
    )  # fmt: skip
    every = keys.count("full_attention_interval", default=4)
    kinds = keys.words("layer_types", depth(keys), ("linear_attention", "full_attention"))
    linear = gated_delta(keys)
    whole = (
        [kind == "full_attention" for kind in kinds]
        if kinds
        else [(n + 1) % every == 0 for n in range(depth(keys))]
    )
    return [full if is_whole else linear for is_whole in whole]


def after_dense(
    keys: Keys, name: str, kind: str, mixers: Sequence[Mixer], scores: Scores,
    names: tuple[str, str] = ("n_routed_experts", "n_shared_experts"),
) -> Model:  # fmt: skip
    """Return a model whose first layers are dense; *names* are the keys of how many experts are chosen from, and shared."""
    layers, dense = depth(keys), keys.count("first_k_dense_replace", default=0, least=0)
    if dense > layers:
        keys.fail("first_k_dense_replace", f"more than the {layers} layers")
    shared = shared_part(keys, names[1], "moe_intermediate_size")
    scores = {**scores, "scale": keys.number("routed_scaling_factor", default=1.0)}
    for key in ("norm_topk_prob", "moe_renormalize"):
        if keys.has(key):
            scores["normalised"] = keys.flag(key)
    part = experts(
        keys,
        names[0],
        keys.name_of(("num_experts_per_tok", "num_experts_per_token")),
        "moe_intermediate_size",
        shared,
        **scores,
    )
    step = keys.count("moe_layer_freq", default=1)
    kinds = keys.words("mlp_layer_types", layers, ("dense", "sparse"))
    sparse = [number >= dense and number % step == 0 for number in range(layers)]
    sparse = sparse if kinds is None else [one == "sparse" for one in kinds]
    narrow = None if all(sparse) else feed_forward(keys)

    def layer(number: int) -> Layer:
        return Layer(mixer=mixers[number], feed_forward=part if sparse[number] else narrow, times=1)

    return decoder(keys, name, kind, *each(keys, layer))


def read_glm_experts(keys: Keys, name: str, kind: str) -> Model:
    """Return a model with grouped heads and experts behind some dense layers: a GLM-4.5 and its kin, the first DeepSeek."""
    traits = _BEHIND_DENSE[kind]
    biased = keys.flag("attention_bias")
    mixer = attention(
        keys, width(keys), biased=biased, out_biased=biased and traits.get("out_biased", False), rotary=traits["rotary"],
        qk_norm="shared" if traits.get("normed") or keys.flag("use_qk_norm") else "",
    )  # fmt: skip
    return after_dense(keys, name, kind, [mixer] * depth(keys), traits.get("scores", SIGMOID))


_BEHIND_DENSE: Mapping[str, Mapping[str, Any]] = {
    "glm4_moe": {"rotary": 0.5},
    "glm4v_moe_text": {"rotary": 0.5},
    "dots1": {"rotary": 1.0, "normed": True, "out_biased": True},
    "solar_open": {"rotary": 1.0},
    "deepseek": {
        "rotary": 1.0, "out_biased": True, "scores": {"scores": "softmax", "normalised": False},
    },
}  # fmt: skip


def read_exaone_experts(keys: Keys, name: str, kind: str) -> Model:
    """Return a K-EXAONE: windows in all but each n-th layer, which has no positions, and experts as in DeepSeek-V3."""
    windows = alternating(keys, period(keys, 4))
    mixers = [
        attention(
            keys,
            width(keys),
            window=seen,
            qk_norm="shared",
            rotary=0.0 if seen is None and any(windows) else 1.0,
        )
        for seen in windows
    ]
    return after_dense(keys, name, kind, mixers, SIGMOID, ("num_experts", "num_shared_experts"))


def read_ling(keys: Keys, name: str, kind: str) -> Model:
    """Return a Ling or Ring (``bailing_moe``), whose experts are chosen by softmax, in version 2 as in DeepSeek-V3."""
    biased, out_biased = keys.flag("use_qkv_bias"), keys.flag("use_bias")
    normed = "shared" if keys.flag("use_qk_norm") else ""
    mixer = attention(keys, width(keys), biased=biased or out_biased, out_biased=out_biased, qk_norm=normed)
    newer = kind == "bailing_moe_v2"
    scores = SIGMOID if newer else {"scores": "softmax", "normalised": False}
    names = ("num_experts", "num_shared_experts")
    return after_dense(keys, name, kind, [mixer] * depth(keys), scores, names)


def read_ernie_experts(keys: Keys, name: str, kind: str) -> Model:
    """Return an ERNIE 4.5 with experts from one layer to another."""
    layers = depth(keys)
    biased = keys.flag("use_bias")
    first, step = (
        keys.count("moe_layer_start_index", default=1, least=0),
        keys.count("moe_layer_interval", default=1),
    )
    last = (
        layers - 1
        if keys.get("moe_layer_end_index") in (None, -1)
        else keys.count("moe_layer_end_index", least=0)
    )
    shared = shared_part(keys, "moe_num_shared_experts", "moe_intermediate_size")
    part = experts(
        keys, "moe_num_experts", "moe_k", "moe_intermediate_size", shared, biased, router_biased="choice"
    )
    narrow = feed_forward(keys, biased=biased)
    mixer = attention(keys, width(keys), biased=biased, out_biased=biased)

    def layer(number: int) -> Layer:
        routed = first <= number <= last and (number + 1) % step == 0
        return Layer(mixer=mixer, feed_forward=part if routed else narrow, times=1)

    return decoder(keys, name, kind, *each(keys, layer), tied=True)


def read_hunyuan_experts(keys: Keys, name: str, kind: str) -> Model:
    """Return a Hunyuan with experts, and as many shared ones as ``num_shared_expert`` says."""
    for key in ("num_experts", "moe_topk", "num_shared_expert", "moe_intermediate_size"):
        _one_number(keys, key)
    keys.refuse("use_cla", (False,), "layers that share keys and values are not modelled")
    inner = "moe_intermediate_size" if keys.has("moe_intermediate_size") else "intermediate_size"
    shared = shared_part(keys, "num_shared_expert", inner) if keys.has("num_shared_expert") else None
    shared = shared or (feed_forward(keys) if keys.flag("use_mixed_mlp_moe") else None)
    part = experts(keys, "num_experts", "moe_topk", inner, shared)
    mixer = attention(keys, width(keys), qk_norm="shared", biased=keys.flag("attention_bias"))
    return decoder(keys, name, kind, (Layer(mixer=mixer, feed_forward=part, times=depth(keys)),))


def _one_number(keys: Keys, key: str) -> None:
    """Take one number for a list of equal ones, one for each layer; note a mistake where they are not equal."""
    listed = keys.data.get(key)
    if isinstance(listed, list) and listed:
        if any(one != listed[0] for one in listed):
            keys.fail(
                key, "layers that differ in it are not modelled", "give the number that most layers have"
            )
        keys.data = {**keys.data, key: listed[0]}


def read_gpt_oss(keys: Keys, name: str, kind: str) -> Model:
    """Return a gpt-oss: sinks, a window in every second layer, biases everywhere."""
    d_model = width(keys)
    part = experts(
        keys, "num_local_experts", keys.name_of(("num_experts_per_tok", "experts_per_token")), "intermediate_size",
        biased=True, router_biased="product", **CHOSEN,
    )  # fmt: skip
    part = replace(part, expert=replace(part.expert, activation="clamped"))
    windows = alternating(keys, 2)
    biased = keys.flag("attention_bias", default=True)

    def layer(number: int) -> Layer:
        mixer = attention(keys, d_model, window=windows[number], sinks=True, biased=biased, out_biased=biased)
        return Layer(mixer=mixer, feed_forward=part, times=1)

    return decoder(keys, name, kind, *each(keys, layer))


def read_llama_4(keys: Keys, name: str, kind: str) -> Model:
    """Return the text part of a Llama 4: layers with positions see a chunk, every fourth all; some layers have experts."""
    d_model, layers = width(keys), depth(keys)
    shared = feed_forward(keys, "intermediate_size")
    part = experts(
        keys, "num_local_experts", "num_experts_per_tok", "intermediate_size", shared, scores="sigmoid", normalised=False,
        weighs_input=True,
    )  # fmt: skip
    step = keys.count("interleave_moe_layer_step", default=1)
    routed = keys.places("moe_layers", layers) if keys.data.get("moe_layers") else None
    routed = set(range(step - 1, layers, step)) if routed is None else routed
    narrow = feed_forward(keys, "intermediate_size_mlp") if len(routed) < layers else None
    every = keys.count("no_rope_layer_interval", default=4)
    said = keys.get("no_rope_layers") or [int((number + 1) % every != 0) for number in range(layers)]
    if not isinstance(said, list) or len(said) != layers:
        keys.fail("no_rope_layers", f"expected a list of {layers} numbers: 1 with positions, 0 without")
        said = [1] * layers
    chunk = keys.count("attention_chunk_size") if keys.has("attention_chunk_size") else None
    keys.flag("use_qk_norm", default=True)  # it has no weights

    def layer(number: int) -> Layer:
        near = bool(said[number])  # layers with positions see a chunk
        mixer = attention(
            keys, d_model, rotary=1.0 if near else 0.0, window=chunk if near else None,
            chunked=near and chunk is not None,
        )  # fmt: skip
        return Layer(mixer=mixer, feed_forward=part if number in routed else narrow, times=1)

    return decoder(keys, name, kind, *each(keys, layer))


Reader = Callable[[Keys, str, str], Model]
SPARSE: Mapping[str, Reader] = {
    **dict.fromkeys(_MIXTRALS, read_mixtral),
    **dict.fromkeys(("qwen2_moe", *PLAIN, *GATED_EXPERTS), read_qwen_experts),
    **dict.fromkeys(GATED_DENSE, read_qwen_dense),
    **dict.fromkeys(_BEHIND_DENSE, read_glm_experts),
    **dict.fromkeys(("bailing_moe", "bailing_moe_v2"), read_ling), "exaone_moe": read_exaone_experts,
    "ernie4_5_moe": read_ernie_experts,
    "hunyuan_v1_moe": read_hunyuan_experts, "hunyuan": read_hunyuan_experts,
    "gpt_oss": read_gpt_oss, "llama4": read_llama_4, "llama4_text": read_llama_4,
}  # fmt: skip
