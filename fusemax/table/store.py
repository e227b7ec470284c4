"""Tables on disk: ``name.csv``, some as ``name.parquet`` too, and ``columns.json``, which says what every column is.

Every file is written under a temporary name and moved into place, so that a run that is killed never leaves half a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError
from fusemax.files import replace_file, write_atomically
from fusemax.table.cells import bare, guarded, guarded_name
from fusemax.table.column import Column, column_from, guessed
from fusemax.table.table import Table, Tables, kind_of, missing

if TYPE_CHECKING:
    import polars

COLUMNS = "columns.json"
#: What a column that no file describes is taken for: what it is called in every study says what its values are.
USUAL: Mapping[str, Mapping[str, str]] = {
    "results": {
        **dict.fromkeys(("study", "part", "configuration", "model", "machine", "mapping", "limit"), "text"),
        "seq_len": "whole",
        **dict.fromkeys(("latency_s", "bound_s", "traffic_B", "energy_J"), "real"),
    },
    "breakdown": {
        **dict.fromkeys(("part", "configuration", "model", "kind", "nest", "unit", "level"), "text"),
        **dict.fromkeys(("einsum", "tensor", "action", "component", "unit_of_measure"), "text"),
        "seq_len": "whole",
        "value": "real",
    },
    "comparison": {
        **dict.fromkeys(("table", "part", "configuration", "model", "quantity", "reason"), "text"),
        "seq_len": "whole",
        **dict.fromkeys(("published", "ours", "relative_difference"), "real"),
    },
}


def write_tables(folder: Path, tables: Mapping[str, Table], parquet: Iterable[str] = ()) -> list[Path]:
    """Write each table as CSV (and those of *parquet* as Parquet too), and the columns of all; return the files.

    What a spreadsheet would run stands in the CSV behind an apostrophe (:mod:`fusemax.table.cells`).

    A Parquet file of a table of that name that another run left is removed: it would be read in place of the new one.
    """
    written: list[Path] = []
    for name, table in tables.items():
        written.append(write_atomically(folder / f"{name}.csv", guarded(table.frame).write_csv))
        if name in parquet:
            written.append(write_atomically(folder / f"{name}.parquet", table.frame.write_parquet))
        else:
            (folder / f"{name}.parquet").unlink(missing_ok=True)
    written.append(write_columns(folder, {name: table.columns for name, table in tables.items()}))
    return written


def write_columns(folder: Path, columns: Mapping[str, Sequence[Column]]) -> Path:
    """Write ``columns.json``: what every column of every table is."""
    content = {name: [column.described() for column in entries] for name, entries in columns.items()}
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    return replace_file(folder / COLUMNS, text)


def read_tables(folder: Path, wanted: Sequence[str] = ("results",)) -> Tables:
    """Return the tables in *folder*: the *wanted* ones, and all others that ``columns.json`` knows.

    Where there is no such file, those are looked for that are usual.

    Raises
    ------
    FusemaxError
        When a wanted one is not there, a file cannot be read, or a known column holds values of another kind.
    """
    described = read_columns(folder)
    names = dict.fromkeys([*wanted, *(described or USUAL)])
    there = {name: path for name in names if (path := _file(folder, name))}
    for name in wanted:
        if name not in there:
            raise missing(folder, name)
    return Tables(folder=folder, tables={name: read_table(folder, name) for name in there})


def read_columns(folder: Path) -> dict[str, list[Column]]:
    """Return what ``columns.json`` in *folder* says; nothing where there is none.

    Raises
    ------
    FusemaxError
        When it is there and cannot be read.
    """
    path = folder / COLUMNS
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: [column_from(entry) for entry in entries] for name, entries in content.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FusemaxError(f"{path}: cannot be read as descriptions of columns ({error})") from None


def read_table(folder: Path, name: str) -> Table:
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
        raise missing(folder, name)
    described = {column.name: column for column in read_columns(folder).get(name, ())}
    kinds = {**USUAL.get(name, {}), **{column.name: column.kind for column in described.values()}}
    try:
        frame = polars.read_parquet(path, glob=False) if path.suffix == ".parquet" else _read_csv(path, kinds)
    except (OSError, polars.exceptions.PolarsError) as error:
        raise FusemaxError(f"{path}: cannot be read as a table ({_first_line(error)})") from None
    _check_kinds(frame, kinds, path)
    texts = [column for column, kind in kinds.items() if kind == "text" and column in frame.columns]
    frame = frame.with_columns(polars.col(texts).cast(polars.String).fill_null(""))
    columns = (described.get(column) or guessed(column, kind_of(frame, column)) for column in frame.columns)
    return Table(frame, tuple(columns))


def _file(folder: Path, name: str) -> Path | None:
    candidates = (folder / f"{name}.parquet", folder / f"{name}.csv")
    return next((path for path in candidates if path.is_file()), None)


def _read_csv(path: Path, kinds: Mapping[str, str]) -> polars.DataFrame:
    import polars

    types: dict[str, Any] = {
        "text": polars.String, "whole": polars.Int64, "real": polars.Float64, "truth": polars.Boolean,
    }  # fmt: skip
    header = polars.read_csv(path, n_rows=0, glob=False).columns
    overrides = {guarded_name(n): types[kind] for n, kind in kinds.items() if guarded_name(n) in header}
    return bare(polars.read_csv(path, schema_overrides=overrides, glob=False, infer_schema_length=None))


def _check_kinds(frame: polars.DataFrame, kinds: Mapping[str, str], path: Path) -> None:
    wrong: list[str] = []
    words = {"text": "texts", "whole": "whole numbers", "real": "numbers", "truth": "true and false"}
    for column, kind in kinds.items():
        if column not in frame.columns:
            continue
        dtype = frame.schema[column]
        empty = frame[column].null_count() == frame.height
        fits = {
            "text": not dtype.is_numeric(), "whole": dtype.is_integer(), "real": dtype.is_numeric(),
            "truth": not dtype.is_numeric(),
        }[kind]  # fmt: skip
        if not fits and not empty:
            wrong.append(f"{path}: column {column!r}: expected {words[kind]}, got values of type {dtype}")
    if wrong:
        raise FusemaxError("\n".join(wrong))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
