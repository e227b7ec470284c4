"""Studies read from their files: found by name or path, typed, and checked for what their types do not show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fusemax.errors import FusemaxError, Problem, raise_if_any
from fusemax.findings import once
from fusemax.shipped import find
from fusemax.source import Document, read_yaml
from fusemax.study.spec.file import StudyFile
from fusemax.study.spec.names import mistakes_of
from fusemax.typed import typed_so_far

RUNS = ("parts", "length")  #: keys of a study that say what runs
#: Keys of a part of which points do not depend.
APART = ("where", "outputs", "configurations", "sum_over", "total_of")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoFar:
    """A study as far as it can be read: its *document* as it is meant, what is wrong in it, and what stays open.

    ``vague`` are the numbers of the parts whose points are not known; the rows of a study that is not ``whole`` are not.
    """

    study: StudyFile
    document: Document
    problems: tuple[Problem, ...]
    vague: frozenset[int]
    whole: bool


def load_study(name: str) -> tuple[StudyFile, Document, Path]:
    """Return the study called *name* (of ``studies/`` or the user's own path), its document and its file."""
    path = find("studies", name)
    document = read_yaml(path)
    return study_of(document), document, path


def study_of(document: Document) -> StudyFile:
    """Return the study in *document*; raise ProblemsError with every mistake that shows without its designs."""
    found = study_so_far(document)
    raise_if_any(found.problems)
    return found.study


def study_so_far(document: Document) -> SoFar:
    """Return the study in *document* as far as it can be read, with every mistake that shows without its designs.

    Raises
    ------
    ProblemsError
        With its mistakes of form, where they hide what is meant.
    """
    study, document, problems = typed_so_far(document, StudyFile)
    found = mistakes_of(study)
    problems += [document.problem(path, mistake.text, mistake.hint) for path, mistake in found]
    numbers = document.kept.get(("parts",), tuple(range(len(study.parts))))
    wrong = [document.original(path) for path, _ in found if path[0] in RUNS]
    lost = [path for path in document.left_out if path[0] in RUNS]
    open_ = [path for path in lost if len(path) == 3 and path[2] not in APART] + wrong
    every = ("length",) in open_
    vague = {n for n, number in enumerate(numbers) if every or any(number in path[1:2] for path in open_)}
    return SoFar(
        study=study,
        document=document,
        problems=tuple(once(problems, document)),
        vague=frozenset(vague),
        whole=not lost and not wrong,
    )


def read_study(path: Path) -> Document:
    """Return the document of the study in the file *path*, which says of what kind it is."""
    document = read_yaml(path)
    if not isinstance(document.data, dict) or not isinstance(document.data.get("kind"), str):
        raise FusemaxError(f"{document.place(())}: a study needs a 'kind', such as 'kind: sweep'")
    return document
