"""Steps of latent attention: from a prompt's own keys and values, from the latent cache, over all keys or chosen ones."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from fusemax.model.heads import heads_step, keys_of_others, over_cache, pairs_seen
from fusemax.model.shape import Indexer, LatentAttention
from fusemax.model.step import Maker, Step


def latent_steps(maker: Maker, mixer: LatentAttention) -> Iterator[Step]:
    """Yield the steps of one latent mixer on one chip.

    A prompt of no more tokens than are chosen has keys and values made for it; a longer one attends to chosen latent vectors.
    """
    heads, query, run = maker.share(mixer.heads, "heads"), mixer.nope_dim + mixer.rope_dim, maker.run
    width = maker.model.d_model
    down = (mixer.q_rank or 0) + mixer.kv_rank + mixer.rope_dim
    yield maker.product("down to latent", "projection", width, down)
    yield maker.norm("norm of the latent", width=down)
    yield maker.product("queries", "projection", mixer.q_rank or width, heads * query)
    chooses = mixer.chosen is not None and run.keys > mixer.chosen
    if mixer.indexer is not None:
        yield from _indexed(maker, mixer, mixer.indexer, chooses)
    if run.decoding or chooses:
        yield from _absorbed(maker, mixer, heads)
    else:
        yield from keys_of_others(maker, mixer.kv_rank + mixer.rope_dim, None)
        made = heads * (mixer.nope_dim + mixer.value_dim)
        rows = run.tokens if maker.parallel.context == 1 else run.sequences * run.keys
        yield maker.product("keys, values", "projection", mixer.kv_rank, made, rows)
        if mixer.turned:
            yield maker.step("rotary positions", "rope", moved=2 * run.tokens * (heads + 1) * mixer.rope_dim)
        sizes = {"B": run.sequences, "H": heads, "R": 1, "E": query, "F": mixer.value_dim}
        yield heads_step(maker, sizes, None)
    yield maker.product("output", "output", heads * mixer.value_dim, width)


def _indexed(maker: Maker, mixer: LatentAttention, indexer: Indexer, chooses: bool) -> Iterator[Step]:
    """Yield the steps of an indexer, all of it on every chip: its queries and key, and where there is a choice the scores.

    A kernel that chooses reads all scores, of 32 bits, and writes the places of those that it keeps.
    """
    run, heads, dim, width = maker.run, indexer.heads, indexer.head_dim, maker.model.d_model
    yield maker.product("queries of the indexer", "projection", mixer.q_rank or width, heads * dim)
    yield maker.product("key, weights of the indexer", "projection", width, dim + heads)
    yield maker.step("norm, positions of the indexer", "rope", moved=2 * run.tokens * (heads + 1) * dim)
    if not chooses:
        return
    sizes = {"B": run.sequences, "N": heads, "C": dim, "P": run.queries, "M": run.keys}
    pairs = run.sequences * pairs_seen(run.queries, run.keys, None, causal=True)
    yield maker.step(
        "scores of the indexer", "attention", forms=(("sparse/index-scores", sizes),),
        cached=("KI",) if run.decoding else (), operations=pairs * heads * (dim + 1),
    )  # fmt: skip
    moved = 2 * (pairs + run.tokens * (mixer.chosen or 0))
    yield maker.step("choice of keys", "attention", moved=moved)


def _absorbed(maker: Maker, mixer: LatentAttention, heads: int) -> Iterator[Step]:
    """Matrices that make keys and values go to the queries and the output (DeepSeek-V2, section 2.1.2).

    So it is where one token is made, and where each query of a prompt, a sequence by itself, attends to chosen keys.
    """
    run, latent, rope = maker.run, mixer.kv_rank, mixer.rope_dim
    yield maker.products("queries to latent", "projection", heads, run.tokens, mixer.nope_dim, latent)
    if mixer.turned:
        yield maker.step("rotary positions", "rope", moved=2 * run.tokens * (heads + 1) * rope)
    if run.decoding:
        seen = run.keys if mixer.chosen is None else min(run.keys, mixer.chosen)
        many, keys = run.sequences, ceil(seen / maker.parallel.context)
    else:
        many, keys = (
            run.tokens,
            ceil(pairs_seen(run.queries, run.keys, mixer.chosen, causal=True) / run.queries),
        )
    sizes = {"B": many, "R": heads, "C": latent, "E": rope, "P": 1, "M": keys}
    operations = keys * many * heads * (2 * latent + rope)
    forms = (("grouped/latent-split-k", sizes),)
    cached = ("C", "KR") if run.decoding else ()
    attention = maker.step("attention", "attention", forms=forms, cached=cached, operations=operations)
    if run.decoding:
        yield from over_cache(maker, attention, heads, latent + rope, latent)
    else:
        yield attention
    yield maker.products("values from latent", "projection", heads, run.tokens, latent, mixer.value_dim)
