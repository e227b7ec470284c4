"""Models with lightning attention in most layers (arXiv 2501.08313), and attention to all tokens in some."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fusemax.model.reading.keys import Keys
from fusemax.model.reading.parts import attention, decoder, depth, each, numbered, width, window, worded
from fusemax.model.reading.sparse import CHOSEN, experts
from fusemax.model.shape import Layer, Mixer, Model
from fusemax.model.states import Lightning


def read_minimax(keys: Keys, name: str, kind: str) -> Model:
    """Return a MiniMax-Text-01 or M1: lightning attention in most layers, experts behind all."""
    d_model = width(keys)
    full = attention(keys, d_model, window=window(keys))
    light = Lightning(heads=full.heads, head_dim=full.head_dim)
    seen = numbered(keys, "attn_type_list") or worded(
        keys, "layer_types", "full_attention", "linear_attention"
    )
    if seen is None and not (keys.has("attn_type_list") or keys.has("layer_types")):
        keys.fail(
            "attn_type_list", "required key is missing", "a list with 0 (lightning) or 1 for each layer"
        )
    keys.refuse("shared_intermediate_size", (None, 0), "an expert that all tokens take is not modelled here")
    part = experts(keys, "num_local_experts", "num_experts_per_tok", "intermediate_size", **CHOSEN)
    mixers: Sequence[Mixer] = [full if one else light for one in seen or [True] * depth(keys)]

    def layer(number: int) -> Layer:
        return Layer(mixer=mixers[number], feed_forward=part, times=1)

    return decoder(keys, name, kind, *each(keys, layer))


Reader = Callable[[Keys, str, str], Model]
LIGHTNING: Mapping[str, Reader] = {
    "minimax": read_minimax, "minimax_text_01": read_minimax, "minimax_m1": read_minimax,
}  # fmt: skip
