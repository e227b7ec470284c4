"""The clock of the arrays: one call runs every cycle of every processing element and lane, with real values.

Layout: elements of one anti-diagonal ``d = row + column`` are at the same place of their program, so registers and links are
stored by diagonal, rows side by side, and a diagonal's cycle is one plain loop. Diagonals are visited from the last to the
first: an element reads what its neighbours, one diagonal before, sent in the previous cycle. Element (d, r) reads
``east[d, r]`` and ``south[d, r]`` and sends to ``east[d+1, r]`` and ``south[d+1, r+1]``; cells that no neighbour writes are
the array's edges. Lane c stands at diagonal ``rows + c``.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from fusemax.compiled import compiled
from fusemax.simulate.pe.formats import (
    C0,
    C1,
    C2,
    C3,
    Numbers,
    clamped,
    horner,
    machine_exponential,
    rest,
    rounded,
    whole_part,
)
from fusemax.simulate.pe.held import Clock, Data, Floats, Integer, Place, Registers, Tiles, Whole
from fusemax.simulate.pe.program import LANE_CODES, PE_CODES, Program

BQK, SLNV, LM, SUB, WHOLE, REST, CUBE, SQUARE, LINE, SCALE, WORK, EXP, SLD = range(1, len(PE_CODES))
SPNV, RNV, RM, PRM, PRM_END, SPD, RD, AV = range(1, len(LANE_CODES))
# words that cross the edge of the arrays: positions in the array that run() returns
K_READ, V_READ, Q_READ, RM_READ, RM_WRITE, RD_READ, RD_WRITE, RNV_READ, RNV_WRITE, AV_WRITE = range(10)


@compiled()
def _multiply_stationary(
    held: Floats, west: Floats, north: Floats, east: Floats, south: Floats, first: bool, total
):
    """Add a product to the value held and pass both operands on."""
    for r in range(held.size):
        product = west[r] * north[r]
        held[r] = rounded(product if first else held[r] + product, total)
        east[r] = west[r]
        south[r] = north[r]


@compiled()
def _multiply_flowing(held: Floats, west: Floats, north: Floats, east: Floats, south: Floats, total):
    """Add a product with the value held to the sum that flows down."""
    for r in range(held.size):
        south[r] = rounded(north[r] + held[r] * west[r], total)
        east[r] = west[r]


@compiled()
def _exponential_step(code: Integer, score: Floats, whole: Floats, result: Floats, numbers: Numbers):
    """Do one multiply-add of the exponential: the score's register holds the difference, then the rest."""
    for r in range(score.size):
        if code == WHOLE:
            whole[r] = whole_part(score[r], numbers)
        elif code == REST:
            score[r] = rest(score[r], whole[r], numbers)
        elif code == CUBE:
            result[r] = horner(rounded(C3, numbers.total), score[r], C2, numbers)
        elif code == SQUARE:
            result[r] = horner(result[r], score[r], C1, numbers)
        elif code == LINE:
            result[r] = horner(result[r], score[r], C0, numbers)
        elif code == SCALE:
            result[r] = rounded(result[r] * 2.0 ** whole[r], numbers.operand)
        elif code == EXP:
            result[r] = math.exp(score[r])


@compiled()
def _element_step(
    code: Integer, held: Floats, north: Floats, south: Floats, result: Floats, numbers: Numbers
):
    """Do a maximum, difference or sum with the value that comes from above."""
    for r in range(held.size):
        if code == LM:
            south[r] = max(north[r], held[r])
        elif code == SUB:
            south[r] = north[r]
            held[r] = clamped(held[r] - north[r], numbers)
        elif code == SLD:
            south[r] = rounded(north[r] + result[r], numbers.total)


@numba.njit(inline="always")
def _enter(
    code: Integer,
    index: Integer,
    place: Place,
    tile: Integer,
    tiles: Tiles,
    data: Data,
    registers: Registers,
    words: Whole,
):
    """Set the links at the array's edges: K or V from the left into row d, Q, sums or the maximum from above into column d."""
    d, g, m, p = place.diagonal, tiles.where[tile, 0], tiles.where[tile, 1], tiles.where[tile, 3]
    keys, queries = tiles.where[tile, 2], tiles.where[tile, 4]
    if d < place.rows and (code in (BQK, SLNV)):
        value = 0.0
        if d < keys:
            value = data.K[g, index, m + d] if code == BQK else data.V[g, index, m + d]
            words[K_READ if code == BQK else V_READ] += 1
        registers.east[d, d] = value
    if d < place.columns:
        value = 0.0
        if code == BQK and d < queries:
            value = data.Q[g, index, p + d]
            words[Q_READ] += 1
        elif code == LM:
            value = -math.inf
        elif code == SUB and d < queries:
            value = registers.box[d, tile % registers.box.shape[1]]
        registers.south[d, 0] = value


@numba.njit(inline="always")
def _diagonal(
    code: Integer,
    index: Integer,
    place: Place,
    tile_number: Integer,
    registers: Registers,
    lag: int,
    numbers: Numbers,
):
    """Do one cycle of the elements of one diagonal; rows whose query sees no key of theirs let values pass."""
    d, low, high = place.diagonal, place.low, place.high
    east_in, east_out = registers.east[d, low:high], registers.east[d + 1, low:high]
    south_in, south_out = registers.south[d, low:high], registers.south[d + 1, low + 1 : high + 1]
    pe = registers.pe[d]
    score = pe[tile_number % (lag + 1), low:high]
    result = pe[pe.shape[0] - 1, low:high]
    if code == BQK:
        _multiply_stationary(score, east_in, south_in, east_out, south_out, index == 0, numbers.total)
    elif code == SLNV:
        _multiply_flowing(result, east_in, south_in, east_out, south_out, numbers.total)
    elif code in (LM, SUB, SLD):
        if code == LM:
            score[: place.first - low] = -math.inf
            score[place.end - low :] = -math.inf
        _element_step(code, score, south_in, south_out, result, numbers)
    else:
        _exponential_step(code, score, pe[pe.shape[0] - 2, low:high], result, numbers)
        if code in (SCALE, EXP):
            result[: place.first - low] = 0.0
            result[place.end - low :] = 0.0


@numba.njit(inline="always")
def _lane(
    code: Integer,
    f: Integer,
    c: Integer,
    tile_number: Integer,
    tiles: Tiles,
    data: Data,
    registers: Registers,
    north: Any,
    numbers: Numbers,
    words: Whole,
):
    """Do one cycle of lane *c*; *north* is the word that has come down its column."""
    g, p = tiles.where[tile_number, 0], tiles.where[tile_number, 3] + c
    if c >= tiles.where[tile_number, 4]:
        return
    copy = tile_number % registers.box.shape[1]
    if code == SPNV:
        registers.spnv[c, 0] = rounded(data.RNV[g, f, p] * registers.prm[c, copy], numbers.total)
        words[RNV_READ] += 1
    elif code == RNV:
        data.RNV[g, f, p] = rounded(registers.spnv[c, 0] + north, numbers.total)
        words[RNV_WRITE] += 1
    elif code == RM:
        registers.old[c, 0] = data.RM[g, p]
        data.RM[g, p] = max(data.RM[g, p], north)
        registers.box[c, copy] = data.RM[g, p]
        words[RM_READ] += 1
        words[RM_WRITE] += 1
    elif code == PRM_END:
        if registers.box[c, copy] == -math.inf:
            registers.prm[c, copy] = 1.0 if tiles.guarded else math.nan
        else:
            exponential = machine_exponential(registers.old[c, 0] - registers.box[c, copy], numbers)
            registers.prm[c, copy] = rounded(exponential, numbers.operand)
    elif code == SPD:
        registers.spd[c, 0] = rounded(data.RD[g, p] * registers.prm[c, copy], numbers.total)
        words[RD_READ] += 1
    elif code == RD:
        data.RD[g, p] = rounded(registers.spd[c, 0] + north, numbers.total)
        words[RD_WRITE] += 1


@numba.njit(inline="always")
def _divide(
    since: Integer, c: Integer, k: Integer, tiles: Tiles, data: Data, numbers: Numbers, words: Whole
) -> bool:
    """Do one cycle of a lane's divisions, *since* cycles after those of epoch *k* began; return whether it was busy."""
    F, step = data.AV.shape[1], since // tiles.division
    block, f = step // F, step % F
    if since < 0 or block >= tiles.epochs[k, 3]:
        return False
    row = tiles.epochs[k, 2] + block
    g, p, queries = tiles.outputs[row, 0], tiles.outputs[row, 1], tiles.outputs[row, 2]
    if c >= queries:
        return False
    if since % tiles.division == tiles.division - 1:
        data.AV[g, f, p + c] = rounded(data.RNV[g, f, p + c] / data.RD[g, p + c], numbers.operand)
        words[AV_WRITE] += 1
        words[RNV_READ] += 1
        words[RD_READ] += f == 0
    return True


@numba.njit(inline="always")
def _seen(tiles: Tiles, tile: Integer, diagonal: int, low: int, high: int):
    """Return the first row of a diagonal's rows low .. high - 1 whose key its query sees, and the one after the last.

    Row r has key m + r and query p + diagonal - r; a band leaves 2r in a range.
    """
    ahead = tiles.where[tile, 3] + diagonal - tiles.where[tile, 1]
    least, most = tiles.low + ahead, tiles.high + ahead
    first = min(high, max(low, (least + 1) // 2))
    end = min(high, tiles.where[tile, 2], most // 2 + 1)
    return first, max(first, end)


@numba.njit(inline="always")
def _overlap(place: Place, queries: int) -> int:
    """Return how many elements of a diagonal have a key and a query that sees it."""
    return max(0, place.end - max(place.first, place.diagonal - queries + 1))


@compiled(error_model="numpy")
def _lanes_cycle(
    now: Clock, program: Program, tiles: Tiles, data: Data, registers: Registers, numbers: Numbers, trace
):
    """Do one cycle of all lanes; *trace* [columns, 2] is filled if it has columns."""
    rows, columns = registers.east.shape[1] - 1, registers.box.shape[0]
    for c in range(columns):
        k, o = now.epoch[rows + c], now.offset[rows + c]
        if k == tiles.epochs.shape[0] or o < 0:
            continue
        if o >= program.lane_code.size:
            if _divide(o - tiles.epochs[k, 1], c, k, tiles, data, numbers, now.words):
                now.lane_busy[AV] += 1
            continue
        code = program.lane_code[o]
        tile = k - (program.delay if code <= RNV else (0 if code <= PRM_END else program.lag))
        if code == 0 or tile < 0 or tile >= tiles.where.shape[0]:
            continue
        north = registers.south[rows + c, rows]
        _lane(code, program.lane_index[o], c, tile, tiles, data, registers, north, numbers, now.words)
        now.lane_busy[code] += c < tiles.where[tile, 4]
        if trace.shape[0] > 0:
            trace[c, 0], trace[c, 1] = code, tile


@compiled()
def _elements_cycle(
    now: Clock, program: Program, tiles: Tiles, data: Data, registers: Registers, numbers: Numbers, trace
):
    """Do one cycle of all elements, last diagonal first; *trace* [rows + 1, columns, 2] is filled if it has columns."""
    rows, columns = registers.east.shape[1] - 1, registers.box.shape[0]
    for d in range(rows + columns - 2, -1, -1):
        k, o = now.epoch[d], now.offset[d]
        if k == tiles.epochs.shape[0] or o < 0 or o >= program.pe_code.size:
            continue
        code = program.pe_code[o]
        tile = k - (program.delay if code == SLNV else (0 if code <= LM else program.lag))
        if code == 0 or tile < 0 or tile >= tiles.where.shape[0]:
            continue
        low, high = max(0, d - columns + 1), min(rows - 1, d) + 1
        first, end = _seen(tiles, tile, d, low, high)
        place = Place(rows, columns, d, low, high, first, end)
        if d < max(rows, columns):
            _enter(code, program.pe_index[o], place, tile, tiles, data, registers, now.words)
        _diagonal(code, program.pe_index[o], place, tile, registers, program.lag, numbers)
        now.pe_busy[code] += _overlap(place, tiles.where[tile, 4])
        if trace.shape[1] > 0:
            for r in range(place.low, place.high):
                trace[r, d - r, 0], trace[r, d - r, 1] = code, tile


@compiled(nogil=True)
def run(program: Program, tiles: Tiles, data: Data, registers: Registers, numbers: Numbers, trace, done):
    """Run all epochs, and return what was done; ``data`` holds the results.

    ``trace`` is int32[cycles, rows + 1, columns, 2], filled with the operation and the tile of each element and (last row)
    lane; int32[1, 1, 0, 2] asks for nothing. ``done``, int64[1], says at any time how many cycles have been run.

    Returns
    -------
    (cycles, words, pe_busy, lane_busy)
        Cycles from start to end; words through the edges, by the names above; busy cycles of elements and lanes by operation,
        those that have a key and a query.
    """
    rows, columns = registers.east.shape[1] - 1, registers.box.shape[0]
    skewed = -np.arange(rows + columns) - tiles.first
    now = Clock(
        np.zeros(rows + columns, np.int64),
        skewed,
        np.zeros(AV_WRITE + 1, np.int64),
        np.zeros(SLD + 1, np.int64),
        np.zeros(AV + 1, np.int64),
    )
    last, cycle = tiles.epochs.shape[0], 0
    while now.epoch[rows + columns - 1] < last:
        traced = trace[cycle if cycle < trace.shape[0] else trace.shape[0] - 1]
        _lanes_cycle(now, program, tiles, data, registers, numbers, traced[traced.shape[0] - 1])
        _elements_cycle(now, program, tiles, data, registers, numbers, traced)
        for d in range(rows + columns):
            now.offset[d] += 1
            if now.epoch[d] < last and now.offset[d] == tiles.epochs[now.epoch[d], 0]:
                now.epoch[d] += 1
                now.offset[d] = 0
        cycle += 1
        done[0] = cycle
    return cycle, now.words, now.pe_busy, now.lane_busy
