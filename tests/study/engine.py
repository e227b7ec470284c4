"""Studies run as tests want them: a file into a folder, or values without a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fusemax.errors import FusemaxError
from fusemax.source import Document
from fusemax.study.planned import planned_points
from fusemax.study.rows import Row, rows_of
from fusemax.study.run import run_study
from fusemax.study.spec import StudyFile
from fusemax.study.sums import with_sums

NOWHERE: Mapping = {}


def rows_of_study(study: StudyFile) -> list[Row]:
    """Return the rows of *study*, whose mistakes would have no place."""
    document = Document("study.yaml", {}, NOWHERE, NOWHERE, NOWHERE)
    jobs, _ = planned_points(study.model_copy(update={"compare": None}), document)
    return with_sums(study, rows_of(jobs))


def run_file(path: Path, out: Path) -> Path:
    """Return *out* after the study at *path* ran into it; raise FusemaxError as the command line would."""
    finished = run_study(path, out, f"fusemax run {path.name}", {})
    if finished.outcome.failed:
        raise FusemaxError(finished.outcome.failed)
    return out
