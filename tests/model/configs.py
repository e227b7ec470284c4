"""Configurations of published models: the keys that say sizes, as their config.json files have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fusemax.model.config import model_of
from fusemax.model.shape import Model
from fusemax.source import document_of, read_yaml

#: Each with the number of parameters that its authors or its files on the model hub tell (the last one: a sum by hand).
CONFIGS: dict[str, tuple[str, int]] = {
    "llama-3.1-8b": (
        "{model_type: llama, hidden_size: 4096, num_attention_heads: 32, num_key_value_heads: 8, intermediate_size: 14336,"
        " num_hidden_layers: 32, vocab_size: 128256}", 8_030_261_248),
    "llama-3.1-70b": (
        "{model_type: llama, hidden_size: 8192, num_attention_heads: 64, num_key_value_heads: 8, intermediate_size: 28672,"
        " num_hidden_layers: 80, vocab_size: 128256}", 70_553_706_496),
    "llama-3.1-405b": (
        "{model_type: llama, hidden_size: 16384, num_attention_heads: 128, num_key_value_heads: 8, intermediate_size: 53248,"
        " num_hidden_layers: 126, vocab_size: 128256}", 405_853_388_800),
    "llama-7b": (
        "{model_type: llama, hidden_size: 4096, num_attention_heads: 32, intermediate_size: 11008, num_hidden_layers: 32,"
        " vocab_size: 32000}", 6_738_415_616),
    "mixtral-8x7b": (
        "{model_type: mixtral, hidden_size: 4096, num_attention_heads: 32, num_key_value_heads: 8, intermediate_size: 14336,"
        " num_hidden_layers: 32, vocab_size: 32000, num_local_experts: 8, num_experts_per_tok: 2, sliding_window: null}",
        46_702_792_704),
    "qwen3-8b": (
        "{model_type: qwen3, hidden_size: 4096, num_attention_heads: 32, num_key_value_heads: 8, head_dim: 128,"
        " intermediate_size: 12288, num_hidden_layers: 36, vocab_size: 151936}", 8_190_735_360),
    "qwen3-235b-a22b": (
        "{model_type: qwen3_moe, hidden_size: 4096, num_attention_heads: 64, num_key_value_heads: 4, head_dim: 128,"
        " moe_intermediate_size: 1536, num_hidden_layers: 94, vocab_size: 151936, num_experts: 128, num_experts_per_tok: 8}",
        235_093_634_560),
    "deepseek-v3": (
        "{model_type: deepseek_v3, hidden_size: 7168, num_attention_heads: 128, qk_nope_head_dim: 128, qk_rope_head_dim: 64,"
        " v_head_dim: 128, q_lora_rank: 1536, kv_lora_rank: 512, num_hidden_layers: 61, first_k_dense_replace: 3,"
        " moe_intermediate_size: 2048, intermediate_size: 18432, n_routed_experts: 256, n_shared_experts: 1,"
        " num_experts_per_tok: 8, vocab_size: 129280}", 671_026_419_200),
    "gpt-oss-120b": (
        "{model_type: gpt_oss, hidden_size: 2880, num_attention_heads: 64, num_key_value_heads: 8, head_dim: 64,"
        " intermediate_size: 2880, num_hidden_layers: 36, num_local_experts: 128, num_experts_per_tok: 4,"
        " sliding_window: 128, vocab_size: 201088}", 116_829_156_672),
    "gpt-j-6b": ("{model_type: gptj, n_embd: 4096, n_head: 16, n_layer: 28, vocab_size: 50400}", 6_050_882_784),
    "bert-base": (
        "{model_type: bert, hidden_size: 768, num_attention_heads: 12, intermediate_size: 3072, num_hidden_layers: 12,"
        " vocab_size: 30522, max_position_embeddings: 512}", 108_891_648),
    "vit-base": (
        "{model_type: vit, hidden_size: 768, num_attention_heads: 12, intermediate_size: 3072, num_hidden_layers: 12,"
        " image_size: 224, patch_size: 16}", 85_798_656),
    "mamba2-2.7b": (
        "{model_type: mamba2, hidden_size: 2560, num_heads: 80, head_dim: 64, state_size: 128, num_hidden_layers: 64,"
        " vocab_size: 50288, tie_word_embeddings: true}", 2_702_599_680),
    "gemma-3-27b": (
        "{model_type: gemma3, text_config: {hidden_size: 5376, num_attention_heads: 32, num_key_value_heads: 16,"
        " head_dim: 128, intermediate_size: 21504, num_hidden_layers: 62, sliding_window: 1024, vocab_size: 262208}}",
        # by hand: queries, keys, values, output, their two norms, three matrices, four norms; the embedding; the last norm
        62 * (5376 * 64 * 128 + 32 * 128 * 5376 + 2 * 128 + 3 * 5376 * 21504 + 4 * 5376) + 262208 * 5376 + 5376),
}  # fmt: skip


#: More of them, beside this file: the keys of each, and its parameters.
MORE: dict[str, dict[str, Any]] = {
    name: dict(entry) for name, entry in read_yaml(Path(__file__).with_name("published.yaml")).data.items()
}


def published(name: str) -> Model:
    """The model called *name*."""
    text = CONFIGS[name][0] if name in CONFIGS else json.dumps(MORE[name]["config"])
    return model_of(document_of(text, f"{name}.yaml"), name)
