"""What one pass through a model does: steps, each a cascade with sizes, in the order in which they run.

A step may be said by several cascades that compute the same (attention in one pass, or over splits of the keys): whoever
prices it takes the quickest. Sizes are those of one chip: a tensor group cuts heads and widths (Megatron-LM, arXiv 1909.08053,
section 3), with an all-reduce after each of the two parts of a layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import ceil

from fusemax.errors import FusemaxError
from fusemax.model.crossed import cross_steps
from fusemax.model.experts import feed_forward_steps, gathered, summed
from fusemax.model.mixers import mixer_steps
from fusemax.model.parallel import refusals
from fusemax.model.shape import Model
from fusemax.model.step import Maker, Pass, Step


def steps_of(model: Model, run: Pass) -> tuple[Step, ...]:
    """Return the steps of one pass of *run* through *model*: of one micro-batch, on one chip of each stage.

    Raises
    ------
    FusemaxError
        When a model that does not decode is asked for fewer queries than keys, or chips cannot share it so.
    """
    if not model.causal and run.queries != run.keys:
        raise FusemaxError(
            f"{model.name} is an encoder ({model.kind}): it has no cache, so that P and M are the same"
        )
    for refused in refusals(model, run.parallel):
        raise FusemaxError(refused)
    found: list[Step] = []
    if model.encoder is not None and run.reading:
        found += _read(model, model.encoder, run)
    found += _front(Maker(model=model, run=run, part="front"))
    if model.vocabulary:
        maker = Maker(model=model, run=run, part="embedding")
        found.append(
            maker.step("embedding", "embedding", moved=2 * run.tokens * (model.table or model.d_model))
        )
        found += summed(maker, "of the embedding", model.table)
        if model.table is not None:
            widened = maker.product(
                "to the model's width", "embedding", model.table, model.d_model, maker.between
            )
            found.append(widened)
    found += _tables(Maker(model=model, run=run, part="embedding"))
    for number in range(len(model.layers)):
        part = "layer" if len(model.layers) == 1 else f"layer {number + 1}"
        found += _layer(Maker(model=model, run=run, part=part, number=number))
    if model.head:
        found += _logits(Maker(model=model, run=run, part="logits"))
    return (*found, *_between_stages(Maker(model=model, run=run, part="pipeline")))


def _read(model: Model, encoder: Model, run: Pass) -> Iterator[Step]:
    """Yield the steps in which the encoder of *model* reads the source of *run*."""
    own = replace(run, queries=run.source, keys=run.source, source=0, reading=False)
    for step in steps_of(encoder, own):
        number = None if step.layer is None else step.layer + len(model.layers)
        yield replace(step, part=f"encoder {step.part}", layer=number)
    if encoder.layers[0].place == "before":
        yield Maker(model=encoder, run=own, part="encoder end").norm("norm")


def _front(maker: Maker) -> Iterator[Step]:
    """Yield the convolutions that make tokens: every chip of a tensor group does all of them."""
    for number, one in enumerate(maker.model.front):
        name = "convolution" if len(maker.model.front) == 1 else f"convolution {number + 1}"
        yield maker.product(name, "embedding", one.inner, one.columns, maker.run.tokens * one.rows)
        if one.activated:
            moved = 2 * maker.run.tokens * one.rows * one.columns
            yield maker.step(f"activation of {name}", "activation", moved=moved)


def _tables(maker: Maker) -> Iterator[Step]:
    """Yield what reads the tables of layers: their rows, a product of the tokens for all of them, and its norm."""
    width = sum(layer.times * layer.table for layer in maker.model.layers)
    if width:
        yield maker.step("tables of layers", "embedding", moved=2 * maker.run.tokens * width)
        yield maker.product("to the tables of layers", "embedding", maker.model.d_model, width)
        yield maker.norm("norm of the tables", width=width)


def _layer(maker: Maker) -> Iterator[Step]:
    layer = maker.layer
    parts = 1 if layer.mixer is None or layer.feed_forward is None else 2
    norms = layer.norms - (layer.cross is not None)  # attention to the source brings its own
    half = norms if parts == 1 else 0 if layer.bare else max(1, norms // 2)
    if layer.mixer is not None:
        if half:
            yield maker.norm("norm", half)
        yield from gathered(maker, "for the mixer")
        yield from mixer_steps(maker, layer.mixer)
        if layer.feed_forward is None or not layer.parallel:
            yield from summed(maker, "after the mixer")
    if layer.cross is not None:
        yield from cross_steps(maker, layer.cross)
    if layer.feed_forward is not None:
        if parts == 1 or norms > half:
            yield maker.norm("norm", norms if parts == 1 else norms - half)
        if parts == 1 or not layer.parallel:
            yield from gathered(maker, "for the feed-forward")
        yield from feed_forward_steps(maker, layer.feed_forward)
    if layer.table:
        yield maker.product("gate of the table", "feed-forward", maker.model.d_model, layer.table)
        yield maker.step("activation of the table", "activation", moved=3 * maker.run.tokens * layer.table)
        yield maker.product("out of the table", "feed-forward", layer.table, maker.model.d_model)
        yield maker.norm("norm", rows=maker.run.tokens)


def _logits(maker: Maker) -> Iterator[Step]:
    model, run, n = maker.model, maker.run, maker.parallel.tensor
    rows = run.tokens if run.decoding or not run.last_only else run.sequences
    yield maker.norm("norm", rows=ceil(rows / maker.parallel.sequence))
    yield from gathered(maker, "for the logits", rows)
    yield maker.product("logits", "logits", model.d_model, ceil(model.head / n), rows)
    if n > 1:
        yield maker.exchange("logits of all", "all-gather", rows * model.head, n)


def _between_stages(maker: Maker) -> Iterator[Step]:
    parallel, model = maker.parallel, maker.model
    if parallel.pipeline == 1:
        return
    numbers = maker.run.tokens * model.d_model
    sent = maker.exchange("to the next stage", "send", numbers, parallel.pipeline, parallel.stage)
    yield replace(sent, times=parallel.pipeline - 1)


def quantised(steps: Iterable[Step], found: bool = False) -> Iterator[Step]:
    """Yield *steps* with one before each product with weights that quantises its input: read once, written narrower.

    Where the scale is *found* then, another step before it reads the whole input.
    """
    for step in steps:
        sizes = dict(step.forms[0][1]) if step.forms and step.weights else {}
        if {"R", "K"} <= set(sizes):
            numbers = sizes.get("G", 1) * sizes["R"] * sizes["K"]
            moving = replace(
                step, name=f"quantise for {step.name}", work="quantise", forms=(), weights=(), operations=0.0,
                moved=numbers, narrowed=numbers,
            )  # fmt: skip
            if found:
                yield replace(moving, name=f"scale for {step.name}", narrowed=0)
            yield moving
        yield step
