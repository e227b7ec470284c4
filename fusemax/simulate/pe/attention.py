"""The 1-pass cascade on a 2D and a 1D array, cycle by cycle: FuseMax's binding, with SLNV|BQK and SPNV|RNV interleaved."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusemax.errors import FusemaxError
from fusemax.language.syntax import names
from fusemax.machine import Machine
from fusemax.mapping.nest import Body, Mapped, Nest
from fusemax.simulate.pe import clock
from fusemax.simulate.pe.band import Band
from fusemax.simulate.pe.binding import Arrays, arrays_of
from fusemax.simulate.pe.formats import FORMATS, round_array
from fusemax.simulate.pe.held import Data, Tiles, empty_registers
from fusemax.simulate.pe.plan import Numbers, word_B
from fusemax.simulate.pe.program import (
    LANE_CODES,
    LANE_EINSUM,
    PE_CODES,
    PE_EINSUM,
    Epoch,
    check_registers,
    lane_values,
    pe_values,
    program_of,
)
from fusemax.simulate.pe.result import Inputs, PeResult
from fusemax.simulate.pe.supply import Epochs, Need, Times, channels_of, first_word_s, supply
from fusemax.simulate.pe.walk import Moved, Visit, Walk
from fusemax.simulate.pe.watch import watched

#: Einsums that come as late as SLN (``lag`` epochs behind BQK) and as late as SLNV (``delay`` epochs), by what they move.
_LATE: Mapping[str, str] = {"RD": "lag", "V": "delay", "RNV": "delay"}


def run_attention(
    mapped: Mapped, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float],
    number_format: str = "float64", inputs: Inputs | None = None, trace: bool = False, watch: bool = False,
) -> PeResult:  # fmt: skip
    """Return what the arrays did in every cycle, and the attention that they computed.

    Inputs are drawn from a normal distribution unless given; Q is scaled by 1/sqrt(E) where the mapping absorbs that. With
    *watch* a long run says on standard error how far it is.

    Raises
    ------
    FusemaxError
        When the mapping is not of this binding, the exponential is not of the machine's kind, or registers do not suffice.
    """
    arrays = arrays_of(mapped, machine, sizes, figures, number_format)
    registers = _registers(arrays, machine)
    nest = mapped.nests[0]
    walk = Walk(mapped, machine, nest, arrays.numbers.sizes, arrays.numbers.digit_sizes, arrays.band)
    visits = list(walk.visits())
    tiles, epochs = _tiles(visits, nest, walk, arrays)
    values = arrays.numbers.figures
    times = supply(
        channels_of(machine, values), epochs, lambda one: one.words * word_B(mapped, one.tensor, values)
    )
    inputs = inputs or _drawn(mapped, walk, arrays.numbers)
    formats = FORMATS[number_format]
    data = _data(inputs, formats)
    program = program_of(arrays.epoch)
    state = empty_registers(
        arrays.rows, arrays.columns, program, arrays.epoch.lag + 2 + arrays.epoch.polynomial
    )
    plan = _plan(arrays, tiles, epochs, times)
    cycles = times.end + arrays.rows + arrays.columns - 1
    shape = (cycles, arrays.rows + 1, arrays.columns, 2) if trace else (1, 1, 0, 2)
    traced = np.zeros(shape, np.int32)
    done = np.zeros(1, np.int64)

    def work():
        began = time.thread_time()
        return clock.run(program, plan, data, state, formats, traced, done), time.thread_time() - began

    ran = watched(work, done, cycles, arrays.rows * arrays.columns) if watch else work()
    (cycles, words, pe_busy, lane_busy), seconds = ran
    total, moved = max(cycles, math.ceil(times.stored)), _ledger(visits)
    reference = inputs.attention(arrays.band)
    _check_numbers(mapped, data.AV, reference)
    return PeResult(
        cycles=total,
        clock_hz=values["clock"],
        first_word_s=first_word_s(machine, values, {level for level, _, _ in moved}),
        elements=arrays.rows * arrays.columns,
        lanes={arrays.array: arrays.rows * arrays.columns, arrays.lanes: arrays.columns},
        busy={**_busy(arrays.array, PE_CODES, PE_EINSUM, pe_busy), **_busy(arrays.lanes, LANE_CODES, LANE_EINSUM, lane_busy)},
        words=moved,
        edge_words=dict(zip(EDGES, words.tolist(), strict=True)),
        parts=_parts(times, epochs, tiles, arrays, total - cycles),
        registers=registers, output=data.AV, reference=reference, seconds=seconds, trace=traced,
    )  # fmt: skip


EDGES = (
    "K read",
    "V read",
    "Q read",
    "RM read",
    "RM write",
    "RD read",
    "RD write",
    "RNV read",
    "RNV write",
    "AV write",
)


# --- tiles and epochs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tiles:
    where: NDArray[np.int64]
    outputs: NDArray[np.int64]
    blocks: Mapping[int, list[int]]


def _drawn(mapped: Mapped, walk: Walk, numbers: Numbers) -> Inputs:
    """Return inputs of the sizes of all ranks; entries whose ranks K does not have (heads of a group) share it."""
    batch = [name for name in walk.spaces if name not in ("e", "f", "m", "p")]
    keys = access_variables(mapped, "K")
    sizes = tuple(numbers.sizes[walk.spaces[name].root.size_name] for name in batch)
    return Inputs.drawn(numbers.sizes, sizes, tuple(name in keys for name in batch))


def access_variables(mapped: Mapped, tensor: str) -> frozenset[str]:
    """Return the rank variables by which the cascade reads *tensor*."""
    reads = [a for einsum in mapped.cascade.computed for a in einsum.reads if a.tensor == tensor]
    return frozenset(n for a in reads for index in a.indices for n in names(index))


def _check_numbers(mapped: Mapped, output: NDArray[np.float64], reference: NDArray[np.float64]) -> None:
    """Raise FusemaxError where the cascade as it is written gives no number though the definition does."""
    wrong = np.isnan(output) & ~np.isnan(reference)
    if wrong.any():
        _, _, query = np.argwhere(wrong)[0]
        raise FusemaxError(
            f"mapping {mapped.name}: query {query} gets no number: its maximum is -inf after a tile of which it sees no key,"
            f" and PRM = {mapped.einsum('PRM').expression} is not defined there\n"
            "  hint: write PRM[m1,p] = where(eq(RM[m1+1,p], -inf), 1, exp(RM[m1,p] - RM[m1+1,p]))"
        )


def _tiles(visits: list[Visit], nest: Nest, walk: Walk, arrays: Arrays) -> tuple[_Tiles, Epochs]:
    """Return the tiles of all visits, and what every epoch needs and stores."""
    epoch, where, outputs = arrays.epoch, [], []
    blocks: dict[int, list[int]] = {}
    tile_visits = [visit for visit in visits if "BQK" in visit.body.einsums]
    total = len(tile_visits) + epoch.delay
    needs: list[list[Need]] = [[] for _ in range(total)]
    stores: list[list[Moved]] = [[] for _ in range(total)]
    divisions: dict[int, tuple[int, list[Moved], list[Moved]]] = {}
    for visit in visits:
        at = len(where) if "BQK" in visit.body.einsums else len(where) + epoch.delay - 1
        _loads(visit, at, epoch, needs, stores)
        if "BQK" in visit.body.einsums:
            where.append(_tile(visit.body, visit, nest, walk, arrays))
            for moved in visit.moved:
                late = at + _late(moved.tensor, epoch)
                if moved.kind == "read":
                    needs[late].append(Need(moved))
                else:
                    stores[late].append(moved)
        elif "AV" in visit.body.einsums:
            blocks.setdefault(at, []).append(len(outputs))
            outputs.append(_tile(visit.body, visit, nest, walk, arrays)[[0, 3, 4]])
            length, reads, writes = divisions.get(at, (0, [], []))
            reads = reads + [m for m in visit.moved if m.kind == "read"]
            writes = writes + [m for m in visit.moved if m.kind == "write"]
            divisions[at] = (length + arrays.epoch.F * arrays.division, reads, writes)
    tiles = _Tiles(
        where=np.array(where, np.int64).reshape(-1, 5), outputs=np.array(outputs, np.int64).reshape(-1, 3), blocks=blocks
    )  # fmt: skip
    return tiles, Epochs(interval=epoch.interval, needs=needs, stores=stores, divisions=divisions)


def _late(tensor: str, epoch: Epoch) -> int:
    """Return how many epochs after BQK a tensor is moved."""
    return {"": 0, "lag": epoch.lag, "delay": epoch.delay}[_LATE.get(tensor, "")]


def _loads(visit: Visit, at: int, epoch: Epoch, needs: list[list[Need]], stores: list[list[Moved]]) -> None:
    """Put what is loaded or stored before *visit* to its epochs."""
    buffers = dict(visit.loads)
    for moved in visit.before:
        late = min(at + _late(moved.tensor, epoch), len(needs) - 1)
        if moved.tensor in buffers and moved.kind in ("read", "fill"):
            needs[late].append(Need(moved, max(1, buffers[moved.tensor])))
        else:
            stores[late].append(moved)


def _tile(body: Body, visit: Visit, nest: Nest, walk: Walk, arrays: Arrays) -> NDArray[np.int64]:
    """Return batch entry, first key, keys, first query, queries of one visit."""
    batch, found = 0, {}
    for name, space in walk.spaces.items():
        values = space.values(visit.place)
        if name in ("e", "f") and values.size != space.size:
            raise FusemaxError(
                f"a loop over {name} cuts the body of {', '.join(body.einsums)}; leave {name} whole"
            )
        if name in ("m", "p"):
            found[name] = (int(values[0]), values.size)
        elif name not in ("e", "f"):
            if values.size != 1:
                raise FusemaxError(
                    f"the body of {', '.join(body.einsums)} needs a loop over {name} around it"
                )
            batch = batch * space.size + int(values[0])
    has_keys = "BQK" in body.einsums
    for name, limit, what in (("m", arrays.rows, "rows"), ("p", arrays.columns, "columns")):
        if found[name][1] > limit and (name == "p" or has_keys):
            text = f"a tile covers {found[name][1]} values of {name}, but {arrays.array} has {limit} {what}"
            raise FusemaxError(text + f"\n  hint: tiles: {{{name.upper()}0: {arrays.array}.{what}}}")
    return np.array([batch, *found["m"], *found["p"]])


def _lengths(times: Times, epochs: Epochs, tiles: _Tiles) -> NDArray[np.int64]:
    """Return cycles, start of the divisions, first block and blocks of every epoch."""
    ends = [*times.starts[1:], times.end]
    rows = []
    for number, (start, end) in enumerate(zip(times.starts, ends, strict=True)):
        blocks = tiles.blocks.get(number, [])
        rows.append(
            (end - start, times.division_starts[number] - start, blocks[0] if blocks else 0, len(blocks))
        )
    return np.array(rows, dtype=np.int64)


def _plan(arrays: Arrays, tiles: _Tiles, epochs: Epochs, times: Times) -> Tiles:
    """Return the tiles as the clock runs them."""
    band = arrays.band or Band()
    return Tiles(
        tiles.where, _lengths(times, epochs, tiles), tiles.outputs, arrays.division, times.starts[0],
        band.low, band.high, arrays.guarded,
    )  # fmt: skip


# --- the data and the answer


def _data(inputs: Inputs, formats) -> Data:
    Q, K, V = (round_array(a, formats.operand) for a in (inputs.Q, inputs.K, inputs.V))
    queries, F = (Q.shape[0], Q.shape[2]), V.shape[1]
    state = np.zeros((queries[0], F, queries[1]))
    return Data(Q, K, V, np.full(queries, -math.inf), np.zeros(queries), state, np.zeros_like(state))


def _busy(unit: str, codes: tuple[str, ...], einsums: Mapping[str, str], counts: NDArray[np.int64]) -> dict:
    found: dict[tuple[str, str], int] = {}
    for code, count in zip(codes[1:], counts.tolist()[1:], strict=True):
        key = (unit, einsums[code])
        found[key] = found.get(key, 0) + count
    return found


def _ledger(visits: list[Visit]) -> dict[tuple[str, str, str], int]:
    """Return the words moved in all, by level, direction and tensor."""
    total: dict[tuple[str, str, str], int] = {}
    for visit in visits:
        for moved in (*visit.before, *visit.moved):
            key = (moved.level, moved.kind, moved.tensor)
            total[key] = total.get(key, 0) + moved.words
    return total


def _parts(times: Times, epochs: Epochs, tiles: _Tiles, arrays: Arrays, storing: int) -> dict[str, int]:
    """Return what the cycles are made of; they add up to all of them."""
    divided = sum(length for length, _, _ in epochs.divisions.values())
    parts = {
        "epochs of tiles": len(tiles.where) * epochs.interval,
        "divisions": divided,
        "epochs to fill and drain": arrays.epoch.delay * epochs.interval,
        "skew of rows, columns": arrays.rows + arrays.columns - 1,
    }
    parts |= {f"waiting for {level}": cycles for level, cycles in times.waits.items()}
    return parts | ({"last stores": storing} if storing else {})


def _registers(arrays: Arrays, machine: Machine) -> dict[str, int]:
    """Return the registers used per lane of each unit; raise FusemaxError when they are too few."""
    used = {}
    for unit, values in ((arrays.array, pe_values(arrays.epoch)), (arrays.lanes, lane_values(arrays.epoch))):
        depth = math.inf
        if machine.units[unit].registers is not None:
            depth = arrays.numbers.whole(f"{unit}.registers.depth", "a register file's depth")
        used[unit] = check_registers(unit, values, arrays.epoch.interval, depth)
    return used
