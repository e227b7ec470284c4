"""Studies read from their files: found by name or path, typed, and checked for what their types do not show."""

from __future__ import annotations

from pathlib import Path

from fusemax.errors import FusemaxError, Problem, raise_if_any
from fusemax.shipped import find
from fusemax.source import Document, read_yaml
from fusemax.study.spec.file import StudyFile
from fusemax.study.spec.names import mistakes_of
from fusemax.typed import typed_so_far

RUNS = ("parts", "length")  #: keys of a study that say what runs


def load_study(name: str) -> tuple[StudyFile, Document, Path]:
    """Return the study called *name* (of ``studies/`` or the user's own path), its document and its file."""
    path = find("studies", name)
    document = read_yaml(path)
    return study_of(document), document, path


def study_of(document: Document) -> StudyFile:
    """Return the study in *document*; raise ProblemsError with every mistake that shows without its designs."""
    study, _, problems = study_so_far(document)
    raise_if_any(problems)
    return study


def study_so_far(document: Document) -> tuple[StudyFile, Document, list[Problem]]:
    """Return the study in *document*, that as it is meant, and what is wrong elsewhere than in what runs, as in its figures.

    Raises
    ------
    ProblemsError
        With every mistake that shows without its designs, where one is in what runs.
    """
    study, document, problems = typed_so_far(document, StudyFile)
    found = mistakes_of(study)
    problems += [document.problem(path, mistake.text, mistake.hint) for path, mistake in found]
    if any(path[0] in RUNS for path, _ in found):
        raise_if_any(problems)
    return study, document, problems


def read_study(path: Path) -> Document:
    """Return the document of the study in the file *path*, which says of what kind it is."""
    document = read_yaml(path)
    if not isinstance(document.data, dict) or not isinstance(document.data.get("kind"), str):
        raise FusemaxError(f"{document.place(())}: a study needs a 'kind', such as 'kind: sweep'")
    return document
