"""What a model takes on a chip or a system: its passes step by step, their sums, and what it keeps in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from fusemax.errors import FusemaxError
from fusemax.model.engine import APART, FOUND, RECORDED, Engine
from fusemax.model.parallel import ALONE, Parallel, share_of_batch
from fusemax.model.passed import Passed, Row, followed, hidden, waited
from fusemax.model.price import Price, Prices, Widths
from fusemax.model.shape import LatentAttention, Model
from fusemax.model.step import Exchange, Pass, Step
from fusemax.model.steps import quantised, steps_of
from fusemax.model.system import System
from fusemax.model.weights import chip_cache, chip_weights
from fusemax.nearest import meant
from fusemax.quantity import format_quantity

WIDTHS = "such as --words activations=8bit, or activations_B of its Widths"
SAMPLES = 6  #: lengths of the cache at which decoding is priced, the others lie between


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes on one chip: weights, the cache at the end, what is between two steps; and what the chip has (None: not said)."""

    weights_B: float
    cache_B: float
    activations_B: float
    size_B: float | None

    @property
    def total_B(self) -> float:  # noqa: N802 - the unit is a byte
        """All of it."""
        return self.weights_B + self.cache_B + self.activations_B

    @property
    def fits(self) -> bool | None:
        """Whether it fits; None where the machine does not say what it has."""
        return None if self.size_B is None else self.total_B <= self.size_B

    def __str__(self) -> str:
        parts = [
            f"{name} {format_quantity(value, 'B', 4)}"
            for name, value in (
                ("weights", self.weights_B),
                ("cache", self.cache_B),
                ("activations", self.activations_B),
            )
        ]
        has = "" if self.size_B is None else f" of {format_quantity(self.size_B, 'B', 4)}"
        return f"{format_quantity(self.total_B, 'B', 4)}{has} ({', '.join(parts)})"


@dataclass(frozen=True)
class Predictor:
    """Prices passes of one model on one machine, or on chips of a system that share it as ``parallel`` says.

    ``engine`` is what a framework does; one that does what the system, the machine or the widths leave
    no room for is refused with a FusemaxError.
    """

    model: Model
    machine: str
    widths: Widths = field(default_factory=Widths)
    system: System | None = None
    parallel: Parallel = ALONE
    figures: Mapping[str, float] = field(default_factory=dict)
    search: bool = False
    engine: Engine = field(default_factory=Engine)
    shared: Prices | None = None  #: of the same machine, kept from one model to the next

    def __post_init__(self) -> None:
        refuse_engine(self.engine, self.system, self.prices)
        known = {name for _, name, _ in self.prices.described.walked} if self.figures else set[str]()
        for name in self.figures:
            if name not in known:
                raise FusemaxError(f"{self.machine} has no figure {name}; {meant(name, known)}")
        if "word" in self.figures:
            raise FusemaxError(f"word: a model says its widths itself\n  hint: {WIDTHS}")

    @cached_property
    def prices(self) -> Prices:
        """The prices of steps on one chip."""
        return self.shared or Prices(self.machine, self.widths, self.figures, search=self.search)

    def passed(self, batch: int, queries: int, keys: int, source: int = 0) -> Passed:
        """Return one pass of *batch* sequences with *queries* new tokens each that see *keys*, and *source* tokens of theirs.

        Raises
        ------
        FusemaxError
            When a step cannot be run on the machine, or is larger than its memory, or the chips do not divide the model.
        """
        if queries > keys:
            raise FusemaxError(
                f"{queries} queries see {keys} keys: M holds all tokens, the new ones included"
            )
        latent = any(isinstance(one.mixer, LatentAttention) for one in self.model.layers)
        if latent and self.engine.keys == APART:
            raise FusemaxError(
                f"keys=apart: kernels that read latent vectors for each head are not modelled ({self.model.name})"
            )
        if latent and self.engine.attention == APART:
            raise FusemaxError(f"attention=apart: not modelled for latent attention ({self.model.name})")
        if bool(source) != (self.model.encoder is not None):
            has = (
                "has no encoder, whose tokens a source would be" if source else "needs tokens of a source (P)"
            )
            raise FusemaxError(f"{self.model.name} ({self.model.kind}) {has}")
        return self._passed(self._pass(batch, queries, keys, source))

    def _passed(self, run: Pass) -> Passed:
        self._refuse_larger(run)
        rows = [Row(step=step, price=self._price(step)) for step in self._steps(run)]
        rows = hidden(rows, self.parallel)
        host = self.engine.host
        behind = (*followed(self.model, run, rows, host), *waited(self.model, run, rows, host))
        return Passed(run=run, rows=(*rows, *behind))

    def _refuse_larger(self, run: Pass) -> None:
        """Raise FusemaxError where a step's weights, its numbers, or the cache of a layer are larger than the memory."""
        steps = steps_of(self.model, run)
        memory = self._memory(run, steps)
        weights_B = max((_weights(step) for step in steps), default=0) * self.widths.weights_B
        layer_B = max(memory.activations_B, memory.cache_B / self.model.depth, weights_B)
        if memory.size_B is not None and layer_B > memory.size_B:
            raise FusemaxError(f"one step of {self.model.name} alone does not fit: {memory}")

    def prefill(self, batch: int, length: int) -> Passed:
        """Return the pass that reads *length* tokens of each of *batch* sequences.

        Those of a model with an encoder are its source: it reads them, and the first token is made.
        """
        if self.model.encoder is not None:
            return self._passed(self._pass(batch, 1, 1, length, reading=True))
        return self.passed(batch, length, length)

    def decode(self, batch: int, length: int, source: int = 0) -> Passed:
        """Return the pass that makes one token more of each of *batch* sequences, whose cache then holds *length*.

        In a model with an encoder these are tokens that were made; *source* of them were read.
        """
        if not self.model.causal:
            raise FusemaxError(f"{self.model.name} is an encoder ({self.model.kind}): it does not decode")
        return self.passed(batch, 1, length, source)

    def generated_s(self, batch: int, length: int, new: int) -> float:
        """Return the time of a batch: *length* tokens read, *new* made one after another while the cache grows.

        Decoding is priced at a few lengths of the cache; between them time grows in a straight line.
        """
        time_s = self.prefill(batch, length).time_s
        if new < 2:
            return time_s
        first, last, source = self.made(length, new)
        points = sorted({first + (last - first) * number // (SAMPLES - 1) for number in range(SAMPLES)})
        times = [self.decode(batch, point, source).time_s for point in points]
        return time_s + _summed(points, times)

    def made(self, length: int, new: int) -> tuple[int, int, int]:
        """Return the tokens in the cache at the first and the last step of making *new* behind *length*, and the source's."""
        if self.model.encoder is not None:
            return 2, max(1, new), length
        return length + 1, length + new - 1, 0

    def memory(self, batch: int, length: int, queries: int = 1, source: int = 0) -> Memory:
        """Return what one chip keeps of *batch* sequences of *length* tokens, *queries* of them worked on at once.

        In a model with an encoder, whose sequences have *source* tokens too, several queries are the source being read.
        """
        reading = self.model.encoder is not None and queries > 1
        run = self._pass(batch, 1 if reading else queries, length, source, reading=reading)
        return self._memory(run, steps_of(self.model, run))

    def _memory(self, run: Pass, steps: Sequence[Step]) -> Memory:
        size_B = self.prices.moving.values.get(f"{self.prices.described.outermost}.size")
        activations = max((_held(step) for step in steps), default=0)
        sequences = share_of_batch(self.parallel, run.batch) * self.parallel.micro
        kept = chip_cache(self.model, self.parallel, sequences, run.keys, run.source)
        cache = kept if self.model.causal else 0
        return Memory(
            weights_B=chip_weights(self.model, self.parallel) * self.widths.weights_B,
            cache_B=cache * self.widths.cache_B,
            activations_B=activations * self.widths.between_B, size_B=size_B,
        )  # fmt: skip

    def _steps(self, run: Pass) -> Iterable[Step]:
        steps = steps_of(self.model, run)
        return quantised(steps, self.engine.scales == FOUND) if self.widths.narrows else steps

    def _pass(self, batch: int, queries: int, keys: int, source: int = 0, reading: bool = False) -> Pass:
        return Pass(
            batch=batch, queries=queries, keys=max(queries, keys), parallel=self.parallel, source=source, reading=reading,
            apart=self.engine.keys == APART, in_parts=self.engine.attention == APART,
        )  # fmt: skip

    def _price(self, step: Step) -> Price:
        if step.exchange is not None:
            return self._exchanged(step.exchange)
        return self.prices.price(step, self.engine.kernels == RECORDED)

    def _exchanged(self, exchange: Exchange) -> Price:
        if self.system is None:
            raise FusemaxError(f"{self.parallel.chips} chips need a system with links between them")
        width = self.widths.between_B if exchange.number_B is None else exchange.number_B
        size_B = exchange.numbers * width
        time_s, algorithm = self.system.collective(
            exchange.operation, size_B, exchange.chips, self.engine.library or None, exchange.stride
        )
        energy_J = self.system.energy_J(exchange.operation, size_B, exchange.chips, exchange.stride)
        return Price(time_s=time_s, traffic_B=0.0, energy_J=energy_J, limit=algorithm)


def _summed(points: Sequence[int], values: Sequence[float]) -> float:
    """Return the sum over all whole numbers from the first of *points* to the last, on straight lines between *values*.

    >>> _summed([1, 3, 4], [1.0, 3.0, 7.0])
    13.0
    """
    total = values[-1]
    for (start, end), (low, high) in zip(pairwise(points), pairwise(values), strict=True):
        many = end - start  # the end is the start of the next line
        total += many * low + (high - low) / many * (many * (many - 1) / 2)
    return total


def refuse_engine(engine: Engine, system: System | None, prices: Prices) -> None:
    """Raise FusemaxError where *engine* does what there is no room for.

    It calls a library of collectives that *system* lacks, finds scales where nothing is quantised, or records graphs on a
    machine that does not say what their kernels take.
    """
    if engine.scales == FOUND and not prices.widths.narrows:
        raise FusemaxError(f"scales=found: nothing is quantised at these widths\n  hint: {WIDTHS}")
    if engine.kernels == RECORDED:
        prices.moving.time_s(0, recorded=True)
    if engine.library and system is None:
        raise FusemaxError(f"library={engine.library}: one chip calls none; it needs a system of chips")
    if engine.library and system is not None and engine.library not in system.known_libraries:
        near = meant(engine.library, system.known_libraries)
        raise FusemaxError(f"{system.title} has no library {engine.library!r}; {near}")


def _weights(step: Step) -> int:
    """Return the weights that a product takes."""
    sizes = dict(step.forms[0][1]) if step.weights else {}
    return sizes.get("G", 1) * sizes["K"] * sizes["N"] if sizes else 0


def _held(step: Step) -> int:
    """Return the numbers that a product takes and makes: what is alive while the widest step runs."""
    sizes = dict(step.forms[0][1]) if step.forms else {}
    if {"R", "K", "N"} <= set(sizes):
        return sizes.get("G", 1) * sizes["R"] * (sizes["K"] + sizes["N"])
    return max(step.moved, step.held)
