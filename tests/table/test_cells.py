"""What a spreadsheet would run is written as a text, and read back as it was."""

from __future__ import annotations

from pathlib import Path

import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.table.cells import bare, guarded
from fusemax.table.column import remark
from fusemax.table.store import read_table, write_tables
from fusemax.table.table import Table

RUN = ("=1+1", "@SUM(1)", "+1+cmd|' /C calc'!A0", "-SUM(1)", "\t=1", "\r=1")
PLAIN = ("", "-", "+", "+Cascade", "-2+3", "a=1", "1", "FuseMax", "'s", "'")


@pytest.mark.parametrize("text", RUN)
def test_what_a_spreadsheet_runs_stands_behind_an_apostrophe(text: str):
    """The six beginnings that OWASP names (CSV injection), in cells and in names of columns."""
    written = guarded(polars.DataFrame({text: [text]}))
    assert written.columns == [f"'{text}"]
    assert written.row(0) == (f"'{text}",)


@given(
    texts=st.lists(st.one_of(st.sampled_from((*RUN, *PLAIN, "'=x", "''@")), st.text(max_size=6)), min_size=1)
)
def test_every_text_is_read_as_it_was_written(texts: list[str]):
    """Those that begin with an apostrophe themselves too."""
    frame = polars.DataFrame({"name": texts, "=number": range(len(texts))})
    assert bare(guarded(frame)).equals(frame)
    for cell in guarded(frame)["name"]:
        assert cell[:1] not in ("=", "@", "\t", "\r")


def test_a_table_on_disk(tmp_path: Path):
    """The file holds no formula; the table does hold what was written."""
    frame = polars.DataFrame({"=a": [*RUN[:4], *PLAIN[1:]]})
    write_tables(tmp_path, {"t": Table(frame, (remark("=a"),))})
    for line in (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines():
        assert line.strip('"')[:1] not in ("=", "@")
    assert read_table(tmp_path, "t").frame["=a"].to_list() == frame["=a"].to_list()
