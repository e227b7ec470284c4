"""Rows made of other rows: added up over a table of their part, or over several parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fusemax.study.columns import BUSY, FIXED, TELLING
from fusemax.study.jobs.sought import LEAST
from fusemax.study.spec.file import StudyFile, StudyPart
from fusemax.study.tables.rows import NO_ROOM, SIZE

ADDED = tuple(column.name for column in FIXED if column.adds == "sum")
TIME, LIMIT = TELLING["time"], TELLING["limit"]
WORDS = ("machine", "mapping")
Record = Mapping[str, Any]


def summed(rows: Sequence[Record], part: StudyPart, apart: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row per point without the summed table: times, traffic and energy added up over its rows.

    The columns *apart* tell points from one another.
    """
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in apart if name != part.sum_over), []).append(row)
    found = [_added(members) for members in groups.values()]
    return [{name: value for name, value in row.items() if name != part.sum_over} for row in found]


def _added(members: Sequence[Record]) -> dict[str, Any]:
    """Return the sum of *members*; where one of them cannot be run, neither can the sum, for its reason."""
    first = members[0]
    alike = {n: v for n, v in first.items() if all(r.get(n) == v for r in members) and not _is_measure(n)}
    words = {name: _listed(members, name, ", ") for name in WORDS}
    lost = [row for row in members if not row["fits"]]
    if lost:
        return {**alike, **words, "fits": False, NO_ROOM: _listed(lost, NO_ROOM, "; ")}
    values = {column: _sum([row.get(column) for row in members]) for column in ADDED if column in first}
    total = sum(row[TIME] for row in members)
    for column in first:
        if column.startswith(BUSY) and first[column] is not None:
            busy = ((row.get(column) or 0.0) * row[TIME] for row in members)
            values[column] = sum(busy) / total
    return {**alike, **words, **values, LIMIT: _listed(members, LIMIT, "; "), "fits": True, NO_ROOM: ""}


def _is_measure(name: str) -> bool:
    return name in (*ADDED, *LEAST, LIMIT, "fits", NO_ROOM, *WORDS) or name.startswith(
        (BUSY, "area_", "time_")
    )


def _sum(values: Sequence[float | None]) -> float | None:
    return None if None in values else sum(value for value in values if value is not None)


def _listed(rows: Sequence[Record], column: str, between: str) -> str:
    return between.join(dict.fromkeys(str(row[column]) for row in rows if row.get(column) is not None))


def totals(part: StudyPart, rows: Iterable[Record], apart: Sequence[str]) -> list[dict[str, Any]]:
    """Return the sums of the parts named in ``total_of``, row by row: those alike in the columns that tell them *apart*."""
    groups: dict[tuple[Any, ...], dict[str, Record]] = {}
    for row in rows:
        if row["part"] in part.total_of:
            key = (row["configuration"], *(row.get(name) for name in apart))
            groups.setdefault(key, {})[row["part"]] = row
    found: list[dict[str, Any]] = []
    for members in groups.values():
        if len(members) == len(part.total_of):
            ordered = [members[name] for name in part.total_of]
            sizes = {name: value for name, value in ordered[0].items() if name.startswith(SIZE)}
            found.append(
                {**ordered[0], **sizes, **_cleared(ordered[0]), **_added(ordered), "part": part.name}
            )
    return found


def _cleared(row: Record) -> dict[str, None]:
    """Return the measures of *row*, empty: a sum has only those that add up."""
    return {name: None for name in row if _is_measure(name)}


def added_up(study: StudyFile) -> set[str]:
    """Return the tables over which every part that has them is added up: their columns tell nothing apart."""
    summed = {part.sum_over for part in study.parts if part.sum_over}
    return summed - {n for part in study.parts for n in part.tables if n != part.sum_over}
