"""The report as one HTML file: pictures inside it, no scripts, nothing fetched, the same bytes each run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fusemax import __version__
from fusemax.files import file_hash, replace_file
from fusemax.report.pictures import picture_of
from fusemax.report.points import NO_POINTS, shown_of_points
from fusemax.report.rendered import rendered
from fusemax.report.study import Study
from fusemax.table.store import USUAL, read_columns, read_tables


def write(folder: Path, study: Study) -> Path:
    """Return ``report.html`` in *folder*, written from the tables and the SVG files that lie there.

    Raises
    ------
    FusemaxError
        When a table, one of its columns or a figure is missing, or a baseline is no configuration.
    """
    if study.points:
        tables = read_tables(folder)
        content = {**_common(folder, tables.tables, study), **shown_of_points(tables, study.points)}
    else:  # the tables are not looked at: they may be larger than memory
        content = {**_common(folder, (*read_columns(folder), *USUAL), study), **NO_POINTS}
    return replace_file(folder / "report.html", rendered(content))


def _common(folder: Path, tables: Iterable[str], study: Study) -> dict[str, Any]:
    """Return what the page of every kind of study shows, by the name that the template has for it."""
    return {
        "study": study,
        "version": __version__,
        "pictures": [picture_of(folder, picture, at) for at, picture in enumerate(study.pictures, 1)],
        "columns": read_columns(folder),
        "hashes": _hashes(folder, dict.fromkeys(tables)),
    }


def _hashes(folder: Path, tables: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of the CSV file of each of *tables* in *folder*."""
    paths = (folder / f"{name}.csv" for name in tables)
    return {path.name: file_hash(path) for path in paths if path.is_file()}
