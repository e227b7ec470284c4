"""What the transformers library (5.24, its configuration classes) takes for keys that the part of a wrapper leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Defaults = Mapping[str, Any]
_GEMMA: Defaults = {"head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": True}
_GEMMA_3: Defaults = {
    **_GEMMA, "vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
    "num_attention_heads": 8, "num_key_value_heads": 4, "sliding_window": 4096,
}  # fmt: skip
_LLAMA: Defaults = {
    "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
}  # fmt: skip
#: By kind of model. Used for the part of a wrapper alone: a file of one model has to say its sizes itself.
DEFAULTS: Mapping[str, Defaults] = {
    "llama": _LLAMA,
    "mistral": {**_LLAMA, "intermediate_size": 14336, "num_key_value_heads": 8},
    "qwen2": {
        **_LLAMA, "vocab_size": 151936, "intermediate_size": 22016, "num_key_value_heads": 32,
    },
    "gemma": {
        **_GEMMA, "vocab_size": 256000, "hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28,
        "num_attention_heads": 16, "num_key_value_heads": 16,
    },
    "gemma2": {
        **_GEMMA, "vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
        "num_attention_heads": 8, "num_key_value_heads": 4, "sliding_window": 4096,
    },
    "gemma3": _GEMMA_3,
    "gemma3_text": _GEMMA_3,
}  # fmt: skip
