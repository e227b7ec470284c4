"""Configurations whose mapping is searched for: what is found, what tables tell, and what is refused before it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import polars
import pytest

from fusemax.cascade.build import load_cascade
from fusemax.cli.check import check_file
from fusemax.cost.point import cost_of
from fusemax.errors import FusemaxError
from fusemax.machine import load_machine
from fusemax.search.answer import best_mapping, priced_text
from fusemax.search.plan import Strategy
from fusemax.search.strategies import STRATEGIES
from fusemax.study.jobs.job import Job
from fusemax.study.spec.axis import Axis
from fusemax.study.spec.choice import Searched
from fusemax.study.tables.sought_shelf import corners_of
from tests.study.engine import run_file

LINEAR = """title: a product
source: own
inputs: {X: [I, K], W: [K, O]}
outputs: [Y]
einsums: |
  Y[i,o] = X[i,k] * W[k,o] :: sum[k]
"""
STUDY = """kind: sweep
title: best mappings
source: own
parts:
- name: points
  sizes: {B: 4, H: 2, E: 64, F: 64, M: [1Ki, 3000], P: M}
  configurations:
    hand: {machine: fusemax, mapping: fusemax}
    best: {machine: fusemax, mapping: best, cascade: attention/1-pass}
- name: grid
  sizes: {B: 4, H: 2, E: 64, F: 64, P: M}
  grid: {M: [1Ki, 2Ki], L3.size: [64 KiB, 16 MiB], 2d.shape: [128, 256]}
  where: [M*L3.size > 1 GiB]
  configurations:
    best:
      machine: fusemax
      cascade: attention/1-pass
      mapping: {for: traffic, seconds: 5}
      figures: {1d.lanes: 2d.columns}
"""


def _run(tmp_path: Path, text: str) -> tuple[Path, list[dict]]:
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    out = run_file(tmp_path / "study.yaml", tmp_path / "out")
    return out, polars.read_csv(out / "results.csv", infer_schema_length=None).to_dicts()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    """Return the folder and the rows of a study with points and a grid."""
    return _run(tmp_path_factory.mktemp("sought"), STUDY)


def test_every_point_has_its_own_best_mapping(ran: tuple[Path, list[dict]]) -> None:
    """The rows are what the search finds at each point; none is slower than the mapping written by hand."""
    machine, _ = load_machine("fusemax")
    cascade = load_cascade("attention/1-pass")
    points = [row for row in ran[1] if row["part"] == "points"]
    for length in (1024, 3000):
        hand, best = (row for row in points if row["seq_len"] == length)
        sizes = {"B": 4, "H": 2, "E": 64, "F": 64, "M": length, "P": length}
        answer = best_mapping(cascade, machine, sizes)

        assert hand["latency_s"] == cost_of("attention/1-pass", "fusemax", "fusemax", sizes).latency_s
        assert best["latency_s"] == answer.cost.latency_s <= hand["latency_s"]
        assert best["least_latency_s"] == pytest.approx(best["covered"] * best["latency_s"], rel=1e-12)
        assert hand["covered"] is None


def test_points_of_a_grid_are_searched_and_conditions_hold_before(ran: tuple[Path, list[dict]]) -> None:
    """What a condition leaves out is no row; formulas of the study hold; for the least traffic, tensors move once."""
    rows = [row for row in ran[1] if row["part"] == "grid"]

    assert [(row["M"], row["L3.size"], row["2d.rows"]) for row in rows] == [
        (length, 2.0**24, side) for length in (1024, 2048) for side in (128, 256)
    ]
    for row in rows:
        assert row["traffic_B"] == 4 * 2 * row["M"] * 4 * 64 * 2  # Q, K, V and the output, of 2 bytes
        assert row["covered"] == 1


def test_the_mappings_found_are_files_that_cost_takes(ran: tuple[Path, list[dict]]) -> None:
    """The column names the file; its price on the machine of the row is the row's."""
    row = next(row for row in ran[1] if row["part"] == "points" and row["configuration"] == "best")
    name = row["mapping"].split(":")[0].removeprefix("best ")
    sizes = {"B": 4, "H": 2, "E": 64, "F": 64, "M": 1024, "P": 1024}
    file = str(ran[0] / "mappings" / f"{name}.yaml")

    assert cost_of("attention/1-pass", "fusemax", file, sizes).latency_s == row["latency_s"]
    assert "M0=" in row["mapping"]


def test_the_long_table_tells_what_makes_up_each_row(ran: tuple[Path, list[dict]]) -> None:
    """Its energies add up to those of the results, for mappings found as for those of files."""
    long = polars.read_csv(ran[0] / "breakdown.csv", infer_schema_length=None)
    for row in ran[1]:
        if row["part"] != "points":
            continue
        mine = long.filter(
            (polars.col("part") == "points")
            & (polars.col("configuration") == row["configuration"])
            & (polars.col("seq_len") == row["seq_len"])
        )
        assert mine.filter(polars.col("kind") == "energy")["value"].sum() == pytest.approx(row["energy_J"])


def test_the_rooflines_are_those_of_the_mappings_found(ran: tuple[Path, list[dict]]) -> None:
    """No unit is quicker than its roof, and the one that is busy all the time is at it."""
    roofs = polars.read_csv(ran[0] / "roofline.csv", infer_schema_length=None)
    best = roofs.filter((polars.col("part") == "points") & (polars.col("configuration") == "best"))

    assert set(best["unit"]) == {"1d", "2d"}
    assert (best["speed"] <= best["peak"]).all()
    assert (best["speed"] == best["peak"]).any()  # the array is busy all the time at 1K


def test_a_cascade_of_ones_own_and_a_machine_on_which_nothing_fits(tmp_path: Path) -> None:
    """The file of the mapping names the cascade from where it lies; what fits nowhere is a row with its reason."""
    (tmp_path / "linear.yaml").write_text(LINEAR, encoding="utf-8")
    out, rows = _run(
        tmp_path,
        "kind: sweep\ntitle: t\nsource: own\nparts:\n- name: a\n  sizes: {I: 512, K: 512, O: 512}\n"
        "  tables: {buffer: {large: {L3.size: 1 MiB}, none: {L3.size: 1 B}}}\n  configurations:\n"
        "    one: {machine: fusemax, mapping: best, cascade: linear.yaml}\n",
    )
    large, none = rows
    (file,) = (out / "mappings").iterdir()

    assert (large["fits"], none["fits"]) == (True, False)
    assert "nearest miss" in none["reason"]
    assert "L3" in none["reason"]
    assert (
        cost_of(str(tmp_path / "linear.yaml"), "fusemax", str(file), {"I": 512, "K": 512, "O": 512}).latency_s
        == (large["latency_s"])
    )


PART = """kind: sweep
title: t
source: own
parts:
- name: a
  sizes: {{B: 4, H: 2, E: 64, F: 64, M: 1Ki, P: M}}
  configurations: {{one: {{machine: {machine}, {rest}}}}}
  {more}
"""


@pytest.mark.parametrize(
    ("machine", "rest", "more", "said"),
    [
        ("fusemax", "mapping: best", "", "needs a cascade"),
        ("fusemax", "mapping: best, cascade: attention/none", "", "attention/none"),
        ("fusemax", "mapping: fusemax, cascade: attention/1-pass", "", "names its own cascade"),
        ("fusemax", "mapping: best, cascade: attention/1-pass, changes: {tiles.M0: 4}", "", "no file to change"),
        ("fusemax", "cascade: attention/1-pass, mapping: {for: speed}", "", "expected 'latency', 'energy'"),
        ("fusemax", "cascade: attention/1-pass, mapping: {secs: 5}", "", "unknown key 'secs'"),
        ("fusemax", "cascade: attention/1-pass, mapping: {within: {keep: {L9: [K]}}}", "", "no such level"),
        ("fusemax", "cascade: attention/1-pass, mapping: {absorb: [XX]}", "", "no Einsum XX"),
        ("fusemax", "cascade: attention/1-pass, mapping: best", "outputs: [latency]", "no output 'latency'"),
        ("fusemax", "cascade: attention/1-pass, mapping: best", "where: [latncy_s < 1 s]", "'latncy_s' is no size"),
        ("fusemax", "cascade: attention/1-pass, mapping: best", "grid: {tiles.M0: [4, 8]}", "tiles that are found"),
        ("fusemax", "cascade: softmax/stable, mapping: best", "", "size"),
        ("flat", "cascade: causal/masked-1-pass, mapping: best", "", "no unit of this machine can do"),
    ],
)  # fmt: skip
def test_check_says_before_a_search_what_it_would_stumble_over(
    tmp_path: Path, machine: str, rest: str, more: str, said: str
) -> None:
    """Names, keys, sizes and operations, with the place in the file; nothing is searched for."""
    path = tmp_path / "study.yaml"
    path.write_text(PART.format(machine=machine, rest=rest, more=more), encoding="utf-8")
    with pytest.raises(FusemaxError) as error:
        check_file(path)

    assert said in str(error.value)
    assert f"{path}:" in str(error.value)


def test_figures_of_what_makes_up_a_mapping_that_is_still_to_be_found(tmp_path: Path) -> None:
    """Energy by component and a roofline beside a configuration of a file: check cannot lay them out, and says no more."""
    (tmp_path / "product.yaml").write_text(LINEAR, encoding="utf-8")
    study = """kind: sweep
title: "a [bold]study[/bold]"
source: own
parts:
- name: points
  sizes: {I: 64, K: 64, O: 64}
  configurations:
    "a configuration with a long name": {machine: fusemax, mapping: best, cascade: product.yaml}
    "another one with a long name": {machine: flat, mapping: best, cascade: product.yaml}
summary: {parts: [points]}
figures:
- {file: energy, kind: stacks, x: configuration, y: value, series: component, table: breakdown, where: {kind: energy}}
- {file: roof, kind: roofline, x: intensity, y: speed, series: configuration, table: roofline, where: {unit: 2d}}
"""
    (tmp_path / "study.yaml").write_text(study, encoding="utf-8")
    assert "study, sweep" == check_file(tmp_path / "study.yaml")

    command = [sys.executable, "-m", "fusemax", "run", "study.yaml", "-o", "out"]
    room = {**os.environ, "COLUMNS": "50"}
    said = subprocess.run(command, cwd=tmp_path, env=room, capture_output=True, text=True, check=True).stdout

    assert {"energy.svg", "roof.svg"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert "2 figures" in said
    assert "a configuration with a long name" in said
    assert "…" not in said


def test_a_strategy_is_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies take every strategy that the mapper has, and no other."""
    monkeypatch.setitem(cast("dict[str, Strategy]", STRATEGIES), "mine", STRATEGIES["apart"])

    assert "mine" == Searched.model_validate({"search": "mine"}).search
    with pytest.raises(ValueError, match="no strategy 'joind'; there are: joined, apart, exhaustive, mine"):
        Searched.model_validate({"search": "joind"})


def test_a_search_of_a_correction(tmp_path: Path) -> None:
    """A correction has the best mapping searched for: what a study of the audit's kind asks at its end."""
    _, rows = _run(
        tmp_path,
        "kind: sweep\ntitle: t\nsource: own\nparts:\n- name: a\n  sizes: {B: 4, H: 2, E: 64, F: 64, M: 1Ki, P: M}\n"
        "  configurations: {FuseMax: {machine: fusemax, mapping: fusemax}}\n"
        "corrections:\n- {name: ports, title: one port, machines: {fusemax: {levels.L3.ports: 1}}}\n"
        "- {name: best, title: the best mapping, search: {FuseMax: {cascade: attention/1-pass}}}\n"
        "together: [ports, best]\n",
    )
    by_step = {(row["path"], row["step"]): row for row in rows}

    assert by_step["alone", "best"]["latency_s"] < by_step["start", "start"]["latency_s"]
    assert 1.4 * by_step["together", "best"]["latency_s"] <= by_step["together", "ports"]["latency_s"]


def test_a_large_grid_takes_the_structures_of_a_few_points(tmp_path: Path) -> None:
    """Each point has its own tiles; against full searches at some, nothing is lost, and prices are those of files."""
    out, rows = _run(
        tmp_path,
        "kind: sweep\ntitle: t\nsource: own\nparts:\n- name: a\n  sizes: {B: 4, H: 2, E: 64, F: 64, P: M}\n"
        "  grid: {M: [1Ki, 3000], 2d.shape: [64, 128], L3.size: [1 MiB, 4 MiB, 16 MiB],\n"
        "    clock: {from: 500 MHz, to: 2 GHz, steps: 6}}\n"
        "  configurations: {one: {machine: fusemax/ported, mapping: best, cascade: attention/1-pass}}\n",
    )
    machine, _ = load_machine("fusemax/ported")
    cascade = load_cascade("attention/1-pass")

    assert len(rows) == 72
    assert all(row["fits"] and 0 < row["covered"] <= 1 for row in rows)
    for row in rows[5::29]:
        sizes = {"B": 4, "H": 2, "E": 64, "F": 64, "M": row["M"], "P": row["M"]}
        figures = {name: row[name] for name in ("2d.rows", "2d.columns", "L3.size", "clock")}
        name = row["mapping"].split(":")[0].removeprefix("best ")
        text = (out / "mappings" / f"{name}.yaml").read_text()
        _, priced = priced_text(text, cascade, machine, sizes, figures)
        full = best_mapping(cascade, machine, sizes, figures)

        assert priced.latency_s == pytest.approx(row["latency_s"], rel=1e-12)
        assert row["latency_s"] <= 1.02 * full.cost.latency_s
        assert row["least_latency_s"] == pytest.approx(full.bound.latency_s, rel=1e-9)


def test_the_corners_of_a_grid_are_the_same_for_every_part_of_it() -> None:
    """Ends and middles of every axis, each point once."""
    axes = (Axis(names=("M",), values=((1.0, 2.0, 3.0),)), Axis(names=("L3.size",), values=((1.0, 2.0),)))
    job = SimpleNamespace(outer=Axis(), axes=axes)

    assert set(corners_of(cast(Job, job))) == {3, 0, 5, 1, 2}
