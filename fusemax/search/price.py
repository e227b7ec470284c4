"""Prices of one structure over many tilings at once: its cost program, evaluated on arrays.

The program is the one of ``fusemax cost``; only the loop over points is numpy's. Operations that need no tile are done once.
"""

# arrays of numpy or numbers, whichever an operation is given: they have no type of their own
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from time import monotonic
from typing import Any

import numpy as np

from fusemax.cost import band
from fusemax.cost.graph import graph_of
from fusemax.cost.program import Program
from fusemax.cost.rows import compiled_rows, is_compiled, plain
from fusemax.language.functions import FUNCTIONS

Array = Any
SOON = 100  #: from how many rows on a function is called that has been compiled before
#: From how many rows on a function is compiled.
OFTEN: Mapping[str, int] = {
    "band_pairs": 500, "band_kinds": 500, "band_turns": 500, "band_most": 100, "window_sum": 500, "window_most": 500,
    "dealt_tiles": 500,    "dealt_tasks": 500, "tiles_moved": 2_000,
    "region_tiles": 500, "region_moved": 500, "union_moved": 500, "region_tasks": 500,
    "busiest_core": 20_000, "cycle_ratio": 2_000,
}  # fmt: skip


#: Seconds that it takes to compile a function; those that are not named take one.
COMPILING_S: Mapping[str, float] = {
    "band_turns": 2, "band_most": 3, "dealt_tiles": 4, "window_sum": 2, "window_most": 2, "tiles_moved": 4, "dealt_tasks": 4,
    "region_tiles": 4, "region_moved": 7, "union_moved": 7, "region_tasks": 10,
}  # fmt: skip
NODE_S, VALUE_S, ROW_S = 2e-6, 1e-9, 3e-6  #: what an operation, a number and a row take, roughly
#: What a walk takes.
WALK_S: Mapping[str, float] = {
    "dealt_tiles": 1e-5, "dealt_tasks": 2e-4, "tiles_moved": 1e-3, "region_moved": 1e-3, "union_moved": 1e-3,
    "region_tasks": 5e-4,
}  # fmt: skip


@dataclass
class Compiling:
    """Which functions of rows are worth compiling in a search: *spare* tells how many seconds it has; how long each was called
    as it is so far."""

    spare: Callable[[], float] = lambda: math.inf
    spent_s: dict[str, float] = field(default_factory=dict[str, float])

    def pays(self, name: str, rows: int, often: int) -> bool:
        """Return whether to call the function called *name*, for so many rows at once, in its compiled form.

        Where that is kept from before, for a single row that takes a walk. Else for *often* rows or more, or when it has taken
        as long as compiling it would; not if that would take half of the time or more.
        """
        if rows >= (1 if name in WALKED else min(often, SOON)) and is_compiled(name):
            return True
        takes_s = COMPILING_S.get(name, 1.0)
        worth = rows >= often or self.spent_s.get(name, 0.0) > takes_s
        return worth and 2 * takes_s < self.spare()


def _vector(
    name: str, function: Callable[..., Any], always: bool = False, compiling: Compiling | None = None
) -> Callable[..., Array]:
    """Return *function* of numbers, called *name*, as one of arrays, called once for each different row of operands.

    *always* has it compiled however few rows there are; else *compiling* says where.
    """
    known = compiling or Compiling()

    def value(*operands: Array) -> Array:
        shape = np.broadcast_shapes(*(np.shape(one) for one in operands))
        columns = [np.broadcast_to(one, shape).ravel() for one in operands]
        first, inverse = _different(columns)
        rows = np.stack([column[first] for column in columns], axis=1)
        found = _each(name, function, rows, 1 if always and name in OFTEN else OFTEN.get(name), known)
        return found[inverse].reshape((*shape, *found.shape[1:]))

    return value


def _each(
    name: str, function: Callable[..., Any], rows: Array, often: int | None, compiling: Compiling
) -> Array:
    """Return *function* of each of *rows*: float64[rows] or float64[rows, values]; compiled for *often* of them or more."""
    if often is not None and compiling.pays(name, len(rows), often):
        try:
            found = compiled_rows(name)(np.ascontiguousarray(rows, dtype=np.float64))
        except OverflowError:  # lengths beyond whole numbers of 64 bits
            pass
        else:
            return found if name in MANY else found[:, 0]
    begun = monotonic()
    if name in WALKED:
        values = [_walked(name, tuple(row)) for row in rows.tolist()]
    else:
        values = [function(*row) for row in rows.tolist()]
    compiling.spent_s[name] = compiling.spent_s.get(name, 0.0) + monotonic() - begun
    return np.array(values, dtype=np.float64)


@lru_cache(maxsize=4096)
def _walked(name: str, row: tuple[float, ...]) -> Any:
    """Return the function called *name* of a row; structures of one search walk the same tasks again and again."""
    return plain(name)(*row)


def _different(columns: Sequence[Array]) -> tuple[Array, Array]:
    """Return the places of one row of each kind among the rows of *columns*, and for every row the number of its kind."""
    code = np.zeros(columns[0].shape, dtype=np.int64)
    first = np.zeros(1, dtype=np.int64)
    for column in columns:
        if (column == column[:1]).all():  # the same everywhere tells nothing apart
            continue
        kinds, places = np.unique(column, return_inverse=True)
        _, first, code = np.unique(code * len(kinds) + places, return_index=True, return_inverse=True)
    return first, code


#: What the cost program has besides the functions of formulas.
OPERATIONS: Mapping[str, Callable[..., Array]] = {
    "+": lambda a, b: a + b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "repeated": lambda n, many, once: np.where(n > 1.0, many, once),
    "at_most": lambda a, b: np.where(a <= b, 1.0, 0.0),
    "less": lambda a, b: np.where(a < b, 1.0, 0.0),
    "equal": lambda a, b: np.where(a == b, 1.0, 0.0),
}


def _dealt_evenly(*operands: float) -> tuple[float, ...]:
    """Return what a core does of tasks under a band if all cores did the same: what the busiest one does, or less.

    Arguments as of :func:`fusemax.cost.deal.dealt_tiles`, which walks every task.
    """
    before, after, cores, R, Tr, tr, C, Tc, tc, lo, hi, sign = operands[1:13]
    if not (tr >= 1 and tc >= 1 and R >= 1 and C >= 1 and cores >= 1):
        return (0.0,) * 8
    each = before * after / cores
    rows, columns = math.ceil(R / Tr), math.ceil(C / Tc)
    pairs = band.band_kinds(int(R), int(tr), int(C), int(tc), int(lo), int(hi), int(sign))
    tasks = ((rows - 1) * (columns - 1.0), rows - 1.0, columns - 1.0, 1.0)
    return tuple(each * one for one in (*tasks, *pairs))


def _tasks_evenly(*numbers: float) -> list[float]:
    """Return what a core does of tasks if all cores did the same; arguments of :func:`fusemax.cost.ragged.dealt_tasks`."""
    cores, width, kinds = numbers[1], 4 + 4 * int(numbers[9]), int(numbers[10])
    each = (
        int(numbers[8]) + 2 * width
    )  # of a kind: its sizes, the cycles of one of each, and how many there are
    first = len(numbers) - kinds * each
    totals = (
        numbers[first + k * each + int(numbers[8]) + width : first + (k + 1) * each] for k in range(kinds)
    )
    return [count / cores for counts in totals for count in counts]


def _regions_evenly(*numbers: float) -> list[float]:
    """Return what a core does of tasks if all cores did the same; as :func:`fusemax.cost.lattice_tasks.region_tasks`."""
    axes, loops, others, groups, kinds = (int(numbers[n]) for n in (2, 4, 5, 6, 7))
    width = 2**axes * (1 + groups)
    first = 8 + 3 * loops + axes + others + 2 * axes * groups
    each = others + 2 * width
    totals = (numbers[first + k * each + others + width : first + (k + 1) * each] for k in range(kinds))
    return [count / numbers[1] for counts in totals for count in counts]


#: How many points of a grid are priced exactly where an operation walks tasks or tiles one by one.
WALKED: Mapping[str, int] = {
    "dealt_tiles": 384, "dealt_tasks": 6, "tiles_moved": 2, "region_moved": 2, "union_moved": 2, "region_tasks": 4
}  # fmt: skip
#: Functions that are called row by row.
SLOW = frozenset(OFTEN)
#: Functions with several values.
MANY = (
    "band_kinds",
    "band_turns",
    "busiest_core",
    "dealt_tiles",
    "dealt_tasks",
    "region_tiles",
    "region_tasks",
)
#: Quick stand-ins for operations that walk tasks or tiles one by one.
EVENLY: Mapping[str, Callable[..., Array]] = {
    "dealt_tiles": _vector("", _dealt_evenly),
    "dealt_tasks": _vector("", _tasks_evenly),
    "region_tasks": _vector("", _regions_evenly),
    "tiles_moved": lambda *numbers: np.asarray(numbers[0], dtype=np.float64),
    "region_moved": lambda *numbers: np.asarray(numbers[0], dtype=np.float64),
    "union_moved": lambda *numbers: np.asarray(numbers[0], dtype=np.float64),
}


def _operation(name: str, evenly: bool, always: bool, compiling: Compiling) -> Callable[..., Array]:
    if evenly and name in EVENLY:
        return EVENLY[name]
    if name in OPERATIONS:
        return OPERATIONS[name]
    if name in FUNCTIONS:
        return partial(FUNCTIONS[name].array, np)
    return _vector(name, plain(name), always, compiling)


class Evaluator:
    """The operations that some outputs of a program need, ready for arrays; programs with ``fit`` rules are not for it."""

    def __init__(
        self, program: Program, outputs: Sequence[str], always: bool = False,
        compiling: Compiling | None = None,
    ) -> None:  # fmt: skip
        self._program, self._always, self._compiling = program, always, compiling or Compiling()
        self._graph, self._wanted = graph_of(program, outputs)

    @property
    def walks(self) -> int:
        """How many points may be priced exactly: fewer where an operation walks tasks or tiles one by one; 0: all."""
        found = [WALKED[node.operation] for node in self._graph.nodes if node.operation in WALKED]
        return min(found, default=0)

    def work_s(self, points: int, evenly: bool) -> float:
        """Return the seconds that so many points take on a common machine, a third of the operations along all axes."""
        names = [node.operation for node in self._graph.nodes]
        slow = sum(WALK_S[n] if n in WALKED and not evenly else ROW_S for n in names if n in SLOW)
        return NODE_S * len(names) + points * (VALUE_S * len(names) + slow) / 3

    def __call__(self, values: Mapping[str, Array], evenly: bool = False) -> list[Array]:
        """Return the outputs; *values* gives parameters, some as arrays of one shape, the others are the program's.

        *evenly* deals tasks to cores in equal shares instead of walking them: a lower bound, quickly.
        """
        done: list[Array] = []
        with np.errstate(all="ignore"):
            for node in self._graph.nodes:
                if node.operation == "number":
                    done.append(np.float64(node.value))
                elif node.operation == "parameter":
                    found = values.get(str(node.value))
                    done.append(
                        np.float64(self._program.parameters[str(node.value)] or 0.0)
                        if found is None
                        else found
                    )
                elif node.operation == "item":
                    done.append(done[node.operands[0]][..., int(node.value)])
                else:
                    done.append(
                        _operation(node.operation, evenly, self._always, self._compiling)(
                            *(done[operand] for operand in node.operands)
                        )
                    )
        return [done[number] for number in self._wanted]


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a structure: float64[points] each, or of another shape; ``fits`` says where everything kept has room."""

    latency_s: np.ndarray
    energy_J: np.ndarray
    traffic_B: np.ndarray
    lack_B: np.ndarray

    @property
    def fits(self) -> np.ndarray:
        """Where nothing lacks room: bool[points]."""
        return self.lack_B <= 0

    def measure(self, objective: str) -> np.ndarray:
        """Return the value of *objective* at every point."""
        return MEASURES[objective](self)

    def at(self, places: np.ndarray) -> Prices:
        """Return the prices at other places: int[points]."""
        return Prices(
            latency_s=self.latency_s[places], energy_J=self.energy_J[places], traffic_B=self.traffic_B[places],
            lack_B=self.lack_B[places],
        )  # fmt: skip


def laid(pieces: Sequence[Prices], shape: tuple[int, ...], axis: int, places: np.ndarray) -> Prices:
    """Return *pieces* as prices of the points of a grid of *shape*, in order: float64[points].

    They lie one after another along *axis*, at *places* of it. Points that no piece reaches cost and lack all.
    """

    def whole(arrays: list[np.ndarray]) -> np.ndarray:
        found = np.full(shape, math.inf)
        if not shape:
            return arrays[0].reshape(1)
        some = np.concatenate(arrays, axis=axis)
        np.moveaxis(found, axis, 0)[places[: some.shape[axis]]] = np.moveaxis(some, axis, 0)
        return found.ravel()

    return Prices(
        latency_s=whole([one.latency_s for one in pieces]), energy_J=whole([one.energy_J for one in pieces]),
        traffic_B=whole([one.traffic_B for one in pieces]), lack_B=whole([one.lack_B for one in pieces]),
    )  # fmt: skip


MEASURES: Mapping[str, Callable[[Any], Any]] = {
    "latency": lambda p: p.latency_s,
    "energy": lambda p: p.energy_J,
    "traffic": lambda p: p.traffic_B,
    "edp": lambda p: p.latency_s * p.energy_J,
}


class Pricer:
    """Prices of one program at many tilings; of thousands again and again where it is *always* compiled.

    *follows* names, by size, the tile that it is as long as; *compiling* says what is worth it.
    """

    def __init__(
        self, program: Program, always: bool = False, follows: Mapping[str, str] | None = None,
        compiling: Compiling | None = None,
    ) -> None:  # fmt: skip
        self._follows = dict(follows or {})
        rooms = [line.name for line in program.labelled("occupancy")]
        known = {line.name for line in program.lines}
        self._energy = "energy_J" in known
        outputs = ["latency_s", "traffic_B", *(["energy_J"] if self._energy else [])]
        self._first = len(outputs)
        pairs = [name for room in rooms for name in (room, room.replace("occupancy_B", "capacity_B"))]
        self._evaluator = Evaluator(program, [*outputs, *pairs], always, compiling)

    def work_s(self, points: int, evenly: bool = False) -> float:
        """Return what it takes to price so many points, in seconds of a common machine: roughly, but the same everywhere."""
        return self._evaluator.work_s(points, evenly)

    @property
    def walks(self) -> int:
        """How many points of a grid may be priced exactly because that takes a walk over tasks or tiles; 0: all."""
        return self._evaluator.walks

    def __call__(self, values: Mapping[str, Array], shape: tuple[int, ...], evenly: bool = False) -> Prices:
        """Return the prices of tilings, given as arrays in *values* beside sizes and figures; *evenly* as above.

        The arrays have *shape*, or are of length 1 along axes that they do not depend on: what depends on few axes is
        computed along these alone. Prices are float64[shape].
        """
        values = {**values, **{name: values.get(part, 1.0) for name, part in self._follows.items()}}
        lines = self._evaluator(values, evenly)
        found = [np.broadcast_to(np.asarray(v, dtype=np.float64), shape) for v in lines]
        lack = np.full(shape, -math.inf)
        for number in range(self._first, len(found), 2):
            lack = np.maximum(lack, found[number] - found[number + 1])
        energy = found[2] if self._energy else np.full(shape, math.nan)
        return Prices(latency_s=found[0], traffic_B=found[1], energy_J=energy, lack_B=lack)
