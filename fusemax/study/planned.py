"""The plan of a whole study: its jobs, and every mistake that running it would stumble over, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fusemax.errors import Problem, raise_if_any
from fusemax.source import Document
from fusemax.study.designs import Designs
from fusemax.study.pictures import column_mistakes
from fusemax.study.plan import Job, jobs_of
from fusemax.study.results import ALWAYS, LAST
from fusemax.study.spec import StudyFile

OF_ROWS = ("study", "part", "configuration", "seq_len", "machine", "mapping")
BREAKDOWN = ("kind", "nest", "unit", "level", "einsum", "tensor", "action", "value", "unit_of_measure")
COMPARISON = ("table", "quantity", "published", "ours", "relative_difference", "reason")


def planned_points(study: StudyFile, document: Document) -> tuple[tuple[Job, ...], dict[str, Path]]:
    """Return the jobs of a study without grids, and the files that they come from by name.

    Raises
    ------
    ProblemsError
        With every mistake of the study: nothing that it would stop for is left to be found while it runs.
    """
    designs = Designs(folder=Path(document.file).parent)
    jobs, problems = jobs_of(study, document, designs)
    problems += _comparison_problems(study, document)
    if not problems:
        found = column_mistakes(study, columns_of(study, jobs), values_of(study, jobs))
        problems += [document.problem(*mistake) for mistake in found]
    raise_if_any(problems)
    return jobs, designs.files


def _comparison_problems(study: StudyFile, document: Document) -> list[Problem]:
    if study.compare is None:
        return []
    path = Path(document.file).parent / study.compare.published
    if path.is_file():
        return []
    return [document.problem(("compare", "published"), f"{path}: there is no such file")]


def columns_of(study: StudyFile, jobs: Sequence[Job]) -> dict[str, list[str]]:
    """Return the columns of every table that *study* will leave."""
    parts = dict.fromkeys(part.name for part in study.parts)
    labels = _once(name for part in parts for name in study.label_columns(part))
    sizes = _once(name for part in parts for name in study.listed_sizes(part))
    measures = [*ALWAYS, "energy_registers_J", "area_m2", "limit"]
    for job in jobs:
        measures += [f"utilization_{unit}" for unit in job.labels("utilization", "unit")]
        measures += [f"area_{name}_m2" for name in _places(job, "component_area")]
        measures += [f"time_{name}_s" for name in _places(job, "time")]
    tables = {
        "results": [*OF_ROWS, *labels, *sizes, *_once(measures), *LAST],
        "breakdown": ["part", "configuration", "seq_len", *labels, *sizes, *BREAKDOWN],
    }
    if study.compare is not None:
        tables["comparison"] = ["part", "configuration", "seq_len", *labels, *sizes, *COMPARISON]
    return tables


def _places(job: Job, kind: str) -> list[str]:
    return [name for attribute in ("unit", "level") for name in job.labels(kind, attribute) if name]


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def values_of(study: StudyFile, jobs: Sequence[Job]) -> Mapping[str, list[Any]]:
    """Return all values of the columns whose values are known before the study runs."""
    values: dict[str, list[Any]] = {
        "part": [part.name for part in study.parts],
        "configuration": [name for part in study.parts for name in part.configurations],
    }
    for job in jobs:
        for group in job.groups:
            for point in group.points:
                for name, label in point.labels.items():
                    values.setdefault(name, []).append(label)
                values.setdefault("seq_len", []).append(point.sizes.get(study.length))
    return {name: _once(found) for name, found in values.items()}
