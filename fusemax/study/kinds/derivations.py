"""The study of derivations: every shipped cascade rewritten, against the fewest passes known from the literature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from fusemax.analysis.rewrite.derivation import explained
from fusemax.analysis.rewrite.form import Form
from fusemax.analysis.rewrite.given import given_of
from fusemax.analysis.rewrite.search import NotReducibleError, Reduced, search
from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError
from fusemax.findings import Findings
from fusemax.library.load import Library
from fusemax.plot.spec import FigureSpec
from fusemax.report.study import Short
from fusemax.shipped import shipped
from fusemax.source import Document, KeyPath
from fusemax.study.jobs.job import shown
from fusemax.study.kind import Kind, Outcome, Progress
from fusemax.table.column import count, measure, remark, text, truth
from fusemax.table.table import table_of_rows
from fusemax.typed import FilePart, typed_so_far


class Known(FilePart):
    """What the literature knows of one cascade."""

    rank: str
    passes: int = Field(ge=1)
    source: str
    given: list[str] = Field(default_factory=list)


class DerivationsFile(FilePart):
    """What a study of kind ``derivations`` says."""

    kind: str
    title: str
    cascades: list[str] | None = None
    known: dict[str, Known] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivationsPlan:
    """A study and the cascades that it rewrites, by name."""

    study: DerivationsFile
    cascades: Mapping[str, Cascade]
    files: Mapping[str, Path]


def plan(document: Document, options: Mapping[str, Any]) -> DerivationsPlan:
    """Return what the study in *document* rewrites; raise ProblemsError with every mistake, of the cascades too."""
    del options
    study, document, problems = typed_so_far(document, DerivationsFile)
    found, library = Findings(document, problems), Library(Path(document.file).parent)
    if study.cascades is not None and not study.cascades:
        found.say(("cascades",), "an empty list names no cascade")
    wanted = list(shipped("einsums")) if study.cascades is None else study.cascades
    found.refuse_twice(("cascades",), wanted)
    cascades: dict[str, Cascade] = {}
    places: list[tuple[KeyPath, str]] = [(("known", name), name) for name in study.known]
    places += [(("cascades", number), name) for number, name in enumerate(wanted)]
    for place, name in places:
        with found.at(*place, key=place[0] == "known"):
            cascades[name] = cascades.get(name) or library.cascade(name)
    for name, known in study.known.items():
        if name in cascades:
            _refuse_names(found, cascades[name], name, known)
            with found.at("known", name, "given"):
                given_of(cascades[name], tuple(known.given))
        if name not in wanted:
            found.say(("known", name), "this cascade is not among 'cascades'", key=True)
    found.raise_if_any()
    path = Path(document.file)
    files = {path.name: path} | {shown(Path(c.file)): Path(c.file) for c in cascades.values()}
    return DerivationsPlan(study=study, cascades={name: cascades[name] for name in wanted}, files=files)


def _refuse_names(found: Findings, cascade: Cascade, name: str, known: Known) -> None:
    """Note the ranks that are *known* of a cascade and that it lacks."""
    for rank in known.rank.split(","):
        if rank not in cascade.ranks:
            text = f"cascade {cascade.name} has no rank {rank!r}"
            found.say(("known", name, "rank"), text, f"there are: {', '.join(cascade.ranks)}")


def tables(plan: DerivationsPlan, out: Path, progress: Progress) -> Outcome:
    """Return the tables ``derivations`` and ``forms`` of *plan*, and the derivations as text."""
    del out
    summary: list[dict[str, Any]] = []
    forms: list[dict[str, Any]] = []
    texts: list[str] = []
    for number, (name, cascade) in enumerate(plan.cascades.items()):
        progress(number, len(plan.cascades), name)
        known = plan.study.known.get(name)
        found = _searched(cascade, known)
        summary.append(_row(name, found, known))
        if isinstance(found, Reduced):
            forms += _form_rows(name, found)
            texts.append(_text(name, found))
    return Outcome(
        tables={"derivations": table_of_rows(summary, DERIVATIONS), "forms": table_of_rows(forms, FORMS)},
        short=(Short(title=plan.study.title, headings=HEADINGS, rows=tuple(map(_line, summary)), texts=4),),
        said=(f"{_agreement(summary)}.",) if plan.study.known else (),
        texts={"derivations.txt": "\n\n".join(texts) + "\n"},
    )


DERIVATIONS = (
    text("cascade"), text("rank", "over which passes are counted"), count("passes_before", "as written", "as written"),
    count("passes_safe", "of the best form that is safe in floating point", "derived, safe"),
    count("passes_found", "of the best form", "derived"),
    measure("work_ratio", "operations of the safe form over those as written", unit="1"), remark("form", "the safe form"),
    remark("keeps", "values that cross passes"), remark("remark"), count("passes_known", "in the literature", "known"),
    remark("source", "of the passes known"), truth("agrees", "whether as few passes were found as are known"),
    truth("shown", "in the figures: fewer passes were found, or are known"),
)  # fmt: skip
FORMS = (
    text("cascade"), text("rank"), text("form"), count("passes"), count("sweeps"),
    measure("work_ratio", "operations over those as written", unit="1"), remark("keeps"), remark("keeps_per_tile"),
    truth("safe", "in floating point"), remark("safety", "why"), measure("error", "the largest seen", unit="1"),
)  # fmt: skip
HEADINGS = ("cascade", "rank", "passes", "form", "known")


def _agreement(rows: list[dict[str, Any]]) -> str:
    known = [row for row in rows if row["agrees"] is not None]
    safely = [
        row for row in known if row["passes_safe"] is not None and row["passes_safe"] <= row["passes_known"]
    ]
    reached = sum(row["agrees"] for row in known)
    return (
        f"{reached} of {len(known)} cascades reach the passes known, {len(safely)} of them with a safe form"
    )


def _searched(cascade: Cascade, known: Known | None) -> Reduced | str:
    """Return what the search finds, or why the cascade cannot be asked."""
    try:
        return search(cascade, known.rank if known else None, given=tuple(known.given) if known else ())
    except FusemaxError as error:
        return str(error).splitlines()[0]


def _row(name: str, found: Reduced | str, known: Known | None) -> dict[str, Any]:
    """Return one row of the table; passes of the best form that is safe, and of the best one at all."""
    empty = dict.fromkeys(
        ("rank", "passes_before", "passes_safe", "passes_found", "work_ratio", "form", "keeps", "remark"),
        None,
    )
    literature = {"passes_known": known.passes if known else None, "source": known.source if known else None}
    if isinstance(found, str):
        return {"cascade": name, **empty, "remark": found, **literature, "agrees": None, "shown": False}
    best = _best(found)
    values = {
        "rank": found.rank,
        "passes_before": found.original.passes,
        "passes_safe": best.passes,
        "passes_found": min(form.passes for form in (*found.forms, found.original)),
        "work_ratio": best.work / found.original.work if found.original.work else 1.0,
        "form": best.title,
        "keeps": ", ".join(best.crossing),
        "remark": _remark(found),
    }
    agrees = values["passes_found"] <= known.passes if known else None
    shown = best.passes < found.original.passes or known is not None
    return {"cascade": name, **empty, **values, **literature, "agrees": agrees, "shown": shown}


def _best(found: Reduced) -> Form:
    """Return the safe form with the fewest passes; the original where no form has fewer."""
    safe = [form for form in found.forms if form.safe and form.passes < found.original.passes]
    return safe[0] if safe else found.original


def _remark(found: Reduced) -> str | None:
    parts = [f"{len(found.forms)} forms"] if found.forms else []
    if found.original.passes > 1:
        try:
            found.best(1)
        except NotReducibleError as error:
            parts.append(str(error).splitlines()[-1].strip())
    if not found.complete:
        parts.append("the search stopped at its limit")
    return "; ".join(parts) or None


def _form_rows(name: str, found: Reduced) -> Iterator[dict[str, Any]]:
    for form in (found.original, *found.forms):
        yield {
            "cascade": name,
            "rank": found.rank,
            "form": form.title,
            "passes": form.passes,
            "sweeps": form.sweeps,
            "work_ratio": form.work / found.original.work if found.original.work else 1.0,
            "keeps": ", ".join(form.crossing),
            "keeps_per_tile": ", ".join(form.partial),
            "safe": form.safe,
            "safety": form.safety,
            "error": form.verdict.worst if form.verdict else 0.0,
        }


def _text(name: str, found: Reduced) -> str:
    best = _best(found)
    if best is found.original:
        return f"{name}: {best.passes} passes over {found.rank}, none fewer found"
    return f"{name}\n{explained(found.original, best, found.rank)}"


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    if row["rank"] is None:
        return row["cascade"], "", "", row["remark"] or "", ""
    known = str(row["passes_known"] or "")
    return row["cascade"], row["rank"], f"{row['passes_before']} -> {row['passes_safe']}", row["form"], known


FIGURES = (
    FigureSpec(
        file="derivations", kind="rows", x="cascade", y=("passes_before", "passes_known", "passes_safe", "passes_found"),
        table="derivations", where={"shown": True}, annotate="{rank}", title="Passes as written, known and derived",
        ylabel="passes over the rank",
        caption="Cascades with a form of fewer passes, or a known one; the rank stands in brackets.",
    ),
    FigureSpec(
        file="operations", kind="rows", x="cascade", y="work_ratio", table="derivations", where={"shown": True},
        annotate="{rank}", log="y", title="What fewer passes cost", ylabel="operations over those as written",
        caption="The operations of the derived form that is safe in floating point.",
    ),
)  # fmt: skip


KIND = Kind(plan=plan, tables=tables, specs=lambda plan: FIGURES)
