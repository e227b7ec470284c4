"""The study of kind ``gpu``: predicted against published times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fusemax.errors import FusemaxError, raise_if_any
from fusemax.gpu.accuracy import GROUPS, MODELS, Classes, error_rows, fitted_name, fitted_to
from fusemax.gpu.asked import GpuStudy, study_so_far
from fusemax.gpu.compare import Compared, LeftOut, Resolved, compare, resolve
from fusemax.gpu.published import Published, published
from fusemax.gpu.unmet import without_effect
from fusemax.library.load import Library
from fusemax.library.sources import GRADES, graded_figures
from fusemax.machine import load_machine
from fusemax.plot.spec import FigureSpec
from fusemax.report.study import Short
from fusemax.shipped import is_file
from fusemax.source import Document
from fusemax.study.kind import Kind, Outcome, Progress
from fusemax.table.column import count, measure, remark, size, text
from fusemax.table.table import table_of_rows

Record = dict[str, Any]
#: What predicts, and what a figure calls it.
WORDS = {
    "predicted": "fusemax", "roofline": "roofline", "max": "max(products, exp)", "sum": "products + exp",
}  # fmt: skip
_ERROR = {
    "median": "of absolute errors",
    "p90": "nine tenths of absolute errors are less",
    "signed": "median with its sign",
}
ERRORS = (
    text("by", "how rows are grouped"), text("work"), text("group"), count("rows"),
    *(
        measure(f"{model}_{kind}", f"{words}, {model}", unit="1", heading=WORDS[model] if kind == "median" else "")
        for model in MODELS for kind, words in _ERROR.items()
    ),
)  # fmt: skip
LEFT_OUT = (
    text("gpu"), text("kernel"), text("dtype"), text("shape"), size("line", "in the published table"), remark("reason"),
)  # fmt: skip
COMPARISON = (
    text("gpu", "card, as published"), text("chip"), text("machine"), text("kernel"), text("implementation"), text("mapping"),
    text("dtype", "number format"), text("work"), size("causal", "1 with a causal mask"), size("window"), size("batch"),
    size("heads"), size("kv_heads"), size("seqlen_q"), size("seqlen_kv"), size("head_dim"), size("head_dim_v"),
    text("split", "calibration or test"), text("apart", "why the row does not judge"), measure("measured_s", "as published"),
    measure("predicted_s"), measure("least_s", "everything hidden behind the busiest unit or level"),
    measure("most_s", "nothing hidden"), text("fitted", "whether a constant of the mapping was fitted to rows of this chip"),
    measure("error", "predicted over measured, less 1", unit="1"),
    measure("class_median", "of absolute errors on other test rows of the same work, fitted or not like this one", unit="1"),
    measure("class_p90", "nine tenths of those are less", unit="1"),
    *(count(grade, f"figures of the machine that are {grade}") for grade in GRADES),
    measure("roofline_s", "the longer of products and traffic"), measure("max_s", "the longer of products and exponentials"),
    measure("sum_s", "products and exponentials one after another"), remark("limit", "what sets the time"),
    measure("host_s", "spent by the host"), measure("launch_s"), measure("start_s"), measure("traffic_B"),
    text("source", "who measured"), size("line", "in the published table"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuPlan:
    """A study, the published rows that it predicts, and the files of both."""

    study: GpuStudy
    path: Path
    rows: tuple[Published, ...]
    files: Mapping[str, Path]
    idle: tuple[str, ...]  #: what the study says that holds for no row


def plan(document: Document, options: Mapping[str, Any]) -> GpuPlan:
    """Return what the study in *document* predicts; raise ProblemsError with its mistakes or those of the published table."""
    del options
    path = Path(document.file)
    study, mistakes = study_so_far(document)
    names = {"published": study.published} | ({"unfitted": study.unfitted} if study.unfitted else {})
    files = {name: path.parent / name for name in names.values()}
    hint = "write one, or name a file that 'fusemax gpu measure' made"
    read: dict[str, tuple[Published, ...]] = {}
    for key, name in names.items():
        if not is_file(files[name]):
            mistakes.say((key,), f"{files[name]}: there is no such file", hint)
            continue
        with mistakes.at(key):
            read[key] = tuple(published(files[name]))
    mistakes.raise_if_any()
    rows = read["published"] + tuple(replace(row, split="test") for row in read.get("unfitted", ()))
    library = Library()
    found = [resolve(study, row, library) for row in rows]
    if not any(isinstance(one, Resolved) and one.row.split == "test" and not one.apart for one in found):
        reasons = list(dict.fromkeys(one.reason for one in found if isinstance(one, LeftOut)))
        hint = f"why rows are left out: {'; '.join(reasons[:5])}" if reasons else None
        raise_if_any([document.problem(("published",), "no row of it judges a prediction", hint)])
    idle = tuple(without_effect(study, rows, document))
    return GpuPlan(study=study, path=path, rows=rows, files={path.name: path, **files}, idle=idle)


def tables(plan: GpuPlan, out: Path, progress: Progress) -> Outcome:
    """Return the tables ``comparison``, ``errors`` and ``left-out`` of *plan*.

    Errors are over the test rows that are not set apart (host overhead, deterministic or unfused kernels).

    Raises
    ------
    FusemaxError
        When no row judges the prediction.
    """
    del out
    progress(0, 1, "predicting")
    compared, left_out = compare(plan.study, plan.rows)
    judged = [entry for entry in compared if entry.row.split == "test" and not entry.apart]
    if not judged:
        raise FusemaxError(_nobody(plan.path, compared, left_out))
    fitted = fitted_to(compared, plan.study)
    grades = {name: graded_figures(load_machine(name)[0]) for name in {entry.machine for entry in compared}}
    errors, classes = error_rows(judged, fitted), Classes(judged, fitted)
    apart = [entry for entry in compared if entry.row.split == "test" and entry.apart]
    said = (
        f"{len(judged)} test rows judge; {len(apart)} more are predicted but set apart (see 'apart' in comparison.csv), "
        f"{len(compared) - len(judged) - len(apart)} calibrate, {len(left_out)} have no prediction (left-out.csv)."
    )
    return Outcome(
        tables={
            "comparison": table_of_rows(
                (_record(entry, classes, grades[entry.machine]) for entry in compared), COMPARISON
            ),
            "errors": table_of_rows(errors, ERRORS),
            "left-out": table_of_rows(map(_reason, left_out), LEFT_OUT),
        },
        short=tuple(_short(errors, by) for by in ("fitted", "chip", "kernel", "length")),
        said=(
            said,
            f"The study says {len(plan.idle)} things that hold for no row; 'fusemax check' lists them."
            if plan.idle
            else "",
        ),
    )


def _nobody(study_path: Path, compared: Sequence[Compared], left_out: Sequence[LeftOut]) -> str:
    """Return the message of a study in which no row judges."""
    text = (
        f"{study_path}: no row judges: {len(compared)} are predicted, but calibrate or are set apart; "
        f"{len(left_out)} are not"
    )
    reasons = dict.fromkeys(entry.reason for entry in left_out)
    return text + "".join(f"\n  {reason}" for reason in list(reasons)[:5])


def _record(entry: Compared, classes: Classes, graded: Mapping[str, int]) -> Record:
    """Return the row of a prediction: its interval, the errors of its class, the *graded* figures of its machine."""
    row, shape = entry.row, entry.row.shape
    class_median, class_p90 = classes.beside(entry)
    parts = entry.prediction.parts_s
    return {
        "gpu": row.gpu, "chip": GROUPS["chip"](entry), "machine": entry.machine, "kernel": row.kernel,
        "implementation": row.implementation,
        "mapping": entry.mapping, "dtype": row.dtype, "work": entry.work, "causal": int(shape.causal),
        "window": shape.window, "batch": shape.batch, "heads": shape.heads, "kv_heads": shape.kv_heads,
        "seqlen_q": shape.seqlen_q, "seqlen_kv": shape.seqlen_kv, "head_dim": shape.head_dim,
        "head_dim_v": shape.head_dim_v, "split": row.split, "apart": entry.apart, "measured_s": row.time_s,
        "predicted_s": entry.prediction.time_s, "least_s": entry.prediction.least_s, "most_s": entry.prediction.most_s,
        "fitted": fitted_name(entry, classes.fitted), "error": entry.error,
        "class_median": class_median, "class_p90": class_p90,
        **{grade: graded.get(grade, 0) for grade in GRADES},
        "roofline_s": entry.baselines_s["roofline"], "max_s": entry.baselines_s["max"],
        "sum_s": entry.baselines_s["sum"], "limit": entry.prediction.limit,
        "host_s": parts.get("host", 0.0), "launch_s": parts.get("launch", 0.0), "start_s": parts.get("start", 0.0),
        "traffic_B": entry.prediction.traffic_B, "source": row.source, "line": row.line,
    }  # fmt: skip


def _reason(entry: LeftOut) -> Record:
    row = entry.row
    return {
        "gpu": row.gpu, "kernel": row.kernel, "dtype": row.dtype, "shape": row.shape.label(),
        "line": row.line, "reason": entry.reason,
    }  # fmt: skip


def _short(errors: Sequence[Record], by: str) -> Short:
    rows = []
    for record in errors:
        if record["by"] == by:
            numbers = [record[f"predicted_{kind}"] for kind in ("median", "p90")]
            beside = [record[f"{model}_median"] for model in MODELS[1:]]
            cells = [
                str(record["rows"]),
                *(f"{n:.1%}" for n in numbers),
                f"{record['predicted_signed']:+.1%}",
            ]
            rows.append((f"{record['work']} {record['group']}", *cells, *(f"{n:.0%}" for n in beside)))
    headings = ("", "rows", "median", "90th", "signed", "roof", "max", "sum")
    what = {"fitted": "what the constants were fitted to"}.get(by, by)
    return Short(title=f"Absolute error on test rows, by {what}", headings=headings, rows=tuple(rows))


JUDGED = {"split": "test", "apart": ""}
FIGURES = (
    FigureSpec(
        file="scatter", kind="parity", x="measured_s", y="predicted_s", series="kernel", panels=("chip",), table="comparison",
        where=JUDGED, title="Predicted and published time, test rows",
        caption="Each mark is one published time of a test row; on the line both are equal.",
    ),
    FigureSpec(
        file="error-by-length", kind="bars", x="group", y=tuple(f"{model}_median" for model in MODELS), panels=("work",),
        table="errors", where={"by": "length"}, unit="%", title="Median absolute error by length of the keys, test rows",
        xlabel="length", ylabel="median |error| (%)",
        caption="The median absolute error of the prediction, beside three simple models of the same machine.",
    ),
)  # fmt: skip


KIND = Kind(plan=plan, tables=tables, specs=lambda plan: FIGURES, notes=lambda plan: plan.idle)
