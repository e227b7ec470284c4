"""Studies run as tests want them: a file into a folder, or values without a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars

from fusemax.errors import FusemaxError
from fusemax.source import Document
from fusemax.study.execute.stream import in_memory
from fusemax.study.plan.whole import planned
from fusemax.study.run import run_study
from fusemax.study.spec.file import StudyFile
from fusemax.study.tables.results import records_of, results_frame
from fusemax.study.tables.rows import Record

NOWHERE: Mapping = {}


def rows_of_study(study: StudyFile) -> tuple[list[Record], polars.DataFrame]:
    """Return the records of *study*, whose mistakes would have no place, and its table of results."""
    document = Document("study.yaml", {}, NOWHERE, NOWHERE, NOWHERE)
    plan = planned(study.model_copy(update={"compare": None}), document, name="study")
    rows = in_memory(plan)
    records = records_of(plan, study, rows)
    return records, results_frame(plan, study, rows, records)


def run_file(path: Path, out: Path) -> Path:
    """Return *out* after the study at *path* ran into it; raise FusemaxError as the command line would."""
    finished = run_study(path, out, f"fusemax run {path.name}", {})
    if finished.outcome.failed:
        raise FusemaxError(finished.outcome.failed)
    return out
