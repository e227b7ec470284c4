"""A plain product of matrices on an output-stationary array, cycle by cycle.

Rows of X enter from the left and columns of W from above, each element keeps one sum; when the last element of the array has
done its last product, the next fold enters. Results leave beside the array, at no cost in cycles.

Cycles are counted as SCALE-Sim (arXiv 1811.02883) counts them: it numbers cycles from 0 and reports the number of the last
one, so folds of 2*A + K - 2 cycles on an A x A array end in cycle folds*(2*A + K - 2) - 1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fusemax.analysis.work import operations
from fusemax.compiled import compiled
from fusemax.errors import FusemaxError
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped, Nest, sides
from fusemax.simulate.pe.formats import FORMATS, Rounding, round_array, rounded
from fusemax.simulate.pe.plan import numbers_of
from fusemax.simulate.pe.result import SEED, PeResult
from fusemax.simulate.pe.supply import first_word_s
from fusemax.simulate.pe.walk import Moved, Walk

Floats = NDArray[np.float64]


@compiled()
def _fold(X: Floats, W: Floats, east: Floats, south: Floats, held: Floats, total: Rounding, words) -> int:
    """Return the cycles of one fold, its sums left in *held* [row, column]; X [rows, K] and W [K, columns] may be ragged."""
    rows, columns, K = held.shape[0], held.shape[1], X.shape[1]
    held[:] = 0.0
    cycle = 0
    done = False
    while not done:
        for r in range(rows - 1, -1, -1):
            for c in range(min(columns - 1, cycle - r), max(-1, cycle - r - K), -1):
                k = cycle - r - c
                west, north = east[r, c], south[r, c]
                if c == 0:
                    west = X[r, k] if r < X.shape[0] else 0.0
                    words[0] += r < X.shape[0]
                if r == 0:
                    north = W[k, c] if c < W.shape[1] else 0.0
                    words[1] += c < W.shape[1]
                held[r, c] = rounded(held[r, c] + west * north, total)
                east[r, c + 1] = west
                south[r + 1, c] = north
                done = done or (r == rows - 1 and c == columns - 1 and k == K - 1)
        cycle += 1
    return cycle


def matmul(
    X: Floats, W: Floats, rows: int, columns: int, number_format: str = "float64"
) -> tuple[Floats, int, tuple[int, int]]:
    """Return X @ W [M, N] as an array of *rows* x *columns* computes it, its cycles, and the words of X and W that entered.

    Raises
    ------
    FusemaxError
        When the inner sizes of X [M, K] and W [K, N] differ.
    """
    if X.shape[1] != W.shape[0]:
        raise FusemaxError(f"X has {X.shape[1]} columns, but W has {W.shape[0]} rows")
    formats = FORMATS[number_format]
    X, W = round_array(X, formats.operand), round_array(W, formats.operand)
    east, south = np.zeros((rows, columns + 1)), np.zeros((rows + 1, columns))
    held, result = np.zeros((rows, columns)), np.zeros((X.shape[0], W.shape[1]))
    words, cycles = np.zeros(2, np.int64), 0
    for m in range(0, X.shape[0], rows):
        for n in range(0, W.shape[1], columns):
            part_X, part_W = X[m : m + rows], np.ascontiguousarray(W[:, n : n + columns])
            cycles += _fold(part_X, part_W, east, south, held, formats.total, words)
            result[m : m + rows, n : n + columns] = held[: part_X.shape[0], : part_W.shape[1]]
    return result, cycles - 1, (int(words[0]), int(words[1]))


# --- as a mapping


def is_matmul(mapped: Mapped) -> bool:
    """Return whether *mapped* is one product of two matrices."""
    computed = mapped.cascade.computed
    return len(computed) == 1 and [o.name for o in operations(mapped.cascade, computed[0])] == ["mac"]


def run_matmul(
    mapped: Mapped, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float],
    number_format: str = "float64",
) -> PeResult:  # fmt: skip
    """Return what an array did in every cycle of one product of matrices; words move as the mapping says.

    The cycles are the array's alone, as SCALE-Sim's: no memory is waited for.

    Raises
    ------
    FusemaxError
        When the product is not output-stationary on a 2D array.
    """
    nest, einsum = mapped.nests[0], mapped.cascade.computed[0]
    unit, (left, right) = mapped.bind[einsum.name, 0], einsum.reads
    digits = _output_digits(mapped, nest)
    numbers = numbers_of(mapped, machine, nest, sizes, figures)
    rows, columns = (
        numbers.whole(f"{unit}.{dimension}", "the shape of an array") for dimension in digits.values()
    )
    free, (shared,) = [nest.root_of(digit).name for digit in digits], einsum.reduced
    walk = Walk(mapped, machine, nest, numbers.sizes, numbers.digit_sizes)
    visits = list(walk.visits())
    M, N, K = (numbers.sizes[name.upper()] for name in (*free, shared))
    random = np.random.default_rng(SEED)
    X, W = random.standard_normal((M, K)), random.standard_normal((K, N))
    began = time.thread_time()
    output, last, words = matmul(X, W, rows, columns, number_format)
    words_moved: dict[tuple[str, str, str], int] = {}
    for moved in (m for visit in visits for m in (*visit.before, *visit.moved)):
        key = _key(moved)
        words_moved[key] = words_moved.get(key, 0) + moved.words
    folds = math.ceil(M / rows) * math.ceil(N / columns)
    cycles = last + 1
    return PeResult(
        cycles=cycles,
        clock_hz=numbers.figures["clock"],
        first_word_s=first_word_s(machine, numbers.figures, {level for level, _, _ in words_moved}),
        elements=rows * columns,
        lanes={unit: rows * columns},
        busy={(unit, einsum.name): M * N * K},
        words=words_moved,
        edge_words={f"{left.tensor} read": words[0], f"{right.tensor} read": words[1]},
        parts={"products": folds * K, "skew of rows, columns": cycles - folds * K},
        registers={unit: 1},
        output=output,
        reference=X @ W,
        seconds=time.thread_time() - began,
        trace=np.zeros((0, 0, 0, 2), np.int32),
    )


def _output_digits(mapped: Mapped, nest: Nest) -> dict[str, str]:
    """Return the two digits of the output that are spatial, row and column, with their dimensions.

    Raises
    ------
    FusemaxError
        When there are no such two, or one runs over several dimensions.
    """
    einsum = mapped.cascade.computed[0]
    unit = mapped.bind[einsum.name, 0]
    spatial = nest.bodies[0].spatial.get(unit, {})
    free = [index.name for index in einsum.output.indices]  # type: ignore[union-attr]
    if len(free) != 2 or len(spatial) != 2 or {nest.root_of(d).name for d in spatial} != set(free):
        raise FusemaxError(
            f"mapping {mapped.name}: register by register, the two ranks of the output must be spatial on a 2D array"
        )
    if any(len(sides(dimension)) > 1 for dimension in spatial.values()):
        raise FusemaxError(
            f"mapping {mapped.name}: register by register, each digit runs over one dimension of {unit}\n"
            "  hint: the tile level (--level tile) runs every mapping"
        )
    return {d: spatial[d] for name in free for d in spatial if nest.root_of(d).name == name}


def _key(moved: Moved) -> tuple[str, str, str]:
    return moved.level, moved.kind, moved.tensor
