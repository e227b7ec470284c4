"""Rows and parities: names below each other with marks along them, and numbers against those that they should equal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars
import pytest

from fusemax.errors import FusemaxError
from fusemax.plot.frames import in_columns
from fusemax.plot.points import chart
from fusemax.plot.rows import names_of
from fusemax.plot.spec import FigureSpec
from fusemax.plot.sweep import draw_tables
from fusemax.shipped import find
from fusemax.source import read_yaml
from fusemax.study.kinds.audit import specs as specs_of_audit
from fusemax.study.kinds.derivations import FIGURES as DERIVATIONS
from fusemax.study.kinds.gpu import FIGURES as GPU
from fusemax.study.kinds.taxonomy import FIGURES as TAXONOMY
from fusemax.study.kinds.taxonomy_plan import FORMS
from fusemax.table.column import count, measure, text
from fusemax.table.table import Tables, table_of

SPEC = FigureSpec(
    file="rows", kind="rows", x="name", y="passes", series="form", annotate="{rank}", ylabel="least passes"
)


def tables(folder: Path, names: int) -> Tables:
    """Return a table of mechanisms in two forms each: three passes as written, one online."""
    rows = [
        (f"name {n}", form, "M", passes)
        for n in range(names)
        for form, passes in (("written", 3), ("online", 1))
    ]
    frame = polars.DataFrame(rows, schema=["name", "form", "rank", "passes"], orient="row")
    known = (text("name"), text("form"), text("rank"), count("passes"))
    return Tables(folder=folder, tables={"results": table_of(frame, known)})


def test_every_row_has_its_name_and_what_stands_in_brackets(tmp_path: Path) -> None:
    """The same bytes each time, and every name once."""
    given = tables(tmp_path, 3)
    first = [path.read_bytes() for path in draw_tables(given, tmp_path, SPEC).paths]
    assert first == [path.read_bytes() for path in draw_tables(given, tmp_path, SPEC).paths]
    svg = (tmp_path / "rows.svg").read_text(encoding="utf-8")
    assert all(svg.count(f">name {n} (M)<") == 1 for n in range(3))
    assert ">least passes<" in svg


@pytest.mark.parametrize(("names", "columns"), [(1, 1), (60, 1), (61, 2), (150, 3)])
def test_long_lists_stand_in_columns(names: int, columns: int) -> None:
    """No column is longer than a page, none is lost, and columns are nearly equal."""
    content = in_columns(chart(tables(Path(), names), SPEC))
    found = [names_of(panel, content) for panel in content.panels]
    assert columns == len(found)
    assert [f"name {n}" for n in range(names)] == [name for column in found for name in column]
    assert max(map(len, found)) - min(map(len, found)) < columns


def test_long_names_leave_room_for_marks(tmp_path: Path) -> None:
    """Names never take the whole width: every shipped mechanism has its row, and each of many panels its place."""
    listed = read_yaml(find("studies", "taxonomy")).data["mechanisms"]
    rows = [(m["name"], form, m["rank"], 3) for m in listed for form in FORMS if form in m]
    frame = polars.DataFrame(rows, schema=["mechanism", "form", "rank", "passes"], orient="row")
    known = (text("mechanism"), text("form"), text("rank"), count("passes"))
    given = Tables(folder=tmp_path, tables={"passes": table_of(frame, known)})
    svg = draw_tables(given, tmp_path, TAXONOMY[0]).paths[0].read_text(encoding="utf-8")
    assert all(f">{m['name']} ({m['rank']})<" in svg for m in listed if len(m["name"]) < 30)

    panels = polars.DataFrame({"name": ["a"] * 40, "at": [*map(str, range(40))], "passes": [*range(1, 41)]})
    given = Tables(folder=tmp_path, tables={"results": table_of(panels, (text("name"), text("at")))})
    for kind in ("rows", "bars"):
        spec = FigureSpec(file="many", kind=kind, x="name", y="passes", panels=("at", "name"))
        svg = draw_tables(given, tmp_path, spec).paths[0].read_text(encoding="utf-8")
        assert svg.count('<g id="axes_') == 40


def test_columns_side_by_side_as_series(tmp_path: Path) -> None:
    """Several columns of y are the series, named by their headings; one without any value has no entry."""
    frame = polars.DataFrame(
        {"name": ["a", "b"], "before": [3, 2], "after": [1, None], "never": [None, None]}
    )
    frame = frame.with_columns(polars.col("never").cast(polars.Int64))
    known = (text("name"), count("before", heading="as written"), count("after"), count("never"))
    given = Tables(folder=tmp_path, tables={"results": table_of(frame, known)})
    spec = FigureSpec(file="f", kind="bars", x="name", y=("before", "after", "never"))
    content = chart(given, spec)
    assert ("as written", "after") == content.shown
    assert [("a", 3.0), ("b", 2.0)] == [(p.x, p.y) for p in content.panels[0].series["as written"]]
    assert ("series = after, name = b",) == content.gaps
    with pytest.raises(FusemaxError, match="series: several columns of y are the series"):
        chart(given, replace(spec, series="name"))
    mixed = table_of(frame, (*known[:2], measure("after", unit="s"), known[3]))
    with pytest.raises(FusemaxError, match=r"y: columns with several units: before \(1\), after \(s\)"):
        chart(Tables(folder=tmp_path, tables={"results": mixed}), spec)


def test_parity_has_one_scale(tmp_path: Path) -> None:
    """Both axes show the same numbers, in all panels."""
    frame = polars.DataFrame({"chip": ["a", "b"], "measured_s": [1e-3, 1.0], "predicted_s": [2e-3, 0.5]})
    given = Tables(folder=tmp_path, tables={"results": table_of(frame)})
    spec = FigureSpec(file="p", kind="parity", x="measured_s", y="predicted_s", panels=("chip",))
    svg = draw_tables(given, tmp_path, spec).paths[0].read_text(encoding="utf-8")
    assert all(
        svg.count(f">{tick}<") == 3 for tick in ("10⁻³", "10⁻²", "10⁻¹", "10⁰")
    )  # two panels share their y axis


def test_figures_of_kinds_are_meant(tmp_path: Path) -> None:
    """What the other kinds of study draw has no mistake that no table mends."""
    del tmp_path
    assert [spec.mistakes() for spec in (*TAXONOMY, *DERIVATIONS, *GPU) if spec.mistakes()] == []
    assert callable(specs_of_audit)


def test_both_numbers_of_a_parity_are_in_one_unit(tmp_path: Path) -> None:
    """0.9 ms beside 1.1 ms: neither is 900, and the axes say the unit in which they stand."""
    frame = polars.DataFrame({"measured_s": [0.9e-3, 0.5e-3], "predicted_s": [1.1e-3, 0.4e-3]})
    known = (measure("measured_s"), measure("predicted_s"))
    given = Tables(folder=tmp_path, tables={"results": table_of(frame, known)})
    spec = FigureSpec(file="both", kind="parity", x="measured_s", y="predicted_s")
    content = chart(given, spec)
    assert content.x.shown == content.y.shown == "ms"
    draw_tables(given, tmp_path, spec)
    svg = (tmp_path / "both.svg").read_text(encoding="utf-8")
    assert ">measured (ms)<" in svg
    assert ">predicted (ms)<" in svg


def test_a_label_with_a_unit_is_kept(tmp_path: Path) -> None:
    """What an axis is labelled with in brackets is what its numbers are in."""
    frame = polars.DataFrame({"name": ["a", "b"], "latency_s": [2e-5, 1e-6]})
    given = Tables(folder=tmp_path, tables={"results": table_of(frame, (text("name"), measure("latency_s")))})
    spec = FigureSpec(file="one", kind="bars", x="name", y="latency_s", ylabel="time of a call (ms)")
    assert chart(given, spec).y.shown == "ms"
    assert [point.y for point in chart(given, spec).points] == pytest.approx([0.02, 0.001])
    assert chart(given, replace(spec, ylabel="time")).y.shown == "us"


def test_a_short_logarithmic_axis_has_ticks(tmp_path: Path) -> None:
    """From 1 to 1.26 there is neither a 2 nor a 5: ticks stand as on a level axis."""
    frame = polars.DataFrame({"name": ["a", "b"], "ratio": [1.0, 1.26]})
    given = Tables(
        folder=tmp_path, tables={"results": table_of(frame, (text("name"), measure("ratio", unit="1")))}
    )
    draw_tables(given, tmp_path, FigureSpec(file="short", kind="rows", x="name", y="ratio", log="y"))
    svg = (tmp_path / "short.svg").read_text(encoding="utf-8")
    assert (
        sum(f">1.{digits}<" in svg for digits in ("04", "08", "1", "12", "16", "2", "20", "24", "25", "28"))
        >= 2
    )
