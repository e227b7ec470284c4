"""Designs from names, paths, texts and values: one reading for all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError
from fusemax.library.design import Design
from fusemax.library.load import Library, design_of
from fusemax.machine import figures, load_machine
from fusemax.shipped import find, find_machine

SIZES = {"B": 1, "H": 2, "E": 64, "F": 64, "M": 1024, "P": 1024}
MACHINE = find_machine("fusemax")
MAPPING = MACHINE.parent / "fusemax.yaml"
CASCADE = find("einsums", "attention/1-pass")


def _latency(design: Design, figures: dict[str, float] | None = None) -> float:
    return cost(design.mapped, derive(design.mapped, design.machine), SIZES, figures).latency_s


def _values(path: Path) -> dict:  # type: ignore[type-arg]
    return yaml.load(path.read_text(), yaml.BaseLoader)


def test_every_way_to_give_a_design_is_one_design() -> None:
    """Names, paths, Paths, texts and dicts have the same digest and the same latency."""
    named = design_of("fusemax", "fusemax")
    ways = [
        design_of(str(MACHINE), str(MAPPING), str(CASCADE)),
        design_of(MACHINE, MAPPING, CASCADE),
        design_of(MACHINE.read_text(), MAPPING.read_text(), CASCADE.read_text()),
        design_of(_values(MACHINE), {**_values(MAPPING), "absorb": ("SQ",)}, _values(CASCADE)),
        design_of(named.machine, "fusemax", named.cascade),
    ]

    for way in ways:
        assert figures(named.machine) == figures(way.machine)
        assert _latency(named) == _latency(way)
    assert named.digest == ways[-1].digest
    assert ways[0].digest == ways[1].digest
    assert ("attention/1-pass", "fusemax", "fusemax") == named.names
    assert (CASCADE, MACHINE, MAPPING) == named.files


def test_a_digest_is_of_content_not_of_places(tmp_path: Path) -> None:
    """A comment and another folder change nothing; a figure does."""
    (tmp_path / "machine.yaml").write_text("# mine\n\n" + MACHINE.read_text())
    (tmp_path / "fusemax.yaml").write_text(MAPPING.read_text())
    moved = design_of(tmp_path / "machine.yaml", "fusemax")
    named = design_of("fusemax", "fusemax")

    assert named.digest == moved.digest
    assert named.digest != design_of(named.machine.with_("L3.size", "8 MiB"), "fusemax").digest


@pytest.mark.parametrize(
    ("name", "value", "figure"),
    [
        ("L3.size", "32 MiB", 2.0**25),
        ("clock", "1.2 GHz", 1.2e9),
        ("2d.rows", 128, 128.0),
        ("DRAM.bandwidth", "100 GB/s", 1e11),
        ("DRAM.energy.read", "1 pJ", 1e-12),
        ("1d.operations.div", 4, 4.0),
        ("2d.operations.sub_exp", 3, 3.0),
        ("2d.registers.depth", 16, 16.0),
        ("replicas", 2, 2.0),
    ],
)
def test_a_changed_machine_costs_as_a_changed_figure(name: str, value: object, figure: float) -> None:
    """Law: with_() is what a sweep over the figure does; the machine before is as it was."""
    design = design_of("fusemax", "fusemax")
    changed = design_of(design.machine.with_(name, value), "fusemax")  # type: ignore[arg-type]

    assert cost(changed.mapped, derive(changed.mapped, changed.machine), SIZES).values == pytest.approx(
        cost(design.mapped, derive(design.mapped, design.machine, [name]), SIZES, {name: figure}).values,
        nan_ok=True, rel=1e-12,
    )  # fmt: skip
    assert design.digest == design_of("fusemax", "fusemax").digest


def test_figures_that_a_machine_could_have() -> None:
    """A level without a bandwidth gets one; a formula of other figures is a value, too."""
    machine = design_of("fusemax", "fusemax").machine

    assert "L3.bandwidth" not in figures(machine)
    assert "1000000000" == str(figures(machine.with_("L3.bandwidth", "1 GB/s"))["L3.bandwidth"])
    assert "2d.columns" == str(figures(machine.with_("1d.lanes", "2d.columns"))["1d.lanes"])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("L3.sise", "32 MiB", "hint: did you mean 'L3.size'?"),
        ("L3.size", 2**25, "hint: write the unit, e.g. '33554432 B'"),
        ("L3.size", "32 GB/s", "expected a quantity in B"),
        ("L3.size", "0 B", "expected more than zero"),
        ("2d.rows", 1.5, "expected a whole number"),
        ("2d.rows", "-4", "whole number of at least 1"),
        ("2d.lanes", 4, "2d.lanes follows from 2d.rows, 2d.columns"),
        ("clock", "2d.row", "hint: did you mean '2d.rows'?"),
        ("clock", None, "expected a number, a quantity or a formula, got None"),
        ("L3.ports", 0.5, "expected a whole number"),
    ],
)
def test_a_change_that_cannot_be(name: str, value: object, said: str) -> None:
    """Units are required, ranges checked, names compared."""
    with pytest.raises(FusemaxError) as caught:
        Library().machine("fusemax").with_(name, value)  # type: ignore[arg-type]

    assert said in str(caught.value)


def test_paths_in_a_file_are_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping names a cascade beside it, whatever the working folder; a shipped name is found all the same."""
    home = tmp_path / "mine"
    (home / "chip").mkdir(parents=True)
    (home / "chip" / "machine.yaml").write_text(MACHINE.read_text())
    (home / "own.yaml").write_text(CASCADE.read_text())
    (home / "map.yaml").write_text(MAPPING.read_text().replace("attention/1-pass", "own.yaml"))
    (tmp_path / "own.yaml").write_text("title: another\n")
    monkeypatch.chdir(tmp_path)
    library = Library(home)

    assert home / "own.yaml" == Path(library.design("chip", "map.yaml").cascade.file)
    assert CASCADE == Path(library.design("chip", MAPPING).cascade.file)
    assert library.machine("chip") is library.machine("chip")


def test_mistakes_of_all_parts_come_together() -> None:
    """A machine and a cascade of values: problems name keys; a text has lines."""
    machine = {**_values(MACHINE), "clock": "fast"}
    cascade = CASCADE.read_text().replace("BQK[", "BQK[[", 1)
    with pytest.raises(FusemaxError) as caught:
        design_of(machine, "fusemax", cascade)

    assert "<machine>: clock: expected a quantity in Hz such as '940 MHz', got 'fast'" in str(caught.value)
    assert "<cascade>:" in str(caught.value)


def test_values_of_numpy_and_none_that_a_file_holds() -> None:
    """Numbers and arrays of numpy are numbers and lists; other things are refused by their keys."""
    machine = _values(MACHINE)
    machine["units"]["2d"]["shape"] = {"rows": np.int64(128), "columns": np.float64(64)}
    found = figures(Library().machine(machine))

    assert ["128", "64"] == [str(found["2d.rows"]), str(found["2d.columns"])]
    machine["doc"] = machine
    with pytest.raises(FusemaxError, match="doc: holds itself"):
        Library().machine(machine)
    with pytest.raises(FusemaxError, match="doc: a file holds no object"):
        Library().machine({**_values(MACHINE), "doc": object()})
    with pytest.raises(
        FusemaxError, match="machine: expected a name, a path, a text in YAML, or a dict, got int"
    ):
        Library().machine(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [None, 3, ["L3.size"]])
def test_a_figure_is_called_by_its_name(name: object) -> None:
    """Whatever is given for one is answered in our words."""
    with pytest.raises(FusemaxError, match=r"is no figure of this machine"):
        load_machine("fusemax")[0].with_(name, "8 MiB")  # type: ignore[arg-type]
