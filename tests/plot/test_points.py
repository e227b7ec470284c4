"""What a figure shows is what the table says, set against its baseline, or a message."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from fusemax.errors import FusemaxError
from fusemax.plot.labels import axis_label
from fusemax.plot.picked import EmptyFigureError
from fusemax.plot.points import chart
from fusemax.plot.spec import FigureSpec
from fusemax.study.columns import BREAKDOWN
from fusemax.table.table import Tables, table_of
from tests.study_tables import CONFIGURATIONS, EINSUMS, LENGTHS, MODELS, SPEEDUPS, breakdown, results

SPEEDUP = FigureSpec(
    file="speedup",
    kind="bars",
    x="seq_len",
    y="latency_s",
    series="configuration",
    panels=("model",),
    where={"part": "attention"},
    baseline="unfused",
    ratio="baseline/value",
    log="y",
)


@pytest.fixture
def tables() -> Tables:
    """Return the tiny study."""
    frames = {
        "results": polars.DataFrame(results(), infer_schema_length=None),
        "breakdown": polars.DataFrame(breakdown()),
    }
    return Tables(folder=Path("nowhere"), tables={name: table_of(frame) for name, frame in frames.items()})


def _table(*rows: tuple[str, float, float]) -> Tables:
    columns = zip(("series", "x", "y"), zip(*rows, strict=True), strict=True)
    frame = polars.DataFrame({name: list(v) for name, v in columns})
    return Tables(folder=Path("nowhere"), tables={"results": table_of(frame)})


def _lines(**rest: object) -> FigureSpec:
    fields = {"file": "mine", "kind": "lines", "x": "x", "y": "y", "series": "series", **rest}
    return FigureSpec(**fields)  # pyright: ignore[reportArgumentType]


def test_speedup_is_the_baseline_over_the_value(tables: Tables) -> None:
    """Each bar is the speed-up with which the table was made; the baseline itself has none."""
    content = chart(tables, SPEEDUP)
    assert MODELS == tuple(panel.title for panel in content.panels)
    assert CONFIGURATIONS[1:] == content.shown
    assert LENGTHS == content.xs
    for panel in content.panels:
        for name, points in panel.series.items():
            assert [SPEEDUPS[name]] * 2 == [point.y for point in points]


def test_series_keep_their_place_in_every_figure(tables: Tables) -> None:
    """Colours follow the order of the whole table, whatever a figure leaves out."""
    content = chart(tables, replace(SPEEDUP, where={"part": "attention", "model": "XLM"}))
    assert (*CONFIGURATIONS, "FuseMax") == content.known


def test_bars_keep_their_order_where_a_panel_lacks_one() -> None:
    """What the first panel lacks stands between its neighbours in the others, not behind all."""
    rows = [
        ("BERT", "H100"),
        ("BERT", "B200"),
        ("XLM", "H100"),
        ("XLM", "8 x H100"),
        ("XLM", "B200"),
        ("T5", "CPU"),
    ]
    models, systems = zip(*rows, strict=True)
    frame = polars.DataFrame({"model": models, "system": systems, "latency_s": [1.0] * len(rows)})
    spec = FigureSpec(file="mine", kind="bars", x="system", y="latency_s", panels=("model",))
    drawn = chart(Tables(folder=Path("nowhere"), tables={"results": table_of(frame)}), spec)
    assert drawn.xs == ("H100", "8 x H100", "B200", "CPU")


def test_layers_of_a_stack_add_up(tables: Tables) -> None:
    """Rows of a stack that agree in panel, layer and x are added; the unit of a share is percent."""
    stack = replace(
        SPEEDUP, kind="stacks", table="breakdown", y="value", series="unit", baseline=None, log="none", unit="%",
        where={"configuration": "FLAT"},
    )  # fmt: skip
    content = chart(tables, stack)
    expected = 100 * 0.25 * len(EINSUMS)
    assert ("2d",) == content.shown
    assert {expected} == {point.y for points in content.panels[0].series.values() for point in points}


def test_what_is_no_piece_of_one_whole_is_not_added_up(tables: Tables) -> None:
    """Shares of several models in one bar mean nothing: the message says what they differ in."""
    stack = replace(SPEEDUP, kind="stacks", table="breakdown", y="value", series="einsum", panels=())
    with pytest.raises(FusemaxError, match=r"two rows for einsum = BQK.*\n  hint: they differ in model"):
        chart(tables, replace(stack, baseline=None, log="none", where={"configuration": "FLAT"}))


def _pieces(*rows: tuple[str, float, str, str]) -> Tables:
    names = ("component", "value", "kind", "unit_of_measure")
    frame = polars.DataFrame(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    frame = frame.with_columns(configuration=polars.lit("FLAT"))
    return Tables(folder=Path("nowhere"), tables={"breakdown": table_of(frame, BREAKDOWN)})


def test_the_axis_of_values_says_what_they_are(tables: Tables) -> None:
    """Words and unit come from the rows; values of two units on one axis are refused."""
    rows = (("2d mac", 2.0, "energy", "J"), ("DRAM", 3.0, "energy", "J"), ("2d", 5.0, "cycles", "cycles"))
    spec = FigureSpec(
        file="e", kind="stacks", x="configuration", y="value", series="component", table="breakdown",
        where={"kind": "energy"},
    )  # fmt: skip
    content = chart(_pieces(*rows), spec)
    assert "energy (J)" == axis_label(content.y)
    assert ("2d mac", "DRAM") == content.shown
    with pytest.raises(
        FusemaxError, match=r"value has several units: energy \(J\), cycles \(cycles\)\n  hint: keep"
    ):
        chart(_pieces(*rows), replace(spec, where={}))


@given(st.lists(st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)), min_size=1, max_size=8))
def test_ratios_are_inverse_to_each_other(pairs: list[tuple[float, float]]) -> None:
    """Own over baseline times baseline over own is 1, and x ascends."""
    rows = [(name, float(-x), pair[at]) for x, pair in enumerate(pairs) for at, name in enumerate("ab")]
    relative = _lines(baseline="a")
    shares = chart(_table(*rows), relative).panels[0].series["b"]
    gains = chart(_table(*rows), replace(relative, ratio="baseline/value")).panels[0].series["b"]
    assert sorted(point.x for point in shares) == [point.x for point in shares]
    assert all(1 == pytest.approx(share.y * gain.y) for share, gain in zip(shares, gains, strict=True))


def test_texts_come_from_columns(tables: Tables) -> None:
    """Braces in texts beside points and in the title are filled from the rows."""
    spec = FigureSpec(
        file="area",
        kind="lines",
        x="area_m2",
        y="latency_s",
        where={"part": "pareto", "model": "XLM"},
        annotate="{pe_dim}x{pe_dim}",
        title="{model} at {seq_len} tokens",
    )
    content = chart(tables, spec)
    assert "XLM at 256K tokens" == content.title
    assert ["16x16", "64x64"] == [point.text for point in content.panels[0].series[""]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": "latency"}, "results: there is no column 'latency'; did you mean 'latency_s'?"),
        (
            {"where": {"part": "pareto", "pe_dim": 16}},
            "speedup: baseline: no series is called 'unfused'; there are: FuseMax",
        ),
        ({"kind": "bar"}, "speedup: kind: expected one of bars, stacks, lines, scatter"),
        (
            {"log": "xy", "unit": "ms"},
            "speedup: unit: values relative to a baseline have none\nspeedup: log: bars stand at",
        ),
        (
            {"kind": "stacks"},
            "speedup: log: layers of a stack add up, which a logarithmic axis does not show",
        ),
        ({"annotate": "{model}"}, "speedup: annotate: bars bear no texts; these do: lines, scatter"),
        ({"file": "../mine"}, "../mine: file: expected a file name without folders, got '../mine'"),
        ({"series": None}, "speedup: baseline: needs series, of which it is one"),
        ({"panels": ("a", "b", "c")}, "speedup: panels: expected at most two columns, got a, b, c"),
        ({"baseline": "FLTA"}, "speedup: baseline: no series is called 'FLTA'; did you mean 'FLAT'?"),
        (
            {"where": {"part": "attn"}},
            "speedup: no row has part = 'attn'; there are: 'attention', 'linear', 'end to end', 'pareto'",
        ),
        ({"where": {"seq_len": "1K"}}, "speedup: seq_len: ['1K'] cannot be compared with that column"),
        (
            {"panels": ()},
            "speedup: two rows for configuration = unfused, seq_len = 1024\n  hint: they differ in model (model: BERT, XLM)",
        ),
        ({"title": "{model}"}, "speedup: title: model has several values: BERT, XLM"),
        ({"title": "{"}, "speedup: title: '{': "),
        (
            {
                "where": {"part": "pareto"},
                "y": "area_m2",
                "x": "energy_J",
                "kind": "scatter",
                "baseline": None,
            },
            "speedup: none of the 4 rows has a value of area_m2 to show",
        ),
        (
            {"y": "area_m2", "baseline": None},
            "speedup: none of the 20 rows has a value of area_m2 to show",
        ),
    ],
)
def test_what_cannot_be_shown_is_told(tables: Tables, change: dict[str, object], message: str) -> None:
    """Missing columns, values and baselines, and points with two values, each have their message."""
    with pytest.raises(FusemaxError) as caught:
        chart(tables, replace(SPEEDUP, **change))  # pyright: ignore[reportArgumentType]
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("x", "y"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])
def test_logarithms_need_positive_numbers(x: float, y: float) -> None:
    """A value that is not positive is refused on a logarithmic axis and taken on a linear one."""
    table = _table(("a", x, y))
    assert y == chart(table, _lines()).panels[0].series["a"][0].y
    with pytest.raises(FusemaxError, match="has no place on a logarithmic axis"):
        chart(table, _lines(log="xy"))


def test_a_point_without_its_baseline_is_a_gap() -> None:
    """A speed-up is shown only where the baseline ran too, and the chart says where it did not."""
    content = chart(_table(("a", 1.0, 1.0), ("b", 1.0, 1.0), ("b", 2.0, 1.0)), _lines(baseline="a"))
    assert [1.0] == [point.x for point in content.panels[0].series["b"]]
    assert ("series = b, x = 2.0",) == content.gaps


@pytest.mark.parametrize("missing", [None, float("nan"), float("inf")])
def test_a_point_without_a_value_is_a_gap(missing: float | None) -> None:
    """What one series lacks is left out of its line; all else is shown, and nothing at all is an error of its own."""
    table = _table(("a", 1.0, 1.0), ("a", 2.0, missing), ("b", 1.0, missing))  # type: ignore[arg-type]
    content = chart(table, _lines())
    assert {"a": [(1.0, 1.0)]} == {n: [(p.x, p.y) for p in ps] for n, ps in content.panels[0].series.items()}
    assert ("series = a, x = 2.0", "series = b, x = 1.0") == content.gaps
    with pytest.raises(EmptyFigureError, match="none of the 1 rows has a value of y"):
        chart(_table(("a", 1.0, missing)), _lines())  # type: ignore[arg-type]


def test_a_baseline_alone_is_refused() -> None:
    """With no other series there is nothing to show."""
    with pytest.raises(FusemaxError, match="baseline: there is no series but 'a'"):
        chart(_table(("a", 1.0, 1.0)), _lines(baseline="a"))


def test_a_misspelt_key_is_a_mistake() -> None:
    """A figure of a study file that is read by pydantic may hold no key that a figure does not have."""
    entry = {"file": "mine", "kind": "bars", "x": "m", "y": "t", "panels": ["model"], "tilte": "Mine"}
    with pytest.raises(ValidationError, match=r"tilte\n  Unexpected keyword argument"):
        TypeAdapter(FigureSpec).validate_python(entry)
    entry.pop("tilte")
    assert ("model",) == TypeAdapter(FigureSpec).validate_python(entry).panels


def test_a_scatter_may_have_many_points_at_one_place(tmp_path: Path) -> None:
    """All of them are shown; lines and bars refuse a second one."""
    frame = polars.DataFrame({"area_m2": [1.0, 1.0, 2.0], "latency_s": [3.0, 5.0, 4.0]})
    tables = Tables(folder=tmp_path, tables={"results": table_of(frame)})
    spec = FigureSpec(file="f", kind="scatter", x="area_m2", y="latency_s")
    (panel,) = chart(tables, spec).panels
    assert [(1.0, 3.0), (1.0, 5.0), (2.0, 4.0)] == [(p.x, p.y) for p in panel.series[""]]
    with pytest.raises(FusemaxError, match="two rows for"):
        chart(tables, replace(spec, kind="lines"))
