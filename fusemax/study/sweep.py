"""Run a study: derive each (machine, mapping) once, evaluate all its points in one call, collect tidy rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusemax.cascade.build import load_cascade
from fusemax.cascade.ir import Cascade
from fusemax.cost.evaluate import Cost, check_tiles, evaluate_lines, sizes_for
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.errors import FusemaxError
from fusemax.language.figure import figure_value
from fusemax.machine import Machine, load_machine
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import load_mapping_file, mapping_file_of, with_changes
from fusemax.quantity import QuantityError
from fusemax.study.points import Point, points_of
from fusemax.study.spec import BestOf, Case, Configuration, StudyFile, StudyPart

Progress = Callable[[int, int, str], None]
ADDED = ("latency_s", "bound_s", "traffic_B", "energy_J", "energy_registers_J")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the results: where it belongs, and its values by column."""

    part: str
    configuration: str
    labels: Mapping[str, str]
    sizes: Mapping[str, int]
    values: Mapping[str, Any]
    breakdown: tuple[Mapping[str, Any], ...] = ()

    @property
    def key(self) -> tuple[Any, ...]:
        """What identifies the row besides its part."""
        return (self.configuration, *self.labels.items(), *sorted(self.sizes.items()))


@dataclass
class Engine:
    """Derives cost programs and remembers them, by machine, mapping and changes."""

    machines: dict[str, tuple[Machine, Path]] = field(default_factory=dict)
    programs: dict[str, tuple[Mapped, Program]] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    cascades: dict[str, Cascade] = field(default_factory=dict)

    def _read(self, path: Path) -> None:
        """Remember a file that a result depends on, under the name that a reader knows it by."""
        self.files["/".join(path.parts[-3:])] = path

    def machine(self, name: str) -> tuple[Machine, Path]:
        """Return the machine called *name* and its file."""
        if name not in self.machines:
            self.machines[name] = load_machine(name)
            self._read(self.machines[name][1])
        return self.machines[name]

    def program(
        self, machine: str, mapping: str, changes: Mapping[str, Any], free: Iterable[str]
    ) -> tuple[Mapped, Program]:
        """Return the mapped cascade and its program for a mapping with changed values and freed figures."""
        free = sorted(free)
        key = json.dumps([machine, mapping, changes, free], sort_keys=True, default=str)
        if key not in self.programs:
            self.programs[key] = self._derive(machine, mapping, changes, free)
        return self.programs[key]

    def _cascade(self, name: str) -> Cascade:
        if name not in self.cascades:
            self.cascades[name] = load_cascade(name)
        return self.cascades[name]

    def _derive(
        self, machine: str, mapping: str, changes: Mapping[str, Any], free: Sequence[str]
    ) -> tuple[Mapped, Program]:
        described, path = self.machine(machine)
        file, document = load_mapping_file(mapping, path)
        if changes:
            document = with_changes(document, changes)
            file = mapping_file_of(document)
        mapped = map_onto(self._cascade(file.cascade), described, file, document)
        self._read(Path(document.file))
        self._read(Path(mapped.cascade.file))
        return mapped, derive(mapped, described, free)


def run_sweep(study: StudyFile, progress: Progress | None = None, engine: Engine | None = None) -> list[Row]:
    """Return the rows of all parts of *study*, in order; *engine* remembers what was derived and read."""
    engine = engine or Engine()
    work = [(part, name) for part in study.parts for name in part.configurations]
    rows: list[Row] = []
    for number, (part, name) in enumerate(work):
        if progress:
            progress(number, len(work), f"{part.name}: {name}")
        rows += _configuration_rows(engine, study, part, name)
    for part in study.parts:
        if part.total_of:
            rows += _totals(part, rows, [*study.listed_sizes(part.name), study.length])
    if progress:
        progress(len(work), len(work), "done")
    return rows


def _configuration_rows(engine: Engine, study: StudyFile, part: StudyPart, name: str) -> list[Row]:
    configuration = part.configurations[name]
    groups: dict[str, tuple[Configuration, list[tuple[int, Point]]]] = {}
    points = points_of(part)
    if not points:
        raise FusemaxError(f"part {part.name!r} has no points: its 'where' conditions leave none")
    for number, point in enumerate(points):
        fitted = _for_point(configuration, point)
        key = json.dumps(fitted.model_dump(), sort_keys=True, default=str)
        groups.setdefault(key, (fitted, []))[1].append((number, point))
    found: dict[int, Row] = {}
    for fitted, members in groups.values():
        chosen = _best_costs(engine, fitted, [point for _, point in members], f"{part.name}, {name}")
        for (number, point), (mapping, answer) in zip(members, chosen, strict=True):
            found[number] = _row(part.name, name, point, fitted.machine, mapping, answer)
    rows = [found[number] for number in sorted(found)]
    return _summed(rows, part) if part.sum_over else rows


def _for_point(configuration: Configuration, point: Point) -> Configuration:
    """Return *configuration* with the cases that hold at *point* applied."""
    mapping, figures, changes = (
        configuration.mapping,
        dict(configuration.figures),
        dict(configuration.changes),
    )
    for case in configuration.cases:
        if all(condition.holds(point.columns()) for condition in case.where):
            mapping = case.mapping or mapping
            figures |= case.figures
            changes = _merged(changes, case)
    return configuration.model_copy(
        update={"mapping": mapping, "figures": figures, "changes": changes, "cases": []}
    )


def _merged(changes: dict[str, Any], case: Case) -> dict[str, Any]:
    return dict(case.changes) if case.mapping else {**changes, **case.changes}


def _best_costs(
    engine: Engine, configuration: Configuration, points: Sequence[Point], where: str
) -> list[tuple[str, Cost]]:
    mapping = configuration.mapping
    if isinstance(mapping, str):
        return [
            (mapping, _fitting(answer, where))
            for answer in _costs(engine, configuration, mapping, points, where)
        ]
    candidates = {name: _costs(engine, configuration, name, points, where) for name in mapping.best_of}
    return [
        _best(mapping, {n: costs[i] for n, costs in candidates.items()}, where) for i in range(len(points))
    ]


def _best(choice: BestOf, answers: Mapping[str, Cost | FusemaxError], where: str) -> tuple[str, Cost]:
    fitting = {name: answer for name, answer in answers.items() if isinstance(answer, Cost)}
    if not fitting:
        reasons = "\n".join(str(answer) for answer in answers.values())
        raise FusemaxError(f"{where}: none of the mappings {', '.join(answers)} fits:\n{reasons}")
    return min(fitting.items(), key=lambda item: item[1].values[choice.by])


def _fitting(answer: Cost | FusemaxError, where: str) -> Cost:
    if isinstance(answer, FusemaxError):
        raise FusemaxError(f"{where}: {answer}")
    return answer


def _costs(
    engine: Engine, configuration: Configuration, mapping: str, points: Sequence[Point], where: str
) -> list[Cost | FusemaxError]:
    figures = [{**configuration.figures, **point.figures} for point in points]
    free = {name for table in figures for name in table}
    mapped, program = engine.program(configuration.machine, mapping, configuration.changes, free)
    full: list[dict[str, float]] = []
    sizes_known = _known_sizes(mapped, program)
    fixed = {name: value for name, value in program.parameters.items() if value is not None}
    for point, table in zip(points, figures, strict=True):
        sizes = {n: v for n, v in point.sizes.items() if n in sizes_known}
        values = {name: figure_number(name, value, where) for name, value in table.items()}
        unknown = [name for name in values if name not in program.parameters]
        if unknown:
            raise FusemaxError(f"{where}: {unknown[0]!r} is no figure of machine {configuration.machine}")
        needed = {
            name: value for name, value in program.parameters.items() if value is None and name not in values
        }
        solved = sizes_for(mapped, _only(program, needed), sizes)
        full.append({**fixed, **{n: float(v) for n, v in solved.items()}, **values})
    results = evaluate_lines(program, program.lines, full)
    labels = {line.name: line.label for line in program.lines}
    answers: list[Cost | FusemaxError] = []
    for parameters, values in zip(full, results, strict=True):
        answer = Cost(dict(zip(labels, values, strict=True)), labels, parameters)
        try:
            check_tiles(mapped, answer)
            answers.append(answer)
        except FusemaxError as error:
            answers.append(error)
    return answers


def _only(program: Program, needed: Mapping[str, float | None]) -> Program:
    return Program(parameters=needed, lines=program.lines)


def _known_sizes(mapped: Mapped, program: Program) -> set[str]:
    return {*mapped.cascade.ranks, *mapped.cascade.size_symbols()} | {
        name for name, value in program.parameters.items() if value is None and "." not in name
    }


def figure_number(name: str, value: Any, where: str) -> float:
    """Return a figure written in a study (``16 MiB``, ``256``) as an SI float."""
    try:
        return figure_value(name, value)
    except QuantityError as error:
        raise FusemaxError(f"{where}: figure {name}: {error}") from None


def _row(part: str, name: str, point: Point, machine: str, mapping: str, answer: Cost) -> Row:
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
        "machine": machine, "mapping": mapping,
        "latency_s": answer.latency_s, "bound_s": answer.bound_s, "traffic_B": answer.traffic_B,
        "energy_J": answer.energy_J, "energy_registers_J": registers, **utilization,
        "area_m2": answer.area_m2, **areas, **times,
        "limit": ", ".join(f"{nest}: {limit}" for nest, limit in answer.limits().items()),
    }  # fmt: skip
    return Row(part, name, point.labels, point.sizes, values, tuple(_breakdown(answer)))


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


def _summed(rows: Sequence[Row], part: StudyPart) -> list[Row]:
    """Return one row per point without the summed table: times, traffic and energy added up over its rows."""
    listed = [name for name, values in part.sizes.items() if isinstance(values, list)]
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        labels = tuple(item for item in row.labels.items() if item[0] != part.sum_over)
        groups.setdefault((labels, *(row.sizes[name] for name in listed)), []).append(row)
    return [_added(members, dict(key[0]), _common(members)) for key, members in groups.items()]


def _common(members: Sequence[Row]) -> dict[str, int]:
    """Return the sizes that all *members* agree on."""
    return {
        name: value
        for name, value in members[0].sizes.items()
        if all(row.sizes.get(name) == value for row in members)
    }


def _added(members: Sequence[Row], labels: Mapping[str, str], sizes: Mapping[str, int]) -> Row:
    first = members[0]
    values: dict[str, Any] = {column: sum(row.values[column] for row in members) for column in ADDED}
    total = values["latency_s"]
    for column in first.values:
        if column.startswith("utilization_"):
            values[column] = sum(r.values.get(column, 0.0) * r.values["latency_s"] for r in members) / total
    values["machine"] = ", ".join(dict.fromkeys(str(row.values["machine"]) for row in members))
    values["mapping"] = ", ".join(dict.fromkeys(str(row.values["mapping"]) for row in members))
    values["limit"] = "; ".join(dict.fromkeys(str(row.values["limit"]) for row in members))
    return Row(first.part, first.configuration, labels, sizes, values)


def _totals(part: StudyPart, rows: Sequence[Row], sizes: Sequence[str]) -> list[Row]:
    """Return the sums of the parts named in ``total_of``, row by row: those alike in labels and *sizes*."""
    groups: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in rows:
        if row.part in part.total_of:
            point = (tuple(row.labels.items()), *(row.sizes.get(name) for name in sizes))
            groups.setdefault((row.configuration, *point), {})[row.part] = row
    totals = []
    for members in groups.values():
        if len(members) == len(part.total_of):
            ordered = [members[name] for name in part.total_of]
            added = _added(ordered, ordered[0].labels, ordered[0].sizes)
            totals.append(Row(part.name, added.configuration, added.labels, added.sizes, added.values))
    return totals
