"""The first hour of a newcomer, in a shell: the commands of the README and the tutorial, typed one after the other.

They are run as programs, in a folder with a space in its name, with a home that cannot be written to.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = re.compile(r"^```yaml\n(# file: (\S+)\n.*?)^```$", re.DOTALL | re.MULTILINE)
TYPED = re.compile(
    r"^(?:\$ )?(fusemax (?:check|new|map|cost|explain|simulate|passes|reduce|run) .*)$", re.MULTILINE
)
BLOCKS = re.compile(r"^```(?:console)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def typed(text: str) -> list[str]:
    """The commands of a page, in order."""
    return [command for block in BLOCKS.findall(text) for command in TYPED.findall(block)]


@pytest.fixture
def shell(tmp_path):
    """Run a command line in a folder with a space in its name; return what it printed."""
    folder = tmp_path / "first hour"
    home = tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    home.chmod(0o500)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(home), "COLUMNS": "100"}

    def run(command: str) -> str:
        done = subprocess.run(
            command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert 0 == done.returncode, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    yield folder, run
    home.chmod(0o700)


PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FIVE_MINUTES, TEN_MINUTES = 300.0, 600.0  #: seconds until the first number, and until the first picture


@pytest.mark.slow
def test_readme(shell) -> None:
    """The tour of the README, by somebody who has read nothing else: a first number in five minutes, a picture in ten.

    What is typed is in the README, in its order, files and commands alike; time to read and to type is not counted.
    """
    folder, run = shell
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    start_s = time.monotonic()
    took_s: dict[str, float] = {}
    steps = re.finditer(rf"{FILES.pattern}|{BLOCKS.pattern}", text, re.DOTALL | re.MULTILINE)
    for step in steps:
        content, name, typed_block = step.groups()
        if name:
            (folder / name).write_text(content, encoding="utf-8")
        for command in TYPED.findall(typed_block or ""):
            if "micro24" not in command:
                assert run(command)
                took_s[command.split()[1]] = time.monotonic() - start_s

    assert [*dict.fromkeys(("check", "new", "map", "cost", "run"))] == [*took_s]
    assert (folder / "found.yaml").is_file()
    assert took_s["cost"] < FIVE_MINUTES
    assert took_s["run"] < TEN_MINUTES
    assert {"report.html", "time.svg", "time.png"} <= {
        path.name for path in (folder / "results" / "first").iterdir()
    }
    for number, block in enumerate(PYTHON.findall(text)):  # and the same without leaving Python
        (folder / f"block-{number}.py").write_text(block, encoding="utf-8")
        said = run(f"{shlex.quote(sys.executable)} block-{number}.py")
        assert "latency" in said
    assert (folder / "time.svg").is_file()


@pytest.mark.slow
def test_the_first_notebook_takes_minutes() -> None:
    """A first number in five minutes, a first figure in ten, with nothing but Python: the cells of the first notebook."""
    path = ROOT / "docs" / "notebooks" / "1-first-steps.ipynb"
    cells = [
        "".join(cell["source"])
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    assert not [line for cell in cells for line in cell.splitlines() if line.startswith(("!", "%"))]
    start_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(cells)], capture_output=True, text=True, timeout=FIVE_MINUTES
    )
    assert 0 == done.returncode, done.stderr
    assert time.monotonic() - start_s < FIVE_MINUTES


@pytest.mark.slow
def test_tutorial(shell) -> None:
    """The tutorial ends with a report and two figures."""
    folder, run = shell
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    for content, name in FILES.findall(text):
        (folder / name).write_text(content, encoding="utf-8")
    for command in typed(text):
        assert run(command)

    assert {"report.html", "energy.png", "traffic.svg"} <= {path.name for path in (folder / "out").iterdir()}
