"""Numbers of a study that double precision does not hold: refused where they are figures, infinite or zero in conditions."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import sympy

from fusemax.cli.check import check_file
from fusemax.cost.graph import Graph
from fusemax.errors import FusemaxError
from fusemax.study.api import sweep_study

STUDY = """kind: sweep
title: t
source: s
parts:
- name: p
  sizes: {{B: 1, H: 1, E: 64, F: 64, P: M}}
  grid:
    M: [64, 128]
    clock: {clock}
  where: ["{where}"]
  outputs: [latency_s]
  configurations:
    c: {{machine: fusemax, mapping: fusemax}}
"""


def study(folder: Path, clock: str = "1 GHz", where: str = "M >= 1") -> Path:
    """Return the file of a study with one figure and one condition."""
    path = folder / "study.yaml"
    path.write_text(STUDY.format(clock=clock, where=where), encoding="utf-8")
    return path


@pytest.mark.parametrize("clock", ["2**-1080", "0*1 GHz", "1 GHz - 2 GHz"])
def test_a_figure_of_numbers_alone_is_checked_as_a_number(tmp_path: Path, clock: str):
    """What a formula without names comes to is known, so that ``check`` refuses what the figure cannot be."""
    with pytest.raises(FusemaxError, match="expected more than zero"):
        check_file(study(tmp_path, clock=clock))


@pytest.mark.parametrize(
    ("where", "points"),
    [
        ("M*2**-1080 <= 0", 2),
        ("latency_s <= 2**-1080", 0),
        ("M*10**200*10**200 >= 1", 2),
    ],
)
def test_conditions_beyond_doubles_compare_zero_and_infinity(tmp_path: Path, where: str, points: int):
    """As arithmetic in double precision has it: 2**-1080 is 0, 1e200 times 1e200 infinite."""
    assert sweep_study(study(tmp_path, where=where)).height == points


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (sympy.Rational(1, 2**1080), 0.0), (sympy.Rational(3**700, 3**699), 3.0), (sympy.Integer(10) ** 400, math.inf),
        (-(sympy.Integer(10) ** 400), -math.inf), (sympy.Rational(1, 3), 1 / 3), (sympy.Rational(10**400, 10**399 + 1), 10.0),
    ],
)  # fmt: skip
def test_a_number_of_a_formula_in_double_precision(number: sympy.Rational, expected: float):
    """The nearest one, where parts of a fraction are beyond double precision too."""
    graph = Graph()
    assert graph.nodes[graph.expression(number, {})].value == expected
