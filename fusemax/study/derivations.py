"""The study of derivations: every shipped cascade rewritten, against the fewest passes known from the literature."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fusemax.analysis.rewrite.derivation import explained
from fusemax.analysis.rewrite.form import Form
from fusemax.analysis.rewrite.normal import RankError
from fusemax.analysis.rewrite.search import NotReducibleError, Reduced, search
from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError, Problem, raise_if_any
from fusemax.files import replace_file, write_atomically
from fusemax.progress import watched
from fusemax.shipped import shipped
from fusemax.source import Document, KeyPath, read_yaml, typed
from fusemax.study.designs import cascade_beside
from fusemax.study.load import problems_from

CONFIG = ConfigDict(extra="forbid", strict=True, frozen=True)


class Known(BaseModel):
    """What the literature knows of one cascade."""

    model_config = CONFIG

    rank: str
    passes: int = Field(ge=1)
    source: str
    given: list[str] = Field(default_factory=list)


class DerivationsFile(BaseModel):
    """What a study of kind ``derivations`` says."""

    model_config = CONFIG

    kind: str
    title: str
    cascades: list[str] | None = None
    known: dict[str, Known] = Field(default_factory=dict)


def derivations_of(document: Document) -> DerivationsFile:
    """Return the study in *document*; raise ProblemsError with every mistake, of the cascades that it names too."""
    study = typed(document, DerivationsFile)
    problems: list[Problem] = []
    if study.cascades is not None and not study.cascades:
        problems.append(document.problem(("cascades",), "an empty list names no cascade"))
    named = [(("cascades", number), name, None) for number, name in enumerate(study.cascades or ())]
    named += [(("known", name), name, known.rank) for name, known in study.known.items()]
    for path, name, rank in named:
        try:
            cascade = cascade_beside(name, document)
        except FusemaxError as error:
            problems += problems_from(error, document, path, key=rank is not None)
            continue
        problems += _rank_problems(document, cascade, path, rank)
        if study.cascades is not None and name not in study.cascades:
            problems.append(document.problem(path, "this cascade is not among 'cascades'", key=True))
    raise_if_any(problems)
    return study


def _rank_problems(document: Document, cascade: Cascade, path: KeyPath, rank: str | None) -> list[Problem]:
    unknown = [name for name in (rank or "").split(",") if name and name not in cascade.ranks]
    return [
        document.problem(
            (*path, "rank"),
            f"cascade {cascade.name} has no rank {name!r}",
            f"there are: {', '.join(cascade.ranks)}",
        )
        for name in unknown
    ]


def run(study_path: Path, out: Path) -> tuple[Path, ...]:
    """Return the files written into *out*: the table, all forms, the derivations as text, and the figure.

    Raises
    ------
    FusemaxError
        When the study names a cascade that does not exist.
    """
    from rich.console import Console

    from fusemax.plot.derivations import draw

    document = read_yaml(study_path)
    study = derivations_of(document)
    names = study.cascades if study.cascades is not None else list(shipped("einsums"))
    console = Console(highlight=False, soft_wrap=True)
    summary: list[dict[str, Any]] = []
    forms: list[dict[str, Any]] = []
    texts: list[str] = []
    for name in watched(names, str, "cascades"):
        found = _searched(cascade_beside(name, document), study.known.get(name))
        row = _row(name, found, study.known.get(name))
        summary.append(row)
        if isinstance(found, Reduced):
            forms += _form_rows(name, found)
            texts.append(_text(name, found))
    for row in summary:
        console.print(_line(row), markup=False)
    out.mkdir(parents=True, exist_ok=True)
    files = [_table(out / "derivations.csv", summary), _table(out / "forms.csv", forms)]
    files.append(replace_file(out / "derivations.txt", "\n\n".join(texts) + "\n"))
    files += draw(out / "derivations.csv", out, study.title)
    console.print(f"{_agreement(summary)}; results in {out}/", markup=False)
    return tuple(files)


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
    except RankError as error:
        return str(error)


def _row(name: str, found: Reduced | str, known: Known | None) -> dict[str, Any]:
    """Return one row of the table; passes of the best form that is safe, and of the best one at all."""
    empty = dict.fromkeys(
        ("rank", "passes_before", "passes_safe", "passes_found", "work_ratio", "form", "keeps", "remark"),
        None,
    )
    literature = {"passes_known": known.passes if known else None, "source": known.source if known else None}
    if isinstance(found, str):
        return {"cascade": name, **empty, "remark": found, **literature, "agrees": None}
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
    return {"cascade": name, **empty, **values, **literature, "agrees": agrees}


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


def _line(row: dict[str, Any]) -> str:
    if row["rank"] is None:
        return f"{row['cascade']:36} {row['remark']}"
    known = f"known {row['passes_known']}" if row["passes_known"] else ""
    return f"{row['cascade']:36} {row['rank']:5} {row['passes_before']} -> {row['passes_safe']}  {known:8} {row['form']}"


def _table(path: Path, rows: list[dict[str, Any]]) -> Path:
    import polars

    if not rows:
        raise FusemaxError("the study names no cascade")
    return write_atomically(path, polars.DataFrame(rows, infer_schema_length=None).write_csv)
