"""Run a study of any kind: plan, make its tables, draw, write the report and the provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.files import replace_file
from fusemax.plot.spec import Picture
from fusemax.report import Study, write
from fusemax.source import Document
from fusemax.study.kind import Kind, Outcome, Progress, kind_called
from fusemax.study.load import read_study
from fusemax.study.target import refuse_strange
from fusemax.table.store import read_table, write_columns, write_tables
from fusemax.table.table import Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a run left: its outcome, and the files in the order in which they were written."""

    outcome: Outcome
    files: tuple[Path, ...]
    pictures: tuple[Picture, ...]
    report: Path


def check_study(document: Document) -> tuple[str, tuple[str, ...]]:
    """Return the kind of the study in *document* after planning it, with what is right in it but hardly meant; raise
    FusemaxError with all that running would refuse."""
    name, kind = _kind_of(document)
    return name, tuple(kind.notes(kind.plan(document, {})))


def run_study(
    path: Path, out: Path, command: str, options: Mapping[str, Any], progress: Progress | None = None
) -> Finished:
    """Run the study in the file *path* into the folder *out*.

    Parameters
    ----------
    command
        What was typed, for the report.
    options
        Those of the command line that were given, by name.
    progress
        Told what is done now.

    Raises
    ------
    FusemaxError
        With every mistake of the study, before anything is written.
    """
    told = progress or (lambda done, total, text: None)
    document = read_study(path)
    from fusemax.plot.sweep import drawn

    name, kind = _kind_of(document)
    refuse_strange(out, options.get("fresh", False))
    options = {name: value for name, value in options.items() if name != "fresh" or name in kind.options}
    refused = [f"--{option}" for option in options if option not in kind.options]
    if refused:
        raise FusemaxError(f"{', '.join(refused)}: a study of kind {name!r} takes no such option")
    plan = kind.plan(document, options)
    hashes = {  # now: who edits a file while the run goes on does not change what was run
        shown: hashlib.sha256(file.read_bytes()).hexdigest()
        for shown, file in sorted(kind.files(plan).items())
    }
    outcome = kind.tables(plan, out, told)
    written = [_provenance(out, path.stem, command, hashes), *_write(out, outcome)]
    tables = _tables(out, outcome)
    pictures = drawn(tables, kind.specs(plan), told) if tables.tables else ()
    about = kind.about(plan)
    told(1, 1, "writing the report")
    page = Study(
        title=about.title, command=command, summary=about.doc, source=about.source, inputs=hashes,
        said=outcome.said, short=outcome.short, pictures=pictures, points=outcome.points,
    )  # fmt: skip
    report = write(out, page)
    drawn = [file for picture in pictures for file in picture.paths]
    return Finished(outcome=outcome, files=(*written, *drawn, report), pictures=pictures, report=report)


def _kind_of(document: Document) -> tuple[str, Kind]:
    name = str(document.data["kind"])
    return name, kind_called(name, document)


def _write(out: Path, outcome: Outcome) -> list[Path]:
    """Write the tables of *outcome* that do not stand in *out* yet, the descriptions of all, and the texts."""
    written = write_tables(out, outcome.tables, outcome.parquet)
    there = (out / f"{name}.parquet" for name in (*outcome.tables, *outcome.streamed))
    written += [
        path for path in there if path.exists() and path not in written
    ]  # streamed while it was computed
    if outcome.streamed:
        columns = {name: table.columns for name, table in outcome.tables.items()}
        written.append(write_columns(out, {**columns, **outcome.streamed}))
    return written + [replace_file(out / name, text) for name, text in outcome.texts.items()]


def _tables(out: Path, outcome: Outcome) -> Tables:
    """Return the tables of *outcome* as they stand in *out*: figures are drawn from what is on disk."""
    return Tables(folder=out, tables={name: read_table(out, name) for name in outcome.tables})


def _provenance(folder: Path, study: str, command: str, hashes: Mapping[str, str]) -> Path:
    """Write ``provenance.json``: version, command, and the hash of every file that the run read."""
    from fusemax import __version__

    content = {"fusemax": __version__, "study": study, "command": command, "sha256": dict(hashes)}
    return replace_file(folder / "provenance.json", json.dumps(content, indent=2, sort_keys=True) + "\n")
