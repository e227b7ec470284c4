"""Encoders of text and of images: every token sees all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from fusemax.model.reading.keys import HEADS, Keys
from fusemax.model.reading.parts import activation, attention, depth, each, feed_forward, width
from fusemax.model.shape import Attention, FeedForward, Front, Layer, Model, Place


def _layer(keys: Keys, d_model: int, place: Place, act: str = "gelu") -> Layer:
    biased = keys.flag("qkv_bias", default=True)
    mixer = attention(keys, d_model, rotary=0.0, biased=biased, out_biased=True)
    inner = feed_forward(keys, gated=False, biased=True, act=act)
    return Layer(mixer=mixer, feed_forward=inner, times=depth(keys), place=place)


def read_bert(keys: Keys, name: str, kind: str) -> Model:
    """Return a BERT or RoBERTa: norms behind each sum, a norm behind three tables."""
    d_model = width(keys)
    known = ("absolute",)
    keys.word("position_embedding_type", known=known, default="absolute")
    keys.refuse("is_decoder", (False,), "a decoder of this kind is not modelled", "say false for its encoder")
    table = keys.count("embedding_size", default=d_model)
    types = keys.count("type_vocab_size", default=2, least=0)
    vocabulary, positions = keys.count("vocab_size"), keys.count("max_position_embeddings")
    projected = (
        0
        if table == d_model
        else (table - d_model) * (vocabulary + positions + types + 2) + (table + 1) * d_model
    )
    return Model(
        name=name, kind=kind, d_model=d_model, vocabulary=vocabulary, layers=(_layer(keys, d_model, "after"),), norm="layer",
        causal=False, positions=positions, extra_weights=types * d_model + projected,
        table=None if table == d_model else table,
    )  # fmt: skip


def read_albert(keys: Keys, name: str, kind: str) -> Model:
    """Return an ALBERT: a BERT with narrow tables, whose layers share sets of weights."""
    sets = keys.count("num_hidden_groups", default=1)
    keys.refuse("inner_group_num", (1,), "groups of several layers are not modelled")
    keys.count("embedding_size")
    model = read_bert(keys, name, kind)
    layer = model.layers[0]
    if sets > layer.times:
        keys.fail("num_hidden_groups", f"{sets} groups of {layer.times} layers: some have none")
    return replace(model, layers=(replace(layer, sets=sets),))


def read_mpnet(keys: Keys, name: str, kind: str) -> Model:
    """Return an MPNet: a BERT without kinds of tokens, whose layers share a number for each range of distances."""
    d_model, ranges = width(keys), keys.count("relative_attention_num_buckets", default=32)
    layer = _layer(keys, d_model, "after")
    assert isinstance(layer.mixer, Attention)
    layer = replace(layer, mixer=replace(layer.mixer, relative=ranges))
    return Model(
        name=name, kind=kind, d_model=d_model, vocabulary=keys.count("vocab_size"), layers=(layer,), norm="layer",
        causal=False, positions=keys.count("max_position_embeddings"), extra_weights=ranges * keys.count(*HEADS),
    )  # fmt: skip


def read_distilbert(keys: Keys, name: str, kind: str) -> Model:
    """Return a DistilBERT, which has no kinds of tokens and keys of its own."""
    d_model, inner = keys.count("dim"), keys.count("hidden_dim")
    mixer = attention(keys, d_model, rotary=0.0, biased=True, out_biased=True)
    part = FeedForward(
        d_ff=inner,
        gated=False,
        biased=True,
        activation=feed_forward(keys, "hidden_dim", gated=False, act="gelu").activation,
    )
    layer = Layer(mixer=mixer, feed_forward=part, times=depth(keys), place="after")
    return Model(
        name=name, kind=kind, d_model=d_model, vocabulary=keys.count("vocab_size"), layers=(layer,), norm="layer",
        causal=False, positions=keys.count("max_position_embeddings"),
    )  # fmt: skip


def read_image(keys: Keys, name: str, kind: str) -> Model:
    """Return an encoder of images: ViT and DeiT, and the towers of CLIP and SigLIP."""
    d_model = width(keys)
    layer = _layer(keys, d_model, "before", "quick_gelu" if kind.startswith("clip") else "gelu")
    side, patch = keys.count("image_size"), keys.count("patch_size")
    if kind != "siglip_vision_model":  # which leaves out what is over at the edge
        keys.divides(("patch_size",), side, patch, "patches of an image")
    patches = (side // max(1, patch)) ** 2
    front = Front(rows=1, inner=patch**2 * keys.count("num_channels", default=3), columns=d_model)
    filters = front.inner * d_model
    tokens = {"siglip_vision_model": 0, "deit": 2}.get(kind, 1)  # one for the class, and one to distil
    bias = 0 if kind == "clip_vision_model" else d_model
    model = Model(
        name=name, kind=kind, d_model=d_model, vocabulary=0, layers=(layer,), norm="layer", causal=False,
        positions=patches + tokens, extra_weights=filters + bias + tokens * d_model, front=(front,),
    )  # fmt: skip
    if kind == "clip_vision_model":
        return replace(model, last_norms=2)
    if kind == "siglip_vision_model" and keys.flag("vision_use_head", default=True):
        inner = feed_forward(keys, gated=False).d_ff
        pooled = d_model + 4 * (d_model + 1) * d_model + 2 * d_model * inner + inner + d_model + 2 * d_model
        return replace(model, extra_weights=model.extra_weights + pooled)
    return model


def read_dinov2(keys: Keys, name: str, kind: str) -> Model:
    """Return a DINOv2 (arXiv 2304.07193): each part scaled, a feed-forward part as wide as ``mlp_ratio`` says."""
    d_model, side, patch = width(keys), keys.count("image_size"), keys.count("patch_size")
    ratio = keys.number("mlp_ratio", default=4.0, least=0.1, most=100.0)
    gated = keys.flag("use_swiglu_ffn")
    act = activation(keys, "gelu") if not gated else "silu"
    inner = int(d_model * ratio)
    inner = (2 * inner // 3 + 7) // 8 * 8 if gated else inner  # two thirds, to a multiple of eight
    biased = keys.flag("qkv_bias", default=True)
    mixer = attention(keys, d_model, rotary=0.0, biased=biased, out_biased=True)
    part = FeedForward(d_ff=inner, gated=gated, biased=True, activation=act)
    registers = keys.count("num_register_tokens", default=4, least=0) if kind.endswith("registers") else 0
    patches = (side // patch) ** 2
    front = Front(rows=1, inner=patch**2 * keys.count("num_channels", default=3), columns=d_model)
    filters = front.inner * d_model
    more = (
        3 + registers
    ) * d_model  # the filters' bias, a token for the class, one for what is masked, and registers
    return Model(
        name=name, kind=kind, d_model=d_model, vocabulary=0, norm="layer", causal=False, positions=patches + 1,
        layers=(Layer(mixer=mixer, feed_forward=part, times=depth(keys), scaled=True),), extra_weights=filters + more,
        front=(front,),
    )  # fmt: skip


def read_clip_text(keys: Keys, name: str, kind: str) -> Model:
    """Return the text tower of a CLIP, whose tokens see those before them, or of a SigLIP, whose tokens see all."""
    d_model = width(keys)
    sig = kind.startswith("siglip")
    layer = _layer(keys, d_model, "before", "gelu_pytorch_tanh" if sig else "quick_gelu")
    head = keys.count("projection_size", default=d_model) if sig else 0
    return Model(
        name=name, kind=kind, d_model=d_model, vocabulary=keys.count("vocab_size"), layers=(layer,), norm="layer",
        causal=not sig, positions=keys.count("max_position_embeddings"), extra_weights=head * (d_model + 1),
    )  # fmt: skip


def read_modern_bert(keys: Keys, name: str, kind: str) -> Model:
    """Return a ModernBERT (arXiv 2412.13663): a window around a token in all but each n-th layer, no norm before the first."""
    d_model, layers = width(keys), depth(keys)
    every = keys.count("global_attn_every_n_layers", default=3)
    length = keys.count("local_attention", default=128)
    biased, shifted = keys.flag("attention_bias"), keys.flag("norm_bias")
    inner = feed_forward(keys, gated=True, biased=keys.flag("mlp_bias"), act="gelu")
    kinds = keys.words("layer_types", layers, ("sliding_attention", "full_attention"))

    def layer(number: int) -> Layer:
        narrow = kinds[number] == "sliding_attention" if kinds else number % every != 0
        mixer = attention(keys, d_model, window=length if narrow else None, biased=biased, out_biased=biased)
        first = number == 0
        return Layer(mixer=mixer, feed_forward=inner, times=1, norms=1 if first else 2, bare=first)

    found, order = each(keys, layer)
    return Model(
        name=name, kind=kind, d_model=d_model, vocabulary=keys.count("vocab_size"), layers=found, order=order,
        norm="layer" if shifted else "layer without shift", causal=False, last_norms=2,
    )  # fmt: skip


Reader = Callable[[Keys, str, str], Model]
ENCODERS: Mapping[str, Reader] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), read_bert),
    **dict.fromkeys(("vit", "deit", "clip_vision_model", "siglip_vision_model"), read_image),
    "albert": read_albert, "mpnet": read_mpnet, "dinov2": read_dinov2, "dinov2_with_registers": read_dinov2,
    "distilbert": read_distilbert, "modernbert": read_modern_bert,
    "clip_text_model": read_clip_text, "siglip_text_model": read_clip_text,
}  # fmt: skip
