"""Laws of time for a fixed mapping: more of anything is never slower, and twice the clock and bandwidth is half the time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError
from fusemax.simulate.tiles import simulate
from tests.walk.compare import RELATIVE, Difference
from tests.walk.design import Design

#: Laws that do not hold to the last cycle: by what part of the time they may be broken, and why.
SLACK = {
    # the first tiles of several cores come through one channel, and less of a core's own loads hides behind its fewer tasks;
    # each transfer ends on a clock edge; partial sums leave more cores (docs/simulate.md has what was measured)
    "more cores is slower in simulate": 0.2,
    # a unit takes the first task whose data is there; data that comes sooner can lead to a longer order (Graham 1969)
    "more bandwidth is slower in simulate": 0.1,
    "more ports is slower in simulate": 0.1,
}

Change = Callable[[dict[str, Any]], bool]


def times_of(design: Design, simulated: bool) -> dict[str, float]:
    """Return the times of *design* by fidelity; empty where it is refused."""
    return _run(design, simulated)[0]


def _run(design: Design, simulated: bool) -> tuple[dict[str, float], float]:
    """Return the times of *design* by fidelity, and the words that move at all levels together."""
    try:
        mapped, machine = design.loaded()
        answer = cost(mapped, derive(mapped, machine), design.sizes)
        found = {"bound": answer.bound_s, "schedule": answer.latency_s}
        if simulated:
            found["simulate"] = simulate(mapped, machine, design.sizes).latency_s
    except FusemaxError:
        return {}, 0.0
    return found, sum(answer.table("words").values())


def broken_laws(design: Design, simulated: bool) -> list[Difference]:
    """Return each law that *design* breaks, by more than its ``SLACK``, with the times before and after.

    More cores may be slower where they move more: a tile that tasks in a row want comes to each core, and open sums go from
    core to core. More room may be slower where less spills to a level that is faster. A fitted start has no clock.
    """
    before, words = _run(design, simulated)
    if not before:
        return []
    found = [*_never_slower(design, before, words, simulated)]
    return found if _has_start(design) else [*found, *_half_the_time(design, before, simulated)]


def _has_start(design: Design) -> bool:
    schedules = [nest.get("schedule") for nest in design.mapping["nests"]]
    return any(isinstance(schedule, dict) and "start" in schedule for schedule in schedules)


def _changed(design: Design, change: Change) -> Design | None:
    machine = copy.deepcopy(dict(design.machine))
    return Design(design.cascade, machine, design.mapping, design.sizes) if change(machine) else None


def _never_slower(
    design: Design, before: dict[str, float], words: float, simulated: bool
) -> Iterator[Difference]:
    for name, change in MORE.items():
        if change is _more_room and "spill" in design.mapping:
            continue
        more = _changed(design, change)
        after, moved = _run(more, simulated) if more is not None else ({}, 0.0)
        if change is _more_cores and moved > words * (1 + RELATIVE):
            continue
        for fidelity, time in after.items():
            what = f"{name} is slower in {fidelity}"
            if time > before[fidelity] * (1 + SLACK.get(what, RELATIVE)):
                yield Difference(what, {"before": before[fidelity], "after": time})


def _half_the_time(design: Design, before: dict[str, float], simulated: bool) -> Iterator[Difference]:
    double = _changed(design, _twice_the_clock)
    assert double is not None
    after = times_of(double, simulated)
    for fidelity, time in after.items():
        if abs(2 * time - before[fidelity]) > RELATIVE * before[fidelity]:
            values = {"before": before[fidelity], "after": time}
            yield Difference(f"twice the clock and bandwidth is not half of {fidelity}", values)


def _bandwidth(machine: dict[str, Any], factor: int) -> bool:
    found = False
    for level in machine["levels"].values():
        if "bandwidth" in level:
            given = level["bandwidth"]
            ways = (
                {way: _times(value, factor) for way, value in given.items()}
                if isinstance(given, dict)
                else None
            )
            level["bandwidth"] = ways or _times(given, factor)
            found = True
    return found


def _times(value: str, factor: float) -> str:
    number, _, unit = value.partition(" ")
    return f"{float(number) * factor:g} {unit}"


def _more_bandwidth(machine: dict[str, Any]) -> bool:
    return _bandwidth(machine, 2)


def _more_ports(machine: dict[str, Any]) -> bool:
    levels = [level for level in machine["levels"].values() if "ports" in level]
    for level in levels:
        level["ports"] += 1
    return bool(levels)


def _more_room(machine: dict[str, Any]) -> bool:
    levels = [level for level in machine["levels"].values() if "size" in level]
    for level in levels:
        level["size"] = "2 GiB"
    return bool(levels)


def _more_cores(machine: dict[str, Any]) -> bool:
    machine["replicas"] = machine.get("replicas", 1) + 1
    return "replicas" in machine


def _twice_the_clock(machine: dict[str, Any]) -> bool:
    machine["clock"] = "2 GHz"
    _bandwidth(machine, 2)
    for unit in machine["units"].values():
        if "clock" in unit:
            unit["clock"] = _times(unit["clock"], 2)
    for place, key in ((machine, "launch"), *((level, "latency") for level in machine["levels"].values())):
        if key in place:
            place[key] = _times(place[key], 1 / 2)
    return True


MORE: dict[str, Change] = {
    "more bandwidth": _more_bandwidth, "more ports": _more_ports, "more room": _more_room, "more cores": _more_cores,
}  # fmt: skip
