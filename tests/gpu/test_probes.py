"""The prepared run on a GPU: its grid, what is read from its probes, and its kernels without a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from fusemax.gpu.backends import BACKENDS
from fusemax.gpu.grid import read_grid

FOLDER = Path(__file__).parent.parent.parent / "benchmarks" / "gpu"
TABLE = """\
probe,parameter,repetitions,median_s,p10_s,p90_s,amount,unit,clock_Hz,queued
launches,1,9,5e-6,0,0,1,,,1
launches,16,9,35e-6,0,0,16,,,1
read cold,65536,9,8e-6,0,0,65536,B,,1
read cold,1048576,9,4e-6,0,0,1048576,B,,1
mixed alone 1,4:0,9,8e-3,0,0,1,epochs,,1
mixed alone 1,0:1,9,2e-3,0,0,1,epochs,,1
mixed alone 1,4:1,9,8.4e-3,0,0,1,epochs,,1
mixed chained 1,4:1,9,10e-3,0,0,1,epochs,,1
mixed chained 2,4:1,9,9e-3,0,0,1,epochs,,1
"""


@pytest.fixture(scope="module")
def hidden() -> Any:
    """The module that reads a run, which lies in no package."""
    spec = spec_from_file_location("hidden", FOLDER / "hidden.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_read_from_a_run(hidden: Any, tmp_path: Path) -> None:
    """A quarter beside the products: 80% hidden by chance between two groups, none in a chain; 2 us a launch; 8 then 262 GB/s.

    Mixtures whose parts were not timed by themselves tell nothing.
    """
    (tmp_path / "probes.csv").write_text(TABLE, encoding="utf-8")
    found = hidden.medians(tmp_path / "probes.csv")
    overlaps = {(name, what): (slack, part) for name, what, slack, part in hidden.overlaps(found)}
    assert overlaps == {
        ("mixed alone 1", "4:1"): pytest.approx((0.25, 0.8)),
        ("mixed chained 1", "4:1"): pytest.approx((0.25, 0.0), abs=1e-9),
    }
    assert hidden.launch_s(found) == pytest.approx(2e-6)
    assert hidden.ramp(found) == [(65536, pytest.approx(8.192e9)), (1048576, pytest.approx(262.144e9))]


def test_the_law_beside_it(hidden: Any) -> None:
    """One group hides nothing; two hide 4/5 of a quarter and 1/2 of an equal; twelve hide nearly all of a quarter."""
    assert hidden.in_turns(0.3, 1) == pytest.approx(0, abs=1e-12)
    assert hidden.in_turns(0.25, 2) == pytest.approx(0.8)
    assert hidden.in_turns(1, 2) == pytest.approx(0.5)
    assert hidden.in_turns(0.25, 12) > 0.999


def test_the_grid_is_one_run() -> None:
    """Every backend is known, and there are no more points than ten minutes have room for."""
    points = read_grid(FOLDER / "grid.yaml", tuple(BACKENDS))
    assert 60 <= len(points) <= 120
    assert any(point.steady for point in points)
    assert any(point.traffic for point in points)


def test_the_run_is_a_sound_script() -> None:
    """Its syntax holds, and without a folder it says how it is called."""
    script = str(FOLDER / "run.sh")
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    done = subprocess.run(["bash", script], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "usage: benchmarks/gpu/run.sh FOLDER" in done.stderr


def test_measuring_needs_pydantic_and_nothing_else(tmp_path: Path) -> None:
    """What a bare machine lacks is not imported: no typer, yaml, sympy, polars or numba."""
    code = (
        "import sys, fusemax.gpu.measure\n"
        "print([m for m in ('typer', 'yaml', 'sympy', 'polars', 'numba', 'rich', 'networkx') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.skipif(not (find_spec("torch") and find_spec("triton")), reason="needs torch and triton")
def test_probes_run_on_the_cpu_and_compile_for_a_gpu(hidden: Any, tmp_path: Path) -> None:
    """Interpreted, every probe leaves a row; compiled for compute capability 9.0, two blocks have room in a core's memory."""
    out = tmp_path / "probes.csv"
    command = [sys.executable, str(FOLDER / "probes.py")]
    interpreted = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [*command, str(out), "60"], env=interpreted, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = hidden.medians(out)
    assert {probe for probe, _ in found} == {
        *("launches", "read cold", "read again", "product"),
        *(f"mixed {kind} {blocks}" for kind in ("alone", "chained") for blocks in (1, 2)),
    }
    done = subprocess.run([*command, "--compile", "90"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shared = {line.split(": ")[0]: int(line.split(": ")[1].split()[0]) for line in done.stdout.splitlines()}
    assert set(shared) == {"alone", "chained", "read", "nothing"}
    assert max(shared.values()) <= 227 * 1024 // 2
