"""The plan of a whole study: its jobs and their columns, and every mistake that running it would stumble over, all at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusemax.errors import FusemaxError, Problem, ProblemsError, raise_if_any
from fusemax.findings import once, problems_from
from fusemax.library.load import Library
from fusemax.source import Document
from fusemax.study.columns import ALWAYS, LAST, place
from fusemax.study.designs import Designs
from fusemax.study.jobs.asked import Drafted
from fusemax.study.jobs.job import Job, Planned
from fusemax.study.jobs.keep import Keep
from fusemax.study.plan.corrections import steps_of
from fusemax.study.plan.part import PartPlanner
from fusemax.study.plan.wrong_corrections import correction_problems
from fusemax.study.spec.file import StudyFile

WHOLE = 20_000  #: points up to which a study with a grid leaves all that there is to say of each


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSoFar:
    """What could be planned of a study, and every mistake: no plan where there is none; all rows where it is ``whole``.

    ``columns`` are the measures that its rows may have, those of parts without a plan included.
    """

    plan: Planned | None
    problems: tuple[Problem, ...]
    whole: bool
    columns: tuple[str, ...] = ()


def planned(
    study: StudyFile,
    document: Document,
    keep: Keep | None = None,
    designs: Designs | None = None,
    name: str = "",
    most_whole: int | None = None,
) -> Planned:
    """Return the jobs of *study*, which stands in *document*.

    Parameters
    ----------
    keep
        Which points are kept; all if not given.
    name
        What the column ``study`` holds; there is none without.
    most_whole
        The points up to which a study with a grid is told whole.

    Raises
    ------
    ProblemsError
        With every mistake of every part and configuration.
    """
    found = planned_so_far(study, document, keep, designs, name, most_whole)
    raise_if_any(found.problems)
    assert found.plan is not None, "without mistakes there is a plan"
    return found.plan


def planned_so_far(
    study: StudyFile,
    document: Document,
    keep: Keep | None = None,
    designs: Designs | None = None,
    name: str = "",
    most_whole: int | None = None,
    vague: Collection[int] = (),
) -> PlannedSoFar:
    """Return what :func:`planned` does, and its mistakes; of the *vague* parts, by number, points are not known."""
    keep = keep or Keep()
    designs = designs or Designs(Library(Path(document.file).parent))
    drafts: list[Drafted] = []
    planners: list[PartPlanner] = []
    problems = list(correction_problems(study, study.parts, document, designs))
    whole = not problems and not vague
    identity = {"study": name} if name else {}
    for step in (None,) if problems else (steps_of(study) or (None,)):
        own = {**identity, **(step.identity if step else {})}
        for number, part in enumerate(study.parts):
            corrected, machines = (step.part(part), step.machines()) if step else (part, {})
            planner = PartPlanner(study, corrected, document, designs, ("parts", number), keep, own, machines)
            drafts += planner.drafts(number in vague)
            problems += planner.problems
            planners.append(planner)
            whole &= planner.whole
    columns = dict.fromkeys(n for planner in planners for n in planner.columns()) if problems or vague else ()
    path = Path(document.file)
    files = {path.name: path, **designs.files} if path.is_file() else dict(designs.files)
    plan = None
    try:
        if drafts or not problems:
            plan = plan_of(study, drafts, keep, files, WHOLE if most_whole is None else most_whole)
    except ProblemsError as error:
        problems += error.problems
    return PlannedSoFar(
        plan=plan, problems=tuple(once(problems, document)), whole=whole, columns=tuple(columns)
    )


def plan_of(
    study: StudyFile, drafts: Sequence[Drafted], keep: Keep, files: Mapping[str, Path], most_whole: int
) -> Planned:
    """Return the plan of *drafts*: with all columns where they are few, else with the totals.

    Raises
    ------
    ProblemsError
        For outputs and measures that there are not.
    """
    points = sum(draft.size for draft in drafts)
    has_grid = any(part.grid for part in study.parts)
    whole = keep.kind == "all" and most_whole > 0 and (not has_grid or points <= most_whole)
    columns, problems = _columns(drafts, whole)
    raise_if_any(dict.fromkeys(problems))
    numeric = _numeric(drafts)
    jobs = tuple(draft.job(whole, columns, numeric) for draft in drafts)
    return Planned(jobs=jobs, files=files, order=_order(jobs, columns), whole=whole)


def _columns(drafts: Sequence[Drafted], whole: bool) -> tuple[list[str], list[Problem]]:
    """Return the columns of measures that any of *drafts* has, in order, and what is wrong with those that were asked for."""
    found: dict[str, None] = dict.fromkeys(ALWAYS if whole else ())
    problems: list[Problem] = []
    for draft in drafts:
        asked = draft.asked
        try:
            found |= dict.fromkeys(draft.names(whole))
        except FusemaxError as error:
            at = (*asked.at, "outputs") if asked.part.outputs else asked.at
            problems += problems_from(error, asked.document, at)
    chosen = any(draft.asked.part.outputs for draft in drafts)
    return list(found) if chosen else sorted(found, key=place), problems


def _numeric(drafts: Iterable[Drafted]) -> set[str]:
    """Return the label columns of which every label is a plain number."""
    labels: dict[str, set[str]] = {}
    for draft in drafts:
        for point in draft.points:
            for name, label in point.labels.items():
                labels.setdefault(name, set()).add(label)
    return {name for name, found in labels.items() if all(label.isdigit() for label in found)}


def _order(jobs: Iterable[Job], columns: Sequence[str]) -> tuple[str, ...]:
    identity = _once(name for job in jobs for name, _ in job.identity)
    labels = _once(name for job in jobs for name in job.labels)
    sizes = _once(name for job in jobs for name in job.shown)
    length = ["seq_len"] if any(job.length for job in jobs) else []
    return tuple(_once((*identity, *labels, *sizes, *length, "machine", "mapping", *columns, *LAST)))


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
