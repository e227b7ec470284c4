"""Encoders with decoders that attend to their tokens: T5 and its kin, BART and its kin, Whisper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fusemax.model.reading.keys import Keys
from fusemax.model.reading.parts import ACTIVATIONS, activation, width
from fusemax.model.shape import Attention, FeedForward, Front, Layer, Model, Place

ALONE = "EncoderModel"  #: how the architecture ends of a file that holds the encoder alone


def read_t5(keys: Keys, name: str, kind: str) -> Model:
    """Return a T5 (arXiv 1910.10683): scores without a scale, with a learned number for each range of distances.

    The first layer of each of its two parts has the table of them, in UMT5 every layer. A file of an encoder alone
    (``T5EncoderModel``) is an encoder.
    """
    d_model, heads, dim = width(keys), keys.count("num_heads"), keys.count("d_kv")
    ranges = keys.count("relative_attention_num_buckets", default=32)
    own = Attention(
        heads=heads, kv_heads=heads, head_dim=dim, value_dim=dim, scale=1.0, relative=ranges,
    )  # fmt: skip
    inner, layers = _t5_inner(keys), keys.count("num_layers", "num_hidden_layers")
    made = keys.count("num_decoder_layers", default=layers)
    vocabulary, tied = keys.count("vocab_size"), keys.flag("tie_word_embeddings", default=True)
    common: dict[str, Any] = {"name": name, "kind": kind, "d_model": d_model, "vocabulary": vocabulary}
    table = ranges * heads

    encoder = Model(
        **common, layers=(Layer(mixer=own, feed_forward=inner, times=layers),), causal=False,
        extra_weights=table * (layers if kind == "umt5" else 1),
    )  # fmt: skip
    if _is_encoder_alone(keys):
        return encoder
    layer = Layer(mixer=own, feed_forward=inner, times=made, norms=3, cross=replace(own, relative=0))
    return Model(
        **common, layers=(layer,), tied=tied, head=vocabulary, encoder=encoder,
        extra_weights=table * (made if kind == "umt5" else 1),
    )  # fmt: skip


def _t5_inner(keys: Keys) -> FeedForward:
    """Return the dense part: ``feed_forward_proj`` is the name of an activation, behind ``gated-`` where there is a gate."""
    said = keys.get("feed_forward_proj") or "relu"
    gated = isinstance(said, str) and said.startswith("gated-")
    act = said.removeprefix("gated-") if isinstance(said, str) else ""
    if act not in ACTIVATIONS:
        keys.fail("feed_forward_proj", f"{said!r} is not understood", "such as relu, or gated-gelu")
        act = "relu"
    act = "gelu_new" if gated and act == "gelu" else act  # so does the transformers library
    return FeedForward(d_ff=keys.count("d_ff"), gated=gated, activation=ACTIVATIONS[act])


def _is_encoder_alone(keys: Keys) -> bool:
    said = keys.data.get("architectures")
    return isinstance(said, list) and bool(said) and all(str(one).endswith(ALONE) for one in said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a model with the keys of BART has beside what they say.

    Attributes
    ----------
    place
        Where norms stand in a layer.
    norms
        Norms of each part before its first layer, and behind its last.
    more
        Rows of a table of positions beyond its tokens; None where positions are no table that is learned.
    activation
        Of the dense parts, if no key says it.
    """

    place: Place
    norms: int
    more: int | None
    activation: str = "gelu"


TRAITS: Mapping[str, Traits] = {
    "bart": Traits(place="after", norms=1, more=2),
    "mbart": Traits(place="before", norms=2, more=2),
    "marian": Traits(place="after", norms=0, more=0),
    "pegasus": Traits(place="before", norms=1, more=0),
    "m2m_100": Traits(place="before", norms=1, more=None, activation="relu"),
}


def read_bart(keys: Keys, name: str, kind: str) -> Model:
    """Return a BART (arXiv 1910.13461) or one of those with its keys: biases everywhere, tables of positions."""
    traits, d_model, vocabulary = TRAITS[kind], width(keys), keys.count("vocab_size")
    positions = 0 if traits.more is None else keys.count("max_position_embeddings") + traits.more
    common: dict[str, Any] = {
        "name": name, "kind": kind, "d_model": d_model, "vocabulary": vocabulary, "norm": "layer", "positions": positions,
        "last_norms": traits.norms,
    }  # fmt: skip
    encoder = Model(**common, layers=(_layer(keys, "encoder", d_model, traits),), causal=False)
    layer = _crossing(_layer(keys, "decoder", d_model, traits))
    tied = keys.flag("tie_word_embeddings", default=True)
    return Model(**common, layers=(layer,), tied=tied, head=vocabulary, encoder=encoder)


def read_whisper(keys: Keys, name: str, kind: str) -> Model:
    """Return a Whisper (arXiv 2212.04356): two convolutions make a token of two frames of sound; keys have no biases."""
    traits = Traits(place="before", norms=1, more=0)
    d_model, vocabulary, bins = width(keys), keys.count("vocab_size"), keys.count("num_mel_bins", default=80)
    common: dict[str, Any] = {"name": name, "kind": kind, "d_model": d_model, "norm": "layer"}
    front = (
        Front(rows=2, inner=3 * bins, columns=d_model, activated=True),
        Front(rows=1, inner=3 * d_model, columns=d_model, activated=True),
    )
    encoder = Model(
        **common, vocabulary=0, layers=(_layer(keys, "encoder", d_model, traits, keys_biased=False),), causal=False,
        positions=keys.count("max_source_positions", default=1500), front=front,
        extra_weights=sum((one.inner + 1) * one.columns for one in front),
    )  # fmt: skip
    layer = _crossing(_layer(keys, "decoder", d_model, traits, keys_biased=False))
    return Model(
        **common, vocabulary=vocabulary, layers=(layer,), tied=keys.flag("tie_word_embeddings", default=True),
        head=vocabulary, positions=keys.count("max_target_positions", default=448), encoder=encoder,
    )  # fmt: skip


def _layer(keys: Keys, part: str, d_model: int, traits: Traits, keys_biased: bool = True) -> Layer:
    """Return the layers of *part*, ``encoder`` or ``decoder``, as its keys say."""
    names = (f"{part}_attention_heads",)
    heads = keys.count(*names)
    keys.divides(names, d_model, heads, "heads share d_model")
    dim = max(1, d_model // heads)
    mixer = Attention(
        heads=heads, kv_heads=heads, head_dim=dim, value_dim=dim, biased=True, out_biased=True, keys_biased=keys_biased,
    )  # fmt: skip
    act = activation(keys, traits.activation)
    inner = FeedForward(d_ff=keys.count(f"{part}_ffn_dim"), gated=False, biased=True, activation=act)
    return Layer(mixer=mixer, feed_forward=inner, times=keys.count(f"{part}_layers"), place=traits.place)


def _crossing(layer: Layer) -> Layer:
    """Return *layer* with attention to the encoder of the same heads."""
    assert isinstance(layer.mixer, Attention)
    return replace(layer, cross=layer.mixer, norms=3)


Reader = Callable[[Keys, str, str], Model]
PAIRS: Mapping[str, Reader] = {
    **dict.fromkeys(("t5", "mt5", "umt5"), read_t5), **dict.fromkeys(TRAITS, read_bart), "whisper": read_whisper,
}  # fmt: skip
