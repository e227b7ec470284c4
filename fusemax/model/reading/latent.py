"""Decoders with latent attention (DeepSeek-V2, arXiv 2405.04434): with experts, with keys that are chosen, dense ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from fusemax.model.reading.dense import residual_of
from fusemax.model.reading.keys import HEADS, Keys
from fusemax.model.reading.parts import decoder, depth, feed_forward, width
from fusemax.model.reading.sparse import SIGMOID, after_dense
from fusemax.model.shape import Indexer, LatentAttention, Layer, Mixer, Model
from fusemax.model.states import KimiDelta


def read_deepseek(keys: Keys, name: str, kind: str) -> Model:
    """Return a model with latent attention, experts behind some dense layers, and experts that every token takes."""
    mixer = _latent(keys)
    scores = SIGMOID if kind != "deepseek_v2" else {"scores": "softmax", "normalised": False}
    return after_dense(keys, name, kind, [mixer] * depth(keys), scores)


def read_indexed(keys: Keys, name: str, kind: str) -> Model:
    """Return a DeepSeek-V3.2, or a GLM-5, some of whose layers attend to the keys that the layer before chose."""
    many = keys.count("index_topk")
    indexer = Indexer(heads=keys.count("index_n_heads"), head_dim=keys.count("index_head_dim"))
    own = replace(_latent(keys), chosen=many, indexer=indexer)
    if indexer.head_dim <= own.rope_dim:
        keys.fail("index_head_dim", f"expected more than the {own.rope_dim} elements that positions turn")
    if own.q_rank is None:
        keys.fail(
            "q_lora_rank", "required key is missing", "the indexer's queries are made from those of this rank"
        )
    mixers: list[Mixer] = [own if chooses else replace(own, indexer=None) for chooses in _choosing(keys)]
    return after_dense(keys, name, kind, mixers, SIGMOID)


def _choosing(keys: Keys) -> list[bool]:
    """Return which layers have an indexer of their own: as a list or letters say, or one in so many; all if nothing does."""
    layers = depth(keys)
    said = keys.get("indexer_types")
    letters = keys.get("index_topk_pattern")
    if letters is not None and not isinstance(letters, str):
        keys.fail(
            "index_topk_pattern", f"expected {layers} letters: F for full, S for shared, got {letters!r}"
        )
    if said is None and isinstance(letters, str):
        said = [{"F": "full", "S": "shared"}.get(letter, letter) for letter in letters]
    if said is None:
        every, first = (
            keys.count("index_topk_freq", default=1),
            keys.count("index_skip_topk_offset", default=2),
        )
        return [max(number - first + 1, 0) % every == 0 for number in range(layers)]
    key = "indexer_types" if keys.has("indexer_types") else "index_topk_pattern"
    if (
        not isinstance(said, list)
        or len(said) != layers
        or any(one not in ("full", "shared") for one in said)
    ):
        keys.fail(key, f"expected {layers} times full or shared (F or S)")
        return [True] * layers
    if said[0] == "shared":
        keys.fail(key, "the first layer has none before it, whose choice it could share")
    return [one == "full" for one in said]


def _latent(keys: Keys, values: int | None = None) -> LatentAttention:
    """Return latent attention; *values* are the elements of a value where no key says it."""
    mixer = LatentAttention(
        heads=keys.count("num_attention_heads"), nope_dim=keys.count("qk_nope_head_dim"),
        rope_dim=keys.count("qk_rope_head_dim"), value_dim=keys.count("v_head_dim", default=values),
        q_rank=keys.count("q_lora_rank") if keys.has("q_lora_rank") else None, kv_rank=keys.count("kv_lora_rank"),
    )  # fmt: skip
    if mixer.rope_dim % 2:
        keys.fail(
            "qk_rope_head_dim", f"expected an even number, as positions turn pairs, got {mixer.rope_dim}"
        )
    return mixer


def read_minicpm_3(keys: Keys, name: str, kind: str) -> Model:
    """Return a MiniCPM3: latent attention, dense parts."""
    values = max(1, width(keys) // keys.count(*HEADS))
    layer = Layer(mixer=_latent(keys, values), feed_forward=feed_forward(keys), times=depth(keys))
    return decoder(keys, name, kind, (layer,), tied=True, residual=residual_of(keys))


NEWER = ("routed_expert_hidden_size", "attn_res_block_size", "mla_use_output_gate")  #: what Kimi K3 adds


def read_kimi_linear(keys: Keys, name: str, kind: str) -> Model:
    """Return a Kimi Linear: delta rules in most layers, latent attention without positions in those that are listed."""
    for key in NEWER:
        keys.refuse(key, (None, False), "this part of newer models of the kind is not modelled")
    said = keys.inside("linear_attn_config")
    if said is None:
        keys.fail(
            "linear_attn_config", "required key is missing", "num_heads, head_dim, full_attn_layers ..."
        )
        said = Keys(keys.document, keys.at)
    else:
        said.refuse(
            "use_full_rank_gate", (False,), "a gate that is made from the layer's input is not modelled"
        )
    layers = depth(keys)
    delta = KimiDelta(
        heads=said.count("num_heads"), head_dim=said.count("head_dim"), taps=said.count("short_conv_kernel_size", default=4),
    )  # fmt: skip
    whole = said.places("full_attn_layers", layers + 1) or set()  # counted from 1
    full = replace(_latent(keys), turned=not keys.flag("mla_use_nope", default=True))
    mixers: list[Mixer] = [full if number + 1 in whole else delta for number in range(layers)]
    names = ("num_experts", "num_shared_experts")
    return after_dense(keys, name, kind, mixers, SIGMOID, names)


Reader = Callable[[Keys, str, str], Model]
LATENT: Mapping[str, Reader] = {
    **dict.fromkeys(("deepseek_v2", "deepseek_v3", "kimi_k2", "glm4_moe_lite"), read_deepseek),
    **dict.fromkeys(("deepseek_v32", "glm_moe_dsa"), read_indexed),
    "minicpm3": read_minicpm_3, "kimi_linear": read_kimi_linear,
}  # fmt: skip
