"""Studies without a table called model, with two tables, and with listed sizes: tables, screen and report agree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars
import pytest

from fusemax.report.numbers import Numbers
from fusemax.report.study import Points
from fusemax.report.summary import headline
from fusemax.study.screen import means
from fusemax.study.spec.file import StudyFile
from fusemax.table.table import table_of
from tests.study.engine import rows_of_study, run_file

CONFIGURATIONS = {
    "plain": {"machine": "flat", "mapping": "unfused"},
    "ours": {"machine": "fusemax", "mapping": "fusemax"},
}
WHOLE = {"H": 2, "E": 64, "F": 64}
FIGURE = """figures:
- {file: speed, kind: bars, x: seq_len, y: latency_s, series: configuration}
"""


def study(parts: list[dict[str, object]]) -> StudyFile:
    """Return a study of *parts* measured against its first configuration."""
    return StudyFile.model_validate(
        {"kind": "sweep", "title": "t", "source": "s", "summary": {"baselines": ["plain"]}, "parts": parts}
    )


def part(**entries: object) -> dict[str, object]:
    """Return a part with two configurations."""
    return {"name": "attention", "configurations": CONFIGURATIONS, **entries}


def test_listed_sizes_are_columns() -> None:
    """Each list but that of the length makes a column, also in sums of parts; no two rows are of one point."""
    sizes = {"B": [4, 8], "M": ["1Ki", "4Ki"], "P": "M", **WHOLE}
    parts = [
        part(sizes=sizes),
        part(name="again", sizes=sizes),
        {"name": "both", "total_of": ["attention", "again"]},
    ]
    file = study(parts)
    _, table = rows_of_study(file)
    identity = table.select("part", "configuration", "B", "seq_len")
    assert [(4, 1024), (4, 4096), (8, 1024), (8, 4096)] * 6 == table.select("B", "seq_len").rows()
    assert not identity.is_duplicated().any()
    labels = ("B",)
    said = headline(Numbers(table_of(table), None, labels), table_of(table), "both", ("plain",))
    assert said.overall[0].cells[0].ours == pytest.approx(1.0)


def test_the_report_says_what_the_screen_says() -> None:
    """With a second table and a listed size, the means of the report are those of the screen."""
    tables = {
        "model": {"small": {"H": 2, "E": 64, "F": 64}, "wide": {"H": 16, "E": 128, "F": 128}},
        "batch": {"one": {"B": 1}, "many": {"B": 64}},
    }
    file = study([part(tables=tables, sizes={"M": ["1Ki", "16Ki"], "P": "M"})])
    _, table = rows_of_study(file)
    numbers = Numbers(table_of(table), None, file.label_columns("attention"))
    said = headline(numbers, table_of(table), "attention", ("plain",))
    found = {(line.configuration, line.label or "all"): line.cells[0].ours for line in said.lines}
    (short,) = means(file, table_of(table), Points(labels=tuple(file.label_columns("attention"))))
    assert ("configuration", "model", "speed-up\nplain") == short.headings[:3]
    assert {row[:2]: row[2] for row in short.rows} == {key: f"{value:.3g}" for key, value in found.items()}


@pytest.mark.parametrize(
    "tables", ["", "  tables: {shape: {small: {H: 2, E: 64, F: 64}}}\n"], ids=["none", "shape"]
)
def test_any_table_or_none_will_do(tmp_path: Path, tables: str) -> None:
    """A study needs no table called model: figures, report and the table on the screen come out."""
    sizes = "B: 1, M: 1Ki, P: M" if tables else "B: 1, M: 1Ki, P: M, H: 2, E: 64, F: 64"
    text = (
        "kind: sweep\ntitle: 'Area [mm2] and [/b]'\nsource: s\nparts:\n- name: 'part [b]'\n"
        f"{tables}  sizes: {{{sizes}}}\n"
        "  configurations: {'x [b]': {machine: fusemax, mapping: fusemax}}\n"
        f"{FIGURE}"
    )
    (tmp_path / "mine.yaml").write_text(text)
    code = "from fusemax.cli import main; main()"
    command = [sys.executable, "-c", code, "run", "mine.yaml", "--out", "out [b]"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "" == answer.stderr
    assert 0 == answer.returncode
    assert "x [b]" in answer.stdout
    assert "part [b]: means" in answer.stdout
    assert "in out [b]:" in answer.stdout
    assert (tmp_path / "out [b]" / "report.html").exists()
    assert 1 == polars.read_csv(tmp_path / "out [b]" / "results.csv", glob=False).height


ADDED_UP_ONCE = """kind: sweep
title: one table, in a part of its own and added up
source: own
parts:
- name: each
  tables: {model: {small: {H: 2, E: 64, F: 64}, wide: {H: 1, E: 128, F: 128}}}
  sizes: {B: 1, M: 1Ki, P: M}
  configurations: &mine
    FuseMax: {machine: fusemax, mapping: fusemax}
- name: all
  tables: {model: {small: {H: 2, E: 64, F: 64}, wide: {H: 1, E: 128, F: 128}}}
  sizes: {B: 1, M: 1Ki, P: M}
  sum_over: model
  configurations: *mine
"""


def test_a_table_that_one_part_adds_up_tells_points_of_others_apart(tmp_path: Path) -> None:
    """The rows of the part that does not add it up keep their labels, in every table and in the report; sums have none."""
    (tmp_path / "study.yaml").write_text(ADDED_UP_ONCE, encoding="utf-8")
    out = run_file(tmp_path / "study.yaml", tmp_path / "out")

    results = polars.read_csv(out / "results.csv")
    assert [("each", "small"), ("each", "wide"), ("all", None)] == list(
        zip(results["part"], results["model"], strict=True)
    )
    small, wide, both = results["latency_s"]
    assert both == small + wide
    assert {"small", "wide"} == set(polars.read_csv(out / "breakdown.csv")["model"])
    assert "small" in (out / "report.html").read_text(encoding="utf-8")


LEFT_OUT = """kind: sweep
title: a part without the baseline, and one without rows
source: own
parts:
- name: one
  sizes: {B: 1, H: 2, E: 64, F: 64, M: 1Ki, P: M}
  configurations: {unfused: {machine: flat, mapping: unfused}, FuseMax: {machine: fusemax, mapping: fusemax}}
- name: two
  sizes: {B: 1, H: 4, E: 64, F: 64, M: 1Ki, P: M}
  configurations: {FuseMax: {machine: fusemax, mapping: fusemax}, tile: {machine: fusemax, mapping: one-tile}}
- name: three
  sizes: {B: 1, H: 4, E: 64, F: 64, M: 1Ki, P: M}
  where: [traffic_B > 1e30]
  configurations: {FuseMax: {machine: fusemax, mapping: fusemax}}
summary: {parts: [one, two, three], baselines: [unfused]}
"""


def test_a_part_without_its_baseline_or_without_rows_stops_no_run(tmp_path: Path) -> None:
    """The first configuration stands for a baseline that a part lacks; a part of which nothing is left is not told of."""
    (tmp_path / "study.yaml").write_text(LEFT_OUT, encoding="utf-8")
    out = run_file(tmp_path / "study.yaml", tmp_path / "out")

    assert {"one", "two"} == set(polars.read_csv(out / "results.csv")["part"])
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "speed-up over unfused" in page
    assert "speed-up over FuseMax" in page


def test_what_a_bound_covers_is_no_unit(tmp_path: Path) -> None:
    """The part of a measure that its bound covers is a column of the results, not the business of a unit called so."""
    (tmp_path / "own.yaml").write_text(
        "kind: sweep\ntitle: t\nsource: s\nlength: M\nparts:\n"
        "- name: p\n  sizes: {B: 1, H: 1, E: 16, F: 16, M: [128, 256], P: M}\n"
        "  configurations: {'c, best': {machine: fusemax, cascade: attention/1-pass, mapping: best}}\n"
    )
    folder = run_file(tmp_path / "own.yaml", tmp_path / "out")

    report = (folder / "report.html").read_text().lower()
    assert "covered" in (folder / "results.csv").read_text().splitlines()[0]
    assert "covered is busy" not in report
    assert "covered busy" not in report
