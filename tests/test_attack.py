"""A sample of what benchmarks/attack.py and benchmarks/safety.py try by the thousand, each as a program of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def script(name: str, *arguments: str) -> str:
    """Run a script of benchmarks/ and return what it printed; it ends with 1 where something is wrong."""
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *arguments]
    done = subprocess.run(command, cwd=BENCHMARKS.parent, capture_output=True, text=True, timeout=300)
    assert 0 == done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize(("what", "count"), [("files", 200), ("commands", 100), ("calls", 150)])
def test_nothing_ends_in_a_traceback(what: str, count: int, tmp_path: Path):
    """Mutated files, command lines and calls end well, or with a message, in time and in bounds of memory."""
    arguments = ("--count", str(count), "--seed", "7", "--seconds", "60", "--out", str(tmp_path))
    printed = script("attack", what, *arguments)

    left = [path.read_text(encoding="utf-8")[-500:] for path in tmp_path.glob("*.txt")]
    assert not left, left
    assert what in printed


TRIED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from guard import refuse_outside
inside, outside = Path(sys.argv[2]), Path(sys.argv[3])
kept = outside / "kept"
refuse_outside([inside])
(inside / "new").write_text("x")
(inside / "new").replace(inside / "moved")
os.chdir(inside)
folder = os.open("..", os.O_RDONLY)
tries = {
    "write": lambda: kept.write_text("x"), "append": lambda: open(kept, "a"), "make": lambda: (outside / "new").touch(),
    "remove": kept.unlink, "move": lambda: kept.rename(inside / "here"), "onto": lambda: os.replace("moved", kept),
    "folder": lambda: (outside / "new").mkdir(), "link": lambda: (outside / "new").symlink_to(kept),
    "mode": lambda: kept.chmod(0), "up": lambda: Path("../new").write_text("x"), "shell": lambda: os.system("true"),
    "behind": lambda: Path("away/kept").write_text("x"), "from a folder": lambda: os.mkdir("new", dir_fd=folder),
}
for name, action in tries.items():
    try:
        action()
        print(name)
    except PermissionError:
        pass
"""


def test_an_attack_changes_nothing_outside_of_its_folder(tmp_path: Path):
    """Whatever its words name, by whichever way: files elsewhere stay as they are, also for root."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "kept").write_text("as it was", encoding="utf-8")
    (inside / "away").symlink_to(outside)
    command = [sys.executable, "-c", TRIED, str(BENCHMARKS), str(inside), str(outside)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["away", "inside", "kept", "moved", "outside"]
    assert (outside / "kept").read_text(encoding="utf-8") == "as it was"


@pytest.mark.parametrize(("case", "count"), [("flips", 8), ("pairs", 1), ("code", 1)])
def test_a_disturbed_run_is_right_or_says_no(case: str, count: int):
    """No wrong table, no traceback, no file left behind."""
    assert case in script("safety", case, "--count", str(count), "--seed", "7", "--seconds", "60")


@pytest.mark.parametrize("name", ["derived", "designs", "gpu-passes"])
def test_check_refuses_what_run_would(name: str):
    """Slips in studies that come along: ``run`` stops at none that ``check`` is silent of."""
    assert name in script("studies", "--study", name, "--count", "25", "--seed", "7")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["micro24", "taxonomy", "derivations", "models", "successors"])
def test_check_refuses_what_longer_runs_would(name: str):
    """The same for those that take longer."""
    assert name in script("studies", "--study", name, "--count", "12", "--seed", "7")


@pytest.mark.slow
def test_killed_runs():
    """Killed with -9 with all points, a front, the best and with workers."""
    assert "kills" in script("safety", "kills", "--count", "4", "--seed", "7", "--seconds", "60")
