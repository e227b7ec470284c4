"""The constants that may be calibrated, fitted again from the calibration rows: so that anyone can check what mappings state.

A mapping with a schedule ``{groups: n, wait: c, start: t}`` has two: the cycles that a group waits in an epoch, and the start
of a task; the number of groups follows from the kernel. Forward both are fitted, backward only ``wait``: ``start`` is that of
the forward mapping. The fit is the least mean |log(predicted/published)| over a grid, by plain search.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from fusemax.cost import evaluate
from fusemax.cost.lower import run
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.gpu.asked import GpuStudy
from fusemax.gpu.compare import LeftOut, Resolved, resolve
from fusemax.gpu.predict import Kernel, figures_for, sizes_for
from fusemax.gpu.published import Published
from fusemax.language.syntax import Expression, Number
from fusemax.library.load import Library, design_of
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import Overlap, mapping_file_of
from fusemax.progress import watched
from fusemax.source import Document

Family = tuple[str, str, bool]
#: The grid of a fit: every 300 cycles, and two long waits, with every start; then half a step on both sides of the best wait.
STEP = 300
WAITS: tuple[int, ...] = (*range(0, 2401, STEP), 4800, 8400)
STARTS_S: tuple[float, ...] = tuple(0.5e-6 * step for step in range(1, 9))


@dataclass(frozen=True, slots=True)
class Constants:
    """What a schedule ``{groups: n, wait: c, start: t}`` states beside its groups."""

    wait_cycles: float
    start_s: float

    def __str__(self) -> str:
        return f"{self.wait_cycles:g}, {self.start_s * 1e6:.1f} us"


@dataclass(frozen=True, slots=True)
class Group:
    """The calibration rows of one mapping file, and the schedule that it states."""

    mapping: Path
    schedule: Mapping[str, Any]
    rows: tuple[Resolved, ...]

    @property
    def stated(self) -> Constants:
        """The constants of the file."""
        schedule = mapping_file_of(_document(self.kernels[0])).schedule
        assert isinstance(schedule, Overlap), "groups() takes no others"
        return Constants(_number(schedule.wait), _number(schedule.start))

    @property
    def label(self) -> str:
        """The file's folder and name."""
        return f"{self.mapping.parent.name}/{self.mapping.stem}"

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The kernels that the rows need."""
        return tuple(dict.fromkeys(row.calls[0].kernel for row in self.rows))

    def error(self, constants: Constants) -> float:
        """Return the mean |log(predicted/published)| of the rows under *constants*."""
        return fmean(error for kernel in self.kernels for error in self._errors(kernel, constants))

    def _errors(self, kernel: Kernel, constants: Constants) -> list[float]:
        schedule = {**self.schedule, "wait": constants.wait_cycles, "start": f"{constants.start_s} s"}
        design = design_of(kernel.machine, kernel.mapping, kernel.cascade, changes={"schedule": schedule})
        mapped, program = design.mapped, derive(design.mapped, design.machine)
        mine = [row for row in self.rows if row.calls[0].kernel == kernel]
        points = [_point(mapped, program, row) for row in mine]
        times = run(program, ["latency_s"], np.array(points, dtype=np.float64))[:, 0]
        return [abs(math.log(time / row.row.time_s)) for time, row in zip(times, mine, strict=True)]


def _document(kernel: Kernel) -> Document:
    library = Library()
    return library.mapping(kernel.mapping, library.machine(kernel.machine))[1]


def _number(rule: Expression) -> float:
    value = rule.value if isinstance(rule, Number) else math.nan
    return float(value)


def _point(mapped: Mapped, program: Program, resolved: Resolved) -> list[float]:
    """Return the parameters of *program* for one row, in their order."""
    row = resolved.row
    sizes = evaluate.sizes_for(mapped, program, sizes_for(mapped, resolved.calls[0].shape))
    known = {
        **program.parameters,
        **sizes,
        **figures_for(program, row.dtype, row.clock_Hz, measured=row.measured),
    }
    return [float(known[name] or 0) for name in program.parameters]


def groups(study: GpuStudy, rows: Iterable[Published]) -> list[Group]:
    """Return the rows that calibrate by the mapping file that predicts them, forward first.

    Rows that are set apart, or that hold two parts of the work, calibrate nothing.
    """
    found: dict[str, list[Resolved]] = {}
    schedules: dict[str, Any] = {}
    library = Library()
    for row in rows:
        if row.split != "calibration" or any(entry.holds(row) for entry in study.not_fitted):
            continue
        resolved = resolve(study, row, library)
        if isinstance(resolved, LeftOut) or resolved.apart or resolved.work not in ("forward", "backward"):
            continue
        kernel = resolved.calls[0].kernel
        document = _document(kernel)
        schedules[document.file] = document.data.get("schedule")
        found.setdefault(document.file, []).append(resolved)
    order = sorted(found, key=lambda file: (found[file][0].work == "backward", file))
    return [
        Group(Path(file), schedules[file], tuple(found[file]))
        for file in order
        if isinstance(schedules[file], Mapping) and "groups" in schedules[file]
    ]


@dataclass(frozen=True, slots=True)
class Fit:
    """A group's constants as its rows want them, with the mean |log| under those that are stated and under these."""

    group: Group
    stated_error: float
    best: Constants
    best_error: float


def calibrate(groups: Sequence[Group]) -> list[Fit]:
    """Return the fit of every group, forward before backward."""
    fits: list[Fit] = []
    starts: dict[Family, float] = {}
    for group in watched(groups, lambda group: group.label, "mappings"):
        families = {_family(row) for row in group.rows}
        backward = group.rows[0].work == "backward"
        known = [starts[family] for family in families if family in starts] or [group.stated.start_s]
        fit = fit_of(group, known[:1] if backward else STARTS_S)
        if not backward:
            starts = (
                dict.fromkeys(families, fit.best.start_s) | starts
            )  # the mapping without a mask comes first
        fits.append(fit)
    return fits


def fit_of(group: Group, starts_s: Sequence[float]) -> Fit:
    """Return the fit of one group over the grid of waits and *starts_s*, and half a step of waits around the best."""

    def errors_of(waits: Iterable[int]) -> dict[Constants, float]:
        return {c: group.error(c) for c in [Constants(wait, s) for wait in waits for s in starts_s]}

    errors = errors_of(WAITS)
    around = min(errors, key=errors.__getitem__).wait_cycles
    errors |= errors_of(int(wait) for wait in (around - STEP / 2, around + STEP / 2) if wait > 0)
    best = min(errors, key=errors.__getitem__)
    return Fit(group, group.error(group.stated), best, errors[best])


def _family(resolved: Resolved) -> Family:
    return (resolved.machine, resolved.row.kernel, resolved.row.dtype == "fp8")
