"""A slow walk through every iteration of a mapping: words, steps, operations and room, counted one by one.

It is written from docs/mappings.md and docs/machines.md and shares no counting with the cost model or the simulator.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from fusemax.analysis.work import operations
from fusemax.cascade.sizes import resolve_sizes
from fusemax.machine import Machine, figures
from fusemax.mapping.nest import Mapped, Residence
from fusemax.mapping.spec import Fit
from tests.walk.cores import cores_of, has_unequal_tasks, tasks_of
from tests.walk.groups import grouping_of
from tests.walk.rooms import largest_tiles, most_at_once
from tests.walk.space import NotWalkedError, Space, value_of
from tests.walk.steps import Steps
from tests.walk.trace import Trace
from tests.walk.words import words_of

Key = TypeVar("Key")


@dataclass(frozen=True)
class Walk:
    """What was counted.

    Attributes
    ----------
    words
        Of all cores, by nest, level, tensor and kind.
    cycles
        In which units of the busiest core work, by nest and unit: once for each core that no other has more cycles than.
    useful
        Lane-cycles of operations whose results are wanted, of all cores, by unit.
    room
        Bytes of the largest tile with all its buffers, by nest, level and tensor.
    live
        Bytes of the kept tiles that are there at once, at the fullest moment, by nest and level.
    """

    words: Mapping[tuple[str, str, str, str], float]
    cycles: Mapping[str, tuple[Mapping[tuple[str, str], float], ...]]
    useful: Mapping[str, float]
    room: Mapping[tuple[str, str, str], float]
    live: Mapping[tuple[str, str], float]


def machine_figures(machine: Machine) -> dict[str, float]:
    """Return every figure of *machine* as a number."""
    expressions = figures(machine)
    known: dict[str, float] = {}
    waiting = dict(expressions)
    while waiting:
        before = len(waiting)
        for name, expression in list(waiting.items()):
            try:
                known[name] = float(value_of(expression, known))
            except (KeyError, NotWalkedError):
                continue
            del waiting[name]
        if len(waiting) == before:
            break
    return known


def spaces(
    mapped: Mapped, machine: Machine, given: Mapping[str, int], fitted: Mapping[tuple[str, str], int]
) -> list[Space]:
    """Return the ranks of each nest with all sizes known; *fitted* are the tiles that rules find, by nest and name."""
    numbers = machine_figures(machine)
    found: list[Space] = []
    for nest in mapped.nests:
        digits: dict[str, int] = {}
        partition: dict[str, int] = {}
        known: dict[str, float] = {**numbers, **given}
        rules = [digit for root in nest.roots.values() for digit in root.digits[1:]]
        for again in (False, True):  # first those that need no size which the cascade gives
            for digit in [digit for digit in rules if digit.name not in digits]:
                if isinstance(digit.rule, Fit):
                    size = fitted[nest.name, digit.size_name]
                elif digit.rule is None:
                    raise NotWalkedError("a tile without a size")
                else:
                    try:
                        size = int(value_of(digit.rule, known))
                    except KeyError:
                        if again:
                            raise
                        continue
                digits[digit.name] = size
                known[digit.size_name] = size
                if digit.size_name in mapped.cascade.ranks:
                    partition[digit.size_name] = size
            if len(digits) < len(rules):
                known |= resolve_sizes(mapped.cascade, {**given, **partition})
        found.append(
            Space(mapped.cascade, nest, resolve_sizes(mapped.cascade, {**given, **partition}), digits)
        )
    return found


def iterations(spaces_: Iterable[Space]) -> int:
    """Return how many iterations all bodies have together, before any condition leaves some out."""
    total = 0
    for space in spaces_:
        for body in space.nest.bodies:
            many = 1
            for root in space.roots_of(body.loops):
                mine = [digit.name for digit in root.digits if digit.name in body.loops]
                many *= len({tuple(point[d] for d in mine) for point in space.coordinates(root)})
            total += many
    return total


def word_bytes(
    mapped: Mapped, machine: Machine, numbers: Mapping[str, float], level: str, tensor: str
) -> float:
    """Return the bytes of a word of *tensor* at *level*: the mapping's, the registers', or the machine's."""
    if tensor in mapped.words:
        return value_of(mapped.words[tensor], numbers)
    return numbers.get(f"{level}.registers.word", numbers["word"])


def walk(
    mapped: Mapped,
    machine: Machine,
    sizes: Mapping[str, int],
    fitted: Mapping[tuple[str, str], int] | None = None,
    spilled: Mapping[tuple[str, str], float] | None = None,
) -> Walk:
    """Return what is counted in a walk through every iteration of *mapped* on *machine*.

    Tiles that rules such as ``fit(L1)`` find are given in *fitted*, by nest and name; the part of what may spill that has no
    room at a level in *spilled*, by nest and level.
    """
    numbers = machine_figures(machine)
    cores = int(numbers["replicas"])
    words: Counter[tuple[str, str, str, str]] = Counter()
    cycles: dict[str, tuple[Mapping[tuple[str, str], float], ...]] = {}
    useful: Counter[str] = Counter()
    room: dict[tuple[str, str, str], float] = {}
    live: dict[tuple[str, str], float] = {}
    for nest, space in zip(mapped.nests, spaces(mapped, machine, sizes, fitted or {}), strict=True):
        trace = Trace(mapped, nest, space)
        outside = {level: part for (name, level), part in (spilled or {}).items() if name == nest.name}
        steps = trace.steps()
        counter = Steps(mapped, machine, numbers, space)
        work = [counter.of(step) for step in steps]
        tasks = tasks_of(mapped, nest, steps)
        masked = has_unequal_tasks(mapped, nest)
        grouping = grouping_of(machine, numbers, nest)
        core_of = cores_of(nest, tasks, [cycles_ for cycles_, _ in work], cores, masked, grouping)
        busy: dict[int, Counter[tuple[str, str]]] = defaultdict(Counter)
        for task, (cycles_, useful_) in zip(tasks, work, strict=True):
            for (unit, _), value in cycles_.items():
                busy[core_of[task]][nest.name, unit] += value  # type: ignore[assignment]
            for (unit, _), value in useful_.items():
                useful[unit] += value
        most = max((sum(found.values()) for found in busy.values()), default=0.0)
        cycles[nest.name] = tuple(
            dict(found) for found in busy.values() if sum(found.values()) >= most * (1 - 1e-12)
        )
        counted = words_of(trace, machine, steps, tasks, cores, outside, grouping)
        for (level, tensor, kind), value in counted.items():
            words[nest.name, level, tensor, kind] += value
        for (level, tensor), value in largest_tiles(trace, grouping).items():
            room[nest.name, level, tensor] = value * waiting_bytes(mapped, machine, numbers, level, tensor)
        bytes_of = partial(_bytes_of, mapped, machine, numbers)
        for level, value in most_at_once(trace, steps, bytes_of, grouping).items():
            live[nest.name, level] = value
    return Walk(_nonzero(words), cycles, _nonzero(useful), _nonzero(room), live)


def _bytes_of(mapped: Mapped, machine: Machine, numbers: Mapping[str, float], place: Residence) -> float:
    return waiting_bytes(mapped, machine, numbers, place.level, place.tensor)


def waiting_bytes(
    mapped: Mapped, machine: Machine, numbers: Mapping[str, float], level: str, tensor: str
) -> float:
    """Return the bytes that a value of *tensor* takes where it lies: a sum the accumulator of its unit, if that is wider.

    That is where values of the unit wait: in its registers, or at the innermost level. A step adds to the one before.
    """
    wide = word_bytes(mapped, machine, numbers, level, tensor)
    for einsum in mapped.cascade.producers(tensor):
        done = operations(mapped.cascade, einsum)
        later = mapped.cascade.tensors[tensor].generation is not None and not einsum.initial
        if not done or not (einsum.reduced or later):
            continue
        unit = mapped.bind[einsum.name, len(done) - 1]
        here = unit if machine.units[unit].registers is not None else machine.level_names[-1]
        wide = max(wide, numbers.get(f"{unit}.accumulator", 0.0)) if here == level else wide
    return wide


def _nonzero(found: Mapping[Key, float]) -> dict[Key, float]:
    return {key: value for key, value in found.items() if value}
