"""A table: a frame and what its columns are; and the tables of a results folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fusemax.errors import FusemaxError
from fusemax.nearest import nearest
from fusemax.table.column import Column, Kind, Role, Tells, guessed

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True, slots=True)
class Table:
    """Rows, and one description for each column, in the order of the columns."""

    frame: polars.DataFrame
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """Return the description of column *name*."""
        return next(column for column in self.columns if column.name == name)

    def telling(self, what: Tells) -> str | None:
        """Return the column that tells *what* of every row, if there is one."""
        return next((column.name for column in self.columns if column.tells == what), None)

    def names(self, role: Role) -> tuple[str, ...]:
        """Return the columns of one role."""
        return tuple(column.name for column in self.columns if column.role == role)


def table_of(frame: polars.DataFrame, known: Iterable[Column] = ()) -> Table:
    """Return *frame* with the descriptions of its columns: those *known*, and what can be guessed of the others."""
    described = {column.name: column for column in known}
    columns = (described.get(name) or guessed(name, kind_of(frame, name)) for name in frame.columns)
    return Table(frame, tuple(_as_it_is(frame, column) for column in columns))


def _as_it_is(frame: polars.DataFrame, column: Column) -> Column:
    """Return *column* with the kind of its values: labels that are all numbers are kept as numbers."""
    if frame[column.name].null_count() == frame.height:
        return column
    return replace(column, kind=kind_of(frame, column.name))


def table_of_rows(rows: Iterable[Mapping[str, object]], columns: Iterable[Column]) -> Table:
    """Return a table of *rows*, each with a value, or none, by the name of a column."""
    import polars

    listed = list(columns)
    types = {
        "text": polars.String, "whole": polars.Int64, "real": polars.Float64, "truth": polars.Boolean,
    }  # fmt: skip
    schema = {column.name: types[column.kind] for column in listed}
    data = [{name: row.get(name) for name in schema} for row in rows]
    return Table(polars.DataFrame(data, schema=schema, strict=False), tuple(listed))


def kind_of(frame: polars.DataFrame, name: str) -> Kind:
    """Return what the values of a column are."""
    dtype = frame.schema[name]
    if not dtype.is_numeric():
        return "truth" if str(dtype) == "Boolean" else "text"
    return "whole" if dtype.is_integer() else "real"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of one results folder, by name."""

    folder: Path
    tables: Mapping[str, Table] = field(default_factory=dict[str, Table])

    def get(self, name: str) -> Table | None:
        """Return the table called *name*, if there is one."""
        return self.tables.get(name)

    def table(self, name: str) -> Table:
        """Return the table called *name*.

        Raises
        ------
        FusemaxError
            When the folder holds no such table.
        """
        if name not in self.tables:
            raise missing(self.folder, name)
        return self.tables[name]


def missing(folder: Path, name: str) -> FusemaxError:
    """Return what is said of a table that is not in *folder*."""
    return FusemaxError(
        f"{folder}: there is neither {name}.parquet nor {name}.csv\n"
        "  hint: `fusemax run STUDY` writes the tables that figures and reports are made from"
    )


def need_columns(frame: polars.DataFrame, columns: Iterable[str], table: str) -> None:
    """Raise unless *frame*, called *table*, has all of *columns*.

    Raises
    ------
    FusemaxError
        With every missing column, what is near each, and the columns there are.
    """
    lost = [name for name in columns if name not in frame.columns]
    if not lost:
        return
    rows: list[str] = []
    for name in lost:
        near = nearest(name, frame.columns)
        rows.append(f"{table}: there is no column {name!r}" + (f"; did you mean {near!r}?" if near else ""))
    rows.append(f"  hint: the columns are {', '.join(frame.columns)}")
    raise FusemaxError("\n".join(rows))
