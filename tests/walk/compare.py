"""One design through the walk, the cost model and the simulator: where do they differ?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

from fusemax.cost.evaluate import Cost, cost
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import Overlap
from fusemax.simulate.tile.result import Simulation
from fusemax.simulate.tiles import simulate
from tests.walk.design import Design
from tests.walk.walker import Walk, iterations, machine_figures, spaces, walk

RELATIVE = 1e-9
MOST_ITERATIONS = 6000  #: of a design that is walked: one of them takes some ten microseconds for each tensor


@dataclass(frozen=True)
class Difference:
    """Two witnesses that disagree: about what, and what each says."""

    what: str
    values: Mapping[str, float]

    def __str__(self) -> str:
        return f"{self.what}: " + ", ".join(f"{who} {value:g}" for who, value in self.values.items())


@dataclass(frozen=True)
class Outcome:
    """What became of one design: refused with a reason, or compared with all differences."""

    refused: str | None = None
    not_simulated: str | None = None
    differences: tuple[Difference, ...] = ()


def compared(design: Design, not_simulated: str = "") -> Outcome:
    """Return where the three witnesses differ on *design*; the simulator is left out for the reason *not_simulated*."""
    try:
        mapped, machine = design.loaded()
    except FusemaxError as error:
        return Outcome(refused=str(error))
    return witnessed(mapped, machine, design.sizes, not_simulated)


def witnessed(mapped: Mapped, machine: Machine, sizes: Mapping[str, int], not_simulated: str = "") -> Outcome:
    """Return where the three witnesses differ on *mapped* with *sizes*, as :func:`compared` does."""
    try:
        answer = cost(mapped, derive(mapped, machine), sizes)
    except FusemaxError as error:
        return Outcome(refused=str(error))
    fitted = {(k.nest, k.tensor): int(value) for k, value in answer.table("tile").items()}
    spilled = {(k.nest, k.level): value for k, value in answer.table("spilled").items()}
    if iterations(spaces(mapped, machine, sizes, fitted)) > MOST_ITERATIONS:
        return Outcome(refused="too many iterations to walk")
    walked = walk(mapped, machine, sizes, fitted, spilled)
    run: Simulation | None = None
    reason = not_simulated or None
    if not not_simulated:
        try:
            run = simulate(mapped, machine, sizes)
        except FusemaxError as error:
            reason = str(error)
    found = [
        *_words(walked, answer, run, _under_several(mapped)),
        *_cycles(walked, answer, run, mapped, machine),
        *_room(walked, answer, mapped, machine.outermost),
        *_live(walked, answer, mapped, machine.outermost),
        *_order(answer, run, mapped),
    ]
    return Outcome(not_simulated=reason, differences=tuple(found))


def near(one: float, other: float) -> bool:
    """Return whether two numbers are the same but for rounding."""
    return abs(one - other) <= RELATIVE * max(1.0, abs(one), abs(other))


def _words(
    walked: Walk, answer: Cost, run: Simulation | None, several: Collection[tuple[str, str]]
) -> list[Difference]:
    """Return where words differ; the simulator may count those of *several*, by nest and tensor, as without a condition."""
    by: dict[str, dict[tuple[str, ...], float]] = {
        "walk": dict(walked.words),
        "cost": {(k.nest, k.level, k.tensor, k.action): v for k, v in answer.table("words").items()},
    }
    if run is not None:
        by["simulate"] = {(k.nest, k.level, k.tensor, k.kind): v for k, v in run.words.items()}
    found = _unequal("words", by)
    return [d for d in found if not (tuple(d.what.split()[1:4:2]) in several and _is_bounded(d.values))]


def _is_bounded(values: Mapping[str, float]) -> bool:
    """Return whether cost and walk agree, and the simulator on no less."""
    return near(values["cost"], values["walk"]) and values.get("simulate", 0.0) >= values["walk"]


def _under_several(mapped: Mapped) -> set[tuple[str, str]]:
    """Return by nest and tensor what one place keeps for bodies under different conditions (docs/cost-model.md)."""
    found: set[tuple[str, str]] = set()
    for nest in mapped.nests:
        for residence in nest.residences:
            bodies = [
                [mapped.einsum(name) for name in body.einsums]
                for body in nest.bodies
                if residence.covers(body.node)
            ]
            touching = [
                body
                for body in bodies
                if any(a.tensor == residence.tensor for e in body for a in (*e.reads, *e.outputs))
            ]
            conditions = {frozenset(str(c) for e in body for c in e.conditions) for body in touching}
            if len(conditions) > 1:
                found.add((nest.name, residence.tensor))
    return found


def _unequal(what: str, by: Mapping[str, Mapping[tuple[str, ...], float]]) -> list[Difference]:
    keys = dict.fromkeys(key for found in by.values() for key in found)
    found: list[Difference] = []
    for key in sorted(keys):
        values = {who: table.get(key, 0.0) for who, table in by.items()}
        if not all(near(value, values["walk"]) for value in values.values()):
            found.append(Difference(f"{what} {' '.join(key)}", values))
    return found


def _cycles(
    walked: Walk, answer: Cost, run: Simulation | None, mapped: Mapped, machine: Machine
) -> list[Difference]:
    cycles: dict[tuple[str, ...], float] = {}
    for label, value in answer.table("cycles").items():
        cycles[label.nest, label.unit] = cycles.get((label.nest, label.unit), 0.0) + value
    found: list[Difference] = []
    for nest, cores in walked.cycles.items():
        mine = {key: value for key, value in cycles.items() if key[0] == nest}
        each = [_unequal("cycles", {"walk": dict(core), "cost": mine}) for core in cores or ({},)]
        found += min(each, key=len)  # of several cores that are equally busy one
    figures = machine_figures(machine)
    lanes = {u: figures["replicas"] for u in machine.units}
    for unit, described in machine.units.items():
        for dimension in described.shape:
            lanes[unit] *= figures[f"{unit}.{dimension}"]
    clock = figures["clock"]
    by = {
        "walk": {(u,): v for u, v in walked.useful.items()},
        "cost": {(u,): v * lanes[u] * clock * answer.latency_s for u, v in answer.utilization().items()},
    }
    if run is not None:
        by["simulate"] = {(u,): v * lanes[u] * run.cycles for u, v in run.utilization.items()}
    return found + _unequal("useful lane-cycles", by)


def _room(walked: Walk, answer: Cost, mapped: Mapped, outermost: str) -> list[Difference]:
    """Return where kept tiles differ in size; what waits at the outermost level is counted whole, tile or not.

    In a serial nest only what is there at the fullest moment is listed; those are left out. Under a mask a tile may have less
    than its whole room, for what the mask leaves of it, and never more.
    """
    masked = _masked(mapped)
    serial = {nest.name for nest in mapped.nests if nest.schedule == "serial"}
    room: dict[tuple[str, ...], float] = {}
    for name, label in answer.labels.items():
        if label.kind == "room" and label.action == "tile" and label.level != outermost:
            key = (label.nest, label.level, label.tensor)
            room[key] = room.get(key, 0.0) + answer.values[name]
    kept = {key: value for key, value in walked.room.items() if key[1] != outermost and key[0] not in serial}
    charged = {key: value for key, value in room.items() if key[0] not in serial}
    found = _unequal("room", {"walk": kept, "cost": charged})
    return [d for d in found if d.what.split()[1] not in masked or d.values["cost"] > d.values["walk"]]


def _live(walked: Walk, answer: Cost, mapped: Mapped, outermost: str) -> list[Difference]:
    """Return the levels, or registers, in which more is there at once than the room that is charged, under any schedule.

    Not those under a mask, where a tile may take less than its whole room.
    """
    masked = _masked(mapped)
    charged = {(k.nest, k.level): value for k, value in answer.table("occupancy").items()}
    found: list[Difference] = []
    for (nest, level), value in walked.live.items():
        known = charged.get((nest, level))
        if nest not in masked and level != outermost and known is not None and value > known * (1 + RELATIVE):
            found.append(Difference(f"live {nest} {level}", {"walk": value, "cost": known}))
    return found


def _masked(mapped: Mapped) -> set[str]:
    """Return the nests in which something stands under a condition."""
    conditions = {e.name for e in mapped.cascade.computed if e.conditions}
    return {n.name for n in mapped.nests for body in n.bodies if conditions & set(body.einsums)}


def _order(answer: Cost, run: Simulation | None, mapped: Mapped) -> list[Difference]:
    """Return which of bound, schedule and simulation is above the next; units that overlap in part are not in order."""
    if any(isinstance(nest.schedule, Overlap) for nest in mapped.nests):
        return []
    found: list[Difference] = []
    times = {"bound": answer.bound_s, "schedule": answer.latency_s}
    if run is not None:
        times["simulate"] = run.latency_s
    names = list(times)
    for one, other in pairwise(names):
        if times[one] > times[other] * (1 + RELATIVE):
            found.append(Difference(f"{one} above {other}", times))
    return found
