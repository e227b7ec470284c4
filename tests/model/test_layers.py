"""Layers written as cascades compute what a plain transformer does, for every kind of part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fusemax.cascade.evaluate import evaluate
from fusemax.cli import build
from fusemax.model.config import model_of
from fusemax.model.layers.whole import written
from fusemax.model.shape import VECTORS, Attention, Experts, LatentAttention, Model
from fusemax.model.weights import layer_weights
from fusemax.source import document_of
from tests.model.configs import CONFIGS, published
from tests.model.forward import forward, rows

DENSE = (
    "hidden_size: 12, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 4, intermediate_size: 10,"
    " num_hidden_layers: 4, vocab_size: 7"
)
ROUTED = "hidden_size: 12, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 4, num_hidden_layers: 4, vocab_size: 7"
LATENT = (
    "hidden_size: 12, num_attention_heads: 3, qk_nope_head_dim: 4, qk_rope_head_dim: 2, v_head_dim: 5, kv_lora_rank: 6,"
    " num_hidden_layers: 3, first_k_dense_replace: 1, intermediate_size: 10, moe_intermediate_size: 5, n_routed_experts: 6,"
    " n_shared_experts: 2, num_experts_per_tok: 2, vocab_size: 7"
)
NEAR = "sliding_attention"
ENCODER = "hidden_size: 12, num_attention_heads: 3, intermediate_size: 10, num_hidden_layers: 2"
#: Small configurations, one for each way in which layers differ.
SMALL = {
    "llama": f"{{model_type: llama, {DENSE}}}",
    "qwen2": f"{{model_type: qwen2, {DENSE}}}",
    "qwen3": f"{{model_type: qwen3, {DENSE}, attention_bias: true}}",
    "gemma2": f"{{model_type: gemma2, {DENSE}, sliding_window: 3, attn_logit_softcapping: 5.0, query_pre_attn_scalar: 9}}",
    "gemma3": f"{{model_type: gemma3_text, {DENSE}, sliding_window: 3}}",
    "phi": f"{{model_type: phi, {DENSE}, partial_rotary_factor: 0.5, qk_layernorm: true}}",
    "cohere": f"{{model_type: cohere, {DENSE}, use_qk_norm: true}}",
    "cohere2": f"{{model_type: cohere2, {DENSE}, sliding_window: 3}}",
    "olmo": f"{{model_type: olmo, {DENSE}}}",
    "olmo2": f"{{model_type: olmo2, {DENSE}}}",
    "starcoder2": f"{{model_type: starcoder2, {DENSE}, sliding_window: 3}}",
    "granite": f"{{model_type: granite, {DENSE}, residual_multiplier: 0.22, attention_multiplier: 0.3}}",
    "minicpm": f"{{model_type: minicpm, {DENSE}, scale_depth: 1.4}}",
    "bailing_moe_v2": (
        f"{{model_type: bailing_moe_v2, {ROUTED}, intermediate_size: 10, moe_intermediate_size: 5, num_experts: 6,"
        " num_experts_per_tok: 2, num_shared_experts: 2, first_k_dense_replace: 1, use_qk_norm: true, use_bias: true}}"
    ),
    "minicpm3": f"{{model_type: minicpm3, {LATENT}, q_lora_rank: 7, scale_depth: 1.4}}",
    "mpnet": f"{{model_type: mpnet, {ENCODER}, vocab_size: 7, max_position_embeddings: 9}}",
    "glm4": f"{{model_type: glm4, {DENSE}}}",
    "nemotron": f"{{model_type: nemotron, {DENSE}}}",
    "smollm3": f"{{model_type: smollm3, {DENSE}, no_rope_layer_interval: 4}}",
    "gpt_neox": f"{{model_type: gpt_neox, {DENSE}, rotary_pct: 0.5}}",
    "gptj": "{model_type: gptj, n_embd: 12, n_head: 3, n_layer: 2, vocab_size: 7, rotary_dim: 2}",
    "gpt2": "{model_type: gpt2, n_embd: 12, n_head: 3, n_layer: 2, vocab_size: 7, n_positions: 9}",
    "opt": (
        f"{{model_type: opt, {ENCODER}, vocab_size: 7, ffn_dim: 10, max_position_embeddings: 9,"
        " do_layer_norm_before: false}}"
    ),
    "bloom": "{model_type: bloom, hidden_size: 12, n_head: 3, n_layer: 2, vocab_size: 7}",
    "falcon": "{model_type: falcon, hidden_size: 12, num_attention_heads: 3, num_hidden_layers: 2, vocab_size: 7}",
    "falcon-2": (
        "{model_type: falcon, hidden_size: 16, num_attention_heads: 4, num_kv_heads: 2, num_hidden_layers: 2, vocab_size: 7,"
        " new_decoder_architecture: true}"
    ),
    "chatglm": (
        "{model_type: chatglm, hidden_size: 12, num_attention_heads: 3, num_layers: 2, ffn_hidden_size: 10, kv_channels: 4,"
        " padded_vocab_size: 7, multi_query_attention: true, multi_query_group_num: 1, add_qkv_bias: true}"
    ),
    "mixtral": f"{{model_type: mixtral, {ROUTED}, intermediate_size: 5, num_local_experts: 6, num_experts_per_tok: 2}}",
    "qwen2_moe": (
        f"{{model_type: qwen2_moe, {ROUTED}, intermediate_size: 10, moe_intermediate_size: 5, num_experts: 6,"
        " shared_expert_intermediate_size: 4, num_experts_per_tok: 2, mlp_only_layers: [1]}}"
    ),
    "qwen3_next": (
        f"{{model_type: qwen3_next, {ROUTED}, moe_intermediate_size: 5, num_experts: 6, num_experts_per_tok: 3,"
        " shared_expert_intermediate_size: 4, linear_num_value_heads: 4, linear_num_key_heads: 2, linear_key_head_dim: 3,"
        " linear_value_head_dim: 5, partial_rotary_factor: 0.5}}"
    ),
    "qwen3_5": (
        f"{{model_type: qwen3_5_text, {DENSE}, linear_num_value_heads: 4, linear_num_key_heads: 2, linear_key_head_dim: 3,"
        " linear_value_head_dim: 5, partial_rotary_factor: 0.5}}"
    ),
    "deepseek_v2": f"{{model_type: deepseek_v2, {LATENT}}}",
    "deepseek_v3": f"{{model_type: deepseek_v3, {LATENT}, q_lora_rank: 7, routed_scaling_factor: 2.5}}",
    "deepseek_v32": (
        f"{{model_type: deepseek_v32, {LATENT}, q_lora_rank: 7, index_topk: 3, index_n_heads: 2, index_head_dim: 5}}"
    ),
    "glm_moe_dsa": (
        f"{{model_type: glm_moe_dsa, {LATENT}, q_lora_rank: 7, index_topk: 3, index_n_heads: 2, index_head_dim: 5,"
        " index_topk_pattern: FSF}}"
    ),
    "kimi_linear": (
        f"{{model_type: kimi_linear, {LATENT}, num_experts: 6, num_experts_per_token: 2, num_shared_experts: 1,"
        " linear_attn_config: {full_attn_layers: [3], num_heads: 2, head_dim: 4, short_conv_kernel_size: 3} }}"
    ),
    "gpt_oss": (
        f"{{model_type: gpt_oss, {ROUTED}, intermediate_size: 5, num_local_experts: 6, num_experts_per_tok: 2,"
        " sliding_window: 3}}"
    ),
    "llama4": (
        f"{{model_type: llama4_text, {ROUTED}, intermediate_size: 5, intermediate_size_mlp: 9, num_local_experts: 6,"
        " num_experts_per_tok: 1, interleave_moe_layer_step: 2, attention_chunk_size: 3}}"
    ),
    "minimax_m2": (
        f"{{model_type: minimax_m2, {ROUTED}, intermediate_size: 5, num_local_experts: 6, num_experts_per_tok: 2,"
        " rotary_dim: 2}}"
    ),
    "minimax": f"{{model_type: minimax, {ROUTED}, intermediate_size: 5, num_local_experts: 6, num_experts_per_tok: 2,"
    " attn_type_list: [0, 1, 0, 0], rotary_dim: 2}}",
    "mimo_v2_flash": (
        f"{{model_type: mimo_v2_flash, {ROUTED}, intermediate_size: 9, moe_intermediate_size: 5, swa_num_attention_heads: 6,"
        " swa_num_key_value_heads: 3, v_head_dim: 3, sliding_window: 3, n_routed_experts: 6, num_experts_per_tok: 2,"
        " hybrid_layer_pattern: [0, 1, 1, 0], partial_rotary_factor: 0.5, routed_scaling_factor: 2.5}}"
    ),
    "afmoe": (
        f"{{model_type: afmoe, {ROUTED}, intermediate_size: 9, moe_intermediate_size: 5, num_experts: 6,"
        " num_experts_per_tok: 2, num_shared_experts: 1, num_dense_layers: 1, sliding_window: 3,"
        " global_attn_every_n_layers: 2, route_scale: 2.8}}"
    ),
    "step3p5": (
        f"{{model_type: step3p5, {ROUTED}, intermediate_size: 9, moe_intermediate_size: 5, share_expert_dim: 4,"
        " num_attention_groups: 2, moe_num_experts: 6, moe_top_k: 2, use_moe_router_bias: true, use_head_wise_attn_gate: true,"
        " sliding_window: 3, attention_other_setting: {num_attention_heads: 6, num_attention_groups: 2, head_dim: 4},"
        " layer_types: [full_attention, sliding_attention, sliding_attention, full_attention, full_attention],"
        " partial_rotary_factors: [0.5, 1.0, 1.0, 0.5]}}"
    ),
    "gemma4-e": (
        f"{{model_type: gemma4_text, {DENSE}, sliding_window: 3, global_head_dim: 8, hidden_size_per_layer_input: 5,"
        " num_kv_shared_layers: 2, use_double_wide_mlp: true, vocab_size_per_layer_input: 6,"
        f" layer_types: [{NEAR}, full_attention, {NEAR}, full_attention]}}"
    ),
    "gemma4-a": (
        f"{{model_type: gemma4_text, {DENSE}, sliding_window: 3, global_head_dim: 8, num_global_key_value_heads: 1,"
        " attention_k_eq_v: true, hidden_size_per_layer_input: 0, enable_moe_block: true, num_experts: 6, top_k_experts: 2,"
        " moe_intermediate_size: 5}}"
    ),
    "gemma4": (
        f"{{model_type: gemma4_text, {DENSE}, sliding_window: 3, global_head_dim: 8, num_global_key_value_heads: 1,"
        " attention_k_eq_v: true, hidden_size_per_layer_input: 0, layer_types: [sliding_attention, full_attention,"
        " sliding_attention, full_attention]}}"
    ),
    "apertus": f"{{model_type: apertus, {DENSE}, hidden_act: xielu}}",
    "persimmon": f"{{model_type: persimmon, {DENSE}, qk_layernorm: true, hidden_act: relu2}}",
    "codegen": "{model_type: codegen, n_embd: 12, n_head: 3, n_layer: 2, vocab_size: 7, rotary_dim: 2}",
    "flex_olmo": f"{{model_type: flex_olmo, {ROUTED}, intermediate_size: 5, num_experts: 6, num_experts_per_tok: 2}}",
    "grok-1": (
        f"{{model_type: grok-1, {ROUTED}, intermediate_size: 5, num_experts: 6, num_experts_per_tok: 2, max_attn_value: 3.0}}"
    ),
    "deepseek": (
        f"{{model_type: deepseek, {ROUTED}, intermediate_size: 9, moe_intermediate_size: 5, n_routed_experts: 6,"
        " num_experts_per_tok: 2, n_shared_experts: 2, first_k_dense_replace: 1, norm_topk_prob: false}}"
    ),
    "jamba": (
        f"{{model_type: jamba, {DENSE}, num_experts: 6, num_experts_per_tok: 2, attn_layer_period: 4, attn_layer_offset: 2,"
        " mamba_d_state: 3, mamba_d_conv: 2, mamba_expand: 1, mamba_dt_rank: 2}}"
    ),
    "mamba": (
        "{model_type: mamba, hidden_size: 6, num_hidden_layers: 2, vocab_size: 7, state_size: 3, time_step_rank: 2,"
        " use_bias: true}"
    ),
    "mamba2": (
        "{model_type: mamba2, hidden_size: 6, num_heads: 4, head_dim: 3, state_size: 5, n_groups: 2,"
        " num_hidden_layers: 2, vocab_size: 7}"
    ),
    "nemotron_h": (
        f"{{model_type: nemotron_h, {DENSE}, hybrid_override_pattern: 'M-*M', mamba_num_heads: 4, mamba_head_dim: 3,"
        " ssm_state_size: 5, n_groups: 2, conv_kernel: 3}}"
    ),
    "falcon_h1": (
        f"{{model_type: falcon_h1, {DENSE}, mamba_d_ssm: 12, mamba_n_heads: 4, mamba_d_head: 3, mamba_d_state: 5,"
        " mamba_n_groups: 2, mamba_d_conv: 3}}"
    ),
    "falcon_h1-normed": (
        f"{{model_type: falcon_h1, {DENSE}, mamba_d_ssm: 12, mamba_n_heads: 4, mamba_d_state: 5, mamba_n_groups: 2,"
        " mamba_rms_norm: true, mamba_proj_bias: true, projectors_bias: true}}"
    ),
    "lfm2": f"{{model_type: lfm2, {DENSE}, layer_types: [conv, conv, full_attention, conv], conv_bias: true}}",
    "lfm2_moe": (
        f"{{model_type: lfm2_moe, {DENSE}, full_attn_idxs: [1], num_dense_layers: 2, num_experts: 6, num_experts_per_tok: 2,"
        " moe_intermediate_size: 5}}"
    ),
    "modernbert": f"{{model_type: modernbert, {ENCODER}, vocab_size: 7, local_attention: 4}}",
    "albert": f"{{model_type: albert, {ENCODER}, vocab_size: 7, max_position_embeddings: 9, embedding_size: 5}}",
    "bert": f"{{model_type: bert, {ENCODER}, vocab_size: 7, max_position_embeddings: 9, hidden_act: gelu}}",
    "vit": f"{{model_type: vit, {ENCODER}, image_size: 4, patch_size: 2, hidden_act: gelu}}",
    "dinov2": f"{{model_type: dinov2, {ENCODER}, image_size: 4, patch_size: 2}}".replace("intermediate_size: 10, ", ""),
    "clip": f"{{model_type: clip_vision_model, {ENCODER}, image_size: 4, patch_size: 2}}",
}  # fmt: skip
BART = (
    "d_model: 12, encoder_layers: 2, decoder_layers: 3, encoder_attention_heads: 3, decoder_attention_heads: 3,"
    " encoder_ffn_dim: 10, decoder_ffn_dim: 8, vocab_size: 7, max_position_embeddings: 9"
)
T5 = "d_model: 12, d_kv: 5, num_heads: 3, d_ff: 10, num_layers: 2, num_decoder_layers: 3, vocab_size: 7"
SMALL |= {
    "t5": f"{{model_type: t5, {T5}, relative_attention_num_buckets: 4}}",
    "umt5": f"{{model_type: umt5, {T5}, feed_forward_proj: gated-gelu}}",
    "bart": f"{{model_type: bart, {BART}}}",
    "mbart": f"{{model_type: mbart, {BART}, activation_function: relu}}",
    "cwm": f"{{model_type: cwm, {DENSE}, sliding_window: 3, layer_types: [full_attention, {NEAR}, {NEAR}, full_attention]}}",
    "orion": f"{{model_type: orion, {DENSE}}}",
    "bitnet": f"{{model_type: bitnet, {DENSE}}}",
    "gpt_neo": (
        "{model_type: gpt_neo, hidden_size: 12, num_heads: 3, num_layers: 2, vocab_size: 7, window_size: 3,"
        " max_position_embeddings: 9, attention_types: [[[global, local], 1]]}"
    ),
    "xglm": "{model_type: xglm, d_model: 12, ffn_dim: 10, num_layers: 2, attention_heads: 3, vocab_size: 7}",
    "exaone_moe": (
        f"{{model_type: exaone_moe, {ROUTED}, intermediate_size: 10, moe_intermediate_size: 5, num_experts: 6,"
        " num_experts_per_tok: 2, num_shared_experts: 1, sliding_window: 3, sliding_window_pattern: LLLG,"
        " routed_scaling_factor: 2.5, mlp_layer_types: [dense, sparse, sparse, sparse]}}"
    ),
    "eurobert": f"{{model_type: eurobert, {ENCODER}, vocab_size: 7}}",
    "nomic_bert": (
        "{model_type: nomic_bert, n_embd: 12, n_head: 3, n_inner: 10, n_layer: 2, vocab_size: 7, activation_function: swiglu,"
        " qkv_proj_bias: false, mlp_fc1_bias: false, rotary_emb_fraction: 1.0}"
    ),
    "esm": f"{{model_type: esm, {ENCODER}, vocab_size: 7, position_embedding_type: rotary}}",
    "dinov3_vit": f"{{model_type: dinov3_vit, {ENCODER}, patch_size: 2, num_register_tokens: 2}}",
    "wav2vec2": f"{{model_type: wav2vec2, {ENCODER}, do_stable_layer_norm: true, num_conv_pos_embedding_groups: 3}}",
    "whisper": f"{{model_type: whisper, {BART}, num_mel_bins: 5}}",
}
TOKENS, SOURCE = 7, 5


def small(name: str) -> Model:
    """The small model of that name."""
    return model_of(document_of(SMALL[name].replace("}}", "}"), "c.yaml"), name)


def values(model: Model, number: int) -> dict[str, np.ndarray]:
    """Random inputs for a layer, decay rates below zero, tables that are cosines and sines of angles."""
    one = written(model)[number]
    random = np.random.default_rng(number)
    cascade = one.cascade
    sizes = {
        "I": SOURCE,
        "B": model.d_model,
        **one.sizes,
        "P": TOKENS,
        "M": TOKENS,
        "O": model.d_model,
        "N": model.d_model,
    }
    sizes = {"U": 2 * sizes.get("A", 0), **sizes}  # of a latent key
    ranks = {name: cascade.tensors[name].ranks for name in cascade.inputs}
    found = {name: random.normal(size=[sizes[rank] for rank in own]) / 2 for name, own in ranks.items()}
    if "NA" in found:
        found["NA"] = -np.abs(found["NA"])
    if "YI" in found:  # some of them behind the query, which are not seen
        found["YI"] = np.stack([random.permutation(TOKENS)[: sizes["B"]] for _ in range(TOKENS)])
        found["YI"][:, 0] = 0
    if "BU" in found:
        found["BU"] = random.integers(0, sizes["B"], size=(TOKENS, TOKENS))
    if "CO" in found:
        found["CO"], found["SI"] = np.cos(found["CO"]), np.sin(found["CO"])
    return found


@pytest.mark.parametrize("name", sorted(SMALL))
def test_layers_compute_what_a_transformer_does(name: str) -> None:
    """Every layer of every small model on numpy, against loops over tokens and heads."""
    model = small(name)
    for part in (model, model.encoder):
        if part is not None:
            _compared(part)


def _compared(model: Model) -> None:
    for number, layer in enumerate(model.layers):
        inputs = values(model, number)
        one = written(model)[number]
        found = evaluate(one.cascade, inputs, one.sizes)["Y"]
        weights = {name: each for name, each in inputs.items() if name != "X"}
        expected = forward(model, layer, inputs["X"].T, weights)
        np.testing.assert_allclose(found.T, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", sorted({*SMALL, *CONFIGS}))
def test_inputs_are_the_weights(name: str) -> None:
    """The elements of all inputs but the tokens and tables of positions are the layer's weights."""
    model = small(name) if name in SMALL else published(name)
    for part in (model, model.encoder):
        if part is not None:
            _counted(part)


def _counted(model: Model) -> None:
    for number, layer in enumerate(model.layers):
        one = written(model)[number]
        cascade, sizes = (
            one.cascade,
            {"B": model.d_model, **one.sizes, "O": model.d_model, "N": model.d_model},
        )
        sizes = {"U": 2 * sizes.get("A", 0), **sizes}
        held = sum(
            int(np.prod([sizes[rank] for rank in cascade.tensors[name].ranks]))
            for name in cascade.inputs
            if name
            not in (
                "X",
                "CO",
                "SI",
                "SL",
                "DR",
                "ES",
                "RB",
                "BU",
                "YI",
                "PI",
                "KS",
                "VS",
            )  # tables of distances are the model's
        )
        assert layer_weights(model, layer) == held


def test_logits() -> None:
    """The last of the cascades is the last norm and the matrix of the vocabulary."""
    model = small("cohere")
    one = written(model)[-1]
    random = np.random.default_rng(5)
    x, scale, table = random.normal(size=(12, 3)), random.normal(size=12), random.normal(size=(7, 12))
    found = evaluate(one.cascade, {"X": x, "G1": scale, "WV": table}, one.sizes)["Y"]
    np.testing.assert_allclose(found, table @ rows(model.norm, x.T, {"G1": scale}, "1").T)


def test_a_planted_error_is_seen() -> None:
    """A scale left out of the scores, and a window one key too long, change what comes out."""
    model = small("gemma2")
    one = written(model)[0]
    inputs = values(model, 0)
    weights = {name: each for name, each in inputs.items() if name != "X"}
    expected = forward(model, model.layers[0], inputs["X"].T, weights)
    for old, new in (("*0.333333333333", ""), ("m > p - W", "m >= p - W")):
        assert old in one.text
        wrong = replace(one, text=one.text.replace(old, new))
        assert not np.allclose(evaluate(wrong.cascade, inputs, one.sizes)["Y"].T, expected)


def test_kinds_of_layers_that_are_shown() -> None:
    """The small configurations have every kind of part, norm and place."""
    models = [small(name) for name in SMALL]
    layers = [layer for model in models for layer in model.layers]
    mixers = {type(layer.mixer).__name__ for layer in layers}
    assert {
        "Attention",
        "LatentAttention",
        "StateSpace",
        "SelectiveScan",
        "GatedDelta",
        "ShortConvolution",
        "Beside",
        "KimiDelta",
        "Lightning",
        "NoneType",
    } == mixers
    assert {"before", "after", "around", "branch"} == {layer.place for layer in layers}
    assert set(VECTORS) - {model.norm for model in models} == set()
    experts = [layer.feed_forward for layer in layers if isinstance(layer.feed_forward, Experts)]
    assert {"softmax", "sigmoid", "softmax of the chosen"} == {part.scores for part in experts}
    heads = [layer.mixer for layer in layers if isinstance(layer.mixer, Attention)]
    assert {"", "shared", "head", "whole"} == {mixer.qk_norm for mixer in heads}
    for trait in ("sinks", "alibi", "gated", "cap", "window", "chunked", "biased", "scale", "relative"):
        assert any(getattr(mixer, trait) for mixer in heads), trait
    assert any(isinstance(layer.mixer, LatentAttention) and layer.mixer.q_rank for layer in layers)


def shown(*arguments: str) -> str:
    """What ``fusemax show`` prints."""
    result = CliRunner().invoke(build(), ["show", *arguments])
    assert result.exit_code == 0, result.exception
    return result.output


def test_show(tmp_path: Path) -> None:
    """Each kind of layer with its number and sizes; files that other commands take."""
    path = tmp_path / "config.json"
    path.write_text(SMALL["gemma3"].replace("model_type", '"model_type"'))
    text = shown(str(tmp_path), "--save", str(tmp_path / "layers"))
    assert "layer, 4 times" in text
    assert "D=12 H=2 R=2 E=4 F=4 A=2 W=3 K=10" in text
    assert "QS[h,r,m,p]" in text
    saved = tmp_path / "layers" / "layer.yaml"
    assert "three" in shown(str(saved)) or "Einsums" in shown(str(saved))
    assert {"layer.yaml", "logits.yaml"} == {file.name for file in (tmp_path / "layers").iterdir()}
