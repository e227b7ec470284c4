"""What a notebook needs: designs with verbs, answers that print, the errors of the command line."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

import fusemax as fm
from fusemax.shipped import find_machine

SIZES = {"B": 1, "H": 2, "E": 64, "F": 64, "M": 2048, "P": 2048}
HOME = find_machine("fusemax").parent


@pytest.fixture(scope="module")
def design() -> fm.Design:
    """The published design."""
    return fm.Design("attention/1-pass", "fusemax", "fusemax")


def test_editors_see_every_public_name() -> None:
    """The stub beside the package lists what the package offers, and each name is there."""
    assert fm.__file__ is not None
    stub = ast.parse(Path(fm.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    listed = {alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}

    assert listed | {"__version__"} == set(fm.__all__)
    assert all(getattr(fm, name).__doc__ for name in listed)
    assert Path(fm.__file__).with_name("py.typed").exists()


def test_one_point_as_the_older_call(design: fm.Design) -> None:
    """The design and cost_of, texts and numbers, figures and with_: one answer."""
    plain = fm.cost_of("attention/1-pass", "fusemax", "fusemax", SIZES, {"L3.size": 2.0**20})

    assert plain.values == design.cost(SIZES, {"L3.size": "1 MiB"}).values
    assert plain.values == design.cost({**SIZES, "M": "2Ki", "P": "M"}, {"L3.size": "1 MiB"}).values
    assert (
        plain.values == design.cost(**{**SIZES, "M": np.int64(2048)}, figures={"L3.size": "1024 KiB"}).values
    )
    assert plain.values == design.with_("L3.size", "1 MiB").cost(SIZES).values
    text = fm.Design(None, HOME / "machine.yaml", (HOME / "fusemax.yaml").read_text())
    assert plain.values == text.with_("L3.size", "1 MiB").check(SIZES).cost(SIZES).values


def test_a_figure_that_is_a_formula_can_be_given(design: fm.Design) -> None:
    """An energy that the machine computes from its depth is free at a point, too."""
    zero = design.cost(SIZES, {"2d.registers.energy.read": 0, "2d.registers.energy.write": "0 J"})

    assert zero.energy_J < design.cost(SIZES).energy_J
    assert 0 == design.cost(SIZES, {"2d.registers.energy.read": "0 J"}).parameters["2d.registers.energy.read"]


def test_a_loop_is_quick(design: fm.Design) -> None:
    """A thousand costs in a loop: well under a millisecond each where nothing else runs; five are allowed here."""
    design.cost(SIZES)
    start = time.process_time()
    for number in range(200):
        design.cost({**SIZES, "M": 2048 + number}, {"L3.size": f"{number + 1024} KiB"})

    assert time.process_time() - start < 200 * 0.005


def test_a_sweep_is_its_points(design: fm.Design) -> None:
    """Each row of a sweep is what one cost says, for a machine that is a value."""
    larger = design.with_("2d.rows", 128)
    fixed = {name: size for name, size in SIZES.items() if name != "M"}
    table = larger.sweep({"M": np.array([1024, 2048]), "L3.size": ["1 MiB", "8 MiB"]}, sizes=fixed)

    assert 4 == len(table)
    for row in table.rows():
        answer = larger.cost({**SIZES, "M": row["M"], "P": 2048}, {"L3.size": f"{row['L3.size']} B"})
        assert (row["latency_s"], row["traffic_B"]) == (answer.latency_s, answer.traffic_B)
    assert table.to_polars().shape == (4, len(table.columns))


def test_answers_print_as_tables(design: fm.Design) -> None:
    """In a shell as text, in a notebook as HTML with its marks escaped, as frames."""
    answer = design.cost(SIZES)
    table = fm.Table("a <b>", {"x<": ["&", None], "y": [1.5, float("nan")]})

    assert "latency_s" in repr(answer)
    assert "<td>latency_s</td>" in answer._repr_html_()
    assert "<caption>a &lt;b&gt;</caption>" in table._repr_html_()
    assert "<th>x&lt;</th>" in table._repr_html_()
    assert "a <b>\nx<    y\n&   1.5\n-     -" == repr(table)
    assert answer.to_polars()["quantity"].to_list()[:2] == ["latency_s", "bound_s"]
    assert {"BQK", "AV"} < set(answer.of("cycles")["einsum"])
    with pytest.raises(fm.FusemaxError, match="hint: did you mean 'cycles'"):
        answer.of("cycle")
    assert "M1" in fm.passes("attention/1-pass").table["rank"]
    assert ["cycles", "latency_s"] == design.simulate({**SIZES, "M": 512, "P": 512}).table["quantity"][:2]


def test_long_tables_are_cut() -> None:
    """Forty rows are printed, and how many more there are."""
    table = fm.Table("t", {"n": list(range(1000))})

    assert repr(table).endswith("39\n... and 960 more rows")
    assert "<p>... and 960 more rows</p>" in table._repr_html_()


def test_answers_draw_themselves(design: fm.Design, tmp_path: Path) -> None:
    """Two files; a notebook gets the drawing."""
    drawing = design.cost(SIZES).plot(tmp_path / "busy")

    assert ["busy.svg", "busy.png"] == [path.name for path in drawing.paths]
    assert drawing._repr_html_().startswith("<svg")
    with pytest.raises(fm.FusemaxError, match="there is no column 'time'; did you mean"):
        fm.Table("t", {"M": [1], "time_s": [1.0]}).plot("M", "time")
    with pytest.raises(fm.FusemaxError, match="kind"):
        fm.Table("t", {"M": [1], "time_s": [1.0]}).plot("M", "time_s", kind="pie")


@pytest.mark.parametrize(
    ("sizes", "figures", "said"),
    [
        ({"M": 4096.5}, {}, "M: expected a whole number of at least 1, got 4096.5"),
        ({"M": 0}, {}, "M: expected a whole number of at least 1, got 0"),
        ({"M": "4 KiB"}, {}, "M: expected a number such as '16Ki', got '4 KiB'"),
        ({"M": "N/2"}, {}, "M: no size is given for N"),
        ({"M": "P/3"}, {}, "M: expected a whole number of at least 1, got 682.667"),
        ({"M": "P", "P": "M"}, {}, "M, P: no size is given for"),
        ({"M": True}, {}, "M: expected a whole number, got True"),
        ({"X": 4}, {}, "X is no rank or size of cascade attention/1-pass"),
        ({}, {"L3.size": 4096}, "hint: write the unit, e.g. '4096 B'"),
        ({}, {"L3.sise": "4 MiB"}, "L3.sise"),
        ({}, {"L3.size": "-4 MiB"}, "expected more than zero"),
        ({}, {"2d.rows": "columns"}, "2d.rows: expected a number or a quantity, got the formula"),
        ({}, {"M": 12}, "M: given as a size and as a figure"),
        ({}, {"L3.size": object()}, "L3.size: a file holds no object"),
        ({}, {"L3.size": "1 kB"}, "L3 is too small"),
    ],
)
def test_values_that_cannot_be_meant(
    design: fm.Design, sizes: dict[str, object], figures: dict[str, object], said: str
) -> None:
    """The rules of the command line and of YAML, as exceptions."""
    with pytest.raises(fm.FusemaxError) as caught:
        design.cost({**SIZES, **sizes}, figures)

    assert said in str(caught.value)


def test_mistakes_have_places(tmp_path: Path) -> None:
    """A file's line, a text's line, the keys of a dict."""
    machine = (HOME / "machine.yaml").read_text().replace("clock: 940 MHz", "clock: 940 MB")
    (tmp_path / "machine.yaml").write_text(machine)
    line = next(n for n, text in enumerate(machine.split("\n"), 1) if text.startswith("clock"))
    values = yaml.load(machine, yaml.BaseLoader)
    for given, place in (
        (tmp_path / "machine.yaml", f"{tmp_path / 'machine.yaml'}:{line}:8: clock"),
        (machine, f"<machine>:{line}:8: clock"),
        (values, "<machine>: clock"),
    ):
        with pytest.raises(fm.ProblemsError) as caught:
            fm.Design(None, given, HOME / "fusemax.yaml")
        assert place in str(caught.value)


def test_search_and_study_from_python(tmp_path: Path) -> None:
    """A mapping that is found is a design; a study leaves its tables."""
    study = {
        "kind": "sweep", "title": "t", "source": "s",
        "parts": [
            {
                "name": "one", "sizes": {**SIZES, "M": [1024, 2048], "P": 1024},
                "configurations": {"ours": {"machine": "fusemax", "mapping": "fusemax"}},
            }
        ],
    }  # fmt: skip
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    results = fm.run(tmp_path / "s.yaml", tmp_path / "out")

    assert 2 == len(results.table())
    assert results.report.exists()
    with pytest.raises(fm.FusemaxError, match="hint: did you mean 'resume'"):
        fm.run(tmp_path / "s.yaml", tmp_path / "out", resum=True)


def test_a_mapping_that_was_found_is_a_design() -> None:
    """Its cost is that of the search, and no more than what it was held against."""
    sizes = {"B": 1, "H": 1, "E": 64, "F": 64, "M": 512, "P": 512}
    found = fm.map("attention/1-pass", "fusemax", sizes, seconds=1, absorb=["SQ"])

    assert found.cost.latency_s == found.design.cost(sizes).latency_s
    assert 0 < found.gap <= 1


def test_a_mapping_may_be_called_best(tmp_path: Path) -> None:
    """The mapper's file is often called so: a sweep takes the file, and searches for nothing."""
    mapping = tmp_path / "best.yaml"
    mapping.write_text(
        find_machine("fusemax").with_name("fusemax.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    sizes = {"B": 1, "H": 2, "E": 64, "F": 64, "P": "M"}
    mine = fm.Design("attention/1-pass", "fusemax", mapping).sweep({"M": [1024, 4096]}, sizes=sizes)
    shipped = fm.Design("attention/1-pass", "fusemax", "fusemax").sweep({"M": [1024, 4096]}, sizes=sizes)

    assert list(shipped["latency_s"]) == list(mine["latency_s"])


def test_a_tile_is_no_figure_of_the_machine() -> None:
    """Who changes the mapping with what changes machines is told how."""
    design = fm.Design("attention/1-pass", "fusemax", "fusemax")
    for name in ("mapping.tiles.M1", "tiles.M1"):
        with pytest.raises(fm.FusemaxError, match=r"changes=\{'tiles\.M1': 4\}"):
            design.with_(name, 4)
