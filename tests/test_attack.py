"""A sample of what benchmarks/attack.py and benchmarks/safety.py try by the thousand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def script(name: str) -> ModuleType:
    """Return a script of benchmarks/ as a module."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("what", "count"), [("files", 200), ("commands", 60)])
def test_nothing_ends_in_a_traceback(what: str, count: int, tmp_path: Path):
    """Mutated files and command lines end well, or with a message, in time and in bounds of memory."""
    found = script("attack").attack(what, count, seed=7, seconds=60, out=tmp_path)

    left = [path.read_text(encoding="utf-8")[-500:] for path in tmp_path.glob("*.txt")]
    assert not left, left
    assert set(found) <= {"ok", "said"}


@pytest.mark.parametrize(("case", "count"), [("flips", 8), ("pairs", 1), ("code", 1)])
def test_a_disturbed_run_is_right_or_says_no(case: str, count: int):
    """No wrong table, no traceback, no file left behind."""
    found = script("safety").disturbed(case, count, seed=7, seconds=60)

    assert not [what for what in found if any(word in what for word in ("WRONG", "TRACEBACK", "FILES LEFT"))]


@pytest.mark.slow
def test_killed_runs(tmp_path: Path):
    """Killed with -9 with all points, a front, the best and with workers."""
    del tmp_path
    found = script("safety").disturbed("kills", 4, seed=7, seconds=60)

    assert not [what for what in found if any(word in what for word in ("WRONG", "TRACEBACK", "FILES LEFT"))]
