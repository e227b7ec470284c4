"""Arguments that are empty name nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fusemax.cli.arguments import refuse_unreadable
from fusemax.errors import FusemaxError
from fusemax.files import locked
from fusemax.screen import WIDEST, width


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
        refuse_unreadable(arguments)


def test_what_is_not_empty_passes() -> None:
    """A pair without a value has a message of its own."""
    refuse_unreadable(["cost", "a", "--set", "M=", "--set=M=1", "-o", ".", "--top", "0", "x=y"])


def test_an_empty_folder_is_not_the_one_where_one_stands(tmp_path: Path) -> None:
    """Nothing is written there."""
    command = (sys.executable, "-c", "from fusemax.cli import main; main()", "run", "taxonomy", "--out", "")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (1, "--out: expected a text, got an empty one\n")
    assert not any(tmp_path.iterdir())


def test_bytes_that_are_no_text_are_refused() -> None:
    """A name of a file that is no UTF-8 reaches Python as half characters, which no table can hold."""
    with pytest.raises(FusemaxError, match=r"^argument 2: expected a text in UTF-8, got 'a\\udcff\.yaml'$"):
        refuse_unreadable(["check", "a\udcff.yaml"])


@pytest.mark.parametrize("words", [("list",), ("--help",), ("cost", "attention/1-pass", "--help")])
def test_what_cannot_be_printed_is_told(words: tuple[str, ...]) -> None:
    """A full disk behind the output: a message and 1; a closed one: silence."""
    command = (sys.executable, "-c", "from fusemax.cli import main; main()", *words)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_what_is_printed_to_a_closed_stream_goes_nowhere(closed: str, tmp_path: Path) -> None:
    """Neither a traceback nor into the next file that is opened: that would get the number of the stream."""
    script = f'exec {closed}; "$0" -c "from fusemax.cli import main; main()" show attention/1-pass'
    command = ("bash", "-c", script, sys.executable)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (closed[0] != ">")


@pytest.mark.parametrize("told", ["²", "9" * 5000, "-3", "abc", "", "0", "１２０"])
def test_a_width_that_is_no_width_is_none(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``$COLUMNS`` says where it is no number of columns is left alone."""
    monkeypatch.setenv("COLUMNS", told)
    assert width() == WIDEST


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    """The results have no place there, and below it."""
    (tmp_path / "file").touch()
    for out in ("file", "file/below"):
        with pytest.raises(FusemaxError, match="a file is in its place"), locked(tmp_path / out / "lock"):
            pass
