"""Steps of the feed-forward parts of layers: dense ones, and experts on one chip or over several."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, comb

from fusemax.model.shape import Experts, FeedForward
from fusemax.model.step import Maker, Step


def feed_forward_steps(maker: Maker, part: FeedForward | Experts) -> Iterator[Step]:
    """Yield the steps of one feed-forward part on one chip, with the exchanges after it."""
    if isinstance(part, FeedForward):
        yield from dense_steps(maker, part, "")
        yield from summed(maker, "after the feed-forward")
        return
    yield maker.product("router", "experts", maker.model.d_model, part.count)
    if part.shared is not None:
        yield from dense_steps(maker, part.shared, "shared ")
    parallel = maker.parallel
    if parallel.expert > parallel.tensor:
        if part.shared is not None:
            yield from summed(maker, "after the shared expert")
        yield from _sent_to_experts(maker, part)
        return
    cut = parallel.tensor // parallel.expert
    width = maker.width(part.expert.d_ff, "experts' width", cut)
    yield from _experts(maker, part, maker.run.tokens, width)
    yield from summed(maker, "after the feed-forward")


def summed(maker: Maker, name: str, width: int | None = None) -> Iterator[Step]:
    """Yield the sum over the chips that share matrices, if there are several: whole for each, or its tokens for each.

    A token has *width* numbers, those of the model if not given.
    """
    if maker.parallel.tensor > 1:
        numbers = maker.run.tokens * (width or maker.model.d_model)
        operation = "all-reduce" if maker.parallel.sequence == 1 else "reduce-scatter"
        yield maker.exchange(f"{operation} {name}", operation, numbers, maker.parallel.tensor)


def gathered(maker: Maker, name: str, rows: int | None = None) -> Iterator[Step]:
    """Yield what brings chips the tokens of each other that they share between products, *rows* of them (all if not given)."""
    if maker.parallel.sequence > 1:
        numbers = (maker.run.tokens if rows is None else rows) * maker.model.d_model
        yield maker.exchange(f"all-gather {name}", "all-gather", numbers, maker.parallel.sequence)


def dense_steps(maker: Maker, part: FeedForward, what: str) -> Iterator[Step]:
    """Yield the steps of a dense part, *what* it is called first."""
    width, ways = maker.width(part.d_ff, "feed-forward width"), 2 if part.gated else 1
    yield maker.product(f"{what}feed-forward in", "feed-forward", maker.model.d_model, ways * width)
    moved = (ways + 1) * maker.run.tokens * width
    yield maker.step(f"{what}activation", "activation", moved=moved)
    if part.normed:
        yield maker.norm(f"{what}norm before the way out", width=width)
    yield maker.product(f"{what}feed-forward out", "feed-forward", width, maker.model.d_model)


def _experts(maker: Maker, part: Experts, tokens: int, width: int) -> Iterator[Step]:
    """Yield the steps of a chip's experts, of this *width* there, for its part of *tokens*.

    Where their rows do not come out even each product has as many as the longest; multiply-adds are those of the tokens alone.
    """
    parallel, d_model, ways = maker.parallel, maker.model.d_model, 2 if part.expert.gated else 1
    groups, rows = routed(part, tokens, parallel.expert, parallel.imbalance)
    worked = tokens * part.per_token * parallel.imbalance / parallel.expert
    yield maker.products("experts in", "experts", groups, rows, d_model, ways * width, worked)
    yield maker.step("experts' activation", "activation", moved=ceil((ways + 1) * worked * width))
    yield maker.products("experts out", "experts", groups, rows, width, d_model, worked)
    moved = (part.per_token + 1) * maker.run.tokens * d_model
    yield maker.step("sum of experts", "experts", moved=moved)


def _sent_to_experts(maker: Maker, part: Experts) -> Iterator[Step]:
    """Yield the steps where experts lie on more chips than share matrices: tokens go to them and come back.

    Of its tensor group's tokens each chip sends its part; a token goes once to each chip that has experts of it.
    """
    parallel, run, d_model = maker.parallel, maker.run, maker.model.d_model
    tokens = ceil(run.tokens / parallel.tensor)
    numbers = ceil(tokens * chips_of_token(part, parallel.expert) * parallel.imbalance * d_model)
    everywhere = run.tokens * parallel.expert // parallel.tensor
    yield maker.exchange("tokens to experts", "all-to-all", numbers, parallel.expert)
    yield from _experts(maker, part, everywhere, part.expert.d_ff)
    yield maker.exchange("tokens from experts", "all-to-all", numbers, parallel.expert)
    if parallel.tensor > 1 and parallel.sequence == 1:
        yield maker.exchange("tokens of all", "all-gather", run.tokens * d_model, parallel.tensor)


def routed(part: Experts, tokens: int, chips: int = 1, imbalance: float = 1.0) -> tuple[int, int]:
    """Return how many of a chip's experts a batch of *tokens* touches, and for how many tokens each works.

    Tokens choose evenly at random. Of ``count`` experts, ``count*(1 - (1 - per_token/count)**tokens)`` are expected to be
    touched: one is left out by a token with probability 1 - per_token/count, and tokens choose apart. A chip has the part of
    one of *chips*; the busiest has *imbalance* times the mean of the tokens.
    """
    own = part.count // chips
    touched = own * (1 - (1 - part.per_token / part.count) ** tokens)
    groups = min(own, max(1, round(touched)))
    return groups, ceil(tokens * part.per_token * imbalance / chips / groups)


def chips_of_token(part: Experts, chips: int) -> float:
    """Return on how many of *chips* the experts of one token lie, chosen evenly at random without repetition.

    >>> chips_of_token(Experts(count=8, per_token=2, expert=FeedForward(d_ff=1, gated=True)), 8)
    2.0
    """
    own = part.count // chips
    none = comb(part.count - own, part.per_token) / comb(part.count, part.per_token)
    return chips * (1 - none)
