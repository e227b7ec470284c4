"""The study of kind ``taxonomy``: passes, live words, operations and traffic bounds of many cascades side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fusemax.analysis.footprint import footprints
from fusemax.analysis.operations import operation_counts, sizes_for
from fusemax.analysis.passes import Analysis
from fusemax.analysis.traffic import value_of
from fusemax.plot.spec import FigureSpec
from fusemax.report.study import Short
from fusemax.study.kind import Kind, Outcome, Progress
from fusemax.study.kinds.taxonomy_plan import FORMS, Mechanism, TaxonomyFile, TaxonomyPlan, bound_of, plan
from fusemax.table.column import count, measure, remark, size, text
from fusemax.table.table import table_of_rows

Row = dict[str, Any]
WHOLE = ("crossing", "read again", "prefix")  #: kinds of footprint that hold a whole fibre


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
    sizes = sizes_for(found, study.sizes)
    counts = operation_counts(found, sizes)
    points = math.prod(sizes[rank] for rank in _score_ranks(found, mechanism.rank))
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


def traffic_rows(plan: TaxonomyPlan) -> list[Row]:
    """Return the traffic bound for each cascade, length and buffer, for groups of queries of the study's tile."""
    study = plan.study
    rows: list[Row] = []
    for name in study.traffic:
        found = plan.analyses[name]
        bound = bound_of(study, found)
        tiles = {f"{rank}0": size for rank, size in study.tile.items()}
        for length in study.lengths:
            sizes = {**study.sizes, **tiles, "M": length, "P": length}
            compulsory_B = value_of(bound.compulsory, sizes) * study.word
            for buffer_B in study.buffers:
                words = value_of(bound.words, {**sizes, "S": buffer_B / study.word})
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


def specs(plan: TaxonomyPlan) -> tuple[FigureSpec, ...]:
    """Return the figures of those tables that have rows."""
    there = {"passes": plan.study.mechanisms, "traffic": plan.study.traffic}
    return tuple(spec for spec in FIGURES if there[spec.table])


KIND = Kind(plan=plan, tables=tables, specs=specs)
