"""Decoders of 2025 and 2026 with attention of two kinds, which differ in heads, widths, gates or in how far they see."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fusemax.model.reading.keys import Keys
from fusemax.model.reading.parts import (
    WHOLE,
    WINDOWED,
    alternating,
    attention,
    decoder,
    depth,
    each,
    feed_forward,
    numbered,
    turned,
    width,
    worded,
)
from fusemax.model.reading.sparse import SIGMOID, experts, shared_part
from fusemax.model.shape import Attention, Layer, Model


def read_mimo_v2(keys: Keys, name: str, kind: str) -> Model:
    """Return a MiMo-V2-Flash: sinks in layers with a window, which have other heads; values narrower than keys."""
    layers = depth(keys)
    narrow = numbered(keys, "hybrid_layer_pattern") or worded(keys, "layer_types", WINDOWED, WHOLE)
    routed = numbered(keys, "moe_layer_freq") or worded(keys, "mlp_layer_types", "sparse", "dense")
    narrow = narrow or [number > 0 and (number + 1) % 6 != 0 for number in range(layers)]
    routed = routed or [number > 0 for number in range(layers)]
    biased = keys.flag("attention_bias")

    def heads(before: str, sinks: bool, seen: int | None) -> Attention:
        own = keys.count(f"{before}num_attention_heads", "num_attention_heads")
        shared, dim = keys.count(f"{before}num_key_value_heads"), keys.count(f"{before}head_dim", "head_dim")
        keys.divides((f"{before}num_key_value_heads",), own, shared, "groups of query heads")
        return Attention(
            heads=own, kv_heads=shared, head_dim=dim, value_dim=keys.count(f"{before}v_head_dim", "v_head_dim"),
            window=seen, sinks=sinks, biased=biased, rotary=turned(keys, dim),
        )  # fmt: skip

    whole = heads("", keys.flag("add_full_attention_sink_bias"), None)
    near = heads("swa_", keys.flag("add_swa_attention_sink_bias", default=True), keys.count("sliding_window"))
    part = experts(
        keys, "n_routed_experts", "num_experts_per_tok", "moe_intermediate_size",
        shared_part(keys, "n_shared_experts", "moe_intermediate_size"), **SIGMOID,
        normalised=keys.flag("norm_topk_prob", default=True), scale=keys.number("routed_scaling_factor", default=1.0),
    )  # fmt: skip
    dense = part if all(routed) else feed_forward(keys)

    def layer(number: int) -> Layer:
        mixer = near if narrow[number] else whole
        return Layer(mixer=mixer, feed_forward=part if routed[number] else dense, times=1)

    return decoder(keys, name, kind, *each(keys, layer))


def read_afmoe(keys: Keys, name: str, kind: str) -> Model:
    """Return a Trinity: a gate behind attention, positions where there is a window, norms around each part."""
    d_model, first = width(keys), keys.count("num_dense_layers", default=1, least=0)
    windows = alternating(keys, keys.count("global_attn_every_n_layers", default=4))
    keys.word("score_func", known=("sigmoid",), default="sigmoid")
    part = experts(
        keys, "num_experts", "num_experts_per_tok", "moe_intermediate_size",
        shared_part(keys, "num_shared_experts", "moe_intermediate_size"), **SIGMOID,
        normalised=keys.flag("route_norm", default=True), scale=keys.number("route_scale", default=1.0),
    )  # fmt: skip
    dense = feed_forward(keys) if first else part

    def layer(number: int) -> Layer:
        seen = windows[number]
        mixer = attention(
            keys, d_model, window=seen, rotary=1.0 if seen else 0.0, qk_norm="shared", gated="element"
        )
        inner = dense if number < first else part
        return Layer(mixer=mixer, feed_forward=inner, times=1, norms=4, place="around")

    return decoder(keys, name, kind, *each(keys, layer))


def read_step(keys: Keys, name: str, kind: str) -> Model:
    """Return a Step-3.5-Flash: a gate for each head, more heads where there is a window, experts in layers that are listed."""
    layers = depth(keys)
    listed = keys.get("layer_types")
    if isinstance(listed, list) and len(listed) > layers:  # those behind the last layer guess further tokens
        keys.data = {**keys.data, "layer_types": listed[:layers]}
    windows = alternating(keys, None)
    gated = "head" if keys.flag("use_head_wise_attn_gate") else ""
    shared = keys.count("num_attention_groups")
    other = keys.inside("attention_other_setting") or keys
    parts = keys.get("partial_rotary_factors")
    if parts is not None and (
        not isinstance(parts, list) or len(parts) < layers or any(one not in (0.5, 1) for one in parts)
    ):
        keys.fail("partial_rotary_factors", f"expected a list of 0.5 or 1.0, one for each of {layers} layers")
        parts = None

    def heads(number: int) -> Attention:
        place, seen = (keys, None) if windows[number] is None else (other, windows[number])
        many, dim = (
            place.count("num_attention_heads"),
            place.count("head_dim", default=keys.count("head_dim")),
        )
        kept = place.count("num_attention_groups", default=shared)
        place.divides(("num_attention_groups",), many, kept, "groups of query heads")
        turned = int(dim * (parts[number] if parts else 1)) // 2 * 2
        return Attention(
            heads=many, kv_heads=kept, head_dim=dim, value_dim=dim, window=seen, qk_norm="shared", gated=gated, rotary=turned,
        )  # fmt: skip

    routed = _listed(keys, "moe_layers_enum", layers)
    part = experts(
        keys, "moe_num_experts", "moe_top_k", "moe_intermediate_size", feed_forward(keys, "share_expert_dim"),
        scores="sigmoid", router_biased="choice" if keys.flag("use_moe_router_bias") else "",
        normalised=keys.flag("norm_expert_weight", default=True), scale=keys.number("moe_router_scaling_factor", default=1.0),
    )  # fmt: skip
    dense = feed_forward(keys)

    def layer(number: int) -> Layer:
        return Layer(mixer=heads(number), feed_forward=part if number in routed else dense, times=1)

    return decoder(keys, name, kind, *each(keys, layer))


def _listed(keys: Keys, key: str, layers: int) -> set[int]:
    """Return the numbers of layers that the text at *key* lists, apart by commas; all but the first where there is none."""
    said = keys.get(key)
    if said is None:
        return set(range(1, layers))
    numbers = said.split(",") if isinstance(said, str) else []
    if not numbers or not all(one.strip().isdigit() and int(one) < layers for one in numbers):
        keys.fail(key, f"expected numbers of layers from 0 to {layers - 1}, apart by commas, got {said!r}")
        return set()
    return {int(one) for one in numbers}


Reader = Callable[[Keys, str, str], Model]
HYBRID: Mapping[str, Reader] = {
    "mimo_v2_flash": read_mimo_v2, "afmoe": read_afmoe, "step3p5": read_step,
}  # fmt: skip
