"""Models with states: Mamba, Mamba-2, gated delta rules, and those that mix such layers with attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import ceil

from fusemax.model.reading.keys import Keys
from fusemax.model.reading.parts import (
    attention,
    chosen,
    decoder,
    depth,
    each,
    feed_forward,
    width,
)
from fusemax.model.shape import Beside, Experts, FeedForward, Layer, Mixer, Model
from fusemax.model.states import GatedDelta, SelectiveScan, ShortConvolution, StateSpace


def gated_delta(keys: Keys) -> GatedDelta:
    """Return the gated delta rule that the keys with ``linear_`` say."""
    found = GatedDelta(
        heads=keys.count("linear_num_value_heads"), key_heads=keys.count("linear_num_key_heads"),
        key_dim=keys.count("linear_key_head_dim"), value_dim=keys.count("linear_value_head_dim"),
        taps=keys.count("linear_conv_kernel_dim", default=4),
    )  # fmt: skip
    keys.divides(
        ("linear_num_key_heads",), found.heads, found.key_heads, "heads of values share those of keys"
    )
    return found


def _rank(keys: Keys, name: str, d_model: int) -> int:
    return ceil(d_model / 16) if keys.get(name) in (None, "auto") else keys.count(name)


def read_mamba_2(keys: Keys, name: str, kind: str) -> Model:
    """Return a Mamba-2."""
    d_model = width(keys)
    mixer = StateSpace(
        heads=keys.count("num_heads"), head_dim=keys.count("head_dim"), state=keys.count("state_size"),
        groups=keys.count("n_groups", default=1), taps=keys.count("conv_kernel", default=4), biased=keys.flag("use_bias"),
        conv_biased=keys.flag("use_conv_bias", default=True),
    )  # fmt: skip
    expand = keys.number("expand", default=2.0, least=1e-3)
    if mixer.inner != int(expand * d_model):
        keys.fail(
            "num_heads",
            f"num_heads * head_dim is {mixer.inner}, but expand * hidden_size is {int(expand * d_model)}",
        )
    keys.divides(("n_groups",), mixer.heads, mixer.groups, "groups share the heads")
    layer = Layer(mixer=mixer, feed_forward=None, times=depth(keys), norms=1)
    return decoder(keys, name, kind, (layer,))


def read_mamba(keys: Keys, name: str, kind: str) -> Model:
    """Return a Mamba, or a Falcon Mamba, which normalises steps, B and C without weights."""
    d_model = width(keys)
    inner = keys.count("intermediate_size", default=keys.count("expand", default=2) * d_model)
    mixer = SelectiveScan(
        inner=inner, state=keys.count("state_size", default=16), rank=_rank(keys, "time_step_rank", d_model),
        taps=keys.count("conv_kernel", default=4), biased=keys.flag("use_bias"),
        conv_biased=keys.flag("use_conv_bias", default=True),
    )  # fmt: skip
    layer = Layer(mixer=mixer, feed_forward=None, times=depth(keys), norms=1)
    return decoder(keys, name, kind, (layer,), tied=True)


def read_jamba(keys: Keys, name: str, kind: str) -> Model:
    """Return a Jamba: attention in one layer of a period, Mamba in the others, experts in some of them."""
    d_model = width(keys)
    inner = keys.count("mamba_expand", default=2) * d_model
    scan = SelectiveScan(
        inner=inner, state=keys.count("mamba_d_state", default=16), rank=_rank(keys, "mamba_dt_rank", d_model),
        taps=keys.count("mamba_d_conv", default=4), biased=keys.flag("mamba_proj_bias"),
        conv_biased=keys.flag("mamba_conv_bias", default=True), normed=True,
    )  # fmt: skip
    full = attention(keys, d_model, rotary=0.0)
    dense = feed_forward(keys)
    routed = chosen(
        keys,
        Experts(
            count=keys.count("num_experts", default=16), per_token=keys.count("num_experts_per_tok", default=2),
            expert=dense, normalised=False,
        ),
    )  # fmt: skip
    seen = _period(keys, "attn_layer", 8, 4)
    wide = _period(keys, "expert_layer", 2, 1)

    def layer(number: int) -> Layer:
        part = routed if wide(number) and routed.count > 1 else dense
        return Layer(mixer=full if seen(number) else scan, feed_forward=part, times=1)

    return decoder(keys, name, kind, *each(keys, layer))


def _period(keys: Keys, what: str, period: int, offset: int) -> Callable[[int], bool]:
    every = keys.count(f"{what}_period", default=period)
    first = keys.count(f"{what}_offset", default=offset, least=0)
    return lambda number: number % every == first


def _mamba_2_of(keys: Keys, d_model: int, names: Mapping[str, str]) -> StateSpace:
    """Return the Mamba-2 mixer of a model that mixes it with attention; *names* are its keys."""
    heads = keys.count(names["heads"])
    inner = (
        keys.count("mamba_d_ssm")
        if keys.has("mamba_d_ssm")
        else keys.count(names["expand"], default=2) * d_model
    )
    auto = names["head_dim"] not in keys.data or keys.data[names["head_dim"]] == "auto"
    if auto:
        keys.divides((names["heads"],), inner, heads, "heads share the channels")
        keys.used.add(names["head_dim"])
    return StateSpace(
        heads=heads, head_dim=max(1, inner // heads) if auto else keys.count(names["head_dim"]),
        state=keys.count(names["state"]), groups=keys.count(names["groups"], default=1),
        taps=keys.count(names["taps"], default=4), biased=keys.flag("mamba_proj_bias", "use_bias"),
        conv_biased=keys.flag("mamba_conv_bias", "use_conv_bias", default=True),
    )  # fmt: skip


MAMBA_KEYS = {
    "heads": "mamba_n_heads", "head_dim": "mamba_d_head", "state": "mamba_d_state", "groups": "mamba_n_groups",
    "taps": "mamba_d_conv", "expand": "mamba_expand",
}  # fmt: skip
NEMOTRON_KEYS = {
    "heads": "mamba_num_heads", "head_dim": "mamba_head_dim", "state": "ssm_state_size", "groups": "n_groups",
    "taps": "conv_kernel", "expand": "expand",
}  # fmt: skip


def read_nemotron_h(keys: Keys, name: str, kind: str) -> Model:
    """Return a Nemotron-H: layers of one part each, as the letters of ``hybrid_override_pattern`` say."""
    d_model, layers = width(keys), depth(keys)
    pattern = keys.get("hybrid_override_pattern")
    if not isinstance(pattern, str) or len(pattern) != layers or set(pattern) - set("M*-E"):
        said = f"expected {layers} letters: M for Mamba-2, * for attention, - for a feed-forward part, E for experts"
        keys.fail("hybrid_override_pattern", said)
        pattern = "M" * layers
    mixers: Mapping[str, Mixer] = {
        "M": _mamba_2_of(keys, d_model, NEMOTRON_KEYS),
        **({"*": attention(keys, d_model, rotary=0.0)} if "*" in pattern else {}),
    }
    parts: dict[str, FeedForward | Experts] = {}
    if "-" in pattern:
        parts["-"] = feed_forward(keys, gated=False, act="relu2")
    if "E" in pattern:
        parts["E"] = _nemotron_experts(keys)
    keys.used.add("mlp_hidden_act")

    def layer(number: int) -> Layer:
        letter = pattern[number]
        return Layer(mixer=mixers.get(letter), feed_forward=parts.get(letter), times=1, norms=1)

    return decoder(keys, name, kind, *each(keys, layer))


def _nemotron_experts(keys: Keys) -> Experts:
    plain = FeedForward(d_ff=keys.count("moe_intermediate_size"), gated=False, activation="relu2")
    many = keys.count("n_shared_experts", default=0, least=0)
    wide = keys.count("moe_shared_expert_intermediate_size", default=plain.d_ff)
    keys.refuse("moe_latent_size", (None,), "experts in a latent space are not modelled")
    return chosen(
        keys,
        Experts(
            count=keys.count("n_routed_experts"), per_token=keys.count("num_experts_per_tok"), expert=plain,
            shared=FeedForward(d_ff=many * wide, gated=False, activation="relu2") if many else None,
            scores="sigmoid", router_biased="choice", scale=keys.number("routed_scaling_factor", default=1.0),
        ),
    )  # fmt: skip


def read_bamba(keys: Keys, name: str, kind: str) -> Model:
    """Return a Bamba: Mamba-2 in all layers but those of ``attn_layer_indices``, a dense part behind each."""
    d_model = width(keys)
    seen = keys.places("attn_layer_indices", depth(keys)) or set()
    biased = keys.flag("attention_bias")
    full = attention(keys, d_model, rotary=0.5, biased=biased, out_biased=biased)
    scan = _mamba_2_of(keys, d_model, MAMBA_KEYS)
    inner = feed_forward(keys, biased=keys.flag("mlp_bias"))

    def layer(number: int) -> Layer:
        return Layer(mixer=full if number in seen else scan, feed_forward=inner, times=1)

    return decoder(keys, name, kind, *each(keys, layer))


def read_falcon_h1(keys: Keys, name: str, kind: str) -> Model:
    """Return a Falcon-H1: attention and Mamba-2 side by side in each layer, a dense part behind them."""
    d_model = width(keys)
    state = _mamba_2_of(keys, d_model, MAMBA_KEYS)
    if keys.has("mamba_d_ssm") and state.inner != keys.count("mamba_d_ssm"):
        keys.fail(
            "mamba_n_heads", f"mamba_n_heads * mamba_d_head is {state.inner}, but mamba_d_ssm is another"
        )
    keys.divides(("mamba_n_groups",), state.heads, state.groups, "groups share the heads")
    keys.refuse(
        "projectors_bias",
        (keys.data.get("mamba_proj_bias", False),),
        "biases of one projection alone are not modelled",
    )
    before = keys.flag("mamba_norm_before_gate", default=True)
    normed = keys.flag("mamba_rms_norm")
    state = replace(state, normed="before" if normed and before else "behind" if normed else "")
    biased = keys.flag("attention_bias")
    mixer = Beside(attention=attention(keys, d_model, biased=biased, out_biased=biased), state=state)
    inner = feed_forward(keys, biased=keys.flag("mlp_bias"))
    return decoder(keys, name, kind, (Layer(mixer=mixer, feed_forward=inner, times=depth(keys)),))


def read_granite_hybrid(keys: Keys, name: str, kind: str) -> Model:
    """Return a Granite 4: Mamba-2 or attention as ``layer_types`` says, experts beside a part that every token takes."""
    d_model, layers = width(keys), depth(keys)
    kinds: Sequence[str] = keys.words("layer_types", layers, ("mamba", "attention")) or ["attention"] * layers
    if not keys.has("layer_types"):
        keys.fail("layer_types", "required key is missing", "a list with mamba or attention for each layer")
    turned = keys.data.get("position_embedding_type") == "rope"
    scale = keys.number("attention_multiplier", default=1.0) if keys.has("attention_multiplier") else None
    mixers: dict[str, Mixer] = {
        "attention": attention(keys, d_model, rotary=1.0 if turned else 0.0, scale=scale)
    }
    if "mamba" in kinds:
        mixers["mamba"] = _mamba_2_of(keys, d_model, MAMBA_KEYS)
    keys.used.add("position_embedding_type")
    shared = feed_forward(keys, "shared_intermediate_size")
    part: FeedForward | Experts = shared
    if keys.count("num_local_experts", default=0, least=0):
        part = chosen(
            keys,
            Experts(
                count=keys.count("num_local_experts"), per_token=keys.count("num_experts_per_tok"),
                expert=feed_forward(keys), shared=shared, scores="softmax of the chosen",
            ),
        )  # fmt: skip

    def layer(number: int) -> Layer:
        return Layer(mixer=mixers[kinds[number]], feed_forward=part, times=1)

    residual = keys.number("residual_multiplier", default=1.0)
    return decoder(keys, name, kind, *each(keys, layer), tied=True, residual=residual)


def read_lfm2(keys: Keys, name: str, kind: str) -> Model:
    """Return an LFM2: attention where the keys say so, else a gated convolution; experts behind some."""
    d_model, layers = width(keys), depth(keys)
    kinds = keys.words("layer_types", layers, ("conv", "full_attention"))
    seen = keys.places("full_attn_idxs", layers)
    if kinds is None and seen is None:
        keys.fail(
            "layer_types", "required key is missing", "a list with conv or full_attention for each layer"
        )
    inside = (
        {number for number, one in enumerate(kinds or ()) if one == "full_attention"}
        if kinds
        else seen or set()
    )
    full = attention(keys, d_model, qk_norm="shared")
    short = ShortConvolution(
        inner=d_model, taps=keys.count("conv_L_cache", default=3), biased=keys.flag("conv_bias")
    )
    dense = _lfm2_inner(keys, kind)
    part: FeedForward | Experts = dense
    first = layers
    if kind == "lfm2_moe":
        first = keys.count("num_dense_layers", default=2, least=0)
        part = chosen(
            keys,
            Experts(
                count=keys.count("num_experts"), per_token=keys.count("num_experts_per_tok"),
                expert=feed_forward(keys, "moe_intermediate_size"), scores="sigmoid",
                router_biased="choice" if keys.flag("use_expert_bias", default=True) else "",
                normalised=keys.flag("norm_topk_prob", default=True), scale=keys.number("routed_scaling_factor", default=1.0),
            ),
        )  # fmt: skip

    def layer(number: int) -> Layer:
        return Layer(
            mixer=full if number in inside else short, feed_forward=dense if number < first else part, times=1
        )

    tied = keys.flag("tie_embedding", default=True)
    return decoder(keys, name, kind, *each(keys, layer), tied=tied)


def _lfm2_inner(keys: Keys, kind: str) -> FeedForward:
    """Return the dense part: two thirds of what is said, times a factor, up to the next multiple, where it is adjusted."""
    found = feed_forward(keys, "block_ff_dim", "intermediate_size")
    if not keys.flag("block_auto_adjust_ff_dim", default=kind == "lfm2"):
        return found
    factor = keys.number("block_ffn_dim_multiplier", default=1.0, least=1e-3)
    multiple = keys.count("block_multiple_of", default=256)
    inner = int(factor * int(2 * found.d_ff / 3))
    return replace(found, d_ff=multiple * ceil(inner / multiple))


Reader = Callable[[Keys, str, str], Model]
RECURRENT: Mapping[str, Reader] = {
    "mamba": read_mamba, "falcon_mamba": read_mamba, "mamba2": read_mamba_2, "jamba": read_jamba,
    "nemotron_h": read_nemotron_h, "falcon_h1": read_falcon_h1, "bamba": read_bamba, "granitemoehybrid": read_granite_hybrid,
    "lfm2": read_lfm2, "lfm2_moe": read_lfm2,
}  # fmt: skip
