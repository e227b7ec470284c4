"""Rows of results: one per point and configuration, with what it costs, or why it cannot be run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusemax.cost.evaluate import Cost, check_tiles, evaluate_lines
from fusemax.errors import FusemaxError
from fusemax.mapping.nest import Mapped
from fusemax.study.choices import is_better
from fusemax.study.plan import Alternative, Group, Job
from fusemax.study.points import Point

Progress = Callable[[int, int, str], None]
NO_ROOM = "reason"  #: the column that says why a configuration does not fit at a point


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the results: where it belongs, and its values by column; a row that does not fit has a ``reason``."""

    part: str
    configuration: str
    labels: Mapping[str, str]
    sizes: Mapping[str, int]
    values: Mapping[str, Any]
    breakdown: tuple[Mapping[str, Any], ...] = ()

    @property
    def fits(self) -> bool:
        """Whether the configuration can be run at the point."""
        return bool(self.values["fits"])


def rows_of(jobs: Sequence[Job], progress: Progress | None = None) -> list[Row]:
    """Return the rows of all *jobs*, in their order; *progress* is told of each before it begins."""
    rows: list[Row] = []
    for number, job in enumerate(jobs):
        if progress:
            progress(number, len(jobs), f"{job.part.name}: {job.configuration}")
        rows += _job_rows(job)
    if progress:
        progress(len(jobs), len(jobs), "done")
    return rows


def _job_rows(job: Job) -> list[Row]:
    found: dict[int, Row] = {}
    for group in job.groups:
        for number, point, (mapping, answer) in zip(group.numbers, group.points, _chosen(group), strict=True):
            found[number] = _row(job, point, group.machine, mapping, answer)
    return [found[number] for number in sorted(found)]


def _chosen(group: Group) -> list[tuple[str, Cost | str]]:
    """Return, for each point of *group*, the words and the cost of the best trial that fits, or why none does."""
    only = group.alternatives[0]
    if len(group.alternatives) == 1 and len(only.trials) == len(group.points):
        places = range(len(group.points))
        return [(only.trials[n][1], answer) for n, answer in zip(places, _costs(only, places), strict=True)]
    best: list[tuple[Alternative, int, Sequence[float]] | None] = [None] * len(group.points)
    for alternative in group.alternatives:
        for number, measures in _measured(alternative, group.by):
            place = alternative.trials[number][0]
            before = best[place]
            if before is None or is_better(measures, before[2]):
                best[place] = (alternative, number, measures)
    found: dict[int, tuple[str, Cost | str]] = {}
    for alternative in group.alternatives:
        mine = [entry[1] for entry in best if entry is not None and entry[0] is alternative]
        for number, answer in zip(mine, _costs(alternative, mine), strict=True):
            found[alternative.trials[number][0]] = (alternative.trials[number][1], answer)
    return [found.get(place) or _none_fits(group, place) for place in range(len(group.points))]


def _measured(alternative: Alternative, by: Sequence[str]) -> Iterator[tuple[int, Sequence[float]]]:
    """Yield the trials that fit, with the measures that choose among them; nothing else is evaluated."""
    program, kinds = alternative.program, ("tile", "occupancy", "capacity")
    lines = [line for line in program.lines if line.name in by or line.label.kind in kinds]
    labels = {line.name: line.label for line in lines}
    results = evaluate_lines(program, lines, [parameters for _, _, parameters in alternative.trials])
    for number, values in enumerate(results):
        found = dict(zip(labels, values, strict=True))
        if fits(alternative.mapped, Cost(found, labels, {})):
            yield number, [found[name] for name in by]


def fits(mapped: Mapped, answer: Cost) -> bool:
    """Return whether the tiles are whole numbers from 1 and all that may not spill has room."""
    try:
        check_tiles(mapped, answer)
    except FusemaxError:
        return False
    return True


def _none_fits(group: Group, place: int) -> tuple[str, Cost | str]:
    """Return the words of every alternative, and why none of them can run the point."""
    names, reasons = [], []
    for alternative in group.alternatives:
        number = next(n for n, trial in enumerate(alternative.trials) if trial[0] == place)
        names.append(alternative.mapped.name)
        reasons += [answer for answer in _costs(alternative, [number]) if isinstance(answer, str)]
    return ", ".join(dict.fromkeys(names)), "; ".join(dict.fromkeys(reasons))


def _costs(alternative: Alternative, numbers: Sequence[int]) -> list[Cost | str]:
    """Return the costs of some trials, or why each does not fit."""
    if not numbers:
        return []
    program, full = alternative.program, [alternative.trials[number][2] for number in numbers]
    results = evaluate_lines(program, program.lines, full)
    labels = {line.name: line.label for line in program.lines}
    answers: list[Cost | str] = []
    for parameters, values in zip(full, results, strict=True):
        answer = Cost(dict(zip(labels, values, strict=True)), labels, parameters)
        try:
            check_tiles(alternative.mapped, answer)
            answers.append(answer)
        except FusemaxError as error:
            answers.append("; ".join(line for line in str(error).splitlines() if "hint:" not in line))
    return answers


def _row(job: Job, point: Point, machine: str, mapping: str, answer: Cost | str) -> Row:
    given: dict[str, Any] = {"machine": machine, "mapping": mapping}
    if isinstance(answer, str):
        values = {**given, "fits": False, NO_ROOM: answer}
        return Row(job.part.name, job.configuration, point.labels, point.sizes, values)
    values = {**given, **_measures(answer), "fits": True, NO_ROOM: ""}
    return Row(job.part.name, job.configuration, point.labels, point.sizes, values, tuple(_breakdown(answer)))


def _measures(answer: Cost) -> dict[str, Any]:
    utilization = {f"utilization_{unit}": value for unit, value in answer.utilization().items()}
    registers = sum(
        value for label, value in answer.table("component_energy").items() if label.action == "registers"
    )
    areas = {
        f"area_{lab.unit or lab.level}_m2": value for lab, value in answer.table("component_area").items()
    }
    times: dict[str, float] = {}
    for label, seconds in answer.table("time").items():
        column = f"time_{label.unit or label.level}_s"
        times[column] = times.get(column, 0.0) + seconds
    values = {
        "latency_s": answer.latency_s, "bound_s": answer.bound_s, "traffic_B": answer.traffic_B,
        "energy_J": answer.energy_J, "energy_registers_J": registers, **utilization,
        "area_m2": answer.area_m2, **areas, **times,
        "limit": ", ".join(f"{nest}: {limit}" for nest, limit in answer.limits().items()),
    }  # fmt: skip
    return {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in values.items()}


BREAKDOWN = {
    "activity": ("activity", "1"), "component_energy": ("energy", "J"), "cycles": ("cycles", "cycles"),
    "words": ("words", "words"), "time": ("time", "s"),
}  # fmt: skip


def _breakdown(answer: Cost) -> Iterable[Mapping[str, Any]]:
    for name, label in answer.labels.items():
        if label.kind in BREAKDOWN:
            kind, unit = BREAKDOWN[label.kind]
            yield {
                "kind": kind, "nest": label.nest, "unit": label.unit, "level": label.level, "einsum": label.einsum,
                "tensor": label.tensor, "action": label.action, "value": answer.values[name], "unit_of_measure": unit,
            }  # fmt: skip
