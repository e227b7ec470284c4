"""One engine: what is written out as lists and what stands under a grid give the same tables, and are refused alike."""

from __future__ import annotations

import math
from pathlib import Path

import polars
import pytest

from fusemax.cli.check import check_file
from fusemax.errors import FusemaxError
from tests.study.engine import run_file

HEAD = "kind: sweep\ntitle: t\nsource: own\n"
FIXED = "B: 2, E: 64, F: 64, P: M"
LIST = f"  sizes: {{{FIXED}, H: [2, 3], M: [512, 1Ki, 4Ki]}}\n"
GRID = f"  sizes: {{{FIXED}}}\n  grid: {{H: [2, 3], M: [512, 1Ki, 4Ki]}}\n"
BOTH = pytest.mark.parametrize("points", [LIST, GRID], ids=["list", "grid"])
PLAIN = "{ours: {machine: fusemax, mapping: fusemax}}"
CASES = """
    ours:
      machine: fusemax
      mapping: fusemax
      cases:
      - {where: [M >= 1Ki, H == 3], figures: {L3.size: 1 MiB}}
      - {where: [log2(M) > 11], mapping: one-tile}
"""
CHOICE = """
    chosen:
      machine: flat
      mapping:
        by: [latency_s, traffic_B]
        best_of:
        - {mapping: output-stationary, tiles: {P1: ceil(P/2d.columns)}}
        - {mapping: weight-stationary, tiles: {P1: ceil(P/2d.columns)}}
        - unfused
"""


def study(folder: Path, points: str, configurations: str = PLAIN, more: str = "", name: str = "mine") -> Path:
    """Return the file of a study of one part."""
    path = folder / f"{name}.yaml"
    path.write_text(
        f"{HEAD}parts:\n- name: a\n{points}  configurations: {configurations}\n{more}", encoding="utf-8"
    )
    return path


def table(out: Path, name: str = "results") -> polars.DataFrame:
    """Return a table that a run left, by rows in one order; a grid has a column of its length besides."""
    frame = polars.read_csv(out / f"{name}.csv", infer_schema_length=None)
    frame = frame.drop([column for column in ("M", "study") if column in frame.columns])
    return frame.sort([c for c in ("configuration", "H", "seq_len", "kind", "unit", "level", "einsum", "tensor",
                                   "action", "nest") if c in frame.columns])  # fmt: skip


@pytest.mark.parametrize("configurations", [PLAIN, CASES, CHOICE], ids=["plain", "cases", "choice"])
def test_lists_and_grids_agree(tmp_path: Path, configurations: str) -> None:
    """The same columns and the same bits, in the results and in the long table."""
    for name, points in (("list", LIST), ("grid", GRID)):
        run_file(study(tmp_path, points, configurations, name=name), tmp_path / name / "out")
    for name in ("results", "breakdown"):
        one, other = (table(tmp_path / form / "out", name) for form in ("list", "grid"))
        assert set(one.columns) == set(other.columns)
        assert one.equals(other.select(one.columns))
        assert one.height > 5


def test_cases_hold_where_they_say(tmp_path: Path) -> None:
    """On a grid, a case for lengths and heads changes those points and no others."""
    run_file(study(tmp_path, GRID, CASES), tmp_path / "out")
    rows = table(tmp_path / "out").select("H", "seq_len", "mapping").rows()
    assert {(h, m): "one-tile" if m == 4096 else "fusemax" for h, m, _ in rows} == {
        (h, m): w for h, m, w in rows
    }


@BOTH
def test_sums_and_totals(tmp_path: Path, points: str) -> None:
    """Added over a table, and over parts: times and traffic are those of the rows added up."""
    tables = "  tables: {half: {first: {}, second: {}}}\n".replace("{}", "{E: 64}")
    points = points.replace("E: 64, ", "")
    parts = f"- name: b\n{tables}{points}  sum_over: half\n  configurations: {PLAIN}\n- {{name: c, total_of: [a, b]}}\n"
    path = study(tmp_path, points.replace("B: 2", "B: 2, E: 64"), more=parts)
    run_file(path, tmp_path / "out")
    rows = polars.read_csv(tmp_path / "out" / "results.csv")
    assert "half" not in rows.columns
    for key, mine in rows.group_by("H", "seq_len"):
        found = {part: mine.filter(polars.col("part") == part) for part in "abc"}
        times = {part: frame["latency_s"].item() for part, frame in found.items()}
        assert times["b"] == 2 * times["a"], key
        assert times["c"] == times["a"] + times["b"]
        assert found["c"]["traffic_B"].item() == 3 * found["a"]["traffic_B"].item()


def test_lists_and_grids_in_one_study(tmp_path: Path) -> None:
    """A part of each kind, a figure of both, and means against a baseline."""
    more = f"- name: b\n{GRID}  configurations: {PLAIN}\nsummary: {{parts: [a, b], baselines: [ours]}}\n"
    more += "figures:\n- {file: f, kind: lines, x: seq_len, y: latency_s, series: part, where: {H: 2}}\n"
    path = study(tmp_path, LIST, more=more)
    check_file(path)
    run_file(path, tmp_path / "out")
    rows = polars.read_csv(tmp_path / "out" / "results.csv")
    assert {"a": 6, "b": 6} == dict(rows.group_by("part").len().rows())
    one, other = (rows.filter(polars.col("part") == part)["latency_s"].to_list() for part in "ab")
    assert one == other
    assert (tmp_path / "out" / "f.svg").exists()


@BOTH
@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("log2(M) >= 10", lambda h, m: m >= 1024),
        ("H*M == 1536", lambda h, m: h * m == 1536),
        ("latency_s < 100 us", None),
        ("M != 1Ki", lambda h, m: m != 1024),
    ],
)
def test_conditions_with_any_function(tmp_path: Path, points: str, condition: str, kept) -> None:
    """Conditions on sizes, functions of them, and on what comes out."""
    run_file(study(tmp_path, f"{points}  where: ['{condition}']\n"), tmp_path / "out")
    run_file(study(tmp_path, points, name="all"), tmp_path / "all")
    every, found = table(tmp_path / "all"), table(tmp_path / "out")
    rows = [(r["H"], r["seq_len"], r["latency_s"]) for r in every.iter_rows(named=True)]
    expected = [r for r in rows if (kept(r[0], r[1]) if kept else r[2] < 1e-4)]
    assert 0 < len(expected) < len(rows)
    assert expected == found.select("H", "seq_len", "latency_s").rows()


@BOTH
def test_labels_decide(tmp_path: Path, points: str) -> None:
    """A row of a table is named by a condition and by a case."""
    tables = "  tables: {model: {small: {E: 64}, wide: {E: 128}}}\n"
    points = points.replace("E: 64, ", "") + tables
    configurations = PLAIN.replace(
        "fusemax}", "fusemax, cases: [{where: [model == wide], mapping: one-tile}]}", 1
    )
    run_file(study(tmp_path, points, configurations), tmp_path / "out")
    rows = polars.read_csv(tmp_path / "out" / "results.csv")
    assert {("small", "fusemax"), ("wide", "one-tile")} == set(rows.select("model", "mapping").rows())
    run_file(study(tmp_path, f"{points}  where: [model == wide]\n", name="one"), tmp_path / "one")
    assert ["wide"] == polars.read_csv(tmp_path / "one" / "results.csv")["model"].unique().to_list()


@BOTH
def test_published_values_stand_beside_ours(tmp_path: Path, points: str) -> None:
    """A comparison of either kind; a row or a column that the study lacks is told at its line of the table."""
    run_file(study(tmp_path, points), tmp_path / "first")
    row = table(tmp_path / "first").filter((polars.col("H") == 3) & (polars.col("seq_len") == 4096))
    head = "# ours\npart,configuration,H,seq_len,table,quantity,value\n"
    line = f"a,ours,3,4096,t,latency_s,{row['latency_s'].item()}\n"
    busy = f'a,ours,3,4096,t,"activity[2d,BQK]",{0.5}\n'
    compare = "compare: {published: known.csv, tolerance: 1e-9}\n"
    path = study(tmp_path, points, more=compare)
    (tmp_path / "known.csv").write_text(head + line + busy, encoding="utf-8")
    run_file(path, tmp_path / "out")
    found = polars.read_csv(tmp_path / "out" / "comparison.csv")
    assert [0.0] == found["relative_difference"].to_list()[:1]
    assert ["", "not explained"] == [reason or "" for reason in found["reason"]]
    wrong = 'a,ours,4,4096,t,latency_s,1\na,ours,3,4096,t,latancy_s,1\na,ours,3,4096,t,"activity[2d,BK]",1\n'
    (tmp_path / "known.csv").write_text(head + line + wrong, encoding="utf-8")
    with pytest.raises(FusemaxError) as caught:
        check_file(path)
    said = str(caught.value)
    assert "known.csv:4:1: the study has no row for {'part': 'a', 'configuration': 'ours', 'H': 4" in said
    assert "known.csv:5:1: the study has no column 'latancy_s'\n  hint: did you mean 'latency_s'?" in said
    assert "known.csv:6:1: a has no activity[2d,BK]\n  hint: did you mean 'activity[2d,BQK]'?" in said


def test_a_size_that_is_no_whole_number(tmp_path: Path) -> None:
    """A formula over the grid is worked out before anything runs; a condition may leave such points out."""
    points = "  sizes: {B: 1, E: 128/H, F: 64, M: 512, P: M}\n  grid: {H: [2, 3]}\n"
    with pytest.raises(FusemaxError) as caught:
        check_file(study(tmp_path, points))
    assert "mine.yaml:6:20: parts.0.sizes.E: E = 128/H = 42.6667 is not a whole number" in str(caught.value)
    kept = f"{points}  where: [floor(128/H)*H == 128]\n"
    run_file(study(tmp_path, kept), tmp_path / "out")
    assert [2] == polars.read_csv(tmp_path / "out" / "results.csv")["H"].to_list()


def test_a_condition_that_cannot_be_known_leaves_a_row(tmp_path: Path) -> None:
    """Where a result might leave the point out, it is run; if it stays, its row says what is wrong."""
    points = "  sizes: {B: 1, E: 128/H, F: 64, M: 512, P: M}\n  grid: {H: [2, 3]}\n  where: [latency_s > 0]\n"
    run_file(study(tmp_path, points), tmp_path / "out")
    rows = polars.read_csv(tmp_path / "out" / "results.csv")
    assert [(2, True, ""), (3, False, "E is no whole number of at least 1")] == rows.select(
        "H", "fits", "reason"
    ).rows()


def test_a_length_that_does_not_fit(tmp_path: Path) -> None:
    """One machine of two has too little room at the longest length: its row says why, all else is there."""
    small = "{machine: fusemax, mapping: fusemax, figures: {L3.size: 64 KiB}, changes: {tiles.P1: ceil(P/2d.columns)}}"
    both = f"{{ours: {{machine: fusemax, mapping: fusemax}}, small: {small}}}"
    run_file(study(tmp_path, GRID.replace("512", "256"), both), tmp_path / "out")
    rows = polars.read_csv(tmp_path / "out" / "results.csv")
    assert 12 == rows.height
    lost = rows.filter(~polars.col("fits"))
    assert {"small"} == set(lost["configuration"])
    assert all(text.startswith("L3 is too small in nest") and "needed (" in text for text in lost["reason"])


@BOTH
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("machine: fusemax", "machine: fusemx", "configurations.ours.machine: no file called 'fusemx'"),
        ("mapping: fusemax", "mapping: fusmax", "configurations.ours.mapping: no file called 'fusmax'"),
        ("M: [512", "M: [-512", "-512"),
        ("M: [512", "M: ['512 B'", "512 B"),
        ("H: [2, 3]", "H: []", "an empty list has no points"),
        ("H: [2, 3]", "H: [2, 2]", "twice"),
        ("H: [2, 3]", "Q: [2, 3]", "needs a size for H"),
        ("E: 64, ", "E: 64, L3.size: 1 MiB, ", "'L3.size' is a figure of a machine, not a size"),
        ("P: M", "P: N", "no size is given for N"),
        ("P: M", "P: M, M0: 2", "M0 cannot be set"),
        ("mapping: fusemax", "mapping: fusemax, figures: {L3.sise: 1 MiB}", "did you mean 'L3.size'?"),
        ("mapping: fusemax", "mapping: fusemax, figures: {L3.size: 1 MHz}", "figures.L3.size: "),
        ("mapping: fusemax", "mapping: fusemax, changes: {tiles.P7: 1}", "changes: tiles: tiles of P must be P0, P1"),
        ("mapping: fusemax", "mapping: fusemax, cases: [{where: [Q > 1], mapping: one-tile}]", "'Q' is no size"),
        ("configurations", "where: [latancy_s < 1]\n  configurations", "did you mean 'latency_s'?"),
        ("configurations", "where: [M > 1Gi]\n  configurations", ""),
        ("configurations", "outputs: [latancy_s]\n  configurations", "did you mean 'latency_s'?"),
        ("configurations", "zip: [[M, P]]\n  configurations", "'P' is no list or range"),
        ("configurations", "zip: [[M, H]]\n  configurations", "differ in length"),
        ("configurations", "sum_over: model\n  configurations", "the part has no table 'model'"),
    ],
)  # fmt: skip
def test_check_says_what_run_would(tmp_path: Path, points: str, old: str, new: str, said: str) -> None:
    """Each mistake, in either form, is told with its place, by check as by run, and nothing is written."""
    path = study(tmp_path, points)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    texts: list[str] = []
    for refuse in (check_file, lambda file: run_file(file, tmp_path / "out")):
        try:
            refuse(path)
            texts.append("")
        except FusemaxError as error:
            texts.append(str(error))
    assert texts[0] == texts[1]
    if said:
        assert said in texts[0]
        assert texts[0].startswith(f"{path}:")
        assert not (tmp_path / "out").exists()
    else:
        assert math.isfinite(len(texts[0]))


def test_corrections_are_an_axis(tmp_path: Path) -> None:
    """Any sweep may be corrected: as it is, each alone, together; a wrong name is told at its place."""
    more = (
        "corrections:\n- {name: ports, title: one port, machines: {fusemax: {levels.L3.ports: 1}}}\n"
        "- {name: clock, title: half, figures: {fusemax: {clock: 470 MHz}}}\ntogether: [ports, clock]\n"
    )
    run_file(study(tmp_path, GRID, more=more), tmp_path / "out")
    rows = polars.read_csv(tmp_path / "out" / "results.csv").filter(
        (polars.col("M") == 4096) & (polars.col("H") == 2)
    )
    found = {(row["path"], row["step"]): row["latency_s"] for row in rows.iter_rows(named=True)}
    start = found["start", "start"]
    assert 5 == len(found)
    assert start < found["alone", "ports"] < found["together", "clock"]
    assert found["alone", "clock"] == pytest.approx(2 * start, rel=0.01)
    with pytest.raises(FusemaxError) as caught:
        check_file(
            study(tmp_path, GRID, more=more.replace("L3.ports", "L9.ports").replace("{clock", "{clok"))
        )
    assert "corrections.0.machines.fusemax: " in str(caught.value)
    assert "corrections.1.figures.fusemax.clok: " in str(caught.value)


@BOTH
def test_two_values_at_one_place_are_told(tmp_path: Path, points: str) -> None:
    """A figure that cannot tell its rows apart is refused before anything runs; with panels it is drawn."""
    figure = "figures:\n- {file: f, kind: lines, x: seq_len, y: latency_s}\n"
    path = study(tmp_path, points, more=figure)
    for refuse in (check_file, lambda file: run_file(file, tmp_path / "out")):
        with pytest.raises(
            FusemaxError, match=r"figures\.0: two rows for seq_len = 512\n  hint: they differ in H"
        ):
            refuse(path)
    assert not (tmp_path / "out").exists()
    run_file(
        study(tmp_path, points, more=figure.replace("latency_s", "latency_s, panels: [H]")), tmp_path / "out"
    )
    assert (tmp_path / "out" / "f.svg").exists()
