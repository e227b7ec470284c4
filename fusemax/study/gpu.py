"""The study of kind ``gpu``: predicted against published times."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from fusemax.errors import FusemaxError, raise_if_any
from fusemax.gpu.compare import Compared, GpuStudy, LeftOut, Resolved, compare, resolve, study_file
from fusemax.gpu.published import Published, published
from fusemax.library.sources import GRADES, graded_figures
from fusemax.machine import load_machine
from fusemax.plot.spec import FigureSpec
from fusemax.report.study import Short
from fusemax.source import Document
from fusemax.study.kind import Kind, Outcome, Progress
from fusemax.table.column import count, measure, remark, size, text
from fusemax.table.table import table_of_rows

Record = dict[str, Any]
#: Ends of the bins of sequence length (of the keys), with their names.
LENGTHS: tuple[tuple[float, str], ...] = ((1024, "≤1K"), (4096, "≤4K"), (16384, "≤16K"), (math.inf, ">16K"))
#: What predicts, and what a figure calls it.
WORDS = {
    "predicted": "fusemax", "roofline": "roofline", "max": "max(products, exp)", "sum": "products + exp",
}  # fmt: skip
MODELS = tuple(WORDS)
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


def plan(document: Document, options: Mapping[str, Any]) -> GpuPlan:
    """Return what the study in *document* predicts; raise ProblemsError with its mistakes or those of the published table."""
    del options
    path = Path(document.file)
    study = study_file(path)
    names = {"published": study.published} | ({"unfitted": study.unfitted} if study.unfitted else {})
    files = {name: path.parent / name for name in names.values()}
    hint = "write one, or name a file that 'fusemax gpu measure' made"
    raise_if_any(
        [
            document.problem((key,), f"{files[name]}: there is no such file", hint)
            for key, name in names.items()
            if not files[name].is_file()
        ]
    )
    rows = tuple(published(files[study.published]))
    if study.unfitted:
        rows += tuple(replace(row, split="test") for row in published(files[study.unfitted]))
    found = [resolve(study, row) for row in rows]
    if not any(isinstance(one, Resolved) and one.row.split == "test" and not one.apart for one in found):
        reasons = list(dict.fromkeys(one.reason for one in found if isinstance(one, LeftOut)))
        hint = f"why rows are left out: {'; '.join(reasons[:5])}" if reasons else None
        raise_if_any([document.problem(("published",), "no row of it judges a prediction", hint)])
    return GpuPlan(study=study, path=path, rows=rows, files={path.name: path, **files})


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
    errors = error_rows(judged, fitted)
    apart = [entry for entry in compared if entry.row.split == "test" and entry.apart]
    said = (
        f"{len(judged)} test rows judge; {len(apart)} more are predicted but set apart (see 'apart' in comparison.csv), "
        f"{len(compared) - len(judged) - len(apart)} calibrate, {len(left_out)} have no prediction (left-out.csv)."
    )
    return Outcome(
        tables={
            "comparison": table_of_rows(map(_Recorder(compared, judged, fitted), compared), COMPARISON),
            "errors": table_of_rows(errors, ERRORS),
            "left-out": table_of_rows(map(_reason, left_out), LEFT_OUT),
        },
        short=tuple(_short(errors, by) for by in ("fitted", "chip", "kernel", "length")),
        said=(said,),
    )


def _nobody(study_path: Path, compared: Sequence[Compared], left_out: Sequence[LeftOut]) -> str:
    """Return the message of a study in which no row judges."""
    text = (
        f"{study_path}: no row judges: {len(compared)} are predicted, but calibrate or are set apart; "
        f"{len(left_out)} are not"
    )
    reasons = dict.fromkeys(entry.reason for entry in left_out)
    return text + "".join(f"\n  {reason}" for reason in list(reasons)[:5])


def fitted_to(compared: Sequence[Compared], study: GpuStudy) -> frozenset[tuple[str, str]]:
    """Return the machines and mappings to whose rows a constant was fitted."""
    return frozenset(
        (entry.machine, entry.mapping)
        for entry in compared
        if entry.row.split == "calibration"
        and not entry.apart
        and not any(other.holds(entry.row) for other in study.not_fitted)
    )


def fitted_name(entry: Compared, fitted: frozenset[tuple[str, str]]) -> str:
    """Return the group of *entry* by what its constants were *fitted* to."""
    mappings = entry.mapping.split("+")
    known = all((entry.machine, mapping) in fitted for mapping in mappings)
    return "fitted to this chip" if known else "nothing fitted to this chip"


class _Recorder:
    """Makes a record of each prediction: with its interval, the error of its class, and how well the machine is known."""

    def __init__(
        self, compared: Sequence[Compared], judged: Sequence[Compared], fitted: frozenset[tuple[str, str]]
    ) -> None:
        self.fitted = fitted
        self.classes: dict[tuple[str, str], list[Compared]] = {}
        for entry in judged:
            self.classes.setdefault(self._class(entry), []).append(entry)
        self.grades = {
            name: graded_figures(load_machine(name)[0])
            for name in dict.fromkeys(entry.machine for entry in compared)
        }

    def __call__(self, entry: Compared) -> Record:
        others = sorted(
            abs(other.error) for other in self.classes.get(self._class(entry), ()) if other is not entry
        )
        graded = self.grades[entry.machine]
        return {
            **_record(self.fitted, entry),
            "class_median": median(others) if others else None,
            "class_p90": quantile(others, 0.9) if others else None,
            **{grade: graded.get(grade, 0) for grade in GRADES},
        }

    def _class(self, entry: Compared) -> tuple[str, str]:
        return entry.work, fitted_name(entry, self.fitted)


def _record(fitted: frozenset[tuple[str, str]], entry: Compared) -> Record:
    row, shape = entry.row, entry.row.shape
    parts = entry.prediction.parts_s
    return {
        "gpu": row.gpu, "chip": GROUPS["chip"](entry), "machine": entry.machine, "kernel": row.kernel,
        "implementation": row.implementation,
        "mapping": entry.mapping, "dtype": row.dtype, "work": entry.work, "causal": int(shape.causal),
        "window": shape.window, "batch": shape.batch, "heads": shape.heads, "kv_heads": shape.kv_heads,
        "seqlen_q": shape.seqlen_q, "seqlen_kv": shape.seqlen_kv, "head_dim": shape.head_dim,
        "head_dim_v": shape.head_dim_v, "split": row.split, "apart": entry.apart, "measured_s": row.time_s,
        "predicted_s": entry.prediction.time_s, "least_s": entry.prediction.least_s, "most_s": entry.prediction.most_s,
        "fitted": fitted_name(entry, fitted), "error": entry.error,
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


def length_bin(length: int) -> str:
    """Return the name of the bin of a sequence length.

    >>> length_bin(4096)
    '≤4K'
    """
    return next(name for end, name in LENGTHS if length <= end)


GROUPS: dict[str, Callable[[Compared], str]] = {
    "all": lambda entry: "all",
    "chip": lambda entry: entry.row.gpu.partition("-")[0],
    "gpu": lambda entry: entry.row.gpu,
    "kernel": lambda entry: f"{entry.row.kernel}{' fp8' if entry.row.dtype == 'fp8' else ''}",
    "mask": lambda entry: (
        "window" if entry.row.shape.window else "causal" if entry.row.shape.causal else "none"
    ),
    "length": lambda entry: length_bin(entry.row.shape.seqlen_kv),
    "head_dim": lambda entry: f"{entry.row.shape.head_dim}/{entry.row.shape.head_dim_v}",
    "limit": lambda entry: entry.prediction.limit,
}


def error_rows(judged: Sequence[Compared], fitted: frozenset[tuple[str, str]] = frozenset()) -> list[Record]:
    """Return, for each way of grouping and each group, the errors of the prediction and of the baselines."""
    found: list[Record] = []
    by_fit: dict[str, Callable[[Compared], str]] = {"fitted": lambda entry: fitted_name(entry, fitted)}
    for by, name_of in {**by_fit, **GROUPS}.items():
        groups: dict[tuple[str, str], list[Compared]] = {}
        for entry in judged:
            groups.setdefault((entry.work, name_of(entry)), []).append(entry)
        order = {name: number for number, (_, name) in enumerate(LENGTHS)}
        for (work, name), members in sorted(
            groups.items(), key=lambda g: (g[0][0], order.get(g[0][1], 0), g[0])
        ):
            found.append({"by": by, "work": work, "group": name, **_errors(members)})
    return found


def _errors(members: Sequence[Compared]) -> Record:
    record: Record = {"rows": len(members)}
    for model in MODELS:
        errors = [_error(entry, model) for entry in members]
        sizes = sorted(abs(error) for error in errors)
        record[f"{model}_median"] = median(sizes)
        record[f"{model}_p90"] = quantile(sizes, 0.9)
        record[f"{model}_signed"] = median(errors)
    return record


def _error(entry: Compared, model: str) -> float:
    time = entry.prediction.time_s if model == "predicted" else entry.baselines_s[model]
    return time / entry.row.time_s - 1


def quantile(values: Sequence[float], part: float) -> float:
    """Return the quantile of sorted *values*, straight between neighbours.

    >>> quantile([0.0, 1.0, 2.0], 0.75)
    1.5
    """
    place = part * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


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
    return Short(title=f"Absolute error on test rows, by {by}", headings=headings, rows=tuple(rows))


JUDGED = {"split": "test", "apart": ""}
FIGURES = (
    FigureSpec(
        file="scatter", kind="parity", x="measured_s", y="predicted_s", series="kernel", panels=("chip",), table="comparison",
        where=JUDGED, title="Predicted and published time, test rows", xlabel="published (s)", ylabel="predicted (s)",
        caption="Each mark is one published time of a test row; on the line both are equal.",
    ),
    FigureSpec(
        file="error-by-length", kind="bars", x="group", y=tuple(f"{model}_median" for model in MODELS), panels=("work",),
        table="errors", where={"by": "length"}, unit="%", title="Median absolute error by length of the keys, test rows",
        xlabel="length", ylabel="median |error| (%)",
        caption="The median absolute error of the prediction, beside three simple models of the same machine.",
    ),
)  # fmt: skip


KIND = Kind(plan=plan, tables=tables, specs=lambda plan: FIGURES)
