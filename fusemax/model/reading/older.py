"""Decoders whose keys have names of their own: GPT-2, GPT-J, GPT-Neo, XGLM, OPT, BLOOM, Falcon, MPT, ChatGLM, DBRX ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fusemax.model.reading.keys import Keys
from fusemax.model.reading.parts import (
    activation,
    attention,
    chosen,
    decoder,
    depth,
    each,
    feed_forward,
    width,
)
from fusemax.model.shape import Attention, Experts, FeedForward, Layer, Model, Place

PLAIN: Mapping[str, Any] = {"rotary": 0.0, "biased": True, "out_biased": True}


def read_gpt_j(keys: Keys, name: str, kind: str) -> Model:
    """Return a GPT-J: attention and feed-forward side by side behind one norm, logits with biases."""
    d_model = width(keys)
    inner = feed_forward(keys, "n_inner", gated=False, biased=True, default=4 * d_model, act="gelu_new")
    layer = Layer(
        mixer=attention(keys, d_model), feed_forward=inner, times=depth(keys), norms=1, parallel=True
    )
    return decoder(keys, name, kind, (layer,), norm="layer", extra_weights=keys.count("vocab_size"))


def read_gpt_2(keys: Keys, name: str, kind: str) -> Model:
    """Return a GPT-2, or one whose heads share keys and values (``gpt_bigcode``)."""
    d_model = width(keys)
    inner = feed_forward(keys, "n_inner", gated=False, biased=True, default=4 * d_model, act="gelu_new")
    mixer = attention(keys, d_model, **PLAIN)
    if kind == "gpt_bigcode" and keys.flag("multi_query", default=True):
        mixer = Attention(
            heads=mixer.heads,
            kv_heads=1,
            head_dim=mixer.head_dim,
            value_dim=mixer.head_dim,
            biased=True,
            out_biased=True,
        )
    layer = Layer(mixer=mixer, feed_forward=inner, times=depth(keys))
    positions = keys.count("n_positions", "n_ctx")
    return decoder(keys, name, kind, (layer,), tied=True, norm="layer", positions=positions)


def read_gpt_neo(keys: Keys, name: str, kind: str) -> Model:
    """Return a GPT-Neo: a GPT-2 without a scale of scores or biases of queries, some of whose layers have a window."""
    d_model, layers = width(keys), depth(keys)
    kinds = keys.words("attention_layers", layers, ("global", "local")) or _repeated(keys, layers)
    inner = feed_forward(keys, gated=False, biased=True, default=4 * d_model, act="gelu_new")
    length = keys.count("window_size", default=256)

    def layer(number: int) -> Layer:
        seen = length if kinds[number] == "local" else None
        mixer = attention(keys, d_model, rotary=0.0, out_biased=True, window=seen, scale=1.0)
        return Layer(mixer=mixer, feed_forward=inner, times=1)

    positions = keys.count("max_position_embeddings")
    return decoder(keys, name, kind, *each(keys, layer), tied=True, norm="layer", positions=positions)


def _repeated(keys: Keys, layers: int) -> list[str]:
    """Return the kind of each layer as ``attention_types`` says: lists of kinds, and how often each list stands there."""
    said = keys.get("attention_types") or [[["global", "local"], layers // 2], [["global"], layers % 2]]
    try:
        found = [str(word) for words, times in said for _ in range(min(times, layers)) for word in words]
    except (TypeError, ValueError):
        found = []
    if len(found) != layers or set(found) - {"global", "local"}:
        keys.fail(
            "attention_types", f"expected lists of global and local, and how often, for {layers} layers"
        )
        return ["global"] * layers
    return found


def read_table(keys: Keys, name: str, kind: str) -> Model:
    """Return an XGLM (positions are no weights) or BioGPT (two rows more than tokens): a GPT-2 with the keys of BART."""
    d_model = width(keys)
    inner = feed_forward(keys, gated=False, biased=True, act="gelu")
    layer = Layer(mixer=attention(keys, d_model, **PLAIN), feed_forward=inner, times=depth(keys))
    positions = keys.count("max_position_embeddings") + 2 if kind == "biogpt" else 0
    return decoder(keys, name, kind, (layer,), tied=True, norm="layer", positions=positions)


def read_opt(keys: Keys, name: str, kind: str) -> Model:
    """Return an OPT; its table of positions has two rows more than tokens."""
    d_model = width(keys)
    keys.refuse(
        "word_embed_proj_dim", (None, d_model), "a table of another width than the layers is not modelled",
        f"leave it out, or say {d_model}: the layers are the same",
    )  # fmt: skip
    biased = keys.flag("enable_bias", default=True)
    place: Place = "before" if keys.flag("do_layer_norm_before", default=True) else "after"
    inner = feed_forward(keys, "ffn_dim", gated=False, biased=biased, act="relu")
    mixer = attention(keys, d_model, rotary=0.0, biased=biased, out_biased=biased)
    layer = Layer(mixer=mixer, feed_forward=inner, times=depth(keys), place=place)
    positions = keys.count("max_position_embeddings") + 2
    last = 0 if place == "after" or keys.flag("_remove_final_layer_norm") else 1
    return decoder(keys, name, kind, (layer,), tied=True, norm="layer", positions=positions, last_norms=last)


def read_bloom(keys: Keys, name: str, kind: str) -> Model:
    """Return a BLOOM: scores that fall with the distance, a norm behind the table of tokens."""
    d_model = width(keys)
    keys.refuse(
        "apply_residual_connection_post_layernorm", (False,), "a residual behind the norm is not modelled"
    )
    inner = FeedForward(d_ff=4 * d_model, gated=False, biased=True, activation="gelu_tanh")
    mixer = attention(keys, d_model, alibi=True, **PLAIN)
    layer = Layer(mixer=mixer, feed_forward=inner, times=depth(keys))
    return decoder(keys, name, kind, (layer,), tied=True, norm="layer", last_norms=2)


def read_falcon(keys: Keys, name: str, kind: str) -> Model:
    """Return a Falcon: one head of keys (7B), or groups of them behind a norm for each part (40B and 180B)."""
    d_model, heads = width(keys), keys.count("num_attention_heads", "n_head")
    newer = keys.flag("new_decoder_architecture")
    parallel = newer or keys.flag("parallel_attn", default=True)
    if newer:
        kv_heads = keys.count("num_kv_heads", "n_head_kv", default=heads)
    else:
        kv_heads = 1 if keys.flag("multi_query", default=True) else heads
    keys.divides(("num_attention_heads", "n_head"), d_model, heads, "heads share hidden_size")
    keys.divides(("num_kv_heads", "n_head_kv"), heads, kv_heads, "groups of query heads")
    dim, biased, alibi = max(1, d_model // heads), keys.flag("bias"), keys.flag("alibi")
    mixer = Attention(
        heads=heads, kv_heads=kv_heads, head_dim=dim, value_dim=dim, biased=biased, out_biased=biased, alibi=alibi,
        rotary=0 if alibi else dim // 2 * 2,
    )  # fmt: skip
    inner = feed_forward(keys, "ffn_hidden_size", gated=False, biased=biased, default=4 * d_model, act="gelu")
    norms = keys.count("num_ln_in_parallel_attn", default=2 if newer else 1) if parallel else 2
    if norms > 2:
        keys.fail("num_ln_in_parallel_attn", f"expected 1 or 2 norms, got {norms}")
    layer = Layer(mixer=mixer, feed_forward=inner, times=depth(keys), norms=min(norms, 2), parallel=parallel)
    return decoder(keys, name, kind, (layer,), tied=True, norm="layer")


def read_mpt(keys: Keys, name: str, kind: str) -> Model:
    """Return an MPT: no biases, scores that fall with the distance or a table of positions."""
    d_model = width(keys)
    said = keys.inside("attn_config")
    alibi = said.flag("alibi", default=True) if said else True
    kv_heads = said.count("kv_n_heads", default=0, least=0) if said else 0
    biased = not keys.flag("no_bias", default=True)
    ratio = keys.count("expansion_ratio", default=4)
    inner = FeedForward(d_ff=ratio * d_model, gated=False, biased=biased, activation="gelu")
    mixer = attention(keys, d_model, rotary=0.0, alibi=alibi, biased=biased, out_biased=biased)
    if kv_heads and mixer.heads % kv_heads == 0:
        mixer = Attention(
            heads=mixer.heads, kv_heads=kv_heads, head_dim=mixer.head_dim, value_dim=mixer.head_dim, alibi=alibi,
            biased=biased, out_biased=biased,
        )  # fmt: skip
    layer = Layer(mixer=mixer, feed_forward=inner, times=depth(keys))
    positions = 0 if alibi else keys.count("max_seq_len")
    return decoder(
        keys, name, kind, (layer,), tied=True, norm="layer" if biased else "layer without shift",
        positions=positions,
    )  # fmt: skip


def read_baichuan(keys: Keys, name: str, kind: str) -> Model:
    """Return a Baichuan: rotary positions with 4,096 features (7B), scores that fall with the distance with more (13B)."""
    d_model = width(keys)
    alibi = not keys.has("max_position_embeddings")
    mixer = attention(keys, d_model, rotary=0.0 if alibi else 1.0, alibi=alibi)
    return decoder(
        keys, name, kind, (Layer(mixer=mixer, feed_forward=feed_forward(keys), times=depth(keys)),)
    )


def read_chatglm(keys: Keys, name: str, kind: str) -> Model:
    """Return a ChatGLM 2, 3 or a GLM-4 in the keys of its own code."""
    d_model = width(keys)
    keys.count("num_layers")  # the first ChatGLM has num_hidden_layers and another structure
    mixer = attention(keys, d_model)
    groups = (
        keys.count("multi_query_group_num", default=1) if keys.flag("multi_query_attention") else mixer.heads
    )
    keys.divides(("multi_query_group_num",), mixer.heads, groups, "groups of query heads")
    inner_biased = keys.flag("add_bias_linear")
    dim = mixer.head_dim
    mixer = Attention(
        heads=mixer.heads, kv_heads=groups, head_dim=dim, value_dim=dim, rotary=dim // 4 * 2,
        biased=inner_biased or keys.flag("add_qkv_bias"), out_biased=inner_biased,
    )  # fmt: skip
    inner = feed_forward(keys, "ffn_hidden_size", biased=inner_biased)
    place: Place = "before"
    keys.refuse(
        "apply_residual_connection_post_layernorm", (False,), "a residual behind the norm is not modelled"
    )
    norm = "rms" if keys.flag("rmsnorm", default=True) else "layer"
    layer = Layer(mixer=mixer, feed_forward=inner, times=depth(keys), place=place)
    return decoder(keys, name, kind, (layer,), norm=norm)


def read_qwen_1(keys: Keys, name: str, kind: str) -> Model:
    """Return a first Qwen, whose ``intermediate_size`` counts both matrices on the way in."""
    d_model = width(keys)
    both = keys.count("intermediate_size")
    keys.divides(("intermediate_size",), both, 2, "it counts two matrices")
    inner = FeedForward(d_ff=max(1, both // 2), gated=True, activation=activation(keys))
    biased = not keys.flag("no_bias", default=True)
    mixer = attention(keys, d_model, biased=True, out_biased=biased)
    return decoder(keys, name, kind, (Layer(mixer=mixer, feed_forward=inner, times=depth(keys)),))


def read_dbrx(keys: Keys, name: str, kind: str) -> Model:
    """Return a DBRX, whose sizes of attention and of experts stand in groups of their own."""
    d_model, heads = width(keys), keys.count("n_heads")
    said, routed = keys.inside("attn_config"), keys.inside("ffn_config")
    if said is None or routed is None:
        for key, group in (("attn_config", said), ("ffn_config", routed)):
            if group is None:
                keys.fail(key, "required key is missing")
        said, routed = said or keys, routed or keys
    keys.divides(("n_heads",), d_model, heads, "heads share d_model")
    kv_heads, dim = said.count("kv_n_heads"), max(1, d_model // heads)
    said.divides(("kv_n_heads",), heads, kv_heads, "groups of query heads")
    expert = FeedForward(d_ff=routed.count("ffn_hidden_size"), gated=True)
    count, per_token = routed.count("moe_num_experts"), routed.count("moe_top_k")
    part = chosen(routed, Experts(count=count, per_token=per_token, expert=expert), "moe_top_k")
    mixer = Attention(heads=heads, kv_heads=kv_heads, head_dim=dim, value_dim=dim, rotary=dim // 2 * 2)
    layer = Layer(mixer=mixer, feed_forward=part, times=depth(keys))
    return decoder(keys, name, kind, (layer,), norm="layer without shift")


Reader = Callable[[Keys, str, str], Model]
OLDER: Mapping[str, Reader] = {
    "gptj": read_gpt_j, "codegen": read_gpt_j, "gpt2": read_gpt_2, "gpt_bigcode": read_gpt_2, "opt": read_opt,
    "gpt_neo": read_gpt_neo, "xglm": read_table, "biogpt": read_table,
    "bloom": read_bloom,
    "falcon": read_falcon, "RefinedWebModel": read_falcon, "RefinedWeb": read_falcon, "mpt": read_mpt,
    "baichuan": read_baichuan, "chatglm": read_chatglm, "qwen": read_qwen_1, "dbrx": read_dbrx,
}  # fmt: skip
