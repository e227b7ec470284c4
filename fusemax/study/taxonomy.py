"""The study of kind ``taxonomy``: passes, live words, operations and traffic bounds of many cascades side by side."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fusemax.analysis.footprint import footprints
from fusemax.analysis.passes import Analysis, analyse
from fusemax.analysis.traffic import traffic_bound
from fusemax.analysis.work import operations
from fusemax.cascade.build import load_cascade
from fusemax.cascade.sizes import resolve_sizes
from fusemax.errors import FusemaxError, Problem, raise_if_any
from fusemax.files import replace_file
from fusemax.progress import watched
from fusemax.quantity import quantity
from fusemax.source import Document, KeyPath, read_yaml, typed
from fusemax.study.designs import cascade_beside
from fusemax.study.load import problems_from

if TYPE_CHECKING:
    from rich.table import Table

WHOLE = ("crossing", "read again", "prefix")  #: kinds of footprint that hold a whole fibre
DEFAULT = 1024  #: coordinates of a rank that the study does not size
FORMS = ("written", "deferred", "online")

Number = Annotated[float, BeforeValidator(lambda value: quantity(value, "1"))]
Bytes = Annotated[float, BeforeValidator(lambda value: quantity(value, "B"))]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Kernel(_Part):
    """A published kernel, the cascade that it runs, and the passes that its class says."""

    kernel: str
    cascade: str
    passes: int


class Mechanism(_Part):
    """A mechanism by the cascades of its forms, and the rank over which passes are counted."""

    name: str
    rank: str
    written: str | None = None
    deferred: str | None = None
    online: str | None = None


class TaxonomyFile(_Part):
    """What a study of kind ``taxonomy`` holds."""

    kind: Literal["taxonomy"]
    title: str
    source: str
    sizes: dict[str, Number] = Field(default_factory=dict)
    tile: dict[str, Number] = Field(default_factory=dict)
    lengths: list[Number]
    buffers: list[Bytes]
    word: Bytes
    traffic: list[str]
    kernels: list[Kernel]
    mechanisms: list[Mechanism]


Row = dict[str, Any]


def run(study_path: Path, out: Path) -> Path:
    """Return the folder *out* after the tables ``passes``, ``kernels`` and ``traffic`` and their figures are in it.

    Raises
    ------
    ProblemsError
        With the mistakes of the study's file.
    FusemaxError
        When a cascade lacks the rank that is asked about, or a published class and a count differ.
    """
    from rich.console import Console

    from fusemax.plot.taxonomy import draw

    study = taxonomy_of(read_yaml(study_path))
    tables = {"passes": passes_rows(study), "kernels": kernel_rows(study), "traffic": traffic_rows(study)}
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        write_csv(out / f"{name}.csv", rows)
    files = draw(out)
    console = Console(highlight=False)
    console.print(_printed(study, tables["passes"]))
    wrong = [row for row in tables["kernels"] if row["passes"] != row["published_passes"]]
    total = len(tables["kernels"])
    console.print(f"{total - len(wrong)} of {total} published kernels have the passes of their class")
    console.print(
        f"results: {out} (passes.csv, kernels.csv, traffic.csv, {', '.join(f.name for f in files)})",
        markup=False,
    )
    if wrong:
        raise FusemaxError(
            f"passes differ from the published class: {', '.join(row['kernel'] for row in wrong)}"
        )
    return out


def taxonomy_of(document: Document) -> TaxonomyFile:
    """Return the study in *document*; raise ProblemsError with every mistake, of the cascades that it names too."""
    study = typed(document, TaxonomyFile)
    named: list[tuple[KeyPath, str, str | None]] = [
        (("traffic", number), name, "M") for number, name in enumerate(study.traffic)
    ]
    named += [
        (("kernels", number, "cascade"), kernel.cascade, "M") for number, kernel in enumerate(study.kernels)
    ]
    for number, mechanism in enumerate(study.mechanisms):
        named += [
            (("mechanisms", number, form), name, mechanism.rank)
            for form in FORMS
            if (name := getattr(mechanism, form)) is not None
        ]
    problems = [problem for entry in named for problem in _cascade_problems(document, *entry)]
    for key in ("sizes", "tile"):
        for name, value in getattr(study, key).items():
            if value < 1 or value != int(value):
                problems.append(
                    document.problem((key, name), f"expected a whole number of at least 1, got {value:g}")
                )
    for key in ("lengths", "buffers"):
        for number, value in enumerate(getattr(study, key)):
            if value < 1:
                problems.append(document.problem((key, number), f"expected at least 1, got {value:g}"))
    raise_if_any(dict.fromkeys(problems))
    return study


def _cascade_problems(document: Document, path: KeyPath, name: str, rank: str | None) -> list[Problem]:
    """Return what is wrong with the cascade *name* at *path*, over whose *rank* passes are counted."""
    try:
        cascade = cascade_beside(name, document)
        if rank is not None:
            analyse(cascade).rank(rank)
    except FusemaxError as error:
        return problems_from(error, document, path)
    return []


def passes_rows(study: TaxonomyFile) -> list[Row]:
    """Return a row for each form of each mechanism."""
    wanted = [
        (mechanism, form, name)
        for mechanism in study.mechanisms
        for form in FORMS
        if (name := getattr(mechanism, form)) is not None
    ]
    return [_row(study, *entry) for entry in watched(wanted, lambda entry: entry[2], "cascades")]


def _row(study: TaxonomyFile, mechanism: Mechanism, form: str, name: str) -> Row:
    import sympy

    found = analyse(load_cascade(name))
    entry = found.rank(mechanism.rank)
    tiles = {rank: f"{rank}0" for rank in study.tile}
    live = [f for f in footprints(found, mechanism.rank, tiles) if f.kind in WHOLE]
    counts = operation_counts(found, study)
    points = math.prod(_sizes(found, study)[rank] for rank in _score_ranks(found, mechanism.rank))
    return {
        "mechanism": mechanism.name,
        "form": form,
        "cascade": name,
        "rank": mechanism.rank,
        "passes": entry.passes,
        "sweeps": entry.sweeps,
        "live_words": str(sympy.Add(*(f.words for f in live))),
        "live_tensors": " ".join(f"{f.tensor}:{f.words}" for f in live),
        "operations_per_point": round(sum(counts.values()) / points, 3),
        "exponentials_per_point": round(sum(n for k, n in counts.items() if "exp" in k) / points, 4),
        "divisions_per_point": round(counts.get("div", 0.0) / points, 4),
        "no_claims": len(found.no_claims),
    }


def _score_ranks(found: Analysis, rank: str) -> tuple[str, ...]:
    """Return the ranks of a score: the rank of interest, and that of the queries where there is one."""
    return tuple(dict.fromkeys((rank, "P"))) if "P" in found.cascade.ranks else (rank,)


def _sizes(found: Analysis, study: TaxonomyFile) -> dict[str, int]:
    """Return a size for every rank: the study's, or a default."""
    cascade = found.cascade
    fixed = {name for name, rank in cascade.ranks.items() if rank.size is not None}
    given = {
        name: int(study.sizes.get(name, DEFAULT)) for name in cascade.size_symbols() if name not in fixed
    }
    split = {name for name, digits in found.plain.digits.items() if name in cascade.ranks}
    for name in split:
        outer = found.plain.digits[name][0]
        inner = math.prod(given.get(digit, DEFAULT) for digit in found.plain.digits[name][1:])
        if outer in given and outer not in study.sizes:
            given[outer] = max(1, DEFAULT // inner)
    return resolve_sizes(cascade, given)


def operation_counts(found: Analysis, study: TaxonomyFile) -> dict[str, float]:
    """Return how many operations of each name the cascade does at the study's sizes."""
    sizes = _sizes(found, study)
    counts: dict[str, float] = {}
    for einsum in found.cascade.computed:
        for operation in operations(found.cascade, einsum):
            number = math.prod(sizes[variable.upper()] for variable in operation.variables)
            counts[operation.name] = counts.get(operation.name, 0.0) + number
    return counts


def kernel_rows(study: TaxonomyFile) -> list[Row]:
    """Return a row for each published kernel: the passes of its class, and those of its cascade."""
    return [
        {
            "kernel": kernel.kernel,
            "cascade": kernel.cascade,
            "published_passes": kernel.passes,
            "passes": analyse(load_cascade(kernel.cascade)).passes("M"),
        }
        for kernel in study.kernels
    ]


def traffic_rows(study: TaxonomyFile) -> list[Row]:
    """Return the traffic bound for each cascade, length and buffer, for groups of queries of the study's tile."""
    rows: list[Row] = []
    for name in study.traffic:
        found = analyse(load_cascade(name))
        bound = traffic_bound(found, "M", {rank: f"{rank}0" for rank in study.tile})
        tiles = {f"{rank}0": size for rank, size in study.tile.items()}
        for length in study.lengths:
            sizes = {**study.sizes, **tiles, "M": length, "P": length}
            compulsory_B = _value(bound.compulsory, sizes) * study.word
            for buffer_B in study.buffers:
                words = _value(bound.words, {**sizes, "S": buffer_B / study.word})
                rows.append(
                    {
                        "cascade": name,
                        "passes": found.passes("M"),
                        "length": int(length),
                        "buffer_B": buffer_B,
                        "compulsory_B": compulsory_B,
                        "traffic_B": words * study.word,
                        "group_extra_B": words * study.word - compulsory_B,
                    }
                )
    return rows


def _value(expression: Any, sizes: Mapping[str, float]) -> float:
    return float(expression.subs({s: sizes[s.name] for s in expression.free_symbols}))


def write_csv(path: Path, rows: Sequence[Row], columns: Sequence[str] | None = None) -> Path:
    """Return *path* after *rows* stand there as CSV; the *columns*, if not given, are the keys of the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(columns or rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return replace_file(path, text.getvalue())


def _printed(study: TaxonomyFile, rows: Sequence[Row]) -> Table:
    from rich.table import Table

    table = Table(title=study.title, title_justify="left", box=None, pad_edge=False)
    table.add_column("mechanism")
    table.add_column("rank")
    for form in FORMS:
        table.add_column(form, justify="right")
    table.add_column("whole fibres live, best form")
    for mechanism in study.mechanisms:
        mine = {row["form"]: row for row in rows if row["mechanism"] == mechanism.name}
        best = min(mine.values(), key=lambda row: (row["passes"], FORMS.index(row["form"])))
        cells = [str(mine[form]["passes"]) if form in mine else "-" for form in FORMS]
        live = best["live_words"] if best["live_words"] != "0" else "none"
        table.add_row(mechanism.name, mechanism.rank, *cells, live)
    return table
