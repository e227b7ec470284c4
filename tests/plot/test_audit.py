"""The figure of an audit: drawn from the table alone, the same bytes each time, and refused without its columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemax.errors import FusemaxError
from fusemax.plot.audit import draw
from fusemax.table.store import read_table
from fusemax.table.table import Tables

HEADER = "path,step,title,against,model,seq_len,speed_up,energy_ratio"
ROWS = (
    "published,published,as published,FLAT,{model},{length},6.7,0.79",
    "start,start,our counts,FLAT,{model},{length},6.7,0.8",
    "alone,port,one port,FLAT,{model},{length},4.4,0.8",
    "together,port,one port,FLAT,{model},{length},4.4,0.8",
    "end,division,division,FLAT,{model},{length},4.1,0.82",
)


def _table(folder: Path, header: str = HEADER) -> None:
    rows = [row.format(model=m, length=n) for row in ROWS for m in ("BERT", "XLM") for n in (1024, 16384)]
    (folder / "ratios.csv").write_text("\n".join([header, *rows]) + "\n")


def drawn(folder: Path, lengths: list[int]) -> tuple[Path, ...]:
    """Return the files of the picture."""
    (picture,) = draw(Tables(folder=folder, tables={"ratios": read_table(folder, "ratios")}), "FLAT", lengths)
    return picture.paths


def test_the_same_bytes_each_time(tmp_path: Path):
    """Two drawings are equal to the byte, and every step and length is named."""
    _table(tmp_path)
    first = [path.read_bytes() for path in drawn(tmp_path, [1024, 16384])]
    second = [path.read_bytes() for path in drawn(tmp_path, [1024, 16384])]
    text = (tmp_path / "audit.svg").read_text()

    assert first == second
    for words in (
        "as published",
        "+ one port",
        "each alone",
        "16K tokens",
        "speed-up over FLAT",
        "energy relative to FLAT",
    ):
        assert words in text


def test_a_missing_column_is_refused(tmp_path: Path):
    """A table without a column that the figure needs is refused by name."""
    _table(tmp_path, HEADER.replace("speed_up", "speed"))
    with pytest.raises(FusemaxError, match="there is no column 'speed_up'; did you mean 'speed'"):
        drawn(tmp_path, [1024])
