"""What the clock of the arrays works on: tiles in order, data outside, registers and links, where each diagonal stands."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusemax.simulate.pe.program import Program

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Integer = Any  #: a numpy integer or a Python one


class Tiles(NamedTuple):
    """The tiles in the order in which they are done.

    Attributes
    ----------
    where : int64[tiles, 5]
        Batch entry, first key, keys, first query, queries of each tile.
    epochs : int64[epochs, 4]
        Of each epoch: its cycles in all, the offset at which its divisions begin, the first of them in ``outputs``, how many.
    outputs : int64[blocks, 3]
        Batch entry, first query, queries of each block of outputs.
    division : int
        Cycles of a division.
    first : int
        The cycle in which the first epoch starts.
    low, high : int
        The least and the largest difference of a key and a query that see each other.
    guarded : bool
        Whether a lane without a maximum yet (-inf) has the factor 1, as ``where(eq(RM[m1+1,p], -inf), 1, ...)`` says.
    """

    where: Whole
    epochs: Whole
    outputs: Whole
    division: int
    first: int
    low: int
    high: int
    guarded: bool


class Data(NamedTuple):
    """Everything outside the arrays: inputs [batch, e or f, position], running state, output."""

    Q: Floats
    K: Floats
    V: Floats
    RM: Floats
    RD: Floats
    RNV: Floats
    AV: Floats


class Registers(NamedTuple):
    """What the arrays hold: registers [diagonal, register, row], links, and the lanes' registers [lane, copy]."""

    pe: Floats
    east: Floats
    south: Floats
    box: Floats
    prm: Floats
    spd: Floats
    spnv: Floats
    old: Floats


class Place(NamedTuple):
    """Which element or lanes are meant: rows and columns of the array, a diagonal, its first and last-but-one row.

    Of its rows those from ``first`` to ``end`` - 1 have a key that their query sees.
    """

    rows: int
    columns: int
    diagonal: int
    low: int
    high: int
    first: int
    end: int


def empty_registers(rows: int, columns: int, program: Program, registers: int) -> Registers:
    """Return registers and links of an array, all zero."""
    lanes = (columns, program.delay + 1)
    return Registers(
        np.zeros((rows + columns, registers, rows)),
        np.zeros((rows + columns, rows + 1)),
        np.zeros((rows + columns, rows + 1)),
        np.zeros(lanes),
        np.zeros(lanes),
        np.zeros(lanes),
        np.zeros(lanes),
        np.zeros(lanes),
    )


class Clock(NamedTuple):
    """Where every diagonal is in the program, and what has been counted.

    Attributes
    ----------
    epoch, offset : int64[rows + columns]
        Epoch of each diagonal, and the offset in it; below 0 before the first.
    words, pe_busy, lane_busy : int64[...]
        Words through the edges; busy cycles of elements and lanes by operation.
    """

    epoch: Whole
    offset: Whole
    words: Whole
    pe_busy: Whole
    lane_busy: Whole
