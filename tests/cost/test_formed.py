"""Formulas that two designs share are worked out once: what comes out is what each alone gives."""

from __future__ import annotations

import random
from copy import deepcopy
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from fusemax.cost.direct import values_at
from fusemax.cost.evaluate import Evaluator, cost, evaluate_lines
from fusemax.cost.extents import asked_before
from fusemax.cost.formed import figure_lines, formed
from fusemax.cost.graph import graph_of
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.language.figure import figure_kind
from fusemax.language.syntax import Number
from fusemax.library.load import Library
from fusemax.machine import Machine, machine_of
from fusemax.mapping.spec import with_changes
from fusemax.shipped import shipped
from fusemax.source import read_yaml
from tests.cost.test_sweep_bits import MAPPINGS, masked_program, program_of, random_values

LIBRARY = Library()
TILES = {
    "fusemax": {"tiles.M0": "3*2d.columns", "tiles.P0": "M0"},
    "gpu/flash2": {"tiles.M0": "48"},
    "linear-rows": {"tiles.N0": "5"},
}


def other_machine(name: str, seed: int) -> Machine:
    """Return a machine alike but for some numbers."""
    dice = random.Random(seed)
    machine = LIBRARY.machine(name)
    numbers = [n for _, n, value in machine.walked if isinstance(value, Number) and "operations" not in n]
    values = {n: value.value for _, n, value in machine.walked if isinstance(value, Number)}
    for figure in dice.sample(numbers, 4):
        unit = figure_kind(figure).unit
        value = 2 * values[figure]
        machine = machine.with_(figure, value if unit == "1" else f"{value!r} {unit}")
    return machine


def alone(mapped, machine) -> Program:
    """Return the program with nothing known of others."""
    formed.cache_clear()
    figure_lines.cache_clear()
    asked_before.cache_clear()
    return derive(mapped, machine)


@pytest.mark.parametrize(("machine", "mapping"), MAPPINGS)
def test_a_design_alike_but_for_numbers_has_its_own_program(machine: str, mapping: str):
    """Other figures and other tiles, after a design of the same shape: line by line what is derived with nothing known."""
    first = LIBRARY.design(machine, mapping)
    for number in range(3):
        described = other_machine(machine, number)
        changes = TILES.get(mapping, {}) if number else {}
        mapped = LIBRARY.design(described, mapping, changes=changes).mapped
        derive(first.mapped, first.machine)
        found, expected = derive(mapped, described), alone(mapped, described)
        assert found.lines == expected.lines
        assert list(found.parameters.items()) == list(expected.parameters.items())
        assert found.missing == expected.missing


def test_loops_in_another_order_and_other_keeps_have_their_own_program():
    """What was counted for nests of the same roots, and of others, changes no line of the next one."""
    described = LIBRARY.machine("fusemax")
    plain = yaml.safe_load(shipped("arch")["fusemax/fusemax"].read_text(encoding="utf-8"))
    designs = []
    for number, order in enumerate(permutations(("b", "h", "p2"))):
        mapping: Any = deepcopy(plain)
        nest = mapping["nests"][0]
        nest["for"] = list(order)
        nest["keep"] = {"L3": [["RM", "RD", "RNV"], ["Q", "RM", "RD", "RNV"]][number % 2]}
        nest["do"][0]["keep"] = {"L3": [["K", "V"], ["K"], ["V"]][number % 3]}
        if number >= 4:
            mapping["tiles"]["B0"] = "4"
            nest["for"] = [*("b1" if loop == "b" else loop for loop in order), "b0"]
        designs.append(LIBRARY.design(described, mapping).mapped)
    formed.cache_clear()
    asked_before.cache_clear()
    together = [derive(mapped, described) for mapped in designs]
    for mapped, found in zip(designs, together, strict=True):
        expected = alone(mapped, described)
        assert found.lines == expected.lines
        assert list(found.parameters.items()) == list(expected.parameters.items())
    assert len({tuple(map(str, program.lines)) for program in together}) == len(together)


def test_a_tile_that_was_given_elsewhere_is_a_size_where_it_is_left_open():
    """``M0: M0`` leaves a tile to the workload, also after a mapping that cuts it by a number."""
    machine = LIBRARY.machine("fusemax")
    cut = LIBRARY.design(machine, "fusemax", changes={"tiles.M0": 64}).mapped
    left = LIBRARY.design(machine, "fusemax", changes={"tiles.M0": "M0"}).mapped
    assert "M0" not in derive(cut, machine).parameters
    assert derive(left, machine).parameters["M0"] is None


def test_what_is_no_number_makes_another_shape():
    """A level that holds more tensors, a figure that becomes a formula, an operation that is charged twice."""
    machine = LIBRARY.machine("fusemax")
    plain = LIBRARY.design(machine, "fusemax")
    formula = machine.with_("DRAM.bandwidth", "1 GB/s * L3.size / 2**20")
    mapped = LIBRARY.design(formula, "fusemax").mapped
    assert derive(plain.mapped, machine).parameters["DRAM.bandwidth"] is not None
    assert "DRAM.bandwidth" not in derive(mapped, formula).parameters
    operation: dict[str, Any] = {"cycles": 1, "actions": {"mul": 1}}
    document = {
        "title": "t", "source": "s", "clock": "1 GHz", "word": "2 B", "levels": {"DRAM": {"bandwidth": "1 GB/s"}},
        "units": {"alu": {"shape": {"lanes": 4}, "operations": {"mul": operation}, "energy": {"mul": "1 pJ"}}},
    }  # fmt: skip
    cascade = {
        "title": "t",
        "source": "s",
        "inputs": {"X": ["M"]},
        "outputs": ["Y"],
        "einsums": "Y[m] = X[m]*2",
    }
    mapping = {
        "title": "t", "source": "s", "cascade": "c", "bind": {"alu": ["Y"]}, "schedule": "serial",
        "nests": [{"for": ["m"], "do": ["Y"]}],
    }  # fmt: skip
    energies = []
    for times in (1, 2, 1):
        operation["actions"]["mul"] = times
        design = LIBRARY.design(document, mapping, cascade)
        program = derive(design.mapped, design.machine)
        energies.append(
            Evaluator(design.mapped, program).cost({"M": 10}).values["energy_J[alu,mul]"],
        )
    assert energies == [10e-12, 20e-12, 10e-12]


@pytest.mark.parametrize(("machine", "mapping"), MAPPINGS)
def test_the_first_point_has_the_bits_of_those_after_it(machine: str, mapping: str):
    """Operation by operation, or by the text of the kernel: the same bits of every line, searches of tiles included."""
    program = program_of(machine, mapping)
    graph, wanted = graph_of(program, [line.name for line in program.lines])
    for seed in range(8):
        point = {name: values[0] for name, values in random_values(program, seed).items()}
        found = values_at(graph, wanted, point)
        (expected,) = evaluate_lines(program, program.lines, [point])
        if found is None:
            assert not np.all(np.isfinite(expected))
        else:
            assert np.array_equal(np.array(found), np.array(expected), equal_nan=True)


@pytest.mark.parametrize("cascade", ["grouped/causal", "grouped/window"])
@pytest.mark.parametrize("length", [1, 77, 4096, 2**31 + 5, 2**40 - 1])
def test_the_first_point_under_a_mask_has_the_bits_of_those_after_it(cascade: str, length: int):
    """Functions that take many numbers, at lengths whose squares are beyond 64 bits too."""
    program = masked_program(cascade)
    graph, wanted = graph_of(program, [line.name for line in program.lines])
    point = {**program.parameters, "M": float(length), "P": float(length)}
    found = values_at(graph, wanted, point)
    (expected,) = evaluate_lines(program, program.lines, [point])
    assert found is not None
    assert np.array_equal(np.array(found), np.array(expected), equal_nan=True)


def test_what_an_operation_does_is_part_of_the_structure() -> None:
    """Two machines whose divisions are made of other actions have formulas of their own, whichever is asked first."""
    plain = LIBRARY.machine("flat")
    actions = {"units.1d.operations.div": {"cycles": 1, "actions": {"mac": 1}}}
    other = machine_of(with_changes(read_yaml(Path(plain.file)), actions))
    sizes = {"B": 1, "H": 1, "E": 64, "F": 64, "M": 1024, "P": 1024}

    def energy_J(machine: Machine) -> float:  # noqa: N802 - joules
        mapped = LIBRARY.design(machine, "unfused").mapped
        return cost(mapped, derive(mapped, machine), sizes).energy_J

    values = {n: value.value for _, n, value in plain.walked if isinstance(value, Number)}
    expected_J = 1024 * 1024 * (values["1d.energy.div"] - values["1d.energy.mac"])
    assert energy_J(plain) - energy_J(other) == pytest.approx(expected_J, rel=1e-9)
