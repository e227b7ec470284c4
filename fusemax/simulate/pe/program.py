"""The programs that a processing element and a lane repeat in every epoch, and the registers that they need.

All processing elements run one program, each a cycle later than its neighbours above and to the left; a lane runs as one more
row below the last. ``offset`` counts cycles from the start of an epoch in an element's own, skewed time. In epoch k

====================================  =================================================  ==============================
offset                                processing element                                 lane
====================================  =================================================  ==============================
0, 2, 4, ... (then every cycle)       BQK of tile k: Q comes from above, K from the left  SPNV of tile k - delay
1, 3, 5, ...                          SLNV of tile k - delay: sums flow down             RNV of tile k - delay
A = F + max(E, F)                     LM of tile k: the maximum ripples down             RM of tile k, sent to the top
A + 1                                 waits (RM takes a cycle)                           PRM of tile k, 7 cycles
A + 2 ...                             SLN of tile k - lag, 7 cycles                      SPD of tile k - lag
last                                  SLD of tile k - lag: the sum ripples down          RD of tile k - lag
====================================  =================================================  ==============================

``lag`` is how many epochs a maximum needs to reach the lanes and to come back to the tops of the columns, and ``delay`` is one
more. An epoch is so F + max(E, F) + 10 cycles long with a seven-cycle exponential.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusemax.errors import FusemaxError
from fusemax.simulate.pe.formats import EXPONENTIAL_CYCLES

PE_CODES = (
    "idle",
    "BQK",
    "SLNV",
    "LM",
    "SUB",
    "WHOLE",
    "REST",
    "CUBE",
    "SQUARE",
    "LINE",
    "SCALE",
    "WORK",
    "EXP",
    "SLD",
)
LANE_CODES = ("idle", "SPNV", "RNV", "RM", "PRM", "PRM_END", "SPD", "RD", "AV")
PE_EINSUM = {name: name if name in ("BQK", "SLNV", "LM", "SLD") else "SLN" for name in PE_CODES[1:]}
LANE_EINSUM = {name: name.removesuffix("_END") for name in LANE_CODES[1:]}


class Program(NamedTuple):
    """One epoch in numbers: operation and its index (e or f) at every offset, for the elements and for the lanes.

    Attributes
    ----------
    pe_code, lane_code : int8[interval]
        Positions in PE_CODES and LANE_CODES.
    pe_index, lane_index : int32[interval]
        Which e or f.
    lag, delay : int
        Epochs from BQK to SLN, and to SLNV.
    """

    pe_code: NDArray[np.int8]
    pe_index: NDArray[np.int32]
    lane_code: NDArray[np.int8]
    lane_index: NDArray[np.int32]
    lag: int
    delay: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What fixes the program: the shape of the work and of the array, and cycles per operation.

    ``polynomial`` says that the exponential is computed step by step, not just waited for.
    """

    E: int
    F: int
    rows: int
    pe_exponential: int = EXPONENTIAL_CYCLES
    lane_exponential: int = EXPONENTIAL_CYCLES
    polynomial: bool = True

    @property
    def products(self) -> int:
        """The offset A at which the products of an epoch are done."""
        return self.F + max(self.E, self.F)

    @property
    def sum_at(self) -> int:
        """The offset of SLD and RD."""
        return self.products + 2 + max(self.pe_exponential, self.lane_exponential)

    @property
    def interval(self) -> int:
        """Cycles from one epoch to the next."""
        return self.sum_at + 1

    @property
    def lag(self) -> int:
        """Epochs between a tile's maximum and its exponentials.

        The lane of column c holds the maximum of tile k at k*interval + A, in the time of one more row, and the top of
        the column, ``rows`` cycles ahead in skew, may use it a cycle later: at A + rows + 1 of its own time; SLN begins
        at A + 2.
        """
        return -(-(self.rows - 1) // self.interval)

    @property
    def delay(self) -> int:
        """Epochs between a tile's scores and their product with V."""
        return self.lag + 1


def program_of(epoch: Epoch) -> Program:
    """Return the program of *epoch*."""
    pe_code, lane_code = np.zeros(epoch.interval, np.int8), np.zeros(epoch.interval, np.int8)
    pe_index, lane_index = np.zeros(epoch.interval, np.int32), np.zeros(epoch.interval, np.int32)

    def pe(offset: int, name: str, index: int = 0) -> None:
        assert not pe_code[offset]
        pe_code[offset], pe_index[offset] = PE_CODES.index(name), index

    def lane(offset: int, name: str, index: int = 0) -> None:
        assert not lane_code[offset]
        lane_code[offset], lane_index[offset] = LANE_CODES.index(name), index

    for e in range(epoch.E):
        pe(min(2 * e, epoch.F + e), "BQK", e)
    for f in range(epoch.F):
        pe(2 * f + 1, "SLNV", f)
        lane(2 * f, "SPNV", f)
        lane(2 * f + 1, "RNV", f)
    after = epoch.products
    pe(after, "LM")
    lane(after, "RM")
    for step, name in enumerate(_exponential(epoch.pe_exponential, epoch.polynomial)):
        pe(after + 2 + step, name)
    for step in range(epoch.lane_exponential):
        lane(after + 1 + step, "PRM_END" if step == epoch.lane_exponential - 1 else "PRM")
    lane(epoch.sum_at - 1, "SPD")
    pe(epoch.sum_at, "SLD")
    lane(epoch.sum_at, "RD")
    return Program(pe_code, pe_index, lane_code, lane_index, epoch.lag, epoch.delay)


def _exponential(cycles: int, polynomial: bool) -> tuple[str, ...]:
    """Return the steps of an exponential on a processing element."""
    if polynomial:
        return ("SUB", "WHOLE", "REST", "CUBE", "SQUARE", "LINE", "SCALE")
    return ("SUB", *["WORK"] * (cycles - 2), "EXP")


# --- registers


@dataclass(frozen=True, slots=True)
class Live:
    """A value of one tile in a register: written at ``born``, last read at ``dies``, in cycles of the tile's own epoch 0."""

    name: str
    born: int
    dies: int

    def copies(self, offset: int, interval: int) -> int:
        """Return how many tiles' copies are live at *offset* of every epoch, once the pipeline is full."""
        first = -(-(self.born - offset) // interval)
        last = -(-(self.dies - offset) // interval)
        return last - first


def pe_values(epoch: Epoch) -> tuple[Live, ...]:
    """Return the values that a processing element holds in registers. Constants of the polynomial come with the operation."""
    begin = epoch.lag * epoch.interval + epoch.products + 2
    product = epoch.delay * epoch.interval + 2 * epoch.F
    values = [Live("score", 0, begin)]
    if not epoch.polynomial:
        return (*values, Live("SLN", begin, product))
    return (
        *values,
        Live("difference", begin, begin + 2),
        Live("exponent", begin + 1, begin + 6),
        Live("rest", begin + 2, begin + 5),
        Live("SLN", begin + 3, product),
    )


def lane_values(epoch: Epoch) -> tuple[Live, ...]:
    """Return the values that a lane holds in registers; RNV streams from and to the buffer, word by word."""
    after, sums = epoch.products, epoch.lag * epoch.interval + epoch.sum_at
    sent = max(after + 1, epoch.lag * epoch.interval + after + 2 - epoch.rows)
    scale = epoch.delay * epoch.interval + 2 * epoch.F - 1
    return (
        Live("old RM", after, after + 1),
        Live("RM to send", after, sent),
        Live("exponential, in work", after + 1, after + epoch.lane_exponential),
        Live("exponential, in work", after + 2, after + epoch.lane_exponential),
        Live("PRM", after + epoch.lane_exponential, scale),
        Live("SPD", sums - 1, sums),
        Live("SPNV", scale - 1, scale + 1),
    )


def registers_needed(values: Sequence[Live], interval: int) -> tuple[int, int]:
    """Return the most values that are live at once in steady state, and the offset at which they are."""
    counts = [sum(value.copies(offset, interval) for value in values) for offset in range(interval)]
    most = max(counts)
    return most, counts.index(most)


def check_registers(unit: str, values: Sequence[Live], interval: int, depth: float) -> int:
    """Return how many registers of *depth* are used; raise FusemaxError listing the live values when they are too many."""
    most, offset = registers_needed(values, interval)
    if most <= depth:
        return most
    rows = [
        f"    {value.copies(offset, interval)} x {value.name}"
        for value in values
        if value.copies(offset, interval)
    ]
    raise FusemaxError(
        f"a lane of unit {unit} has {depth:g} registers, but {most} values are live in cycle {offset} of every epoch of"
        f" {interval}:\n"
        + "\n".join(rows)
        + f"\n  hint: raise {unit}.registers.depth to {most}; fewer rows or larger E and F"
        " need fewer, for then a maximum is back after fewer epochs"
    )
