"""What a run of the arrays gives back, and the inputs that it is run on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusemax.simulate.pe.band import Band

SEED = 0  #: of the inputs that a run draws when none are given


@dataclass(frozen=True, slots=True)
class Inputs:
    """Inputs of attention, float64 [batch, E or F, position]; Q is scaled by 1/sqrt(E) already."""

    Q: NDArray[np.float64]
    K: NDArray[np.float64]
    V: NDArray[np.float64]

    @staticmethod
    def drawn(
        sizes: Mapping[str, int],
        batch: tuple[int, ...],
        own: tuple[bool, ...] | None = None,
        seed: int = SEED,
    ) -> Inputs:
        """Return inputs from a normal distribution, the same for the same sizes and seed.

        *batch* are the sizes of the ranks of all entries; those that are not *own* to K (heads that share it) have one.
        """
        random = np.random.default_rng(seed)
        entries, E, F = math.prod(batch), sizes["E"], sizes["F"]
        Q = random.standard_normal((entries, E, sizes["P"])) / math.sqrt(E)
        mine = batch if own is None else tuple(s if o else 1 for s, o in zip(batch, own, strict=True))

        def shared(width: int) -> NDArray[np.float64]:
            drawn = random.standard_normal((*mine, width, sizes["M"]))
            whole = np.broadcast_to(drawn, (*batch, width, sizes["M"]))
            return np.ascontiguousarray(whole.reshape(entries, width, sizes["M"]))

        return Inputs(Q, shared(E), shared(F))

    def attention(self, band: Band | None = None) -> NDArray[np.float64]:
        """Return softmax over the keys (in *band*) of K'Q, times V, by its definition in float64: [batch, F, P].

        NaN for queries that see no key.
        """
        scores = np.einsum("gem,gep->gmp", self.K, self.Q)
        if band is not None:
            scores = np.where(band.mask(*scores.shape[1:]), scores, -np.inf)
        with np.errstate(invalid="ignore"):
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            return np.einsum("gfm,gmp->gfp", self.V, weights / weights.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class PeResult:
    """What the arrays did.

    Attributes
    ----------
    cycles
        From the first operand's entry to the last word stored.
    first_word_s
        The sum of the latencies of the levels that are used.
    lanes
        Elements of each unit.
    busy
        Element-cycles by unit and Einsum, counted where they happened; those at ragged edges without a value not counted.
    words
        Words moved by level, direction (read, write, fill, drain) and tensor.
    edge_words
        Words that crossed the edges of the arrays, as the clock counted them.
    parts
        What the cycles are made of, in cycles; they add up to ``cycles``.
    registers
        Registers used per element of each unit.
    output, reference
        The result, and what it should be by the definition in float64.
    seconds
        Processor time of the clock, on this computer, this time.
    trace
        int32[cycles, rows + 1, columns, 2]: operation and tile by cycle and place; empty unless asked for.
    """

    cycles: int
    clock_hz: float
    first_word_s: float
    elements: int
    lanes: Mapping[str, int]
    busy: Mapping[tuple[str, str], int]
    words: Mapping[tuple[str, str, str], int]
    edge_words: Mapping[str, int]
    parts: Mapping[str, int]
    registers: Mapping[str, int]
    output: NDArray[np.float64]
    reference: NDArray[np.float64]
    seconds: float
    trace: NDArray[np.int32]

    @property
    def latency_s(self) -> float:
        """The cycles as time, and the time until the first word is through the levels that are used."""
        return self.cycles / self.clock_hz + self.first_word_s

    @property
    def pe_cycles(self) -> int:
        """Elements of the 2D array times cycles: the work of the simulation."""
        return self.cycles * self.elements

    def utilization(self) -> dict[str, float]:
        """Return busy over all element-cycles by unit."""
        totals = dict.fromkeys(self.lanes, 0)
        for (unit, _), cycles in self.busy.items():
            totals[unit] += cycles
        return {unit: total / (self.lanes[unit] * self.cycles) for unit, total in totals.items()}

    def error(self) -> float:
        """Return the largest absolute difference between the result and its definition, where this is a number."""
        there = ~np.isnan(self.reference)
        return float(np.abs(self.output - self.reference)[there].max(initial=0.0))

    def relative_error(self) -> float:
        """Return the root mean square of the differences over that of the definition, where this is a number."""
        there = ~np.isnan(self.reference)
        expected, found = self.reference[there], self.output[there]
        return float(np.linalg.norm(found - expected) / np.linalg.norm(expected)) if there.any() else 0.0
