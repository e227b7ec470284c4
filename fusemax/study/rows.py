"""Rows of results: one per point and configuration, with what it costs, or why it cannot be run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusemax.cost.evaluate import Cost, check_tiles, evaluate_lines
from fusemax.errors import FusemaxError
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
    """Return, for each point of *group*, the alternative with the least measure and its cost, or why none fits."""
    answers = [(alternative.mapping, _costs(alternative)) for alternative in group.alternatives]
    return [_best({m: costs[i] for m, costs in answers}, group.by) for i in range(len(group.points))]


def _best(answers: Mapping[str, Cost | str], by: str) -> tuple[str, Cost | str]:
    fitting = {name: answer for name, answer in answers.items() if isinstance(answer, Cost)}
    if fitting:
        return min(fitting.items(), key=lambda item: item[1].values[by])
    return ", ".join(answers), "; ".join(str(answer) for answer in answers.values())


def _costs(alternative: Alternative) -> list[Cost | str]:
    program = alternative.program
    results = evaluate_lines(program, program.lines, alternative.parameters)
    labels = {line.name: line.label for line in program.lines}
    answers: list[Cost | str] = []
    for parameters, values in zip(alternative.parameters, results, strict=True):
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
