"""Configurations are read as published, and malformed ones refused with the key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fusemax.cli.check import check_file
from fusemax.errors import FusemaxError
from fusemax.model.config import READERS, REFUSED, load_model, model_of
from fusemax.model.shape import Attention
from fusemax.model.weights import cache, weights
from fusemax.shipped import shipped
from fusemax.source import document_of
from tests.model.configs import CONFIGS, MORE, published


@pytest.mark.parametrize("name", sorted({*CONFIGS, *MORE}))
def test_parameters(name: str):
    """The weights of all layers add up to the published number of parameters."""
    found = weights(published(name))
    if name in CONFIGS:
        assert CONFIGS[name][1] == found
    elif "about" in MORE[name]:
        assert found == pytest.approx(MORE[name]["about"], rel=0.01)
    else:
        assert MORE[name]["parameters"] == found


def test_layers_of_two_kinds():
    """Gemma 3 has one layer without a window after each five; gpt-oss one of two."""
    gemma, oss = published("gemma-3-27b"), published("gpt-oss-120b")
    for model, counts in ((gemma, [(52, 1024), (10, None)]), (oss, [(18, 128), (18, None)])):
        found = [
            (layer.times, layer.mixer.window) for layer in model.layers if isinstance(layer.mixer, Attention)
        ]
        assert counts == found


def test_layer_types_say_more_than_a_period():
    """A list of kinds, one for each layer, decides; one that is too short is refused."""
    text = CONFIGS["gpt-oss-120b"][0].replace("num_hidden_layers: 36", "num_hidden_layers: 3")
    kinds = ", layer_types: [sliding_attention, full_attention, full_attention]}"
    model = model_of(document_of(text[:-1] + kinds), "x")
    assert [1, 2] == [layer.times for layer in model.layers]
    with pytest.raises(FusemaxError, match="layer_types: expected a list of 3 words of: sliding_attention"):
        model_of(document_of(text[:-1] + ", layer_types: [full_attention]}"), "x")


def test_what_is_kept_of_a_sequence():
    """Keys and values of grouped heads; a window's worth of them; a latent vector; a state of fixed size."""
    assert cache(published("llama-3.1-70b"), 3, 1000) == 3 * 1000 * 80 * 2 * 8 * 128
    assert cache(published("gemma-3-27b"), 1, 131072) == 2 * 16 * 128 * (52 * 1024 + 10 * 131072)
    assert cache(published("deepseek-v3"), 2, 500) == 2 * 500 * 61 * (512 + 64)
    both = published("falcon-h1-0.5b")
    assert cache(both, 1, 700) == 36 * (700 * 2 * 2 * 64 + 1536 * 128 + 3 * (1536 + 2 * 128))
    assert cache(published("minimax-text-01"), 1, 700) == 70 * 64 * 128**2 + 10 * 700 * 2 * 8 * 128
    assert cache(published("gemma-4-31b"), 1, 2000) == 2 * (50 * 16 * 256 * 1024 + 10 * 4 * 512 * 2000)
    assert cache(published("mimo-v2-flash"), 1, 700) == (192 + 128) * (39 * 8 * 128 + 9 * 4 * 700)
    kimi = published("kimi-linear-48b-a3b")  # 20 layers keep a state, 7 a latent vector for each token
    assert cache(kimi, 1, 700) == 20 * 4096 * (128 + 3 * 3) + 7 * 700 * (512 + 64)
    mamba = published("mamba2-2.7b")
    assert cache(mamba, 1, 10) == cache(mamba, 1, 10**6) == 64 * (5120 * 128 + 3 * (5120 + 256))


def test_a_file_and_a_folder(tmp_path: Path):
    """config.json as the hub has it, and the folder that holds it; keys that say nothing here are listed."""
    folder = tmp_path / "small"
    folder.mkdir()
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "num_attention_heads": 4,
        "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 100, "hidden_act": "silu", "rms_norm_eps": 1e-05,
        "rope_theta": 500000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16", "sliding_window": None,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    model = load_model(folder)
    assert ("small", 2, 64) == (model.name, model.depth, model.d_model)
    assert model == load_model(folder / "config.json")
    assert ("rms_norm_eps", "rope_theta", "torch_dtype", "sliding_window") == model.unused


def test_what_a_wrapper_leaves_out():
    """A text part without sizes has those of its kind, and the answer says which; a file of one model has to say them."""
    llava = published("llava")
    assert ("hidden_size=4096", "num_hidden_layers=32") == (llava.assumed[0], llava.assumed[2])
    assert ("vision_config",) == llava.unused
    with pytest.raises(FusemaxError, match="hidden_size: required key is missing"):
        model_of(document_of("{model_type: llama, vocab_size: 32064}", "c.yaml"), "c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{model_type: t5, d_model: 512}",
            r"d_kv: required key is missing",
        ),
        (
            "{model_type: t5, feed_forward_proj: gated-swish-2}",
            "feed_forward_proj: 'gated-swish-2' is not understood",
        ),
        (
            "{model_type: bart, d_model: 10, encoder_attention_heads: 3}",
            "heads share d_model: 3 does not divide 10",
        ),
        ("{model_type: minimax, num_hidden_layers: 2}", "attn_type_list: required key is missing"),
        (
            "{model_type: minimax, num_hidden_layers: 2, attn_type_list: [0, 2]}",
            "attn_type_list: expected a list of 2 numbers: 0 or 1",
        ),
        ("{model_type: mimo_v2_flash}", "swa_num_key_value_heads: required key is missing"),
        (
            "{model_type: step3p5, num_hidden_layers: 4, moe_layers_enum: '1,4'}",
            "numbers of layers from 0 to 3",
        ),
        (
            "{model_type: hunyuan, use_cla: true}",
            "use_cla: layers that share keys and values are not modelled",
        ),
        ("{model_type: glm_moe_dsa, index_topk_pattern: [F]}", "index_topk_pattern: expected 1 letters"),
        ("{model_type: gemma4_text}", "hidden_size_per_layer_input: required key is missing"),
        ("{model_type: gemma4_text, enable_moe_block: true}", "top_k_experts: required key is missing"),
        ("{model_type: mllama, text_config: {}}", "attend to tokens of an image is not modelled"),
        (
            "{model_type: clip, text_config: {}}",
            r"write one of text_config and vision_config into a file of its own",
        ),
        (
            "{model_type: rwkv7}",
            "rwkv7: its mixer is not modelled in a whole model\n  hint: state-space/rwkv-7 has",
        ),
        (
            "{model_type: albert, inner_group_num: 2}",
            "inner_group_num: groups of several layers are not modelled",
        ),
        (
            "{model_type: albert, num_hidden_layers: 3, num_hidden_groups: 4}",
            "num_hidden_groups: 4 groups of 3 layers",
        ),
        ("{model_type: albert}", "embedding_size: required key is missing"),
        ("{model_type: deberta-v2}", "hint: model_type: bert takes its sizes with attention to all tokens"),
        (
            "{model_type: falcon_h1, hidden_size: 8, mamba_d_ssm: 9, mamba_n_heads: 2, mamba_d_head: 4}",
            "mamba_d_ssm is another",
        ),
        ("{model_type: kimi_linear}", "linear_attn_config: required key is missing"),
        (
            "{model_type: kimi_linear, attn_res_block_size: 12}",
            "attn_res_block_size: this part of newer models",
        ),
        (
            "{model_type: kimi_linear, num_hidden_layers: 2, linear_attn_config: {full_attn_layers: [9]}}",
            "full_attn_layers: expected a list of numbers of layers",
        ),
        ("{model_type: hymba}", "attention and states that share their projections"),
        ("{model_type: deepseek_v32}", "index_topk: required key is missing"),
        (
            "{model_type: deepseek_v32, index_topk: 9}",
            "q_lora_rank: required key is missing\n  hint: the indexer's queries",
        ),
        (
            "{model_type: glm_moe_dsa, num_hidden_layers: 3, index_topk_pattern: SFX}",
            r"index_topk_pattern: expected 3 times full or shared \(F or S\)",
        ),
        (
            "{hidden_size: 5}",
            r"model_type: required key is missing\n  hint: config.json of the transformers library has it",
        ),
        (
            "{model_type: x, text_config: {model_type: lama}}",
            r"text_config.model_type: the kind of model 'lama' is not understood\n  hint: did you mean 'llama'",
        ),
        ("[1, 2]", "expected a configuration: keys with values"),
        (
            "{model_type: nemotron_h, num_hidden_layers: 2, hybrid_override_pattern: MX}",
            "expected 2 letters: M for Mamba-2",
        ),
        (
            "{model_type: llama, partial_rotary_factor: 2.5}",
            "partial_rotary_factor: expected a number from 0 to 1, got 2.5",
        ),
        (
            "{model_type: gptj, n_embd: 8, n_head: 2, rotary_dim: 6}",
            "rotary_dim: expected an even number of at most 4",
        ),
        (
            "{model_type: qwen3_moe, mlp_only_layers: [1, 99], num_hidden_layers: 4}",
            "mlp_only_layers: expected a list of numbers",
        ),
        ("{model_type: dbrx, attn_config: 3}", "attn_config: expected keys with values, got 3"),
        (
            "{model_type: llama, hiden_size: 64}",
            "hidden_size: required key is missing\n  hint: is it 'hiden_size'?",
        ),
    ],
)
def test_what_is_refused(text: str, message: str):
    """What is known and not modelled is told with what to do; what cannot be meant with its key."""
    with pytest.raises(FusemaxError, match=r"c\.yaml:\d+:\d+: (.|\n)*" + message):
        model_of(document_of(text, "c.yaml"), "c")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "model_type: lama",
            r"model_type: the kind of model 'lama' is not understood\n  hint: did you mean 'llama'\?",
        ),
        ("model_type: null", "model_type: the kind of model None is not understood"),
        ("hidden_size: big", "hidden_size: expected a whole number from 1 to 2\\^31, got 'big'"),
        ("hidden_size: -8", "hidden_size: expected a whole number from 1"),
        ("vocab_size: 1.5", "vocab_size: expected a whole number"),
        ("num_attention_heads: 3", "num_attention_heads: heads share hidden_size: 3 does not divide 64"),
        ("num_key_value_heads: 3", "num_key_value_heads: groups of query heads: 3 does not divide 4"),
        ("hidden_act: swishy", "hidden_act: 'swishy' is not understood\n  hint: there are: silu"),
        ("tie_word_embeddings: maybe", "tie_word_embeddings: expected true or false, got 'maybe'"),
    ],
)
def test_malformed(change: str, message: str):
    """Each mistake is told with its place and its key."""
    keys = {
        "model_type": "llama", "hidden_size": "64", "num_attention_heads": "4", "intermediate_size": "128",
        "num_hidden_layers": "2", "vocab_size": "100",
    }  # fmt: skip
    name, _, value = change.partition(": ")
    text = "".join(f"{key}: {word}\n" for key, word in {**keys, name: value}.items())
    with pytest.raises(FusemaxError, match=r"c\.yaml:\d+:\d+: " + message):
        model_of(document_of(text, "c.yaml"), "c")


def test_everything_that_is_missing_at_once():
    """All missing keys are named in one message."""
    with pytest.raises(FusemaxError) as caught:
        model_of(document_of("model_type: mixtral\nhidden_size: 64", "c.yaml"), "c")
    for key in (
        "num_attention_heads",
        "intermediate_size",
        "num_hidden_layers",
        "vocab_size",
        "num_local_experts",
    ):
        assert f"{key}: required key is missing" in str(caught.value)


def test_what_is_refused_is_not_read():
    """No kind is both refused and read, and the cascades that stand in the hints are there."""
    assert not set(REFUSED) & set(READERS)
    hints = [hint for _, hint in REFUSED.values() if hint and hint.endswith("as a cascade")]
    assert {hint.split()[0] for hint in hints} <= set(shipped("einsums"))


def test_check_takes_a_published_file(tmp_path: Path) -> None:
    """``check`` reads ``config.json``, alone or by its folder, as a model; a wrong key is told with its place."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "num_attention_heads": 4,
        "intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 100,
    }, indent=2))  # fmt: skip
    assert check_file(path) == check_file(tmp_path) == "model"
    path.write_text(path.read_text().replace("96", '"wide"'))
    with pytest.raises(FusemaxError, match=r"config\.json:8:\d+: intermediate_size"):
        check_file(path)
