"""Compiled code is kept for the next process, and nothing runs that somebody else could have put there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fusemax.compiled import compiled, own_folder
from fusemax.cost.kept import is_kept, load_kept

SOURCE = """
from numba import njit


@njit("float64(float64)", cache=True, nogil=True, error_model="numpy")
def evaluate(x):
    return x * {factor}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """An empty cache of its own."""
    monkeypatch.setenv("FUSEMAX_CACHE", str(tmp_path / "cache"))
    found = own_folder()
    assert found is not None
    return found


def files(folder: Path) -> dict[str, bytes]:
    """Name and content of all kept files."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_kept_and_found_again(folder: Path):
    """The second time nothing is compiled: the files are the same."""
    assert not is_kept(SOURCE.format(factor=2.0))
    assert load_kept(SOURCE.format(factor=2.0))["evaluate"](21.0) == 42.0
    assert is_kept(SOURCE.format(factor=2.0))
    before = files(folder)
    assert {Path(name).suffix for name in before} == {".py", ".nbi", ".nbc", ".json"}
    assert load_kept(SOURCE.format(factor=2.0))["evaluate"](21.0) == 42.0
    assert before == files(folder)


@pytest.mark.parametrize("ending", [".py", ".nbi", ".nbc", ".json"])
def test_damage_is_made_good(folder: Path, ending: str):
    """Whatever file is changed or cut short, the answer stays right and the file is made again."""
    load_kept(SOURCE.format(factor=3.0))
    for damage in (lambda content: content[: len(content) // 2], lambda content: b"x" * len(content)):
        victim = next(path for path in folder.rglob(f"*{ending}"))
        victim.write_bytes(damage(victim.read_bytes()))
        assert load_kept(SOURCE.format(factor=3.0))["evaluate"](2.0) == 6.0
        assert b"x" * 20 not in victim.read_bytes()


def test_another_kernel_under_the_same_name(folder: Path):
    """Machine code of another text, put under this one's name with all its files, is not run."""
    load_kept(SOURCE.format(factor=5.0))
    evil = {name: content for name, content in files(folder).items() if not name.endswith(".json")}
    load_kept(SOURCE.format(factor=7.0))
    mine = next(path.stem for path in folder.glob("*.py") if b"* 7.0" in path.read_bytes())
    theirs = next(name for name in evil if name.endswith(".py"))[:-3]
    for name, content in evil.items():
        target = folder / ("__pycache__" if ".nb" in name else "") / name.replace(theirs, mine)
        target.write_bytes(content)
    assert load_kept(SOURCE.format(factor=7.0))["evaluate"](1.0) == 7.0


def test_a_folder_that_others_can_write(folder: Path):
    """Is not used: kernels are compiled in memory, with the same result."""
    folder.chmod(0o777)
    assert own_folder() is None
    assert load_kept(SOURCE.format(factor=2.5))["evaluate"](2.0) == 5.0
    assert files(folder) == {}


def test_no_place_at_all(tmp_path: Path, monkeypatch, capsys):
    """Where the cache is a file, or cannot be made, fusemax works without, and says so once."""
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("FUSEMAX_CACHE", str(tmp_path / "cache"))
    assert own_folder() is None
    assert load_kept(SOURCE.format(factor=1.5))["evaluate"](2.0) == 3.0
    assert capsys.readouterr().err.count(f"FUSEMAX_CACHE={tmp_path / 'cache'} keeps nothing") == 1


def test_the_folder_is_private(folder: Path):
    """Nobody else may write it, nor look inside."""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.slow
def test_processes_side_by_side(folder: Path):
    """Four processes that need the same kernel at once all get it."""
    code = f"from fusemax.cost.kept import load_kept\nprint(load_kept({SOURCE.format(factor=9.0)!r})['evaluate'](2.0))"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    assert [process.communicate() for process in running] == [("18.0\n", "")] * 4


def test_every_compiled_function_is_kept_in_the_folder_that_was_asked_for(folder: Path):
    """The fronts of sweeps and the simulator's clock too, and not beside the source."""
    code = "import fusemax.cost.front; from fusemax.simulate.pe.formats import machine_exponential"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})

    assert any("front._add_to_front" in name for name in files(folder))


def test_no_place_for_compiled_functions(monkeypatch):
    """An installation that is read-only, and no home: the function is compiled anew instead of refused."""
    from numba.core import caching

    def nowhere(_function, _file):
        return None

    for locator in caching.CacheImpl._locator_classes:
        monkeypatch.setattr(locator, "from_function", nowhere)

    @compiled("float64(float64)")
    def twice(x):
        return 2 * x

    assert twice(21.0) == 42.0
