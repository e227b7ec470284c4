"""The study of kind ``taxonomy``: passes, live words, operations and traffic bounds of many cascades side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fusemax.analysis.footprint import footprints
from fusemax.analysis.passes import Analysis, analyse
from fusemax.analysis.traffic import Traffic, traffic_bound
from fusemax.analysis.work import plain_operations
from fusemax.cascade.sizes import resolve_sizes
from fusemax.errors import FusemaxError, Problem, raise_if_any
from fusemax.language.value import is_size
from fusemax.library.load import Library
from fusemax.plot.spec import FigureSpec
from fusemax.quantity import quantity
from fusemax.report.study import Short
from fusemax.source import Document, KeyPath
from fusemax.study.jobs import shown
from fusemax.study.kind import Kind, Outcome, Progress
from fusemax.study.load import problems_from
from fusemax.study.values import reading
from fusemax.table.column import count, measure, remark, size, text
from fusemax.table.table import table_of_rows
from fusemax.typed import FilePart, typed_so_far

WHOLE = ("crossing", "read again", "prefix")  #: kinds of footprint that hold a whole fibre
DEFAULT = 1024  #: coordinates of a rank that the study does not size
FORMS = ("written", "deferred", "online")

Number = Annotated[float, reading(lambda value: quantity(value, "1"))]
Bytes = Annotated[float, reading(lambda value: quantity(value, "B"))]


class Kernel(FilePart):
    """A published kernel, the cascade that it runs, and the passes that its class says."""

    kernel: str
    cascade: str
    passes: int


class Mechanism(FilePart):
    """A mechanism by the cascades of its forms, and the rank over which passes are counted."""

    name: str
    rank: str
    written: str | None = None
    deferred: str | None = None
    online: str | None = None


class TaxonomyFile(FilePart):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxonomyPlan:
    """A study, and the analysis of every cascade that it names."""

    study: TaxonomyFile
    analyses: Mapping[str, Analysis]
    files: Mapping[str, Path]


def plan(document: Document, options: Mapping[str, Any]) -> TaxonomyPlan:
    """Return what the study in *document* asks; raise ProblemsError with every mistake, of the cascades too."""
    del options
    study, document, problems = typed_so_far(document, TaxonomyFile)
    path = Path(document.file)
    library = Library(path.parent)
    analyses: dict[str, Analysis] = {}
    files = {path.name: path}
    problems += _number_problems(document, study)
    for place, name, rank in _named(study):
        try:
            if name not in analyses:
                cascade = library.cascade(name)
                analyses[name] = analyse(cascade)
                files[shown(Path(cascade.file))] = Path(cascade.file)
            analyses[name].rank(rank)
        except FusemaxError as error:
            problems += problems_from(error, document, place)
    problems = problems or list(_size_problems(document, study, analyses))
    raise_if_any(dict.fromkeys(problems))
    return TaxonomyPlan(study=study, analyses=analyses, files=files)


def _named(study: TaxonomyFile) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield the place and the name of every cascade of *study*, with the rank that it must have."""
    yield from ((("traffic", number), name, "M") for number, name in enumerate(study.traffic))
    yield from (
        (("kernels", number, "cascade"), kernel.cascade, "M") for number, kernel in enumerate(study.kernels)
    )
    for number, mechanism in enumerate(study.mechanisms):
        for form in FORMS:
            name = getattr(mechanism, form)
            if name is not None:
                yield ("mechanisms", number, form), name, mechanism.rank


def _size_problems(
    document: Document, study: TaxonomyFile, analyses: Mapping[str, Analysis]
) -> Iterator[Problem]:
    """Yield the cascades whose traffic cannot be bounded, for a size that is not given or a rank that is not theirs."""
    known = {*study.sizes, *(f"{rank}0" for rank in study.tile), "M", "P", "S"}
    for number, name in enumerate(study.traffic):
        try:
            bound = _bound(study, analyses[name])
        except FusemaxError as error:
            yield from problems_from(error, document, ("traffic", number))
            continue
        needed = {str(symbol) for one in (bound.words, bound.compulsory) for symbol in one.free_symbols}
        if needed - known:
            text = f"cascade {name} needs a size for {', '.join(sorted(needed - known))}"
            yield document.problem(("sizes",), text, "give it under sizes")


def _number_problems(document: Document, study: TaxonomyFile) -> Iterator[Problem]:
    for key in ("sizes", "tile"):
        for name, value in getattr(study, key).items():
            if not is_size(value):
                yield document.problem((key, name), f"expected a whole number of at least 1, got {value:g}")
    for number, value in enumerate(study.lengths):
        if not is_size(value):
            yield document.problem(
                ("lengths", number), f"expected a whole number of at least 1, got {value:g}"
            )
    for number, value in enumerate(study.buffers):
        if value < 1:
            yield document.problem(("buffers", number), f"expected at least 1 byte, got {value:g}")
    if study.word <= 0:
        yield document.problem(("word",), f"expected more than zero, got {study.word:g}")


def tables(plan: TaxonomyPlan, out: Path, progress: Progress) -> Outcome:
    """Return the tables ``passes``, ``kernels`` and ``traffic`` of *plan*; it fails where a published class is another."""
    del out
    passes, kernels = passes_rows(plan, progress), kernel_rows(plan)
    wrong = [row["kernel"] for row in kernels if row["passes"] != row["published_passes"]]
    said = f"{len(kernels) - len(wrong)} of {len(kernels)} published kernels have the passes of their class"
    return Outcome(
        tables={
            "passes": table_of_rows(passes, PASSES),
            "kernels": table_of_rows(kernels, KERNELS),
            "traffic": table_of_rows(traffic_rows(plan), TRAFFIC),
        },
        short=(_short(plan.study, passes),),
        said=(said,) if kernels else (),
        failed=f"passes differ from the published class: {', '.join(wrong)}" if wrong else "",
    )


PASSES = (
    text("mechanism"), text("form", "as usually written, with divisions deferred, or online"), text("cascade"),
    text("rank", "over which passes are counted"), count("passes", "the fewest that any schedule needs"),
    count("sweeps", "traversals in the order of the file"), remark("live_words", "words of whole fibres that stay live"),
    remark("live_tensors"), measure("operations_per_point", "operations for each score", unit="1"),
    measure("exponentials_per_point", "exponentials for each score", unit="1"),
    measure("divisions_per_point", "divisions for each score", unit="1"), count("no_claims", "what the analysis leaves open"),
)  # fmt: skip
KERNELS = (
    text("kernel"), text("cascade"), count("published_passes", "of its class"), count("passes", "of its cascade"),
)  # fmt: skip
TRAFFIC = (
    text("cascade"), count("passes"), size("length", "keys and queries"), size("buffer_B", "fast memory", unit="B"),
    measure("compulsory_B", "every operand once"), measure("traffic_B", "lower bound for one group of queries"),
    measure("group_extra_B", "of those, more than the compulsory"),
)  # fmt: skip


def passes_rows(plan: TaxonomyPlan, progress: Progress) -> list[Row]:
    """Return a row for each form of each mechanism."""
    wanted = [
        (mechanism, form, name)
        for mechanism in plan.study.mechanisms
        for form in FORMS
        if (name := getattr(mechanism, form)) is not None
    ]
    rows: list[Row] = []
    for number, (mechanism, form, name) in enumerate(wanted):
        progress(number, len(wanted), name)
        rows.append(_row(plan.study, plan.analyses[name], mechanism, form, name))
    return rows


def _row(study: TaxonomyFile, found: Analysis, mechanism: Mechanism, form: str, name: str) -> Row:
    import sympy

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
        for operation in plain_operations(found.cascade, einsum):
            number = math.prod(sizes[variable.upper()] for variable in operation.variables)
            counts[operation.name] = counts.get(operation.name, 0.0) + number
    return counts


def kernel_rows(plan: TaxonomyPlan) -> list[Row]:
    """Return a row for each published kernel: the passes of its class, and those of its cascade."""
    return [
        {
            "kernel": kernel.kernel,
            "cascade": kernel.cascade,
            "published_passes": kernel.passes,
            "passes": plan.analyses[kernel.cascade].passes("M"),
        }
        for kernel in plan.study.kernels
    ]


def _bound(study: TaxonomyFile, analysis: Analysis) -> Traffic:
    """Return the bound on the traffic of groups of queries of the study's tile."""
    return traffic_bound(analysis, "M", {rank: f"{rank}0" for rank in study.tile})


def traffic_rows(plan: TaxonomyPlan) -> list[Row]:
    """Return the traffic bound for each cascade, length and buffer, for groups of queries of the study's tile."""
    study = plan.study
    rows: list[Row] = []
    for name in study.traffic:
        found = plan.analyses[name]
        bound = _bound(study, found)
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


def _short(study: TaxonomyFile, rows: Sequence[Row]) -> Short:
    lines = []
    for mechanism in study.mechanisms:
        mine = {row["form"]: row for row in rows if row["mechanism"] == mechanism.name}
        if not mine:
            continue
        best = min(mine.values(), key=lambda row: (row["passes"], FORMS.index(row["form"])))
        cells = [str(mine[form]["passes"]) if form in mine else "-" for form in FORMS]
        live = best["live_words"] if best["live_words"] != "0" else "none"
        lines.append((mechanism.name, mechanism.rank, live, *cells))
    headings = ("mechanism", "rank", "whole fibres live, best form", *FORMS)
    return Short(title=study.title, headings=headings, rows=tuple(lines), texts=3)


FIGURES = (
    FigureSpec(
        file="passes", kind="rows", x="mechanism", y="passes", series="form", table="passes", annotate="{rank}",
        title="Passes of each mechanism", ylabel="least passes",
        caption="The fewest passes over the rank in brackets, of each form of a mechanism.",
    ),
    FigureSpec(
        file="traffic", kind="lines", x="buffer_B", y="group_extra_B", series="cascade", panels=("length",), table="traffic",
        log="x", unit="MiB", title="Loads against memory", xlabel="fast memory", ylabel="extra loads (MiB)",
        caption="What one group of queries must load beyond every operand once, for each size of fast memory: a lower bound.",
    ),
)  # fmt: skip


KIND = Kind(plan=plan, tables=tables, specs=lambda plan: FIGURES)
