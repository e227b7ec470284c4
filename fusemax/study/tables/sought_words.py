"""Mappings that were found, in words and as files: equal ones have one name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fusemax.language.syntax import Number
from fusemax.search.best import Found
from fusemax.search.write import with_cascade
from fusemax.shipped import shipped
from fusemax.study.jobs.job import Planned
from fusemax.study.tables.rows import LINE
from fusemax.study.tables.sought_points import Row

if TYPE_CHECKING:
    import polars


#: Hidden columns of whole tables: the mapping's file, and the rows of the long table.
TEXT, LONG_ROWS = f"{LINE}text", f"{LINE}rows"


def name_of(text: str) -> str:
    """Return the name of a mapping that was found: of equal ones the same.

    >>> name_of("title: t\\n")
    'f81b9dc8'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def mapping_in_words(row: Row) -> str:
    """Return the name of the mapping found, with its tiles."""
    if row.found is None:
        return "best"
    tiles = list(_tiles(row.found))
    return f"best {name_of(row.found.text)}" + (f": {', '.join(tiles)}" if tiles else "")


def _tiles(found: Found) -> Iterator[str]:
    many = len(found.mapped.nests) > 1
    for nest in found.mapped.nests:
        digits = [digit for root in nest.roots.values() for digit in root.digits]
        for digit in digits:
            if isinstance(digit.rule, Number):
                yield f"{digit.size_name}={digit.rule.value:g}" + (f" in {nest.name}" if many else "")


def mapping_files(plan: Planned, rows: polars.DataFrame, out: Path) -> dict[str, str]:
    """Return the files of the mappings that were found, by name: they are to stand in the folder *out* of the results."""
    files: dict[str, str] = {}
    for job in plan.jobs:
        if job.sought is None or TEXT not in rows.columns:
            continue
        cascade = job.sought.cascade
        own = cascade.file if cascade.name not in shipped("einsums") else cascade.name
        for text in rows[TEXT].drop_nulls().unique(maintain_order=True):
            if f"\ncascade: {cascade.name}\n" in text:
                files[f"mappings/{name_of(text)}.yaml"] = with_cascade(text, own, out / "mappings")
    return files
