"""What one pass through a model does: steps, each a cascade with sizes, in the order in which they run.

A step may be said by several cascades that compute the same (attention in one pass, or over splits of the keys): whoever
prices it takes the quickest. Sizes are those of one chip: tensor parallelism of degree ``chips`` cuts heads and widths
(Megatron-LM, arXiv 1909.08053, section 3), with an all-reduce after each of the two parts of a layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil

from fusemax.errors import FusemaxError
from fusemax.model.shape import (
    Attention,
    Experts,
    FeedForward,
    LatentAttention,
    Layer,
    Mixer,
    Model,
    StateSpace,
)

Sizes = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One pass: *batch* sequences with *queries* new tokens each, which see *keys* tokens, theirs included.

    ``last_only`` says that logits are wanted for the last token of each sequence alone; ``chips`` share each layer.
    """

    batch: int
    queries: int
    keys: int
    chips: int = 1
    last_only: bool = True

    @property
    def tokens(self) -> int:
        """New tokens of all sequences."""
        return self.batch * self.queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One kernel of a layer, run ``times`` times in a pass.

    Attributes
    ----------
    part
        Where it stands, such as ``layer`` or ``logits``; layers of unlike kinds have parts of their own.
    work
        The kind of work, by which tables are added up: ``projection``, ``attention``, ``norm`` ...
    forms
        Cascades by name with their sizes; all compute the same. Empty for what only moves data.
    weights, cached
        Tensors of the forms that are weights, and that are read from the cache of keys and values.
    moved
        Numbers read or written, where there is no form.
    reduced
        Numbers of one chip that are added up over all chips, for the step that does so.
    """

    part: str
    name: str
    work: str
    times: int
    forms: tuple[tuple[str, Sizes], ...] = ()
    weights: tuple[str, ...] = ()
    cached: tuple[str, ...] = ()
    moved: int = 0
    reduced: int = 0
    operations: float = field(default=0.0)  #: multiply-adds of one run


def steps_of(model: Model, run: Pass) -> tuple[Step, ...]:
    """Return the steps of one pass of *run* through *model*.

    Raises
    ------
    FusemaxError
        When a model that does not decode is asked for fewer queries than keys, or chips do not divide its heads.
    """
    if not model.causal and run.queries != run.keys:
        raise FusemaxError(
            f"{model.name} is an encoder ({model.kind}): it has no cache, so that P and M are the same"
        )
    found: list[Step] = []
    if model.vocabulary:
        found.append(
            Step(
                part="embedding",
                name="embedding",
                work="embedding",
                times=1,
                moved=2 * run.tokens * model.d_model,
            )
        )
    for number, layer in enumerate(model.layers):
        part = "layer" if len(model.layers) == 1 else f"layer {number + 1}"
        found += _Layer(model, layer, run, part).steps()
    if model.head:
        rows = run.batch if run.last_only else run.tokens
        found.append(_norm(model, "logits", "norm", 1, rows))
        found.append(
            _product("logits", "logits", "logits", 1, rows, model.d_model, ceil(model.head / run.chips))
        )
    return tuple(found)


def _product(part: str, name: str, work: str, times: int, rows: int, inner: int, columns: int) -> Step:
    sizes = {"R": rows, "K": inner, "N": columns}
    forms = (("transformer/linear", sizes), ("transformer/linear-split-k", sizes))
    return Step(
        part=part,
        name=name,
        work=work,
        times=times,
        forms=forms,
        weights=("W",),
        operations=rows * inner * columns,
    )


def _norm(model: Model, part: str, name: str, times: int, rows: int, width: int | None = None) -> Step:
    """A norm with the residual that is added before it: two inputs, two outputs, as libraries fuse them."""
    return Step(
        part=part,
        name=name,
        work="norm",
        times=times,
        moved=(4 if width is None else 2) * rows * (width or model.d_model),
    )


class _Layer:
    def __init__(self, model: Model, layer: Layer, run: Pass, part: str) -> None:
        self.model, self.layer, self.run, self.part = model, layer, run, part
        self.times, self.rows, self.width = layer.times, run.tokens, model.d_model

    def steps(self) -> Iterator[Step]:
        half = max(1, self.layer.norms // 2)
        yield from self._norms(half)
        yield from self._mixer(self.layer.mixer)
        if self.layer.feed_forward is None or not self.layer.parallel:
            yield from self._all_reduce("after the mixer")
        if self.layer.feed_forward is None:
            return
        yield from self._norms(self.layer.norms - half)
        yield from self._feed_forward(self.layer.feed_forward)
        yield from self._all_reduce("after the feed-forward")

    def _norms(self, count: int) -> Iterator[Step]:
        if count:
            yield _norm(self.model, self.part, "norm", self.times * count, self.rows)

    def _all_reduce(self, name: str) -> Iterator[Step]:
        if self.run.chips > 1:
            yield self._step(f"all-reduce {name}", "collective", reduced=self.rows * self.width)

    def _step(self, name: str, work: str, **more: object) -> Step:
        return Step(part=self.part, name=name, work=work, times=self.times, **more)  # type: ignore[arg-type]

    def _product(self, name: str, work: str, inner: int, columns: int, rows: int | None = None) -> Step:
        return _product(
            self.part, name, work, self.times, self.rows if rows is None else rows, inner, columns
        )

    def _share(self, whole: int, what: str) -> int:
        if whole % self.run.chips and self.run.chips % whole:
            raise FusemaxError(
                f"{self.run.chips} chips do not divide the {whole} {what} of {self.model.name}"
            )
        return max(1, whole // self.run.chips)

    # --- mixers

    def _mixer(self, mixer: Mixer) -> Iterator[Step]:
        if isinstance(mixer, Attention):
            yield from self._attention(mixer)
        elif isinstance(mixer, LatentAttention):
            yield from self._latent(mixer)
        else:
            yield from self._state_space(mixer)

    def _attention(self, mixer: Attention) -> Iterator[Step]:
        heads, kv_heads = self._share(mixer.heads, "heads"), self._share(mixer.kv_heads, "key-value heads")
        columns = heads * mixer.head_dim + kv_heads * (mixer.head_dim + mixer.value_dim)
        yield self._product("queries, keys, values", "projection", self.width, columns)
        if self.model.rotary or mixer.qk_norm:
            turned = self.rows * (heads + kv_heads) * mixer.head_dim
            yield self._step(
                "rotary positions" if self.model.rotary else "norm of queries, keys", "rope", moved=2 * turned
            )
        sizes = {
            "B": self.run.batch,
            "H": kv_heads,
            "R": heads // kv_heads,
            "E": mixer.head_dim,
            "F": mixer.value_dim,
        }
        yield self._heads(sizes, mixer.window)
        yield self._product("output", "output", heads * mixer.value_dim, self.width)

    def _heads(self, sizes: dict[str, int], window: int | None) -> Step:
        queries, keys = self.run.queries, self.run.keys
        seen = keys if window is None else min(keys, window)
        forms: list[tuple[str, Sizes]] = []
        if queries == 1:
            one = sizes | {"P": 1, "M": seen}
            forms = [("grouped/split-k", one), ("grouped/causal", one)]
        elif not self.model.causal:
            forms = [("attention", sizes | {"P": queries, "M": keys})]
        elif window is not None and window < keys:
            forms = [("grouped/window", sizes | {"P": queries, "M": keys, "W": window})]
        else:
            forms = [("grouped/causal", sizes | {"P": queries, "M": keys})]
        pairs = _pairs(queries, keys, window, self.model.causal)
        each = sizes["B"] * sizes["H"] * sizes["R"] * (sizes["E"] + sizes["F"])
        return self._step(
            "attention",
            "attention",
            forms=tuple(forms),
            cached=("K", "V") if queries == 1 else (),
            operations=pairs * each,
        )

    def _latent(self, mixer: LatentAttention) -> Iterator[Step]:
        heads, query = self._share(mixer.heads, "heads"), mixer.nope_dim + mixer.rope_dim
        down = (mixer.q_rank or 0) + mixer.kv_rank + mixer.rope_dim
        yield self._product("down to latent", "projection", self.width, down)
        yield _norm(self.model, self.part, "norm of the latent", self.times, self.rows, down)
        yield self._product("queries", "projection", mixer.q_rank or self.width, heads * query)
        if self.run.queries == 1:
            yield from self._absorbed(mixer, heads)
        else:
            yield self._product(
                "keys, values", "projection", mixer.kv_rank, heads * (mixer.nope_dim + mixer.value_dim)
            )
            yield self._step("rotary positions", "rope", moved=2 * self.rows * (heads + 1) * mixer.rope_dim)
            sizes = {"B": self.run.batch, "H": heads, "R": 1, "E": query, "F": mixer.value_dim}
            yield self._heads(sizes, None)
        yield self._product("output", "output", heads * mixer.value_dim, self.width)

    def _absorbed(self, mixer: LatentAttention, heads: int) -> Iterator[Step]:
        """Decoding: the matrices that make keys and values go to the queries and the output (DeepSeek-V2, section 2.1.2)."""
        yield self._many("queries to latent", "projection", heads, self.rows, mixer.nope_dim, mixer.kv_rank)
        yield self._step("rotary positions", "rope", moved=2 * self.rows * (heads + 1) * mixer.rope_dim)
        sizes = {
            "B": self.run.batch,
            "R": heads,
            "C": mixer.kv_rank,
            "E": mixer.rope_dim,
            "P": 1,
            "M": self.run.keys,
        }
        each = self.run.batch * heads * (2 * mixer.kv_rank + mixer.rope_dim)
        forms = (("grouped/latent-split-k", sizes),)
        yield self._step(
            "attention", "attention", forms=forms, cached=("C", "KR"), operations=self.run.keys * each
        )
        yield self._many("values from latent", "projection", heads, self.rows, mixer.kv_rank, mixer.value_dim)

    def _many(self, name: str, work: str, groups: int, rows: int, inner: int, columns: int) -> Step:
        sizes = {"G": groups, "R": rows, "K": inner, "N": columns}
        forms = (("transformer/grouped-linear", sizes),)
        return self._step(name, work, forms=forms, weights=("W",), operations=groups * rows * inner * columns)

    def _state_space(self, mixer: StateSpace) -> Iterator[Step]:
        heads, groups = self._share(mixer.heads, "heads"), max(1, mixer.groups // self.run.chips)
        inner, shared = heads * mixer.head_dim, 2 * groups * mixer.state
        yield self._product("into the mixer", "projection", self.width, 2 * inner + shared + heads)
        yield self._step("convolution", "convolution", moved=2 * self.rows * (inner + shared))
        state = inner * mixer.state
        chunks = ceil(self.run.queries / 256) if self.run.queries > 1 else 1
        moved = self.rows * (2 * inner + shared) + 2 * self.run.batch * chunks * state
        yield self._step("states", "attention", moved=moved, operations=2 * self.rows * state)
        yield _norm(self.model, self.part, "norm of the states", self.times, self.rows, inner)
        yield self._product("out of the mixer", "output", inner, self.width)

    # --- feed-forward parts

    def _feed_forward(self, part: FeedForward | Experts) -> Iterator[Step]:
        if isinstance(part, FeedForward):
            yield from self._dense(part, "")
            return
        yield self._product("router", "experts", self.width, part.count)
        if part.shared is not None:
            yield from self._dense(part.shared, "shared ")
        groups, rows = routed(part, self.rows)
        width = ceil(part.expert.d_ff / self.run.chips)
        ways = 2 if part.expert.gated else 1
        yield self._many("experts in", "experts", groups, rows, self.width, ways * width)
        yield self._step("experts' activation", "activation", moved=(ways + 1) * groups * rows * width)
        yield self._many("experts out", "experts", groups, rows, width, self.width)
        yield self._step("sum of experts", "experts", moved=(part.per_token + 1) * self.rows * self.width)

    def _dense(self, part: FeedForward, what: str) -> Iterator[Step]:
        width, ways = ceil(part.d_ff / self.run.chips), 2 if part.gated else 1
        yield self._product(f"{what}feed-forward in", "feed-forward", self.width, ways * width)
        yield self._step(f"{what}activation", "activation", moved=(ways + 1) * self.rows * width)
        yield self._product(f"{what}feed-forward out", "feed-forward", width, self.width)


def routed(part: Experts, tokens: int) -> tuple[int, int]:
    """Return how many experts a batch of *tokens* touches, and for how many tokens each works, routed evenly at random.

    Of ``count`` experts, ``count*(1 - (1 - per_token/count)**tokens)`` are expected to be touched: one is left out by a token
    with probability 1 - per_token/count, and tokens choose apart.
    """
    touched = part.count * (1 - (1 - part.per_token / part.count) ** tokens)
    groups = min(part.count, max(1, round(touched)))
    return groups, ceil(tokens * part.per_token / groups)


def _pairs(queries: int, keys: int, window: int | None, causal: bool) -> int:
    """Return the pairs of a query and a key that it sees."""
    if not causal:
        return queries * keys
    first = keys - queries + 1
    if window is None or window >= keys:
        return (first + keys) * queries // 2
    whole = min(queries, max(0, keys - window + 1))  # queries that see a full window
    rest = queries - whole
    return whole * window + (first + first + rest - 1) * rest // 2 if rest else whole * window
