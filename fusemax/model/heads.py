"""Steps of attention with grouped heads: over a prompt, over a cache, and over tokens that chips share."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from fusemax.errors import FusemaxError
from fusemax.model.shape import Attention
from fusemax.model.step import Maker, Sizes, Step

PARTIAL_B = 4.0  #: bytes of a number of a partial result that is merged over chips: 32 bits, as inside a chip


def attention_steps(maker: Maker, mixer: Attention) -> Iterator[Step]:
    """Yield the steps of one mixer with grouped heads on one chip."""
    heads, kv_heads = maker.share(mixer.heads, "heads"), maker.share(mixer.kv_heads, "key-value heads")
    made = 0 if mixer.lent else kv_heads
    columns = heads * mixer.head_dim + made * mixer.head_dim
    columns += made * mixer.value_dim if mixer.values == "own" else 0
    columns += {"": 0, "element": heads * mixer.value_dim, "head": heads}[mixer.gated]
    yield maker.product(
        "queries" if mixer.lent else "queries, keys, values", "projection", maker.model.d_model, columns
    )
    if mixer.rotary or mixer.qk_norm:
        turned = maker.run.tokens * (heads + made) * (mixer.head_dim if mixer.qk_norm else mixer.rotary)
        name = "rotary positions" if mixer.rotary else "norm of queries, keys"
        yield maker.step(name, "rope", moved=2 * turned)
    if mixer.values_normed and not mixer.lent:
        yield maker.norm("norm of values", width=kv_heads * mixer.value_dim)
    groups = heads if maker.run.apart and maker.run.decoding else kv_heads
    sizes = {
        "B": maker.run.sequences, "H": groups, "R": heads // groups, "E": mixer.head_dim, "F": mixer.value_dim,
    }  # fmt: skip
    kept = kv_heads * (mixer.head_dim + mixer.value_dim)
    if maker.run.decoding:
        yield from over_cache(
            maker, heads_step(maker, sizes, _seen(maker, mixer)), heads, mixer.head_dim, mixer.value_dim
        )
    elif mixer.chunked and maker.run.keys > (mixer.window or 0) and not maker.run.in_parts:
        yield from _chunks(maker, sizes, mixer.window or 1)
    else:
        yield from keys_of_others(maker, kept, mixer.window)
        yield heads_step(maker, sizes, mixer.window)
    if mixer.gated:
        gates = 1 if mixer.gated == "head" else mixer.value_dim
        yield maker.step("gate", "activation", moved=maker.run.tokens * heads * (2 * mixer.value_dim + gates))
    if mixer.out_normed:
        yield maker.norm("norm before the output", width=heads * mixer.value_dim)
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


def keys_of_others(maker: Maker, kept: int, window: int | None) -> Iterator[Step]:
    """Yield how the chips that share a sequence get each other's keys and values: *kept* numbers a token."""
    parallel, run = maker.parallel, maker.run
    if parallel.context == 1:
        return
    if window is not None and window < run.keys:
        name, operation, tokens = "keys of the neighbour", "send", min(window, run.keys)
    else:
        name, operation, tokens = "keys of all", "all-gather", run.keys
    yield maker.exchange(name, operation, run.sequences * tokens * kept, parallel.context, parallel.tensor)


def over_cache(maker: Maker, attention: Step, heads: int, query: int, value: int) -> Iterator[Step]:
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


def heads_step(maker: Maker, sizes: dict[str, int], window: int | None) -> Step:
    """Return attention of the heads that *sizes* say to the keys that a query sees, *window* of them at the most."""
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
    if run.in_parts and not run.decoding:
        return _in_parts(maker, sizes, queries)
    pairs = pairs_seen(queries, keys, window, maker.model.causal)
    each = sizes["B"] * sizes["H"] * sizes["R"] * (sizes["E"] + sizes["F"])
    cached = ("K", "V") if run.decoding else ()
    return maker.step("attention", "attention", forms=tuple(forms), cached=cached, operations=pairs * each)


def _in_parts(maker: Maker, sizes: dict[str, int], queries: int) -> Step:
    """Return attention of a prompt in three kernels: all scores, hidden ones too, are written and read, of each query head."""
    one = {name: sizes[name] for name in ("B", "E", "F")}
    one |= {"H": sizes["H"] * sizes["R"], "P": queries, "M": maker.run.keys}
    scores = one["B"] * one["H"] * one["P"] * one["M"]
    forms = (("attention/3-pass", one),)
    return maker.step(
        "attention", "attention", forms=forms, held=scores, operations=scores * (one["E"] + one["F"])
    )


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
