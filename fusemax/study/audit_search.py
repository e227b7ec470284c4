"""FLAT's own choice, made over everything it may choose: data flow, rows per block, and which operands stay on chip."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusemax.cost.evaluate import evaluate_lines, sizes_for
from fusemax.cost.program import Program
from fusemax.language.figure import figure_value
from fusemax.mapping.nest import Mapped
from fusemax.study.audit_spec import Step
from fusemax.study.designs import Designs
from fusemax.study.grid import with_free_tiles
from fusemax.study.points import Point
from fusemax.study.rows import Row
from fusemax.study.spec import Configuration

#: What may stay in L3 with an output-stationary array, double-buffered, beside the scores.
PERHAPS = ("Q", "K", "V", "AV")
SCORES: tuple[Any, ...] = ("QK", "SN", "A", {"tensor": "GM", "buffers": 0}, {"tensor": "SD", "buffers": 0})
COLUMNS = ("latency_s", "bound_s", "traffic_B", "energy_J")
EQUAL = 1e-9  #: relative difference below which two latencies count as equal, and the traffic decides


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to run a point: the mapping with its changes, and its program with the rows per block left open."""

    mapping: str
    resident: tuple[str, ...]
    mapped: Mapped
    program: Program

    def words(self, tiles: int) -> str:
        """Return what is printed for the choice."""
        kept = f", {' '.join(self.resident)} resident" if self.resident else ""
        return f"{self.mapping}, P1={tiles}{kept}"


def searched_rows(
    designs: Designs, step: Step, part: str, name: str, configuration: Configuration, points: Sequence[Point]
) -> list[Row]:
    """Return a row for each of *points*: the candidate of least latency, of those the one of least traffic."""
    figures = {**configuration.figures, **step.figures(configuration.machine)}
    values = {key: figure_value(key, value) for key, value in figures.items()}
    best: list[tuple[dict[str, float], str] | None] = [None] * len(points)
    for candidate in _candidates(designs, step, configuration.machine, values):
        for position, found in _evaluated(candidate, points, values):
            if best[position] is None or _is_better(found[0], best[position][0]):  # type: ignore[index]
                best[position] = found
    rows = []
    for point, chosen in zip(points, best, strict=True):
        assert chosen is not None
        record: dict[str, Any] = {
            "machine": configuration.machine,
            "mapping": chosen[1],
            **chosen[0],
            "fits": True,
        }
        rows.append(Row(part, name, point.labels, point.sizes, record))
    return rows


def _candidates(
    designs: Designs, step: Step, machine: str, values: Mapping[str, float]
) -> Iterator[Candidate]:
    subsets = [c for n in range(len(PERHAPS) + 1) for c in itertools.combinations(PERHAPS, n)]
    ways = [("output-stationary", subset) for subset in subsets] + [("weight-stationary", ())]
    for mapping, resident in ways:
        changes = step.mapping_changes(mapping)
        if mapping == "output-stationary":
            kept = [*SCORES, *({"tensor": tensor, "buffers": 2} for tensor in resident)]
            changes = {**changes, "nests.0.keep.L3": kept}
        mapped, program = designs.program(machine, mapping, changes, values)
        yield Candidate(mapping, resident, mapped, with_free_tiles(program, ["P1"]))


def _evaluated(
    candidate: Candidate, points: Sequence[Point], values: Mapping[str, float]
) -> Iterator[tuple[int, tuple[dict[str, float], str]]]:
    """Yield the values of every point and block size that fits, with the words for the choice."""
    program = candidate.program
    fixed = {name: value for name, value in program.parameters.items() if value is not None}
    open_sizes = {
        name: value
        for name, value in program.parameters.items()
        if value is None and name != "P1" and name not in values
    }
    sizes_only = Program(parameters=open_sizes, lines=program.lines)
    known = {*candidate.mapped.cascade.ranks, *candidate.mapped.cascade.size_symbols()}
    asked: list[tuple[int, int]] = []
    full: list[dict[str, float]] = []
    for position, point in enumerate(points):
        given = {name: size for name, size in point.sizes.items() if name in known}
        sizes = {n: float(v) for n, v in sizes_for(candidate.mapped, sizes_only, given).items()}
        for tiles in _blocks(point.sizes["P"], int({**fixed, **values}["2d.columns"])):
            asked.append((position, tiles))
            full.append({**fixed, **sizes, **values, "P1": float(tiles)})
    wanted = _lines(candidate)
    for (position, tiles), result in zip(asked, evaluate_lines(program, wanted, full), strict=True):
        found = dict(zip((line.name for line in wanted), result, strict=True))
        if _fits(candidate, found):
            yield position, (_columns(found), candidate.words(tiles))


def _blocks(P: int, columns: int) -> list[int]:
    """Return the tiles of rows that a block may have: 1, 2, 4, ... and the whole head."""
    whole = -(-P // columns)
    return sorted({*(2**n for n in range(whole.bit_length()) if 2**n <= whole), whole})


def _lines(candidate: Candidate):
    kinds = ("occupancy", "capacity", "component_energy", "utilization")
    return [line for line in candidate.program.lines if line.name in COLUMNS or line.label.kind in kinds]


def _fits(candidate: Candidate, found: Mapping[str, float]) -> bool:
    """Return whether everything kept has room, at the levels that may not overflow."""
    for name, needed in found.items():
        if name.startswith("occupancy_B["):
            level = name.rstrip("]").split(",")[-1]
            if (
                not candidate.mapped.spill.get(level)
                and needed > found[name.replace("occupancy", "capacity")]
            ):
                return False
    return True


def _columns(found: Mapping[str, float]) -> dict[str, float]:
    columns = {name: found[name] for name in COLUMNS}
    columns["energy_registers_J"] = sum(v for n, v in found.items() if n.endswith(",registers]"))
    for name, value in found.items():
        if name.startswith("utilization["):
            columns[f"utilization_{name.removeprefix('utilization[').rstrip(']')}"] = value
    return columns


def _is_better(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    if abs(one["latency_s"] / other["latency_s"] - 1) > EQUAL:
        return one["latency_s"] < other["latency_s"]
    return one["traffic_B"] < other["traffic_B"]
