"""Encoders of sound whose convolutions read the samples themselves: wav2vec 2.0 and HuBERT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from fusemax.model.reading.keys import Keys
from fusemax.model.reading.parts import attention, depth, feed_forward, width
from fusemax.model.shape import Front, Layer, Model

#: What the transformers library takes for lists that a file leaves out.
CHANNELS, FILTERS, STEPS = [512] * 7, [10, 3, 3, 3, 3, 2, 2], [5, 2, 2, 2, 2, 2, 2]


def read_wav2vec(keys: Keys, name: str, kind: str) -> Model:
    """Return a wav2vec 2.0 (arXiv 2006.11477) or HuBERT: P counts what the convolutions make, a token each 320 samples."""
    d_model = width(keys)
    channels, filters, steps = (_numbers(keys, *one) for one in (
        ("conv_dim", CHANNELS), ("conv_kernel", FILTERS), ("conv_stride", STEPS),
    ))  # fmt: skip
    if not len(channels) == len(filters) == len(steps):
        keys.fail("conv_dim", "conv_dim, conv_kernel and conv_stride have one entry for each convolution")
    biased, everywhere = keys.flag("conv_bias"), _each_normed(keys)
    convolutions = [
        Front(rows=prod(steps[number + 1 :]), inner=size * into, columns=out, activated=True)
        for number, (into, out, size) in enumerate(zip([1, *channels], channels, filters, strict=False))
    ]
    widened = Front(rows=1, inner=channels[-1], columns=d_model)
    groups, reach = (
        keys.count("num_conv_pos_embedding_groups", default=16),
        keys.count("num_conv_pos_embeddings", default=128),
    )
    keys.divides(("num_conv_pos_embedding_groups",), d_model, groups, "groups of features")
    placed = Front(rows=1, inner=reach * (d_model // groups), columns=d_model, activated=True)
    weights = sum(one.inner * one.columns for one in (*convolutions, widened, placed))
    biases = (sum(channels) if biased else 0) + 2 * d_model
    norms = 2 * (sum(channels) if everywhere else channels[0]) + 2 * channels[-1]
    mixer = attention(keys, d_model, rotary=0.0, biased=True, out_biased=True)
    inner = feed_forward(keys, gated=False, biased=True, act="gelu")
    place = "before" if keys.flag("do_stable_layer_norm") else "after"
    return Model(
        name=name, kind=kind, d_model=d_model, vocabulary=0, norm="layer", causal=False,
        layers=(Layer(mixer=mixer, feed_forward=inner, times=depth(keys), place=place),),
        front=(*convolutions, widened, placed),
        extra_weights=weights + biases + norms + reach + d_model,  # lengths of filters, and what stands for masked tokens
    )  # fmt: skip


def _each_normed(keys: Keys) -> bool:
    """Return whether every convolution has a norm, not the first alone."""
    return keys.word("feat_extract_norm", known=("group", "layer"), default="group") == "layer"


def _numbers(keys: Keys, key: str, default: list[int]) -> list[int]:
    found = keys.get(key) or default
    if not isinstance(found, list) or any(not isinstance(one, int) or one < 1 for one in found):
        keys.fail(key, f"expected a list of whole numbers from 1, got {found!r}")
        return default
    return found


Reader = Callable[[Keys, str, str], Model]
SOUND: Mapping[str, Reader] = {"wav2vec2": read_wav2vec, "hubert": read_wav2vec}
