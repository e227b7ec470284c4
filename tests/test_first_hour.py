"""The first hour of a newcomer, in a shell: the commands of the README and the tutorial, typed one after the other.

They are run as programs, in a folder with a space in its name, with a home that cannot be written to.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
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


@pytest.mark.slow
def test_readme(shell) -> None:
    """The tour of the README works as printed: from a cascade of one's own to the cost of a mapping that was found."""
    folder, run = shell
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for content, name in FILES.findall(text):
        (folder / name).write_text(content, encoding="utf-8")
    run("fusemax new machine chip && cp chip/machine.yaml machine.yaml")
    commands = [command for command in typed(text) if "micro24" not in command]

    assert len(commands) >= 4
    assert all(run(command) for command in commands)
    assert (folder / "found.yaml").is_file()


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
