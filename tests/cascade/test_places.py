"""Places that numbers or sizes name: sizes with which one is not there are refused by name, whoever asks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fusemax.analysis.rewrite.trial_inputs import example_sizes
from fusemax.cascade.build import cascade_from_text
from fusemax.cascade.evaluate import evaluate
from fusemax.cascade.sizes import SizeError, resolve_sizes
from fusemax.cli import build

CASCADE = """
title: t
source: s
inputs: {N: [J, M]}
outputs: [Y]
einsums: |
  Z[m] = N[0,m] - N[2,m]
  Y[m] = Z[m]*Z[m]
"""
LAST = """
title: t
source: s
inputs: {X: [M]}
outputs: [Y, U]
ranks: {M: M1*M0}
sizes: [W]
einsums: |
  S[0] = 0
  loop m1:
    L[m1]   = X[m1*M0+m0] :: sum[m0]
    S[m1+1] = S[m1] + L[m1]
  Y[] = S[M1] + X[M-W]
  U[] = L[3] + L[0]
"""
MACHINE = """
title: t
source: s
clock: 1 Hz
word: 1 B
levels: {DRAM: {}}
units: {u: {shape: {lanes: 1}, operations: {add: 1, sub: 1, mul: 1}}}
"""
MAPPING = """
title: t
source: s
cascade: cascade.yaml
nests: [{for: [m], do: [Z, Y]}]
bind: {u: [Z, Y]}
"""
STUDY = """
kind: sweep
title: t
source: s
parts:
- name: a
  sizes: {J: [3, 2], M: 4}
  configurations: {x: {machine: machine.yaml, mapping: mapping.yaml}}
"""
MESSAGE = "N[2,m] is not there: rank J=2 has the places 0 to 1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the cascade, a machine and a mapping."""
    for name, text in (("cascade", CASCADE), ("machine", MACHINE), ("mapping", MAPPING)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


@pytest.mark.parametrize("j", [1, 2])
def test_a_place_beyond_the_rank_is_refused(j: int) -> None:
    """Place 2 needs three of them."""
    with pytest.raises(SizeError) as caught:
        resolve_sizes(cascade_from_text(CASCADE), {"J": j, "M": 4})

    has = "0 to 0" if j == 1 else "0 to 1"
    assert str(caught.value) == f"N[2,m] is not there: rank J={j} has the places {has}"


def test_the_last_place_is_there() -> None:
    """Of three places the last one has number 2."""
    assert resolve_sizes(cascade_from_text(CASCADE), {"J": 3, "M": 4}) == {"J": 3, "M": 4}


def test_all_places_are_told_and_generations_are_one_more() -> None:
    """M1 chunks have generations 0 to M1; M - W with W above M is before the first place, L[3] wants four chunks."""
    cascade = cascade_from_text(LAST)
    with pytest.raises(SizeError) as caught:
        resolve_sizes(cascade, {"M1": 3, "M0": 2, "W": 7})

    assert str(caught.value) == (
        "X[M-W] is not there: M - W is -1, and rank M=6 has the places 0 to 5; "
        "L[3] is not there: rank M1=3 has the places 0 to 2"
    )
    assert resolve_sizes(cascade, {"M1": 4, "M0": 2, "W": 8})["M"] == 8


def test_a_tile_that_only_stands_in_is_not_asked() -> None:
    """M0 = 1 stands for a tile that is chosen later: M1 follows from it, M and W do not."""
    cascade = cascade_from_text(LAST)
    assert resolve_sizes(cascade, {"M": 3, "M0": 1, "W": 1}, ["M0"])["M1"] == 3

    with pytest.raises(SizeError, match=r"^X\[M-W\] is not there"):
        resolve_sizes(cascade, {"M": 3, "M0": 1, "W": 4}, ["M0"])


def test_values_are_refused() -> None:
    """The place is no element that is left out of the sum."""
    with pytest.raises(SizeError, match="rank J=2 has the places 0 to 1"):
        evaluate(cascade_from_text(CASCADE), {"N": np.ones((2, 4))})


def test_example_sizes_have_all_places() -> None:
    """Random trials of a cascade are large enough for the places that it names."""
    assert example_sizes(cascade_from_text(CASCADE), (2, (2,)))["J"] == 3


@pytest.mark.parametrize("command", ["cost", "simulate", "map"])
def test_commands_refuse_it(command: str, folder: Path) -> None:
    """Whoever counts says the same, before anything is counted."""
    mapping = [] if command == "map" else ["--mapping", str(folder / "mapping.yaml")]
    arguments = [command, str(folder / "cascade.yaml"), "--machine", str(folder / "machine.yaml"), *mapping]

    found = CliRunner().invoke(build(), [*arguments, "--set", "J=2", "--set", "M=4"])
    assert found.exit_code == 1
    assert str(found.exception) == MESSAGE

    right = CliRunner().invoke(build(), [*arguments, "--set", "J=3", "--set", "M=4", "--json"])
    assert right.exit_code == 0, right.output
    assert json.loads(right.stdout)


def _run(folder: Path, text: str) -> str:
    """Run a study of *text*; return what is said against it."""
    study = folder / "study.yaml"
    study.write_text(text)
    found = CliRunner().invoke(build(), ["run", str(study), "--out", str(folder / "out")])
    return str(found.exception) if found.exit_code else ""


def test_a_study_refuses_it(folder: Path) -> None:
    """Of two points one is not there: the study says which place, not a number."""
    assert MESSAGE in _run(folder, STUDY)


@pytest.mark.parametrize("mapping", ["mapping.yaml", "best, cascade: cascade.yaml"])
def test_a_grid_refuses_it(mapping: str, folder: Path) -> None:
    """A size on an axis of its own too, unless a condition leaves such points out."""
    grid = STUDY.replace("{J: [3, 2], M: 4}", "{M: 4}\n  grid: {J: [3, 2, 4]}\n  WHERE")
    grid = grid.replace("mapping: mapping.yaml", f"mapping: {mapping}")

    assert "N[2,m] is not there: beyond the last place of rank J at J=2\n" in _run(
        folder, grid.replace("WHERE", "")
    )
    assert not _run(folder, grid.replace("WHERE", "where: [J >= 3]"))


def test_a_place_in_a_chunk_beyond_its_end_is_not_there() -> None:
    """Seven ones in chunks of five: the last chunk has two, by any name of the place in it, in sums and in maxima."""
    text = """
title: t
source: s
inputs: {X: [T]}
ranks: {T: I1*I0, J0: I0}
outputs: [Y, Z, L]
einsums: |
  G[i1,i0] = X[i1*I0+i0]*X[i1*I0+i0]
  Y[i1]    = X[i1*I0+j0] :: sum[j0]
  Z[i1,i0] = G[i1,j0]*X[i1*I0+i0] :: sum[j0]
  L[i1]    = X[i1*I0+i0] + X[i1*I0+j0] :: sum[i0,j0]
"""
    found = evaluate(cascade_from_text(text), {"X": np.ones(7)}, {"I0": 5})

    assert found["Y"].tolist() == [5, 2]
    assert found["Z"][0].tolist() == [5] * 5
    assert found["Z"][1, :2].tolist() == [2, 2]
    assert found["L"].tolist() == [2 * 25, 2 * 4]
