"""A table that prints itself, in a shell and in a notebook, turns into data frames, and draws itself."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError

if TYPE_CHECKING:
    import pandas  # pyright: ignore[reportMissingImports, reportMissingModuleSource]
    import polars

    from fusemax.table.column import Column

MOST_ROWS = 40  #: that are printed


@dataclass(frozen=True)
class Drawing:
    """A figure in two files, an SVG and a PNG; a notebook shows it.

    Attributes
    ----------
    title, caption
        What a reader is told of it.
    paths
        The files.
    """

    title: str
    caption: str
    paths: tuple[Path, ...]

    def _repr_html_(self) -> str:
        svg = next(path for path in self.paths if path.suffix == ".svg")
        content = svg.read_text(encoding="utf-8")
        return content[content.index("<svg") :]


@dataclass(frozen=True, repr=False)
class Table:
    """Rows with named columns; a name ends in the unit of its values (``latency_s``, ``traffic_B``).

    >>> table = Table("two", {"M": [1024, 2048], "latency_s": [1e-3, 2.5e-3]})
    >>> table
    two
       M  latency_s
    1024      0.001
    2048     0.0025
    >>> len(table), table["M"], table.row(1)
    (2, [1024, 2048], {'M': 2048, 'latency_s': 0.0025})
    """

    title: str
    columns: Mapping[str, Sequence[Any]]
    about: tuple[Column, ...] = ()  #: what columns are, where their names do not say it

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, column: str) -> list[Any]:
        """Return the values of *column*, from the first row to the last; raise KeyError for an unknown one."""
        return list(self.columns[column])

    def row(self, number: int) -> dict[str, Any]:
        """Return the row at *number*, from 0, by column."""
        return {name: values[number] for name, values in self.columns.items()}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Return every row by column, in order."""
        return (self.row(number) for number in range(len(self)))

    def __repr__(self) -> str:
        body, cut = self._shown()
        widths = [max(map(len, (name, *cells))) for name, cells in body.items()]
        rows = [list(body), *zip(*body.values(), strict=True)]
        numeric = [all(_is_number(value) for value in values) for values in self.columns.values()]
        lines = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(row, widths, numeric, strict=True)
            ).rstrip()
            for row in rows
        ]
        return "\n".join([self.title, *lines, *cut])

    def _repr_html_(self) -> str:
        body, cut = self._shown()
        head = "".join(f"<th>{html.escape(name)}</th>" for name in body)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in zip(*body.values(), strict=True)
        )
        more = "".join(f"<p>{html.escape(text)}</p>" for text in cut)
        title = f"<caption>{html.escape(self.title)}</caption>"
        return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"

    def _shown(self) -> tuple[dict[str, list[str]], list[str]]:
        body = {name: [_cell(v) for v in values[:MOST_ROWS]] for name, values in self.columns.items()}
        left = len(self) - MOST_ROWS
        return body, [f"... and {left:,} more rows"] if left > 0 else []

    def to_polars(self) -> polars.DataFrame:
        """Return it as a frame of polars."""
        import polars

        return polars.DataFrame({name: list(values) for name, values in self.columns.items()})

    def to_pandas(self) -> pandas.DataFrame:
        """Return it as a frame of pandas; raise FusemaxError where pandas is not installed."""
        try:
            import pandas  # pyright: ignore[reportMissingImports, reportMissingModuleSource]
        except ImportError:
            raise FusemaxError(
                "pandas is not installed\n  hint: pip install pandas, or take .to_polars()"
            ) from None
        return pandas.DataFrame({name: list(values) for name, values in self.columns.items()})

    def plot(
        self, x: str, y: str, *, kind: str = "lines", series: str | None = None, file: str | Path | None = None,
        **more: Any,
    ) -> Drawing:  # fmt: skip
        """Return a figure of the column *y* over *x*, a line or bar for each value of *series*.

        Parameters
        ----------
        kind
            ``lines``, ``bars``, ``stacks``, ``roofline`` and what else a study's ``figures:`` may say.
        file
            Where the two image files go, without ending; a temporary folder when it is None.
        more
            Other keys of a figure in a study: ``panels``, ``where``, ``baseline``, ``log``, ``title``, ``xlabel``, ``ylabel``.

        Raises
        ------
        FusemaxError
            For columns that are not there, and rows that cannot be shown so.
        """
        import tempfile

        from pydantic import TypeAdapter, ValidationError

        from fusemax.language.figure import is_figure
        from fusemax.plot.spec import FigureSpec
        from fusemax.plot.sweep import draw_tables
        from fusemax.study.columns import described
        from fusemax.table.column import LENGTH
        from fusemax.table.table import Tables, table_of

        path = Path(tempfile.mkdtemp(prefix="fusemax-")) / "figure" if file is None else Path(file)
        values = {"file": path.name, "kind": kind, "x": x, "y": y, "series": series, **more}
        try:
            spec = TypeAdapter(FigureSpec).validate_python(values)
        except ValidationError as error:
            listed = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            raise FusemaxError("\n".join(listed)) from None
        path.parent.mkdir(parents=True, exist_ok=True)
        figures = (name for name in self.columns if is_figure(name))
        known = (*described(figures, (), (), LENGTH), *self.about)
        tables = Tables(folder=path.parent, tables={"results": table_of(self.to_polars(), known)})
        picture = draw_tables(tables, path.parent, spec)
        return Drawing(picture.title or self.title, picture.caption, picture.paths)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return str(value)
