"""The studies of kind ``gpu`` (predicted against published times) and ``gpu-passes`` (what passes cost in DRAM bytes)."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from glob import glob, has_magic
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fusemax.analysis.passes import analyse
from fusemax.analysis.traffic import traffic_bound
from fusemax.cascade.build import load_cascade
from fusemax.errors import FusemaxError, raise_if_any
from fusemax.gpu.compare import Compared, LeftOut, compare, study_file
from fusemax.gpu.predict import ELEMENT_B, Kernel, predict
from fusemax.gpu.published import published
from fusemax.gpu.shape import Shape, compulsory_bytes
from fusemax.source import read_yaml, typed
from fusemax.study.taxonomy import write_csv

if TYPE_CHECKING:
    from rich.table import Table

Record = dict[str, Any]
#: Ends of the bins of sequence length (of the keys), with their names.
LENGTHS: tuple[tuple[float, str], ...] = (
    (1024, "≤1k"),
    (4096, "≤4k"),
    (16384, "≤16k"),
    (math.inf, ">16k"),
)
MODELS = ("predicted", "roofline", "max", "sum")
LEFT_OUT = ("gpu", "kernel", "dtype", "shape", "line", "reason")


def run(study_path: Path, out: Path) -> Path:
    """Return *out* after its tables ``comparison``, ``errors`` and ``left-out`` and the figures are in it.

    Errors are over the test rows that are not set apart (host overhead, deterministic or unfused kernels).

    Raises
    ------
    ProblemsError, FusemaxError
        With the mistakes of the study's file or of the published table.
    """
    from rich.console import Console

    from fusemax.plot.gpu import draw

    study = study_file(study_path)
    compared, left_out = compare(study, published(study_path.parent / study.published))
    judged = [entry for entry in compared if entry.row.split == "test" and not entry.apart]
    if not judged:
        raise FusemaxError(_nobody(study_path, compared, left_out))
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "comparison.csv", [_record(entry) for entry in compared])
    write_csv(out / "left-out.csv", [_reason(entry) for entry in left_out], LEFT_OUT)
    errors = error_rows(judged)
    write_csv(out / "errors.csv", errors)
    files = draw(out)
    console = Console(highlight=False)
    for by in ("chip", "kernel", "length"):
        console.print(_printed(errors, by))
    apart = [entry for entry in compared if entry.row.split == "test" and entry.apart]
    console.print(
        f"{len(judged)} test rows judge; {len(apart)} more are predicted but set apart (see 'apart' in comparison.csv), "
        f"{len(compared) - len(judged) - len(apart)} calibrate, {len(left_out)} have no prediction (left-out.csv)"
    )
    console.print(
        f"results: {out} (comparison.csv, errors.csv, left-out.csv, {', '.join(f.name for f in files)})"
    )
    return out


def _nobody(study_path: Path, compared: Sequence[Compared], left_out: Sequence[LeftOut]) -> str:
    """Return the message of a study in which no row judges."""
    text = (
        f"{study_path}: no row judges: {len(compared)} are predicted, but calibrate or are set apart; "
        f"{len(left_out)} are not"
    )
    reasons = dict.fromkeys(entry.reason for entry in left_out)
    return text + "".join(f"\n  {reason}" for reason in list(reasons)[:5])


def _record(entry: Compared) -> Record:
    row, shape = entry.row, entry.row.shape
    parts = entry.prediction.parts_s
    return {
        "gpu": row.gpu, "machine": entry.machine, "kernel": row.kernel, "implementation": row.implementation,
        "mapping": entry.mapping, "dtype": row.dtype, "work": entry.work, "causal": int(shape.causal),
        "window": shape.window, "batch": shape.batch, "heads": shape.heads, "kv_heads": shape.kv_heads,
        "seqlen_q": shape.seqlen_q, "seqlen_kv": shape.seqlen_kv, "head_dim": shape.head_dim,
        "head_dim_v": shape.head_dim_v, "split": row.split, "apart": entry.apart, "measured_s": row.time_s,
        "predicted_s": entry.prediction.time_s, "error": entry.error,
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
    '≤4k'
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


def error_rows(judged: Sequence[Compared]) -> list[Record]:
    """Return, for each way of grouping and each group, the errors of the prediction and of the baselines."""
    found: list[Record] = []
    for by, name_of in GROUPS.items():
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


def _printed(errors: Sequence[Record], by: str) -> Table:
    from rich.table import Table

    table = Table(title=f"Absolute error on test rows, by {by}", title_justify="left")
    table.add_column("", no_wrap=True)
    for heading in ("rows", "median", "90th", "signed", "roof", "max", "sum"):
        table.add_column(heading, justify="right")
    for record in errors:
        if record["by"] == by:
            numbers = [record[f"predicted_{kind}"] for kind in ("median", "p90")]
            beside = [record[f"{model}_median"] for model in MODELS[1:]]
            table.add_row(
                f"{record['work']} {record['group']}", str(record["rows"]), *(f"{n:.1%}" for n in numbers),
                f"{record['predicted_signed']:+.1%}", *(f"{n:.0%}" for n in beside),
            )  # fmt: skip
    return table


# --- passes


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PassKernel(_Part):
    """A kernel that runs a cascade of so many passes; ``analysed`` names the cascade of the pass bound."""

    backend: str
    cascade: str
    mapping: str
    analysed: str


class PassStudy(_Part):
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


def pass_study(path: Path) -> PassStudy:
    """Return the study in the file at *path*; raise ProblemsError with its mistakes."""
    document = read_yaml(path)
    study = typed(document, PassStudy)
    problems = [
        document.problem(
            ("lengths", position), f"{study.tokens} tokens are no whole number of sequences of {length}"
        )
        for position, length in enumerate(study.lengths)
        if study.tokens % length
    ]
    if study.dtype not in ELEMENT_B:
        text = f"number format {study.dtype!r} is not known; there are: {', '.join(ELEMENT_B)}"
        problems.append(document.problem(("dtype",), text))
    raise_if_any(problems)
    return study


def run_passes(study_path: Path, out: Path) -> Path:
    """Return *out* after the table ``passes`` and its figure are in it.

    Predicted DRAM bytes and times of each kernel stand beside the lower bound of the pass analysis, and beside measured ones
    where a file of measurements has them.
    """
    from rich.console import Console
    from rich.table import Table

    from fusemax.plot.gpu import draw_passes

    study = pass_study(study_path)
    measured = _measured(study_path.parent, study)
    rows = [
        _pass_row(study, kernel, length, measured) for kernel in study.kernels for length in study.lengths
    ]
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "passes.csv", rows)
    files = draw_passes(out)
    table = Table("kernel", title=study.title, title_justify="left")
    for heading in ("length", "bound", "predicted", "measured", "predicted", "measured"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row["backend"], str(row["length"]), f"{row['bound_B'] / 1e6:,.0f} MB",
            f"{row['predicted_B'] / 1e6:,.0f} MB", _or_dash(row["measured_B"], 1e6, "MB"),
            f"{row['predicted_s'] * 1e3:.3f} ms", _or_dash(row["measured_s"], 1e-3, "ms"),
        )  # fmt: skip
    console = Console(highlight=False)
    console.print(table)
    if not measured:
        console.print(
            "no measurements of our own yet: run 'fusemax gpu measure' on a GPU and name the file in the study"
        )
    console.print(f"results: {out} (passes.csv, {', '.join(f.name for f in files)})")
    return out


def _or_dash(value: float | None, scale: float, unit: str) -> str:
    return "-" if value is None else f"{value / scale:,.3g} {unit}"


def _pass_row(
    study: PassStudy, kernel: PassKernel, length: int, measured: dict[tuple[str, int], Record]
) -> Record:
    shape = Shape(
        batch=study.tokens // length, heads=study.heads, kv_heads=study.heads, seqlen_q=length,
        seqlen_kv=length, head_dim=study.head_dim, head_dim_v=study.head_dim, causal=False, direction="fwd",
    )  # fmt: skip
    prediction = predict(Kernel(study.machine, kernel.mapping, kernel.cascade), shape, study.dtype)
    found = measured.get((kernel.backend, length), {})
    return {
        "backend": kernel.backend,
        "passes": analyse(load_cascade(kernel.analysed)).passes("M"),
        "length": length,
        "compulsory_B": compulsory_bytes(shape, ELEMENT_B[study.dtype]),
        "bound_B": _bound_bytes(study, kernel, shape),
        "predicted_B": prediction.traffic_B,
        "predicted_s": prediction.time_s,
        "limit": prediction.limit,
        "measured_B": found.get("bytes"),
        "measured_s": found.get("time"),
    }


def _bound_bytes(study: PassStudy, kernel: PassKernel, shape: Shape) -> float:
    """Return the lower bound on the bytes of tasks of so many queries that align their passes, with a core's memory."""
    from fusemax.machine import figures, load_machine

    known = figures(load_machine(study.machine)[0])
    element_B = ELEMENT_B[study.dtype]
    bound = traffic_bound(analyse(load_cascade(kernel.analysed)), "M", {"P": "P0"})
    words_kept = float(getattr(known["registers.size"], "value", 0)) / element_B
    sizes = {"M": shape.seqlen_kv, "P": shape.seqlen_q, "E": shape.head_dim, "F": shape.head_dim_v}
    sizes |= {"P0": study.rows_of_a_task, "S": words_kept}
    tasks = math.ceil(shape.seqlen_q / study.rows_of_a_task)

    def value(expression: Any) -> float:
        return float(expression.subs({s: sizes[s.name] for s in expression.free_symbols}))

    extra = value(bound.words) - value(bound.compulsory)
    return shape.batch * shape.heads * element_B * (value(bound.compulsory) + tasks * extra)


def _measured(folder: Path, study: PassStudy) -> dict[tuple[str, int], Record]:
    """Return time and DRAM bytes by (backend, length) of the measured rows that have the study's shape."""
    found: dict[tuple[str, int], Record] = {}
    for pattern in study.measured:
        paths = sorted(Path(name) for name in glob(str(folder / pattern)))
        if not paths and not has_magic(pattern):
            raise FusemaxError(f"{folder / pattern}: cannot be read (no such file)")
        for path in paths:
            try:
                with path.open(encoding="utf-8", newline="") as stream:
                    found.update(_measured_rows(csv.DictReader(stream), study))
            except OSError as error:
                raise FusemaxError(f"{path}: cannot be read ({error.strerror})") from None
            except (UnicodeDecodeError, csv.Error) as error:
                raise FusemaxError(f"{path}: not a CSV file in UTF-8 ({error})") from None
    return found


def _measured_rows(rows: Iterable[dict[str, str]], study: PassStudy) -> dict[tuple[str, int], Record]:
    found: dict[tuple[str, int], Record] = {}
    for row in rows:
        length = row.get("seqlen_kv", "")
        wanted = {
            "status": "ok", "direction": "fwd", "causal": "0", "heads": str(study.heads), "seqlen_q": length,
            "head_dim": str(study.head_dim), "dtype": study.dtype,
        }  # fmt: skip
        if length and all(row.get(name) == value for name, value in wanted.items()):
            read, written = row.get("dram_read_B", ""), row.get("dram_write_B", "")
            found[row["backend"], int(length)] = {
                "time": float(row["latency_s"]) if row.get("latency_s") else None,
                "bytes": float(read) + float(written) if read and written else None,
            }
    return found
