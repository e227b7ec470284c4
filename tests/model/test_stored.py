"""How a file says that its weights are stored, as quantised configurations of the hub say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fusemax.cli import build
from fusemax.model.config import model_of
from fusemax.model.shape import Stored
from fusemax.source import document_of

LLAMA = {
    "model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 96, "num_hidden_layers": 2,
    "vocab_size": 100,
}  # fmt: skip
FP8 = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
GROUPS = {"group_0": {"weights": {"num_bits": 4, "group_size": 32}, "targets": ["Linear"]}}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (FP8, ("fp8", 8)),
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}, ("awq", 4)),
        ({"quant_method": "gptq", "bits": 3, "desc_act": False}, ("gptq", 3)),
        ({"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}, ("mxfp4", 4)),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False}, ("bitsandbytes", 4)),
        ({"quant_method": "bitsandbytes", "_load_in_8bit": True}, ("bitsandbytes", 8)),
        ({"quant_method": "compressed-tensors", "config_groups": GROUPS}, ("compressed-tensors", 4)),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, ("modelopt", 4)),
        ({"quant_method": "hqq"}, None),
        ({"quant_method": "awq", "bits": "four"}, None),
        ({"quant_method": "awq", "bits": True}, None),
        ("fp8", None),
        (None, None),
    ],
)
def test_bits_of_a_weight(said: Any, expected: tuple[str, float] | None) -> None:
    """The number of bits is found where the method has it; what says none stays among the keys that were not used."""
    model = model_of(document_of(json.dumps({**LLAMA, "quantization_config": said}), "c.yaml"), "m")
    assert model.stored == (None if expected is None else Stored(method=expected[0], bits=expected[1]))
    assert ("quantization_config" in model.unused) == (expected is None)


def test_around_a_part() -> None:
    """A wrapper says it for its decoder; what the decoder itself says goes first."""
    inner = {**LLAMA, "quantization_config": {"quant_method": "awq", "bits": 4}}
    for part, bits in ((LLAMA, 8), (inner, 4)):
        text = json.dumps({"model_type": "llava", "text_config": part, "quantization_config": FP8})
        model = model_of(document_of(text, "c.yaml"), "m")
        assert model.stored is not None
        assert (model.stored.bits, "quantization_config" in model.unused) == (bits, False)


def test_it_is_told(tmp_path: Path) -> None:
    """``fusemax model`` says what to say for the width in the file, until that is said; the JSON has it."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**LLAMA, "quantization_config": FP8}), encoding="utf-8")
    asked = ["model", str(path), "--machine", "h100", "--set", "P=16"]
    told = "weights of 8 bits (fp8) in the file, here 16: --words weights=8bit"
    assert told in CliRunner().invoke(build(), asked).output
    assert "in the file" not in CliRunner().invoke(build(), [*asked, "--words", "weights=8bit"]).output
    record = json.loads(CliRunner().invoke(build(), [*asked, "--json"]).output)
    assert record["stored"] == {"method": "fp8", "bits": 8.0}
