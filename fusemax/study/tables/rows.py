"""Rows of results from the outputs of a job: where each belongs, what it costs, or why it cannot be run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemax.cost.evaluate import CapacityError, Cost, check_tiles
from fusemax.language.figure import is_figure
from fusemax.study.jobs.job import Alternative, Job
from fusemax.study.jobs.limit import LIMIT
from fusemax.study.jobs.measures import TOLD
from fusemax.study.jobs.verdict import UNFIT

if TYPE_CHECKING:
    import polars

NO_ROOM = "reason"  #: the column that says why a configuration cannot be run at a point
LENGTH = "seq_len"
ORDER = "order of rows"  #: the place of a row among those of its part; in whole tables only
SIZE = "size "  #: before the name of a size, of every point
JOB = "job"  #: the place of a job among all; in whole tables only
LINE = "line "  #: before the name of a line that goes to the long table

Record = dict[str, Any]


def frame(
    job: Job, each: Alternative, points: np.ndarray, results: np.ndarray, tiles: bool = True
) -> polars.DataFrame:
    """Return the rows of *points* from ``results`` (float64[outputs, points]); values that do not fit are null.

    Points count all of the job; *tiles* says whether the chosen tiles belong to the words of the mapping.
    """
    import polars

    values = dict(zip(each.table.outputs, results, strict=True))
    fits = results[-1] == 2.0
    made = {name: column.of(values) for name, column in each.columns.items()}
    columns: dict[str, Any] = {"mapping": _mapping(each, values, len(points), tiles)}
    columns |= {name: _measure(name, made.get(name), fits) for name in job.columns or made}
    columns |= {"fits": polars.Series(fits), NO_ROOM: _reasons(each, values, fits)}
    told = {f"{LINE}{name}": values[name] for name, label in each.lines.items() if label.kind in TOLD}
    return framed(job, points, values, columns, told)


def framed(
    job: Job, points: np.ndarray, values: Mapping[str, np.ndarray], columns: Mapping[str, Any], lines: Mapping[str, Any]
) -> polars.DataFrame:  # fmt: skip
    """Return the rows of *points* with *columns*, after those that say which point a row is of.

    Those of a whole job have besides what the tables of a study are made from: their order, all sizes, and *lines*.
    """
    import polars

    given = identity_at(job, points, values)
    given["machine"] = polars.Series([job.machine], dtype=polars.String).new_from_index(0, len(points))
    given |= columns
    if job.whole:
        inner = job.points // job.outer.length
        place = points // inner
        given[ORDER] = np.asarray(job.numbers)[place] * inner + points % inner
        sizes = [(n, name) for n, name in enumerate(job.outer.names) if not is_figure(name)]
        given |= {f"{SIZE}{name}": np.asarray(job.outer.values[n])[place] for n, name in sizes}
        given |= lines
    constant = [polars.lit(text, dtype=polars.String).alias(name) for name, text in job.identity]
    return polars.DataFrame(given).select(*constant, polars.all())


def identity_at(job: Job, points: np.ndarray, values: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the columns that say which point a row is of: labels, sizes, figures, the length."""
    import polars

    place, positions = _positions(job, points)
    columns: dict[str, Any] = {}
    for name, labels in job.labels.items():
        kinds = list(dict.fromkeys(labels))
        codes = np.array([kinds.index(label) for label in labels], dtype=np.int64)
        columns[name] = polars.Series(name, kinds).gather(codes[place])
    axes = [(job.outer, place), *zip(job.axes, positions, strict=True)]
    where = {name: (axis.values[n], at) for axis, at in axes for n, name in enumerate(axis.names)}
    for name in job.shown:
        column, at = where[name]
        whole = not is_figure(name)
        columns[name] = np.asarray(column, dtype=np.int64 if whole else np.float64)[at]
    if job.length:
        column, at = where.get(job.length, ((), place))
        found = np.asarray(column)[at] if column else values.get(job.length, np.full(len(at), np.nan))
        columns[LENGTH] = polars.Series(found).fill_nan(None).cast(polars.Int64, strict=False)
    return columns


def _positions(job: Job, points: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the places of *points* on the axis of points, and on each axis of the grid."""
    rest = points
    found: list[np.ndarray] = []
    for axis in reversed(job.axes):
        found.insert(0, (rest % axis.length).astype(np.int32))
        rest = rest // axis.length
    return rest, found


def _mapping(each: Alternative, values: Mapping[str, np.ndarray], count: int, tiles: bool) -> polars.Series:
    """Return the words of the mapping that ran, with the tiles that were chosen."""
    import polars

    if not (each.tiles and tiles):
        return polars.Series([each.way.words({})], dtype=polars.String).new_from_index(0, count)
    sizes = np.stack([values[name] for name in each.tiles])
    kinds, places = np.unique(sizes, axis=1, return_inverse=True)
    texts = [each.way.words(dict(zip(each.tiles, map(int, kind), strict=True))) for kind in kinds.T]
    return polars.Series(texts, dtype=polars.String).gather(places.reshape(-1))


def _measure(name: str, made: np.ndarray | list[str] | None, fits: np.ndarray) -> polars.Series:
    import polars

    text = name == LIMIT
    if made is None:
        return polars.Series(name, [None], dtype=polars.String if text else polars.Float64).new_from_index(
            0, len(fits)
        )
    series = polars.Series(name, made)
    series = series if text else series.fill_nan(None)
    return (
        series
        if fits.all()
        else series.zip_with(polars.Series(fits), polars.Series([None], dtype=series.dtype))
    )


def _reasons(each: Alternative, values: Mapping[str, np.ndarray], fits: np.ndarray) -> polars.Series:
    """Return why each point cannot be run; an empty text where it can."""
    import polars

    if fits.all():
        return polars.Series([""], dtype=polars.String).new_from_index(0, len(fits))
    codes = np.where(fits, 0.0, values[UNFIT])
    if each.lines:
        texts = [_in_words(each, values, n, int(code)) if code else "" for n, code in enumerate(codes)]
        return polars.Series(texts, dtype=polars.String)
    kinds, places = np.unique(codes, return_inverse=True)
    texts = [_bits(each, int(code)) for code in kinds]
    return polars.Series(texts, dtype=polars.String).gather(places.reshape(-1))


def _bits(each: Alternative, code: int) -> str:
    return "; ".join(text for n, text in enumerate(each.reasons) if code >> n & 1)


def _in_words(each: Alternative, values: Mapping[str, np.ndarray], place: int, code: int) -> str:
    """Return why the point at *place* cannot be run, with the tensors that take the room."""
    at = {name: float(values[name][place]) for name in each.lines}
    try:
        check_tiles(each.mapped, Cost(at, each.lines, {}))
    except CapacityError as error:
        return "; ".join(line for line in str(error).splitlines() if "hint:" not in line)
    return _bits(each, code)
