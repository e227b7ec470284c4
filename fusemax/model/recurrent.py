"""Steps of mixers with states: Mamba-2, Mamba, gated delta rules. What is no product only moves its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from fusemax.model.states import (
    GatedDelta,
    KimiDelta,
    Lightning,
    Recurrent,
    SelectiveScan,
    ShortConvolution,
    StateSpace,
)
from fusemax.model.step import Maker, Step

CHUNK = 256  #: tokens that a kernel works on before it writes its states, as the authors' kernels do


def recurrent_steps(maker: Maker, mixer: Recurrent) -> Iterator[Step]:
    """Yield the steps of one mixer with a state on one chip: projections, a convolution, the states, a norm."""
    if isinstance(mixer, StateSpace):
        yield from _state_space(maker, mixer)
    elif isinstance(mixer, GatedDelta):
        yield from _gated_delta(maker, mixer)
    elif isinstance(mixer, KimiDelta):
        yield from _kimi_delta(maker, mixer)
    elif isinstance(mixer, Lightning):
        yield from _lightning(maker, mixer)
    elif isinstance(mixer, ShortConvolution):
        yield from _short_convolution(maker, mixer)
    else:
        yield from _scan(maker, mixer)


def _state_space(maker: Maker, mixer: StateSpace) -> Iterator[Step]:
    groups = max(1, mixer.groups // maker.parallel.tensor)
    heads, width = maker.share(mixer.heads, "heads"), maker.model.d_model
    inner, shared = heads * mixer.head_dim, 2 * groups * mixer.state
    yield maker.product("into the mixer", "projection", width, 2 * inner + shared + heads)
    yield _convolution(maker, inner + shared)
    yield _states(maker, 2 * inner + shared, inner * mixer.state)
    if mixer.normed:
        yield maker.norm("norm of the states", width=inner)
    else:
        yield maker.step("gate of the states", "activation", moved=3 * maker.run.tokens * inner)
    yield maker.product("out of the mixer", "output", inner, width)


def _gated_delta(maker: Maker, mixer: GatedDelta) -> Iterator[Step]:
    heads, key_heads = maker.share(mixer.heads, "heads"), maker.share(mixer.key_heads, "key heads")
    width, inner, shared = maker.model.d_model, heads * mixer.value_dim, 2 * key_heads * mixer.key_dim
    yield maker.product("into the mixer", "projection", width, 2 * inner + shared + 2 * heads)
    yield _convolution(maker, inner + shared)
    yield _states(maker, 2 * inner + shared, inner * mixer.key_dim)
    yield maker.norm("norm of the states", width=inner)
    yield maker.product("out of the mixer", "output", inner, width)


def _kimi_delta(maker: Maker, mixer: KimiDelta) -> Iterator[Step]:
    heads, rank, width = maker.share(mixer.heads, "heads"), mixer.head_dim, maker.model.d_model
    inner = heads * mixer.head_dim
    yield maker.product("into the mixer", "projection", width, 3 * inner + heads + 2 * rank)
    yield _convolution(maker, 3 * inner)
    yield maker.products("decay, gate", "projection", 2, maker.run.tokens, rank, inner)
    yield _states(maker, 5 * inner, inner * mixer.head_dim)
    yield maker.norm("norm of the states", width=inner)
    yield maker.product("out of the mixer", "output", inner, width)


def _lightning(maker: Maker, mixer: Lightning) -> Iterator[Step]:
    heads, width = maker.share(mixer.heads, "heads"), maker.model.d_model
    inner = heads * mixer.head_dim
    yield maker.product("queries, keys, values, gate", "projection", width, 4 * inner)
    yield maker.step(
        "activation of queries, keys, values", "activation", moved=2 * maker.run.tokens * 3 * inner
    )
    yield _states(maker, 4 * inner, inner * mixer.head_dim)
    yield maker.norm("norm of the states", width=inner)
    yield maker.step("gate", "activation", moved=3 * maker.run.tokens * inner)
    yield maker.product("output", "output", inner, width)


def _short_convolution(maker: Maker, mixer: ShortConvolution) -> Iterator[Step]:
    """Yield the steps of a gated convolution: one kernel takes its three inputs and makes one output."""
    width, inner = maker.model.d_model, maker.width(mixer.inner, "channels")
    yield maker.product("into the mixer", "projection", width, 3 * inner)
    yield maker.step("gated convolution", "convolution", moved=4 * maker.run.tokens * inner)
    yield maker.product("out of the mixer", "output", inner, width)


def _scan(maker: Maker, mixer: SelectiveScan) -> Iterator[Step]:
    width, inner = maker.model.d_model, maker.width(mixer.inner, "channels")
    small = mixer.rank + 2 * mixer.state
    yield maker.product("into the mixer", "projection", width, 2 * inner)
    yield _convolution(maker, inner)
    yield maker.product("steps, B, C", "projection", inner, small)
    if maker.parallel.tensor > 1:
        numbers = maker.run.tokens * small
        yield maker.exchange("all-reduce of steps, B, C", "all-reduce", numbers, maker.parallel.tensor)
    yield maker.product("steps of channels", "projection", mixer.rank, inner)
    yield _states(maker, 4 * inner + 2 * mixer.state, inner * mixer.state)
    yield maker.product("out of the mixer", "output", inner, width)


def _convolution(maker: Maker, channels: int) -> Step:
    return maker.step("convolution", "convolution", moved=2 * maker.run.tokens * channels)


def _states(maker: Maker, each: int, state: int) -> Step:
    """Return the step that takes and makes *each* numbers a token, and reads and writes a *state* for each chunk of tokens."""
    run = maker.run
    chunks = 1 if run.decoding else ceil(run.queries / CHUNK)
    moved = run.tokens * each + 2 * run.sequences * chunks * state
    return maker.step("states", "attention", moved=moved, operations=2 * run.tokens * state)
