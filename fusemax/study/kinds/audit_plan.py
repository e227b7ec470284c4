"""What an audit runs: the study that it corrects with all steps, and what is held against them; or every mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusemax.errors import FusemaxError, Problem, ProblemsError, raise_if_any
from fusemax.findings import problems_from
from fusemax.library.load import Library
from fusemax.nearest import meant, nearest
from fusemax.shipped import find
from fusemax.source import Document, KeyPath, read_yaml
from fusemax.study.designs import Designs
from fusemax.study.jobs.job import Planned
from fusemax.study.kinds.audit_file import AuditFile
from fusemax.study.load import study_of
from fusemax.study.plan.skeleton import known_values
from fusemax.study.plan.whole import planned
from fusemax.study.plan.wrong_corrections import correction_problems
from fusemax.study.spec.file import Corrected, StudyFile
from fusemax.study.tables.comparison import Published, read_published
from fusemax.study.tables.rows import LENGTH
from fusemax.typed import typed_so_far

#: What a published table may hold that steps are held against.
MEASURES = ("latency_s", "traffic_B", "energy_J")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    """An audit, the study that it runs with all steps, the published values, and the files of all."""

    audit: AuditFile
    study: StudyFile
    planned: Planned
    published: tuple[Published, ...]
    files: Mapping[str, Path]


def plan(document: Document, options: Mapping[str, Any]) -> AuditPlan:
    """Return what the audit in *document* runs; raise ProblemsError with every mistake."""
    del options
    audit, document, problems = typed_so_far(document, AuditFile)
    path = Path(document.file)
    try:
        base = read_yaml(find("studies", audit.base, path.parent))
        study = study_of(base)
    except FusemaxError as error:
        raise ProblemsError([*problems, *problems_from(error, document, ("base",))]) from None
    designs = Designs(Library(Path(base.file).parent))
    raise_if_any([*problems, *_problems(audit, study, document, designs)])
    update = {key: getattr(audit, key) for key in Corrected.model_fields}
    position = next(n for n, part in enumerate(study.parts) if part.name == audit.part)
    update |= {"parts": [study.parts[position]], "compare": None, "figures": []}
    corrected = study.model_copy(update=update)
    jobs = planned(corrected, base, designs=designs)
    assert study.compare is not None
    table = Path(base.file).parent / study.compare.published
    published = _published_values(table, document)
    raise_if_any(_missing(audit, published, known_values(jobs).get(LENGTH, []), document))
    files = {path.name: path, Path(base.file).name: Path(base.file), study.compare.published: table}
    return AuditPlan(
        audit=audit,
        study=corrected,
        planned=jobs,
        published=published,
        files={**files, **jobs.files},
    )


def _problems(audit: AuditFile, study: StudyFile, document: Document, designs: Designs) -> list[Problem]:
    """Return every name in *audit* that the *study* does not know, and what is wrong with its corrections."""
    parts = {part.name: part for part in study.parts}
    problems: list[Problem] = []
    named = audit.part
    if named not in parts:
        text = f"study {audit.base} has no part {named!r}"
        problems.append(document.problem(("part",), text, meant(named, parts)))
        near = nearest(named, parts)
        if near is None:
            return problems
        named = near
    part = parts[named]
    if study.compare is None:
        said = f"study {audit.base} has no published table to begin with"
        problems.append(document.problem(("base",), said))
    for place, name in _named(audit):
        if name not in part.configurations:
            said = f"{named} has no configuration {name!r}"
            problems.append(document.problem(place, said, meant(name, part.configurations)))
    problems += [
        document.problem(("against", number), f"{name!r} stands here twice")
        for number, name in enumerate(audit.against)
        if name in audit.against[:number]
    ]
    return [*problems, *correction_problems(audit, [part], document, designs)]


def _published_values(table: Path, document: Document) -> tuple[Published, ...]:
    """Return the values in *table*; raise ProblemsError at the study that is audited where it cannot be read."""
    try:
        return tuple(read_published(table))
    except FusemaxError as error:
        raise ProblemsError(problems_from(error, document, ("base",))) from None


def _missing(
    audit: AuditFile, published: Sequence[Published], lengths: Sequence[Any], document: Document
) -> Iterator[Problem]:
    """Yield what there are no values of: lengths of the figure, and configurations in the published table."""
    for number, length in enumerate(audit.lengths):
        if length not in lengths or length in audit.lengths[:number]:
            said = f"{length} stands here twice" if length in lengths else f"no point has the length {length}"
            hint = f"there are: {', '.join(map(str, lengths))}"
            yield document.problem(("lengths", number), said, hint)
    known = {
        each.identity.get("configuration")
        for each in published
        if each.identity.get("part") == audit.part and each.quantity in MEASURES
    }
    for place, name in _named(audit):
        if name not in known:
            yield document.problem(place, f"the published table has no values of {name!r} in {audit.part}")


def _named(audit: AuditFile) -> list[tuple[KeyPath, str]]:
    """Return the configurations that *audit* names, with their places."""
    return [(("ours",), audit.ours), *((("against", n), name) for n, name in enumerate(audit.against))]
