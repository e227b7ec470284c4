"""The study of kind ``gpu-passes``: what passes cost in DRAM bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fusemax.analysis.passes import Analysis, analyse
from fusemax.errors import FusemaxError
from fusemax.findings import Findings
from fusemax.gpu.bounds import apart, bound_B, refuse_unknown
from fusemax.gpu.calls import MeasuredCall, measured_calls, measured_files
from fusemax.gpu.predict import ELEMENT_B, Kernel, predict
from fusemax.gpu.shape import Shape, compulsory_bytes
from fusemax.library.load import Library
from fusemax.machine import Machine
from fusemax.machine import figures as figures_of
from fusemax.plot.spec import FigureSpec
from fusemax.report.study import Short
from fusemax.shipped import from_beside
from fusemax.source import Document
from fusemax.study.designs import Designs
from fusemax.study.jobs.job import shown
from fusemax.study.kind import Kind, Outcome, Progress
from fusemax.table.column import count, measure, remark, size, text
from fusemax.table.table import table_of_rows
from fusemax.typed import FilePart, typed_so_far

Record = dict[str, Any]


class PassKernel(FilePart):
    """A kernel that runs a cascade of so many passes; ``analysed`` names the cascade of the pass bound."""

    backend: str
    cascade: str
    mapping: str
    analysed: str


class PassStudy(FilePart):
    """What a study of kind ``gpu-passes`` holds."""

    kind: Literal["gpu-passes"]
    title: str
    source: str
    doc: str = ""
    machine: str
    dtype: str
    tokens: int = Field(ge=1)
    heads: int = Field(ge=1)
    head_dim: int = Field(ge=1)
    rows_of_a_task: int = Field(ge=1)
    lengths: list[Annotated[int, Field(ge=1)]] = Field(min_length=1)
    kernels: list[PassKernel] = Field(min_length=1)
    measured: list[str] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassPlan:
    """A study, the analyses of the cascades that it bounds, and what was measured."""

    study: PassStudy
    analyses: Mapping[str, Analysis]
    measured: Mapping[tuple[str, int], MeasuredCall]
    files: Mapping[str, Path]


def plan(document: Document, options: Mapping[str, Any]) -> PassPlan:
    """Return what the study in *document* asks; raise ProblemsError with its mistakes, of names and files too."""
    del options
    study, document, problems = typed_so_far(document, PassStudy)
    found, path = Findings(document, problems), Path(document.file)
    study = _beside(study, path.parent)
    found.refuse_twice(("lengths",), study.lengths)
    found.refuse_twice(("kernels",), [kernel.backend for kernel in study.kernels], "backend")
    for number, length in enumerate(study.lengths):
        if study.tokens % length:
            text = f"{study.tokens} tokens are no whole number of sequences of {length}"
            found.say(("lengths", number), text)
    if study.dtype not in ELEMENT_B:
        text = f"number format {study.dtype!r} is not known; there are: {', '.join(ELEMENT_B)}"
        found.say(("dtype",), text)
    designs = Designs(Library(path.parent))
    analyses = _analyses(study, designs, found)
    measured: dict[tuple[str, int], MeasuredCall] = {}
    files = {path.name: path, **designs.files}
    for number, pattern in enumerate(study.measured):
        with found.at("measured", number):
            for file in measured_files(path.parent, pattern):
                measured |= measured_calls(file, study.heads, study.head_dim, study.dtype)
                files[shown(file)] = file
    found.raise_if_any()
    return PassPlan(study=study, analyses=analyses, measured=measured, files=files)


def _beside(study: PassStudy, folder: Path) -> PassStudy:
    """Return *study* with the paths of what lies in its *folder*."""
    names = ("cascade", "mapping", "analysed")
    kernels = [
        kernel.model_copy(update={name: from_beside(getattr(kernel, name), folder) for name in names})
        for kernel in study.kernels
    ]
    return study.model_copy(update={"machine": from_beside(study.machine, folder), "kernels": kernels})


def _analyses(study: PassStudy, designs: Designs, found: Findings) -> dict[str, Analysis]:
    """Return the analyses of the cascades that bound kernels; note what is wrong with machine, cascades and mappings."""
    analyses: dict[str, Analysis] = {}
    machine: Machine | None = None
    with found.at("machine"):
        machine = designs.machine(study.machine)
        if "registers.size" not in figures_of(machine):
            found.say(("machine",), f"machine {study.machine} has no level called registers")
    for number, kernel in enumerate(study.kernels):
        at = ("kernels", number)
        with found.at(*at, "analysed"):
            analyses[kernel.analysed] = analyse(designs.cascade(kernel.analysed))
            analyses[kernel.analysed].rank("M")
            refuse_unknown(analyses[kernel.analysed])
        with found.at(*at, "cascade"):
            designs.cascade(kernel.cascade)
        if machine is not None:
            with found.at(*at, "mapping"):
                designs.library.design(machine, kernel.mapping, kernel.cascade)
    return analyses


PASSES = (
    text("backend", "kernel"), count("passes", "of its cascade"), size("length", "keys and queries"),
    measure("compulsory_B", "every operand once"), measure("bound_B", "lower bound of the pass analysis", heading="bound"),
    measure("predicted_B", heading="predicted"), measure("predicted_s"), remark("limit", "what sets the time"),
    measure("measured_B", heading="measured"),
    measure("measured_s"), remark("apart", "why measured bytes do not judge"),
    remark("reason", "why there is no prediction"),
)  # fmt: skip
HEADINGS = ("kernel", "length", "bound", "predicted", "measured", "predicted", "measured")


def tables(plan: PassPlan, out: Path, progress: Progress) -> Outcome:
    """Return the table ``passes`` of *plan*.

    Predicted DRAM bytes and times of each kernel stand beside the lower bound of the pass analysis, and beside measured ones
    where a file of measurements has them.
    """
    del out
    study = plan.study
    wanted = [(kernel, length) for kernel in study.kernels for length in study.lengths]
    rows: list[Record] = []
    for number, (kernel, length) in enumerate(wanted):
        progress(number, len(wanted), kernel.backend)
        rows.append(_pass_row(plan, kernel, length))
    lost = sum(row.get("reason") is not None for row in rows)
    said = "no measurements of our own yet: run 'fusemax gpu measure' on a GPU and name the file in the study"
    return Outcome(
        tables={"passes": table_of_rows(rows, PASSES)},
        short=(Short(title=study.title, headings=HEADINGS, rows=tuple(map(_line, rows))),),
        said=(*([] if plan.measured else [said]), *([_lost(lost, len(rows))] if lost else [])),
    )


def _lost(lost: int, rows: int) -> str:
    return f"{lost} of {rows} rows have no prediction; their column 'reason' says why."


def _line(row: Record) -> tuple[str, ...]:
    return (
        row["backend"], str(row["length"]), f"{row['bound_B'] / 1e6:,.0f} MB",
        _or_dash(row.get("predicted_B"), 1e6, "MB", ",.0f"),
        _or_dash(row["measured_B"], 1e6, "MB"), _or_dash(row.get("predicted_s"), 1e-3, "ms", ".3f"),
        _or_dash(row["measured_s"], 1e-3, "ms"),
    )  # fmt: skip


def _or_dash(value: float | None, scale: float, unit: str, digits: str = ",.3g") -> str:
    return "-" if value is None else f"{value / scale:{digits}} {unit}"


def _pass_row(plan: PassPlan, kernel: PassKernel, length: int) -> Record:
    study, analysis = plan.study, plan.analyses[kernel.analysed]
    shape = Shape(
        batch=study.tokens // length, heads=study.heads, kv_heads=study.heads, seqlen_q=length,
        seqlen_kv=length, head_dim=study.head_dim, head_dim_v=study.head_dim, causal=False, direction="fwd",
    )  # fmt: skip
    found = plan.measured.get((kernel.backend, length), MeasuredCall())
    compulsory_B = compulsory_bytes(shape, ELEMENT_B[study.dtype])
    row: Record = {
        "backend": kernel.backend,
        "passes": analysis.passes("M"),
        "length": length,
        "compulsory_B": compulsory_B,
        "bound_B": bound_B(analysis, shape, study.machine, study.dtype, study.rows_of_a_task),
        "measured_B": found.traffic_B,
        "measured_s": found.time_s,
    }
    try:
        prediction = predict(Kernel(study.machine, kernel.mapping, kernel.cascade), shape, study.dtype)
    except FusemaxError as error:  # a call that has no room: the others have
        return {**row, "reason": str(error).splitlines()[0]}
    return {
        **row,
        "predicted_B": prediction.traffic_B,
        "predicted_s": prediction.time_s,
        "limit": prediction.limit,
        "apart": apart(study.machine, (prediction.traffic_B - compulsory_B) / 2),
    }


FIGURES = (
    FigureSpec(
        file="passes", kind="lines", x="length", y=("predicted_B", "bound_B", "measured_B"), panels=("backend",),
        table="passes", log="xy", title="What a call moves", xlabel="sequence length (tokens)", ylabel="bytes", unit="B",
        caption="The bound is that of the pass analysis: no schedule with so many passes moves less.",
    ),
)  # fmt: skip


KIND = Kind(plan=plan, tables=tables, specs=lambda plan: FIGURES)
