"""Tables come back from a folder as they were written, and say what they lack."""

from __future__ import annotations

from pathlib import Path

import polars
import pytest

from fusemax.errors import FusemaxError
from fusemax.table.column import Column, column_from, guessed, measure, share, size, text
from fusemax.table.store import read_table, read_tables
from fusemax.table.store import write_tables as write_described
from fusemax.table.table import need_columns, table_of, table_of_rows
from tests.study_tables import comparison, results, write_tables


@pytest.mark.parametrize("name", ["results", "breakdown", "comparison"])
def test_both_formats_hold_the_same(tmp_path: Path, name: str) -> None:
    """CSV and Parquet of one run are read as equal tables, empty cells included."""
    for ending in ("csv", "parquet"):
        (tmp_path / ending).mkdir()
        write_tables(tmp_path / ending, (ending,))
    csv, parquet = (read_table(tmp_path / ending, name).frame for ending in ("csv", "parquet"))
    assert parquet.columns == csv.columns
    assert parquet.equals(csv)


def test_empty_text_is_no_null(tmp_path: Path) -> None:
    """A reason that is not given is an empty text, an area that is not known is null."""
    tables = read_tables(write_tables(tmp_path, ("csv",)))
    assert [row["reason"] for row in comparison()] == tables.table("comparison").frame["reason"].to_list()
    assert [row["area_m2"] for row in results()] == tables.table("results").frame["area_m2"].to_list()


def test_missing_results_are_told(tmp_path: Path) -> None:
    """A folder without tables gives the names that were looked for and how to get them."""
    with pytest.raises(FusemaxError) as caught:
        read_tables(tmp_path)
    assert [
        f"{tmp_path}: there is neither results.parquet nor results.csv",
        "  hint: `fusemax run STUDY` writes the tables that figures and reports are made from",
    ] == str(caught.value).splitlines()


def test_optional_tables_are_missed_only_when_needed(tmp_path: Path) -> None:
    """A folder with results alone is read; asking it for a breakdown is refused."""
    write_tables(tmp_path, ("csv",))
    (tmp_path / "breakdown.csv").unlink()
    tables = read_tables(tmp_path)
    with pytest.raises(FusemaxError, match=r"neither breakdown\.parquet nor breakdown\.csv"):
        tables.table("breakdown")


def test_wrong_kinds_are_told_at_once(tmp_path: Path) -> None:
    """Every column with values of another kind is named."""
    frame = polars.DataFrame({"seq_len": ["1K"], "latency_s": ["fast"], "model": [1.5]})
    path = tmp_path / "results.parquet"
    frame.write_parquet(path)
    with pytest.raises(FusemaxError) as caught:
        read_table(tmp_path, "results")
    assert [
        f"{path}: column 'model': expected texts, got values of type Float64",
        f"{path}: column 'seq_len': expected whole numbers, got values of type String",
        f"{path}: column 'latency_s': expected numbers, got values of type String",
    ] == str(caught.value).splitlines()


@pytest.mark.parametrize("content", ["", "seq_len,latency_s\nmany,1\n", "\x00\x01"])
def test_broken_csv_is_told(tmp_path: Path, content: str) -> None:
    """A file that is no table, or whose numbers are none, gives one line with its path."""
    (tmp_path / "results.csv").write_text(content, encoding="utf-8")
    with pytest.raises(FusemaxError) as caught:
        need_columns(read_table(tmp_path, "results").frame, ("latency_s",), "results")
    assert "results" in str(caught.value)


def test_missing_columns_are_told_at_once() -> None:
    """Each missing column is named with what is near it."""
    frame = polars.DataFrame({"latency_s": [1.0], "model": ["BERT"]})
    with pytest.raises(FusemaxError) as caught:
        need_columns(frame, ("latency", "model", "part"), "results")
    assert [
        "results: there is no column 'latency'; did you mean 'latency_s'?",
        "results: there is no column 'part'",
        "  hint: the columns are latency_s, model",
    ] == str(caught.value).splitlines()


COLUMNS = (
    text("name", "of a thing"),
    size("M", "keys", heading="keys"),
    measure("latency_s", "time", adds="sum"),
    share("busy", "of the time"),
)


def test_descriptions_come_back(tmp_path: Path) -> None:
    """Names that look like numbers stay texts, and every column says the same as when it was written."""
    rows = [
        {"name": "007", "M": 4, "latency_s": 0.5, "busy": 0.25},
        {"name": "1e3", "M": None, "latency_s": None},
    ]
    table = table_of_rows(rows, COLUMNS)
    write_described(tmp_path, {"mine": table}, parquet=())
    found = read_tables(tmp_path, ("mine",)).table("mine")
    assert COLUMNS == found.columns
    assert table.frame.equals(found.frame)
    assert ("M",) == found.names("size")
    assert ("latency_s", "busy") == found.names("measure")


def test_a_broken_description_is_told(tmp_path: Path) -> None:
    """What is no list of columns is refused with its path."""
    (tmp_path / "columns.json").write_text('{"mine": [{"nome": "x"}]}', encoding="utf-8")
    with pytest.raises(FusemaxError, match=r"columns\.json: cannot be read"):
        read_tables(tmp_path, ())


def test_units_by_name_are_a_guess_only(tmp_path: Path) -> None:
    """A description goes before what a name looks like."""
    frame = polars.DataFrame({"speed_s": [1.0], "rank": [3]})
    given = Column(name="speed_s", role="measure", unit="1")
    assert [given, guessed("rank", "whole")] == list(table_of(frame, (given,)).columns)
    assert "s" == guessed("speed_s", "real").unit
    assert given == column_from(given.described())
