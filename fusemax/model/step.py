"""A step of a pass: a cascade with sizes, or numbers that only move, or that chips send each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.model.parallel import ALONE, Parallel, share_of_batch
from fusemax.model.shape import Layer, Model

Sizes = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One pass: *batch* sequences with *queries* new tokens each, which see *keys* tokens, theirs included.

    ``last_only`` says that logits are wanted for the last token of each sequence alone; ``parallel`` is how chips share it;
    ``apart`` says that kernels that make tokens read the keys of grouped heads once for each query head, ``in_parts`` that all
    scores of a prompt are kept in memory. In a model with an
    encoder each sequence has *source* tokens that its layers attend to; ``reading`` says that the encoder reads them first.
    """

    batch: int
    queries: int
    keys: int
    parallel: Parallel = ALONE
    last_only: bool = True
    apart: bool = False
    in_parts: bool = False
    source: int = 0
    reading: bool = False

    @property
    def decoding(self) -> bool:
        """Whether each sequence has one new token."""
        return self.queries == 1

    @property
    def sequences(self) -> int:
        """Sequences of one micro-batch on the chips that share them."""
        return share_of_batch(self.parallel, self.batch)

    @property
    def tokens(self) -> int:
        """New tokens of one micro-batch on one chip; where they do not come out even when decoding, on the one with most."""
        context = self.parallel.context
        if self.decoding:
            return ceil(self.sequences / context)
        if self.queries % context:
            raise FusemaxError(f"context={context}: does not divide {self.queries} tokens")
        return self.sequences * self.queries // context


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What chips send each other.

    Attributes
    ----------
    operation
        ``all-reduce``, ``all-gather``, ``reduce-scatter``, ``all-to-all`` or ``send``.
    numbers
        Of the whole buffer: what every chip has in the end, or has and gives away.
    chips, stride
        How many take part, and how far their numbers are apart.
    number_B
        Bytes of a number; None for the width of activations.
    """

    operation: str
    numbers: int
    chips: int
    stride: int
    number_B: float | None = None


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
    held
        Numbers that are alive while it runs, where that is neither what a product takes and makes nor what is moved.
    narrowed
        Those of them beside that have the width at which products run: what quantising writes.
    exchange
        For a step in which chips send each other numbers.
    layer
        Which of the model's kinds of layers (``Model.every``) it belongs to; None for what is before and after them.
    """

    part: str
    name: str
    work: str
    times: int
    forms: tuple[tuple[str, Sizes], ...] = ()
    weights: tuple[str, ...] = ()
    cached: tuple[str, ...] = ()
    moved: int = 0
    held: int = 0
    narrowed: int = 0
    exchange: Exchange | None = None
    layer: int | None = None
    operations: float = field(default=0.0)  #: multiply-adds of one run


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Makes the steps of one kind of layer: *number* of ``model.layers``, or what stands before or after (None)."""

    model: Model
    run: Pass
    part: str
    number: int | None = None

    @property
    def layer(self) -> Layer:
        """The kind of layer."""
        assert self.number is not None
        return self.model.layers[self.number]

    @property
    def times(self) -> int:
        """How many layers there are of this kind."""
        return 1 if self.number is None else self.layer.times

    @property
    def parallel(self) -> Parallel:
        """How chips share the pass."""
        return self.run.parallel

    @property
    def between(self) -> int:
        """Tokens of which one chip has what lies between products."""
        return ceil(self.run.tokens / self.parallel.sequence)

    def step(self, name: str, work: str, times: int = 1, **more: Any) -> Step:
        """Return a step that a layer runs *times* times."""
        return Step(part=self.part, name=name, work=work, times=times * self.times, layer=self.number, **more)

    def product(self, name: str, work: str, inner: int, columns: int, rows: int | None = None) -> Step:
        """Return a product of *rows* (every token of the chip if not given) with a matrix of weights."""
        rows = self.run.tokens if rows is None else rows
        sizes = {"R": rows, "K": inner, "N": columns}
        forms = (("transformer/linear", sizes), ("transformer/linear-split-k", sizes))
        return self.step(name, work, forms=forms, weights=("W",), operations=rows * inner * columns)

    def products(
        self,
        name: str,
        work: str,
        groups: int,
        rows: int,
        inner: int,
        columns: int,
        worked: float | None = None,
    ) -> Step:
        """Return *groups* products side by side, each with its own matrix; *worked* is the sum of their rows, if uneven."""
        sizes = {"G": groups, "R": rows, "K": inner, "N": columns}
        forms = (("transformer/grouped-linear", sizes),)
        operations = (groups * rows if worked is None else worked) * inner * columns
        return self.step(name, work, forms=forms, weights=("W",), operations=operations)

    def norm(self, name: str, times: int = 1, rows: int | None = None, width: int | None = None) -> Step:
        """Return a norm: with the residual that is added before it (two inputs, two outputs), or of *width* alone."""
        rows = self.between if rows is None and width is None else self.run.tokens if rows is None else rows
        moved = (4 if width is None else 2) * rows * (width or self.model.d_model)
        return self.step(name, "norm", times, moved=moved)

    def exchange(
        self,
        name: str,
        operation: str,
        numbers: int,
        chips: int,
        stride: int = 1,
        number_B: float | None = None,
    ) -> Step:
        """Return a step in which *chips* send each other *numbers*."""
        exchange = Exchange(
            operation=operation, numbers=numbers, chips=chips, stride=stride, number_B=number_B
        )
        return self.step(name, "collective", exchange=exchange)

    def share(self, whole: int, what: str) -> int:
        """Return one chip's part of *whole* that the tensor group shares; fewer than chips are kept by several."""
        n = self.parallel.tensor
        if whole % n and n % whole:
            raise FusemaxError(
                f"{n} chips do not divide the {whole} {what} of {self.model.name}{_hint(whole, n)}"
            )
        return max(1, whole // n)

    def width(self, whole: int, what: str, n: int | None = None) -> int:
        """Return one of *n* chips' columns of a matrix of *whole* columns (those of the tensor group if not given)."""
        n = self.parallel.tensor if n is None else n
        if whole % n:
            raise FusemaxError(
                f"{n} chips do not divide the {what} of {whole} of {self.model.name}{_hint(whole, n)}"
            )
        return whole // n


def _hint(whole: int, n: int) -> str:
    """Return the numbers of chips, *n* at the most, that divide *whole*, as a hint."""
    found = [str(chips) for chips in range(1, min(whole, n) + 1) if whole % chips == 0]
    return f"\n  hint: tensor may be {', '.join(found)}, such as --chips {found[-1]}; others may share data or stages"
