"""What is known of a study's tables before it runs: which rows and columns there will be, held against all that names them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fusemax.errors import FusemaxError, Problem
from fusemax.findings import problems_from
from fusemax.shipped import is_file
from fusemax.source import Document
from fusemax.study.columns import ALWAYS, LONG_TABLES
from fusemax.study.jobs.job import Planned
from fusemax.study.pictures import column_mistakes
from fusemax.study.plan.laid_out import figure_problems, may_leave_out, rows_to_come
from fusemax.study.spec.axes import is_several
from fusemax.study.spec.conditions import known_of
from fusemax.study.spec.file import Comparison, StudyFile
from fusemax.study.spec.outside import names_in
from fusemax.study.tables.comparison import Published, Rows, mistakes, read_published
from fusemax.study.tables.results import apart_of
from fusemax.study.tables.rows import JOB, LENGTH

MISSPELT = 0.87  #: how alike a name is to the one that was meant: energy_L2_J is not to energy_J
LABEL = 0.75  #: the same for a column that tells rows apart, of which a machine has none of its own
#: The columns of long tables, besides those that tell rows apart.
OWN = {name: [column.name for column in columns] for name, columns in LONG_TABLES.items()}


def problems_of(study: StudyFile, document: Document, plan: Planned) -> list[Problem]:
    """Return what *study* asks of its tables that they will not have."""
    problems = list(_reductions(study, document, plan)) or list(_repeated(study, document, plan))
    if study.compare is not None and not problems:
        problems += _comparison(study, document, plan)
    values = {**known_values(plan), "part": [part.name for part in study.parts]}
    found = column_mistakes(study, columns_of(study, plan), values)
    problems += [document.problem(*mistake) for mistake in found]
    return problems or list(figure_problems(study, document, plan))


def problems_so_far(
    study: StudyFile, document: Document, plan: Planned | None, columns: Iterable[str]
) -> list[Problem]:
    """Return what *study* asks of its tables that they will hardly have, where its *plan* lacks rows.

    Columns that are near to one which there will be (the measures *columns* among them) are misspelt; others may be of a row
    that is not known yet.
    """
    problems = [] if study.compare is None else _published(study.compare, document)[1]
    labels = ["part", "configuration", *(t for part in study.parts for t in part.tables)]
    labels += [] if plan is None else plan.order[: plan.order.index("machine")]
    sizes = [n for part in study.parts for n, v in [*part.sizes.items(), *part.grid.items()] if is_several(v)]
    known = {name: [*labels, LENGTH, *own] for name, own in OWN.items()}
    known["results"] = [*labels, *sizes, *ALWAYS, LENGTH, *columns, *([] if plan is None else plan.order)]
    values = (
        {} if _has_lost(document) else {"part": [part.name for part in study.parts], **known_labels(study)}
    )
    for path, text, hint in column_mistakes(study, known, values):
        table = study.figures[int(path[1])].get("table", "results")
        name = text.rpartition("column ")[2].strip("'")
        near = get_close_matches(name, known.get(table, []), 1, MISSPELT)
        is_value = not text.startswith("there is no column") and str(hint).startswith("did you mean")
        if near or is_value or get_close_matches(name, labels, 1, LABEL):
            problems.append(document.problem(path, text, hint))
    for number, part in enumerate(study.parts):
        given = known_of([part])
        named = {*given.numbers, *given.texts, *known["results"]}
        for place, condition in enumerate(part.where):
            for name in names_in(condition) - named:
                near = get_close_matches(name, [*ALWAYS, LENGTH, *columns], 1, MISSPELT)
                if near:
                    text = f"{name!r} is no size, figure or label that is given here"
                    at = ("parts", number, "where", place)
                    problems.append(document.problem(at, text, f"did you mean {near[0]!r}?"))
    return problems


def known_labels(study: StudyFile) -> dict[str, list[str]]:
    """Return the labels of every table of *study*, and its configurations, by the column that they stand in."""
    found = {"configuration": [name for part in study.parts for name in part.configurations]}
    for part in study.parts:
        for table, rows in part.tables.items():
            found.setdefault(table, []).extend(map(str, rows))
    return found


def _has_lost(document: Document) -> bool:
    """Return whether rows of tables, configurations or whole parts could not be read, so that their names are not known."""
    return any(
        path[0] == "parts" and path[2:3] in ((), ("tables",), ("configurations",))
        for path in document.left_out
    )


def _reductions(study: StudyFile, document: Document, plan: Planned) -> Iterator[Problem]:
    """Yield what only a study whose points are few can do."""
    if plan.whole:
        return
    hint = "take fewer points, or a study of its own for the large grid"
    text = f"the study has {plan.points:,} points, or keeps only some: too many to be"
    for number, part in enumerate(study.parts):
        for key in ("sum_over", "total_of"):
            if getattr(part, key):
                yield document.problem(("parts", number, key), f"{text} added up", hint, key=True)
    if study.compare is not None:
        yield document.problem(("compare",), f"{text} compared", hint, key=True)


def _repeated(study: StudyFile, document: Document, plan: Planned) -> Iterator[Problem]:
    """Yield the parts of a whole table with a row that stands there already: nothing would tell the two apart."""
    if not plan.whole:
        return
    named = [part.name for part in study.parts]
    apart = ("part", "configuration", *apart_of(plan))
    seen: set[tuple[tuple[str, Any], ...]] = set()
    told: set[int] = set()
    for record in rows_to_come(study, plan):
        number = named.index(record["part"]) if record.get(JOB) is None else plan.jobs[record[JOB]].part
        row = tuple((name, record[name]) for name in apart if record.get(name) is not None)
        if row in seen and number not in told:
            told.add(number)
            shown = ", ".join(
                f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in row
            )
            hint = "give one of the parts another name, or leave the points out of one"
            yield document.problem(("parts", number), f"there are two rows of {shown}", hint)
        seen.add(row)


def known_values(plan: Planned) -> dict[str, list[Any]]:
    """Return all values of the columns whose values are known before the study runs."""
    found: dict[str, dict[Any, None]] = {}
    for job in plan.jobs:
        for name, value in job.identity:
            found.setdefault(name, {})[value] = None
        for name, labels in job.labels.items():
            found.setdefault(name, {}).update(dict.fromkeys(labels))
        for axis in (job.outer, *job.axes):
            for name, values in zip(axis.names, axis.values, strict=True):
                if name in job.shown:
                    found.setdefault(name, {}).update(dict.fromkeys(values))
            if job.length in axis.names:
                lengths = axis.values[axis.names.index(job.length)]
                found.setdefault(LENGTH, {}).update(dict.fromkeys(map(int, lengths)))
    return {name: list(values) for name, values in found.items()}


def columns_of(study: StudyFile, plan: Planned) -> dict[str, list[str]]:
    """Return the columns of every table that *study* will leave."""
    extra = ["point", "equal_points"] if any(job.keep.kind != "all" for job in plan.jobs) else []
    tables = {"results": [*plan.order, *extra]}
    if plan.whole:
        identity = [n for n in plan.order[: plan.order.index("machine")] if n != "study"]
        asked = [name for name in OWN if name != "comparison" or study.compare is not None]
        tables |= {name: [*identity, *OWN[name]] for name in asked}
    return tables


def _comparison(study: StudyFile, document: Document, plan: Planned) -> list[Problem]:
    assert study.compare is not None
    published, problems = _published(study.compare, document)
    if problems:
        return problems
    if may_leave_out(study):
        return []  # which rows are left out is not known yet
    lines: dict[str, set[str]] = {}
    for job in plan.jobs:
        names = (name for name, label in job.lines.items() if label.kind == "activity")
        lines.setdefault(dict(job.identity)["part"], set()).update(names)
    for part in study.parts:
        if part.sum_over or part.total_of:
            lines[part.name] = set()
    return list(mistakes(published, Rows(rows_to_come(study, plan)), plan.order, lines))


def _published(compare: Comparison, document: Document) -> tuple[list[Published], list[Problem]]:
    """Return the published values, and why they cannot be read."""
    path = Path(document.file).parent / compare.published
    if not is_file(path):
        return [], [document.problem(("compare", "published"), f"{path}: there is no such file")]
    try:
        return list(read_published(path)), []
    except FusemaxError as error:
        return [], problems_from(error, document, ("compare", "published"))
