"""Steps of models of two parts: an encoder that reads the source, and attention of the decoder's layers to its tokens."""

from __future__ import annotations

from collections.abc import Iterator

from fusemax.model.experts import gathered, summed
from fusemax.model.shape import Attention
from fusemax.model.step import Maker, Step


def cross_steps(maker: Maker, cross: Attention) -> Iterator[Step]:
    """Yield attention of one layer to the tokens of the encoder, whose keys and values are made when they are read."""
    run, d_model = maker.run, maker.model.d_model
    heads, kv_heads = maker.share(cross.heads, "heads"), maker.share(cross.kv_heads, "key-value heads")
    if run.reading:
        columns = kv_heads * (cross.head_dim + cross.value_dim)
        rows = run.sequences * run.source
        yield maker.product("keys, values of the source", "projection", d_model, columns, rows)
    yield maker.norm("norm")
    yield from gathered(maker, "for the attention to the source")
    yield maker.product("queries to the source", "projection", d_model, heads * cross.head_dim)
    groups = kv_heads if run.decoding and not run.apart else heads
    sizes = {
        "B": run.sequences, "H": groups, "R": heads // groups, "E": cross.head_dim, "F": cross.value_dim, "P": run.queries,
        "M": run.source,
    }  # fmt: skip
    names = ("grouped/split-k", "grouped/causal") if run.decoding else ("attention",)
    pairs = run.sequences * run.queries * run.source
    yield maker.step(
        "attention to the source", "attention", forms=tuple((name, sizes) for name in names), cached=("K", "V"),
        operations=pairs * heads * (cross.head_dim + cross.value_dim),
    )  # fmt: skip
    yield maker.product("output of it", "output", heads * cross.value_dim, d_model)
    yield from summed(maker, "after the attention to the source")
