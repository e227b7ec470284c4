"""Rows made of other rows: added up over a table of their part, or over several parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fusemax.study.rows import NO_ROOM, Row
from fusemax.study.spec import StudyFile, StudyPart

ADDED = ("latency_s", "bound_s", "traffic_B", "energy_J", "energy_registers_J")


def with_sums(study: StudyFile, rows: Sequence[Row]) -> list[Row]:
    """Return *rows* with those of parts that add up a table in place of what they add up, and the totals at the end."""
    summed = {part.name: part for part in study.parts if part.sum_over}
    found: list[Row] = [row for row in rows if row.part not in summed]
    for part in study.parts:
        if part.sum_over and part.configurations:
            mine = [row for row in rows if row.part == part.name]
            found += [new for name in part.configurations for new in _summed(mine, part, name)]
    order = list(dict.fromkeys((row.part, row.configuration) for row in rows))
    found.sort(key=lambda row: order.index((row.part, row.configuration)))
    for part in study.parts:
        if part.total_of:
            found += _totals(part, found, [*study.listed_sizes(part.name), study.length])
    return found


def _summed(rows: Sequence[Row], part: StudyPart, configuration: str) -> list[Row]:
    """Return one row per point without the summed table: times, traffic and energy added up over its rows."""
    listed = [name for name, values in part.sizes.items() if isinstance(values, list)]
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row.configuration == configuration:
            labels = tuple(item for item in row.labels.items() if item[0] != part.sum_over)
            groups.setdefault((labels, *(row.sizes[name] for name in listed)), []).append(row)
    return [_added(members, dict(key[0]), _common(members)) for key, members in groups.items()]


def _common(members: Sequence[Row]) -> dict[str, int]:
    """Return the sizes that all *members* agree on."""
    return {
        name: value
        for name, value in members[0].sizes.items()
        if all(row.sizes.get(name) == value for row in members)
    }


def _added(members: Sequence[Row], labels: Mapping[str, str], sizes: Mapping[str, int]) -> Row:
    """Return the sum of *members*; where one of them does not fit, neither does the sum, for its reason."""
    first = members[0]
    words = {name: _listed(members, name, ", ") for name in ("machine", "mapping")}
    lost = [row for row in members if not row.fits]
    if lost:
        values: dict[str, Any] = {**words, "fits": False, NO_ROOM: _listed(lost, NO_ROOM, "; ")}
        return Row(first.part, first.configuration, labels, sizes, values)
    values = {column: _sum([row.values[column] for row in members]) for column in ADDED}
    total = values["latency_s"]
    for column in first.values:
        if column.startswith("utilization_"):
            values[column] = sum(r.values.get(column, 0.0) * r.values["latency_s"] for r in members) / total
    values |= {**words, "limit": _listed(members, "limit", "; "), "fits": True, NO_ROOM: ""}
    return Row(first.part, first.configuration, labels, sizes, values)


def _sum(values: Sequence[float | None]) -> float | None:
    return None if None in values else sum(value for value in values if value is not None)


def _listed(rows: Sequence[Row], column: str, between: str) -> str:
    return between.join(dict.fromkeys(str(row.values[column]) for row in rows))


def _totals(part: StudyPart, rows: Sequence[Row], sizes: Sequence[str]) -> list[Row]:
    """Return the sums of the parts named in ``total_of``, row by row: those alike in labels and *sizes*."""
    groups: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in rows:
        if row.part in part.total_of:
            point = (tuple(row.labels.items()), *(row.sizes.get(name) for name in sizes))
            groups.setdefault((row.configuration, *point), {})[row.part] = row
    totals = []
    for members in groups.values():
        if len(members) == len(part.total_of):
            ordered = [members[name] for name in part.total_of]
            added = _added(ordered, ordered[0].labels, ordered[0].sizes)
            totals.append(Row(part.name, added.configuration, added.labels, added.sizes, added.values))
    return totals
