"""From a cost program to numbers: one text, run as plain Python for a few points and through numba for many.

Both run the same arithmetic in the same order on float64, so a single evaluation and a sweep give the same bits.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from fusemax.cost.code import ROOM, SLOTS, Axes, kernel_text
from fusemax.cost.kept import load_kept
from fusemax.cost.nests import PITCH, Nest, nest_of
from fusemax.cost.program import Program
from fusemax.language.functions import MODULES, PRIMITIVES

Kernel = Callable[..., None]
GIVEN = "float64[::1], float64[:, ::1]"
KEPT = "float64[:, ::1], float64[::1], uint64[::1]"
TYPES = {
    "divisors": "int64(float64, float64[:, ::1])",
    "check_lengths": f"void({', '.join(['float64'] * 4)})",
    "largest_divisor": "float64(float64, float64, float64[:, ::1])",
    "floor_sum": "int64(int64, int64, int64, int64)",
    "_line_sum": "int64(int64, int64, int64, int64, int64)",
    "upright": "UniTuple(int64, 4)(int64, int64, int64, int64, int64)",
    "row_span": f"UniTuple(int64, 2)({', '.join(['int64'] * 8)})",
    "row_tiles": f"int64({', '.join(['int64'] * 8)})",
    "_pairs": f"int64({', '.join(['int64'] * 7)})",
    "_equal_tiles": f"int64({', '.join(['int64'] * 8)})",
    "_alone_in_odd": f"int64({', '.join(['int64'] * 9)})",
    "_short_group": "int64(int64, int64, int64)",
    "_followed": f"UniTuple(int64, 2)({', '.join(['int64'] * 11)})",
    "band_pairs": f"float64({', '.join(['float64'] * 7)})",
    "band_kinds": f"UniTuple(float64, 4)({', '.join(['float64'] * 7)})",
    "band_turns": f"UniTuple(float64, 6)({', '.join(['float64'] * 8)})",
    "band_most": f"float64({', '.join(['float64'] * 7)})",
    "_held_sum": "int64(int64, int64, int64, int64)",
    "_spaced": f"int64({', '.join(['int64'] * 6)})",
    "_spaced_sum": f"int64({', '.join(['int64'] * 8)})",
    "_rows_of": "UniTuple(int64, 2)(int64, int64, int64)",
    "_window_sum_at": f"int64({', '.join(['int64'] * 7)})",
    "window_sum": f"float64({', '.join(['float64'] * 8)})",
    "window_most": f"float64({', '.join(['float64'] * 8)})",
    "_largest": "int64(List(float64))",
    "_heaviest_left": "int64(List(float64), List(float64))",
    "_tasks_of_band": f"Tuple((List(float64), List(float64)))({', '.join(['int64'] * 10)}, List(float64))",
    "_add_dealt": f"void(boolean, {', '.join(['int64'] * 3)}, {', '.join(['List(float64)'] * 3)})",
    "_free_first": "int64(List(float64), List(int64), float64)",
    "_heaviest_first": "List(int64)(List(float64))",
    "_pairs_of_task": f"UniTuple(float64, 4)({', '.join(['int64'] * 12)})",
    "busiest_core": f"UniTuple(float64, 8)({', '.join(['float64'] * 17)})",
    "dealt_tiles": f"UniTuple(float64, 8)({', '.join(['float64'] * 21)})",
    "_longer_circuit": "UniTuple(float64, 2)(List(float64), float64)",
    "cycle_ratio": "float64(List(float64))",
    "copy": "void(float64[::1], uint64, float64[::1], uint64, uint64)",
    "fill": "void(float64[::1], uint64, float64, uint64)",
    "block": f"void(uint64, uint64, uint64[::1], {GIVEN}, float64[::1], {KEPT})",
    "evaluate": f"void(uint64[::1], uint64[::1], {GIVEN}, float64[:, ::1], float64[::1], {KEPT})",
    "_is_touched": f"boolean({', '.join(['int64'] * 7)})",
    "_first_touched": f"int64({', '.join(['int64'] * 6)})",
    "_end_touched": f"int64({', '.join(['int64'] * 6)})",
    "_indices": "int64(int64, int64, int64, int64)",
    "_held": f"int64({', '.join(['List(int64)'] * 3 + ['int64'] * 3)})",
    "_next": f"Tuple((int64, boolean))({', '.join(['List(int64)'] * 4 + ['int64'])})",
    "_is_touched_from": f"boolean({', '.join(['List(int64)'] * 3 + ['int64'])})",
    "_inner_columns": f"UniTuple(int64, 2)({', '.join(['List(int64)'] * 3 + ['int64'])})",
    "_has_columns_inside": "boolean(List(int64))",
    "_fewest_steps": "float64(List(int64))",
    "_outermost_once": "float64(List(int64))",
    "_visited": "Tuple((float64, int64))(List(int64), int64)",
    "tiles_moved": "float64(List(float64))",
    "_first_kind": "int64(List(float64))",
    "_left_in": "int64(int64, int64, int64, int64)",
    "_pairs_of_group": "void(List(float64), List(float64), int64, int64, int64, List(int64), List(int64), int64)",
    "_task": "List(float64)(List(float64), List(int64), List(int64), int64)",
    "_tasks": "Tuple((List(float64), List(float64)))(List(float64))",
    "_add_busiest": "void(boolean, int64, int64, List(float64), List(float64), List(float64))",
    "dealt_tasks": "List(float64)(List(float64))",
    "_whole_numbers": "List(int64)(List(float64))",
    "_span": f"UniTuple(int64, 2)({', '.join(['List(int64)', 'int64', *['List(int64)'] * 2, 'int64'])})",
    "_difference": f"UniTuple(int64, 7)({', '.join(['List(int64)', 'int64', *['List(int64)'] * 2, *['int64'] * 2])})",
    "_many_pairs": f"int64({', '.join(['List(int64)', 'int64', *['List(int64)'] * 2, *['int64'] * 4])})",
    "_add_pairs": (
        f"boolean({', '.join(['List(int64)', 'int64', *['List(int64)'] * 4, 'int64', 'int64'])}, List(float64), int64)"
    ),
    "_order": "List(int64)(List(int64), List(int64), int64)",
    "_add_touched": f"int64({', '.join(['List(int64)'] * 5)}, int64, List(float64), int64, int64)",
    "region_tiles": "List(float64)(List(float64))",
    "_write_box": f"void({', '.join(['List(int64)'] * 3)}, int64, List(int64), List(int64))",
    "_there": f"int64({', '.join(['List(int64)'] * 3)}, int64)",
    "_number": f"int64({', '.join(['List(int64)'] * 2)}, int64)",
    "_add_run": f"int64(List(int64), {', '.join(['int64'] * 3)})",
    "_add_window": f"int64(List(int64), int64, {', '.join(['List(int64)'] * 2)}, int64, List(int64), int64)",
    "_visited_inside": "Tuple((float64, int64))(List(int64), List(int64), int64)",
    "region_moved": "float64(List(float64))",
    "_turned": f"Tuple((int64, boolean))(List(int64), int64, int64, {', '.join(['List(int64)'] * 3)}, int64)",
    "_add_points": f"int64(List(int64), int64, {', '.join(['List(int64)'] * 2)}, int64, List(int64), int64)",
    "_add_body": f"int64(List(int64), int64, {', '.join(['List(int64)'] * 2)}, int64, List(int64), int64)",
    "_visited_union": "Tuple((float64, int64))(List(int64), int64)",
    "union_moved": "float64(List(float64))",
    "_kind_of": f"int64(List(int64), {', '.join(['int64'] * 4)}, List(int64))",
    "_tasks_of_region": "Tuple((List(float64), List(float64)))(List(float64), List(int64), List(int64), int64, int64)",
    "region_tasks": "List(float64)(List(float64))",
}
HEADER = (
    '''"""Generated by fusemax from a cost program; do not edit."""

from numba import njit
from numba import uint64 as unsigned
'''
    + "".join(f"from {module} import {', '.join(names)}\n" for module, names in MODULES.items())
    + "\nLONGEST = 2.0**30  # its square is a whole number of 64 bits, with room for a sum\n\n"
)
COMPILE_FROM = 150_000  #: points from which compiling pays


class Later:
    """A text that is made when it is first asked for: who only checks a study never does."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make

    @cached_property
    def text(self) -> str:
        """The text."""
        return self._make()

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self.text,)


def _made(text: str) -> Later:
    return Later(lambda: text)


@dataclass(frozen=True, slots=True)
class Grid:
    """Points in a grid with the code for them: see :mod:`fusemax.cost.code` and :mod:`fusemax.cost.nests` for the arrays.

    ``text`` is quick for single points, ``nest`` for many that follow each other; a grid whose points are only asked for one
    by one has no nest.
    """

    later: Later
    nest: Nest | None
    outputs: tuple[str, ...]
    lengths: np.ndarray
    fixed: np.ndarray
    values: np.ndarray

    @property
    def text(self) -> str:
        """The code for single points."""
        return self.later.text

    @property
    def points(self) -> int:
        """The number of points."""
        return math.prod(int(length) for length in self.lengths)

    def digest(self) -> str:
        """Return a hash of everything that the results depend on."""
        whole = hashlib.sha256(repr((self.text, self.nest, self.outputs)).encode())
        for numbers in (self.lengths, self.fixed, self.values):
            whole.update(repr(numbers.shape).encode() + numbers.tobytes())
        return whole.hexdigest()


def grid_of(
    program: Program, outputs: Sequence[str], axes: Axes, columns: Sequence[Sequence[Sequence[float]]],
    text: str | None = None, nested: bool = True,
) -> Grid:  # fmt: skip
    """Return the grid of *program* over *axes*; ``columns[axis][number]`` are the values of the axis's names.

    *text* is that for single points, where it is known already: see :func:`point_text`.
    """
    lengths = [len(names[0]) if names else 1 for names in columns]
    table = [values for names in columns for values in names]
    values = np.zeros((max(len(table), 1), max(lengths)))
    for row, numbers in enumerate(table):
        values[row, : len(numbers)] = numbers
    fixed = np.array([math.nan if v is None else v for v in program.parameters.values()], dtype=np.float64)
    given = text
    later = Later(lambda: kernel_text(program, outputs, axes) if given is None else given)
    nest = nest_of(program, outputs, axes, lengths) if nested else None
    return Grid(later, nest, tuple(outputs), np.array(lengths, dtype=np.uint64), fixed, values)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a thread keeps from one block of a grid to the next: divisors, rows to work in, and tables of the nest."""

    divisors: np.ndarray
    work: Any
    tables: Any
    state: Any


def new_memory(grid: Grid) -> Memory:
    """Return an empty memory for *grid*; each thread needs its own."""
    nest = grid.nest or Nest("", 0, 0, 0)
    work, tables = np.zeros(nest.rows * PITCH), np.zeros(max(nest.entries, 1))
    return Memory(np.zeros((SLOTS, ROOM)), work, tables, np.zeros(max(nest.groups, 1), dtype=np.uint64))


@contextmanager
def lent_memory(grid: Grid) -> Iterator[Memory]:
    """Lend a memory of *grid* that no other thread uses; its tables stay filled for who borrows it next."""
    idle = _idle_memories(grid.digest())
    try:
        memory = idle.pop()
    except IndexError:
        memory = new_memory(grid)
    yield memory
    idle.append(memory)


@lru_cache(maxsize=2)
def _idle_memories(digest: str) -> list[Memory]:
    del digest  # the key: tables hold values of one grid
    return []


def evaluate_grid(
    grid: Grid, start: int, stop: int, results: np.ndarray, memory: Memory, compiled: bool
) -> None:
    """Write ``results`` (float64[outputs, stop - start]) of the points from *start* to *stop* (not included)."""
    assert grid.nest is not None
    whole = results if results.flags.c_contiguous else np.empty(results.shape)
    if not (compiled and _in_compiled(grid, start, stop, whole, memory)):
        _in_plain(grid, start, stop, whole)
    if whole is not results:
        results[:] = whole


def _in_compiled(grid: Grid, start: int, stop: int, results: np.ndarray, memory: Memory) -> bool:
    """Return whether compiled code could do it: it has whole numbers of 64 bits only, plain code has any."""
    assert grid.nest is not None
    span = np.array([start, stop], dtype=np.uint64)
    kept = (memory.work, memory.divisors, memory.tables, memory.state)
    try:
        compiled_kernel(grid.nest.text)(span, grid.lengths, grid.fixed, grid.values, results, *kept)
    except OverflowError:
        return False
    return True


def _in_plain(grid: Grid, start: int, stop: int, results: np.ndarray) -> None:
    """Do the same in Python: numbers in lists are quicker, those in arrays give infinities as compiled code does."""
    assert grid.nest is not None
    evaluate = plain(grid.nest.text)["evaluate"]
    nest, fixed, table = grid.nest, grid.fixed.tolist(), _Table(grid.values.tolist())
    given = ((start, stop), grid.lengths.tolist(), fixed, table, results)
    try:
        evaluate(*given, [0.0] * (nest.rows * PITCH), _divisors(), [0.0] * nest.entries, [0] * nest.groups)
    except (ZeroDivisionError, OverflowError, TypeError):
        kept = (np.zeros(nest.rows * PITCH), _divisors(), np.zeros(nest.entries), [0] * nest.groups)
        with np.errstate(all="ignore"):  # figures such as a bandwidth of 0
            evaluate(given[0], given[1], grid.fixed, grid.values, results, *kept)


def _divisors() -> np.ndarray:
    return np.zeros((SLOTS, ROOM))


def evaluate_points(grid: Grid, points: Sequence[int], results: np.ndarray, compiled: bool) -> None:
    """Write ``results`` (float64[outputs, len(points)]) of single *points*, in rising order."""
    if compiled:
        with lent_memory(grid) as memory:
            for column, point in enumerate(points):
                evaluate_grid(grid, point, point + 1, results[:, column : column + 1], memory, compiled=True)
        return
    divisors, table = _divisors(), _Table(grid.values.tolist())
    for column, point in enumerate(points):
        _evaluate_span(grid, point, point + 1, results[:, column : column + 1], divisors, table)


def _evaluate_span(
    grid: Grid, start: int, stop: int, results: np.ndarray, divisors: np.ndarray, table: _Table
) -> None:
    kernel = plain(grid.text)["evaluate"]
    try:
        kernel((start, stop), grid.lengths.tolist(), grid.fixed.tolist(), table, results, divisors)
    except (ZeroDivisionError, OverflowError, TypeError):
        with np.errstate(
            all="ignore"
        ):  # figures such as a bandwidth of 0 give infinities here as in compiled code
            kernel = plain(_NUMBER.sub(r"\1float64(\2)", grid.text))["evaluate"]
            kernel((start, stop), grid.lengths.tolist(), grid.fixed, grid.values, results, divisors)


#: A number in a kernel; one of numpy is divided by zero as in compiled code, one of Python is not.
_NUMBER = re.compile(r"(?m)^(\s*t\d+ = )([-+\d.e]+)$")


class _Table:
    """Rows of plain floats behind numpy's two-index access: Python arithmetic on them is quicker, with the same bits."""

    def __init__(self, rows: list[list[float]]) -> None:
        self._rows = rows

    def __getitem__(self, where: Any) -> Any:
        return self._rows[where[0]][where[1]] if isinstance(where, tuple) else self._rows[where]


def point_text(program: Program, outputs: Sequence[str]) -> str:
    """Return the text of the kernel that :func:`run` uses; making it takes longer than running it."""
    return kernel_text(program, outputs, [tuple(program.parameters)])


def run(
    program: Program, outputs: Sequence[str], parameters: np.ndarray, text: str | None = None
) -> np.ndarray:
    """Return float64[points, outputs] for parameters float64[points, parameters]; *text* is :func:`point_text`'s."""
    many = len(parameters) >= COMPILE_FROM
    axes, columns = [tuple(program.parameters)], [parameters.T.tolist()]
    grid = grid_of(program, outputs, axes, columns, text, nested=many)
    results = np.empty((len(outputs), grid.points))
    if many:
        evaluate_grid(grid, 0, grid.points, results, new_memory(grid), compiled=True)
    else:
        _evaluate_span(grid, 0, grid.points, results, _divisors(), _Table(grid.values.tolist()))
    return results.T


@lru_cache(maxsize=256)
def plain(text: str) -> Mapping[str, Any]:
    """Return the functions of *text* as they are."""
    helpers, head, body = text.rpartition("\n\ndef evaluate(")
    scope = dict(helper_functions(helpers)) if head else _names()
    exec(compile(f"{head}{body}", "<cost program>", "exec"), scope)
    return scope


def _names() -> dict[str, Any]:
    return {**PRIMITIVES, "LONGEST": math.inf, "unsigned": int, "float64": np.float64}


@lru_cache(maxsize=32)
def helper_functions(text: str) -> Mapping[str, Any]:
    """Return the functions that a kernel calls, made once for all kernels that call the same."""
    scope = _names()
    exec(compile(text, "<cost program>", "exec"), scope)
    if "copy" in scope:
        scope |= {"copy": _copy, "fill": _fill}
    return scope


def _copy(to: Any, where: int, source: Any, begin: int, count: int) -> None:
    to[where : where + count] = source[begin : begin + count]


def _fill(to: Any, where: int, value: float, count: int) -> None:
    to[where : where + count] = [value] * count


@lru_cache(maxsize=64)
def compiled_kernel(text: str) -> Kernel:
    """Return the numba form of *text*, kept between processes so that a new one need not compile.

    It holds no interpreter lock: threads run side by side.
    """
    source = HEADER + text
    for function, types in TYPES.items():
        decorated = f'@njit("{types}", cache=True, nogil=True, error_model="numpy")\ndef {function}('
        source = source.replace(f"\ndef {function}(", f"\n{decorated}")
    return load_kept(source)["evaluate"]
