"""The tables of a results folder, read back and checked against the columns that a reader needs.

A table ``name`` is ``name.parquet`` where that exists, else ``name.csv``; a run writes the same rows to both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from fusemax.errors import FusemaxError

if TYPE_CHECKING:
    import polars

_TEXT, _WHOLE, _REAL = "text", "whole number", "number"

#: Columns that mean the same in every study, and the kind of their values.
KINDS: Mapping[str, Mapping[str, str]] = {
    "results": {
        **dict.fromkeys(("study", "part", "configuration", "model", "machine", "mapping", "limit"), _TEXT),
        **dict.fromkeys(("seq_len", "pe_dim"), _WHOLE),
        **dict.fromkeys(("latency_s", "bound_s", "traffic_B", "energy_J"), _REAL),
        **dict.fromkeys(("utilization_2d", "utilization_1d", "area_m2", "area_2d_m2"), _REAL),
    },
    "breakdown": {
        **dict.fromkeys(("part", "configuration", "model", "kind", "nest", "unit", "level"), _TEXT),
        **dict.fromkeys(("einsum", "tensor", "action", "unit_of_measure"), _TEXT),
        "seq_len": _WHOLE,
        "value": _REAL,
    },
    "comparison": {
        **dict.fromkeys(("table", "part", "configuration", "model", "quantity", "reason"), _TEXT),
        "seq_len": _WHOLE,
        **dict.fromkeys(("published", "ours", "relative_difference"), _REAL),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of one results folder; one that was not asked for is None."""

    folder: Path
    results: polars.DataFrame
    breakdown: polars.DataFrame | None = None
    comparison: polars.DataFrame | None = None

    def table(self, name: str) -> polars.DataFrame:
        """Return the table called *name*.

        Raises
        ------
        FusemaxError
            When the folder holds no such table.
        """
        found = getattr(self, name)
        if found is None:
            raise _missing(self.folder, name)
        return found


def read_tables(folder: Path) -> Tables:
    """Return the tables in *folder*: results, and breakdown and comparison where they lie there.

    Raises
    ------
    FusemaxError
        When there are no results, a file cannot be read, or a known column holds values of another kind.
    """
    optional = {name: read_table(folder, name) for name in ("breakdown", "comparison") if _file(folder, name)}
    return Tables(folder=folder, results=read_table(folder, "results"), **optional)


def read_table(folder: Path, name: str) -> polars.DataFrame:
    """Return the table *name* of *folder*, rows in the order in which they stand in the file.

    Empty texts stay empty texts; empty numbers are null.

    Raises
    ------
    FusemaxError
        When there is no such file, it cannot be read, or a known column holds values of another kind.
    """
    import polars

    path = _file(folder, name)
    if path is None:
        raise _missing(folder, name)
    kinds = KINDS.get(name, {})
    try:
        frame = polars.read_parquet(path, glob=False) if path.suffix == ".parquet" else _read_csv(path, kinds)
    except (OSError, polars.exceptions.PolarsError) as error:
        raise FusemaxError(f"{path}: cannot be read as a table ({_first_line(error)})") from None
    _check_kinds(frame, kinds, path)
    texts = [column for column, kind in kinds.items() if kind == _TEXT and column in frame.columns]
    return frame.with_columns(polars.col(texts).cast(polars.String).fill_null(""))


def need_columns(frame: polars.DataFrame, columns: Iterable[str], table: str) -> None:
    """Raise unless *frame*, called *table*, has all of *columns*.

    Raises
    ------
    FusemaxError
        With every missing column, what is near each, and the columns there are.
    """
    missing = [name for name in columns if name not in frame.columns]
    if not missing:
        return
    rows = []
    for name in missing:
        near = get_close_matches(name, frame.columns, 1)
        rows.append(
            f"{table}: there is no column {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        )
    rows.append(f"  hint: the columns are {', '.join(frame.columns)}")
    raise FusemaxError("\n".join(rows))


def _file(folder: Path, name: str) -> Path | None:
    candidates = (folder / f"{name}.parquet", folder / f"{name}.csv")
    return next((path for path in candidates if path.is_file()), None)


def _missing(folder: Path, name: str) -> FusemaxError:
    return FusemaxError(
        f"{folder}: there is neither {name}.parquet nor {name}.csv\n"
        "  hint: `fusemax run STUDY` writes the tables that figures and reports are made from"
    )


def _read_csv(path: Path, kinds: Mapping[str, str]) -> polars.DataFrame:
    import polars

    types = {_TEXT: polars.String, _WHOLE: polars.Int64, _REAL: polars.Float64}
    header = polars.read_csv(path, n_rows=0, glob=False).columns
    overrides = {name: types[kind] for name, kind in kinds.items() if name in header}
    return polars.read_csv(path, schema_overrides=overrides, glob=False, infer_schema_length=None)


def _check_kinds(frame: polars.DataFrame, kinds: Mapping[str, str], path: Path) -> None:
    wrong = []
    for column, kind in kinds.items():
        if column not in frame.columns:
            continue
        dtype = frame.schema[column]
        empty = frame[column].null_count() == frame.height
        fits = {_TEXT: not dtype.is_numeric(), _WHOLE: dtype.is_integer(), _REAL: dtype.is_numeric()}[kind]
        if not fits and not empty:
            wrong.append(f"{path}: column {column!r}: expected {kind}s, got values of type {dtype}")
    if wrong:
        raise FusemaxError("\n".join(wrong))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
