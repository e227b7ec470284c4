"""Steps of the mixers of layers: attention with grouped heads or from a latent cache; others stand in ``recurrent``."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from fusemax.errors import FusemaxError
from fusemax.model.recurrent import recurrent_steps
from fusemax.model.shape import Attention, LatentAttention, Mixer
from fusemax.model.step import Maker, Sizes, Step

PARTIAL_B = 4.0  #: bytes of a number of a partial result that is merged over chips: 32 bits, as inside a chip


def mixer_steps(maker: Maker, mixer: Mixer) -> Iterator[Step]:
    """Yield the steps of one mixer on one chip."""
    if isinstance(mixer, Attention):
        yield from _attention(maker, mixer)
    elif isinstance(mixer, LatentAttention):
        yield from _latent(maker, mixer)
    else:
        yield from recurrent_steps(maker, mixer)


def _attention(maker: Maker, mixer: Attention) -> Iterator[Step]:
    heads, kv_heads = maker.share(mixer.heads, "heads"), maker.share(mixer.kv_heads, "key-value heads")
    columns = heads * mixer.head_dim + kv_heads * (mixer.head_dim + mixer.value_dim)
    columns += heads * mixer.value_dim if mixer.gated else 0
    yield maker.product("queries, keys, values", "projection", maker.model.d_model, columns)
    if mixer.rotary or mixer.qk_norm:
        turned = maker.run.tokens * (heads + kv_heads) * (mixer.head_dim if mixer.qk_norm else mixer.rotary)
        name = "rotary positions" if mixer.rotary else "norm of queries, keys"
        yield maker.step(name, "rope", moved=2 * turned)
    groups = heads if maker.run.apart and maker.run.decoding else kv_heads
    sizes = {
        "B": maker.run.sequences, "H": groups, "R": heads // groups, "E": mixer.head_dim, "F": mixer.value_dim,
    }  # fmt: skip
    kept = kv_heads * (mixer.head_dim + mixer.value_dim)
    if maker.run.decoding:
        yield from _over_cache(
            maker, _heads(maker, sizes, _seen(maker, mixer)), heads, mixer.head_dim, mixer.value_dim
        )
    elif mixer.chunked and maker.run.keys > (mixer.window or 0):
        yield from _chunks(maker, sizes, mixer.window or 1)
    else:
        yield from _keys_of_others(maker, kept, mixer.window)
        yield _heads(maker, sizes, mixer.window)
    if mixer.gated:
        yield maker.step("gate", "activation", moved=3 * maker.run.tokens * heads * mixer.value_dim)
    yield maker.product("output", "output", heads * mixer.value_dim, maker.model.d_model)


def _seen(maker: Maker, mixer: Attention) -> int | None:
    """Return how many keys a new token sees: of a window, or of its own piece of the sequence."""
    if mixer.window is None or not mixer.chunked:
        return mixer.window
    return (maker.run.keys - 1) % mixer.window + 1


def _chunks(maker: Maker, sizes: dict[str, int], length: int) -> Iterator[Step]:
    """Yield attention inside pieces of *length* tokens, as many sequences of their own; the last may be shorter.

    Chips that share a sequence have whole pieces of it, the one with most of them counts.
    """
    run, context = maker.run, maker.parallel.context
    if run.queries != run.keys:
        raise FusemaxError(f"pieces of {length} tokens: a prompt that goes on from a cache is not modelled")
    whole, rest = divmod(run.keys, length)
    for name, many, tokens in (
        ("attention", ceil(whole / context), length),
        ("attention, last piece", 1, rest),
    ):
        if many and tokens:
            one = sizes | {"B": sizes["B"] * many, "P": tokens, "M": tokens}
            each = sizes["B"] * sizes["H"] * sizes["R"] * (sizes["E"] + sizes["F"])
            operations = many * each * pairs_seen(tokens, tokens, None, causal=True)
            yield maker.step(name, "attention", forms=(("grouped/causal", one),), operations=operations)


def _keys_of_others(maker: Maker, kept: int, window: int | None) -> Iterator[Step]:
    """Yield how the chips that share a sequence get each other's keys and values: *kept* numbers a token."""
    parallel, run = maker.parallel, maker.run
    if parallel.context == 1:
        return
    if window is not None and window < run.keys:
        name, operation, tokens = "keys of the neighbour", "send", min(window, run.keys)
    else:
        name, operation, tokens = "keys of all", "all-gather", run.keys
    yield maker.exchange(name, operation, run.sequences * tokens * kept, parallel.context, parallel.tensor)


def _over_cache(maker: Maker, attention: Step, heads: int, query: int, value: int) -> Iterator[Step]:
    """Yield attention over a cache that chips share: each sees all queries and its keys; its sums are merged (split-K).

    The merge is that of ``grouped/split-k``: a maximum, a denominator and a numerator for each head of each sequence.
    """
    parallel, run = maker.parallel, maker.run
    n, stride = parallel.context, parallel.tensor
    if n == 1:
        yield attention
        return
    yield maker.exchange("queries of all", "all-gather", run.sequences * heads * query, n, stride)
    yield attention
    sums = heads * (value + 2)
    yield maker.exchange("sums of splits", "all-to-all", run.sequences * sums, n, stride, PARTIAL_B)
    moved = run.tokens * (2 * n * sums + heads * value)
    yield maker.step("merge of splits", "attention", moved=moved)


def _heads(maker: Maker, sizes: dict[str, int], window: int | None) -> Step:
    run, context = maker.run, maker.parallel.context
    queries, keys = run.queries // context if not run.decoding else 1, run.keys
    if window is not None and not maker.model.causal:
        window = 2 * (window // 2) + 1
    seen = keys if window is None else min(keys, window)
    forms: list[tuple[str, Sizes]] = []
    if run.decoding:
        keys = ceil(seen / context)
        one = sizes | {"P": 1, "M": keys}
        forms = [("grouped/split-k", one), ("grouped/causal", one)]
    elif not maker.model.causal and seen == keys:
        forms = [("attention", sizes | {"P": queries, "M": keys})]
    elif not maker.model.causal:  # priced as a window of as many keys up to the query's place
        forms = [("grouped/window", sizes | {"P": queries, "M": keys, "W": window})]
    elif window is not None and window < keys:
        keys = min(keys, queries + window) if context > 1 else keys
        forms = [("grouped/window", sizes | {"P": queries, "M": keys, "W": window})]
    else:
        # chips take an early and a late part of a sequence each, so that all see as many pairs
        keys = keys - run.queries + ceil((run.queries + queries) / 2)
        forms = [("grouped/causal", sizes | {"P": queries, "M": keys})]
    pairs = pairs_seen(queries, keys, window, maker.model.causal)
    each = sizes["B"] * sizes["H"] * sizes["R"] * (sizes["E"] + sizes["F"])
    cached = ("K", "V") if run.decoding else ()
    return maker.step("attention", "attention", forms=tuple(forms), cached=cached, operations=pairs * each)


def _latent(maker: Maker, mixer: LatentAttention) -> Iterator[Step]:
    heads, query, run = maker.share(mixer.heads, "heads"), mixer.nope_dim + mixer.rope_dim, maker.run
    width = maker.model.d_model
    down = (mixer.q_rank or 0) + mixer.kv_rank + mixer.rope_dim
    yield maker.product("down to latent", "projection", width, down)
    yield maker.norm("norm of the latent", width=down)
    yield maker.product("queries", "projection", mixer.q_rank or width, heads * query)
    if run.decoding:
        yield from _absorbed(maker, mixer, heads)
    else:
        yield from _keys_of_others(maker, mixer.kv_rank + mixer.rope_dim, None)
        made = heads * (mixer.nope_dim + mixer.value_dim)
        rows = run.tokens if maker.parallel.context == 1 else run.sequences * run.keys
        yield maker.product("keys, values", "projection", mixer.kv_rank, made, rows)
        yield maker.step("rotary positions", "rope", moved=2 * run.tokens * (heads + 1) * mixer.rope_dim)
        sizes = {"B": run.sequences, "H": heads, "R": 1, "E": query, "F": mixer.value_dim}
        yield _heads(maker, sizes, None)
    yield maker.product("output", "output", heads * mixer.value_dim, width)


def _absorbed(maker: Maker, mixer: LatentAttention, heads: int) -> Iterator[Step]:
    """Decoding: the matrices that make keys and values go to the queries and the output (DeepSeek-V2, section 2.1.2)."""
    run, latent, rope = maker.run, mixer.kv_rank, mixer.rope_dim
    yield maker.products("queries to latent", "projection", heads, run.tokens, mixer.nope_dim, latent)
    yield maker.step("rotary positions", "rope", moved=2 * run.tokens * (heads + 1) * rope)
    keys = ceil(run.keys / maker.parallel.context)
    sizes = {"B": run.sequences, "R": heads, "C": latent, "E": rope, "P": 1, "M": keys}
    operations = keys * run.sequences * heads * (2 * latent + rope)
    forms = (("grouped/latent-split-k", sizes),)
    attention = maker.step("attention", "attention", forms=forms, cached=("C", "KR"), operations=operations)
    yield from _over_cache(maker, attention, heads, latent + rope, latent)
    yield maker.products("values from latent", "projection", heads, run.tokens, latent, mixer.value_dim)


def pairs_seen(queries: int, keys: int, window: int | None, causal: bool) -> int:
    """Return the pairs of a query and a key that it sees; the queries are the last of the keys' tokens."""
    if not causal:
        away = keys if window is None else window // 2
        return (
            queries * keys if away >= keys else queries * (2 * away + 1) - away * (away + 1) * queries // keys
        )
    first = keys - queries + 1
    if window is None or window >= keys:
        return (first + keys) * queries // 2
    whole = min(queries, max(0, keys - window + 1))  # queries that see a full window
    rest = queries - whole
    return whole * window + (first + first + rest - 1) * rest // 2 if rest else whole * window
