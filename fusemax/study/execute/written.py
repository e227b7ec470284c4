"""Files of a run: written whole or not at all, tables piece by piece."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fusemax.errors import FusemaxError
from fusemax.files import write_atomically

if TYPE_CHECKING:
    import polars


ROWS_IN_GROUP = 2**16  #: what is on its way to the table at one time is some of these


MEND = (
    "make room, or take another folder with --out; what is finished stays valid, and --resume goes on with it"
)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write *content* to *path*, whole or not at all; raise FusemaxError with the reason and what to do."""
    _write(path, lambda draft: draft.write_bytes(content))


def write_frame(frame: polars.DataFrame, path: Path) -> None:
    """Write *frame* to *path* as Parquet."""
    write_bytes(path, parquet_bytes(frame))


def parquet_bytes(frame: polars.DataFrame) -> memoryview:
    """Return *frame* as a Parquet file."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="lz4", statistics=False, row_group_size=ROWS_IN_GROUP)
    return buffer.getbuffer()


def concatenated(paths: Sequence[Path], target: Path, columns: Sequence[str]) -> None:
    """Write *columns* of the chunks at *paths* in order as one Parquet file, in pieces of a fixed number of rows."""
    import polars
    from polars.io.plugins import register_io_source

    # what a scan of all files at once would read ahead grows with their number
    files = [polars.scan_parquet(path, glob=False) for path in paths]
    whole = polars.concat(files, how="diagonal_relaxed").select(columns).collect_schema()

    def pieces(*_: object) -> Iterator[polars.DataFrame]:
        for path in paths:
            frame = polars.read_parquet(path, glob=False)
            there = {name: polars.col(name) for name in frame.columns}
            yield frame.select(
                there.get(name, polars.lit(None)).cast(kind).alias(name) for name, kind in whole.items()
            )

    table = register_io_source(pieces, schema=whole, is_pure=True)

    def sink(draft: Path) -> None:
        try:
            table.sink_parquet(
                draft, compression="lz4", row_group_size=ROWS_IN_GROUP, maintain_order=True, statistics=False
            )
        except polars.exceptions.PolarsError as error:
            raise OSError(str(error).split("\n")[0]) from None

    _write(target, sink)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    try:
        write_atomically(path, write)
    except FusemaxError as error:
        raise FusemaxError(f"{error}\n  hint: {MEND}") from None
