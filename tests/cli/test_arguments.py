"""Arguments that are empty name nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fusemax.cli.arguments import refuse_empty
from fusemax.errors import FusemaxError


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["run", "study.yaml", "--out", ""], "--out"),
        (["run", "study.yaml", "--out="], "--out"),
        (["map", "a", "-o", "", "--json"], "-o"),
        (["check", ""], "argument 2"),
        (["check", "a.yaml", ""], "argument 3"),
        ([""], "argument 1"),
    ],
)
def test_empty_arguments_are_refused(arguments: list[str], name: str) -> None:
    """An empty path is no path, though Path takes it for the folder where one stands."""
    with pytest.raises(FusemaxError, match=f"^{name}: expected a text, got an empty one$"):
        refuse_empty(arguments)


def test_what_is_not_empty_passes() -> None:
    """A pair without a value has a message of its own."""
    refuse_empty(["cost", "a", "--set", "M=", "--set=M=1", "-o", ".", "--top", "0", "x=y"])


def test_an_empty_folder_is_not_the_one_where_one_stands(tmp_path: Path) -> None:
    """Nothing is written there."""
    command = (sys.executable, "-c", "from fusemax.cli import main; main()", "run", "taxonomy", "--out", "")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (1, "--out: expected a text, got an empty one\n")
    assert not any(tmp_path.iterdir())
