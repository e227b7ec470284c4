"""A file is replaced whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fusemax.errors import FusemaxError
from fusemax.files import replace_file


def test_content_replaces_what_stood_there(tmp_path: Path) -> None:
    """Text becomes UTF-8, bytes stay bytes, and no draft is left."""
    path = tmp_path / "a.txt"
    replace_file(path, b"old")
    assert path == replace_file(path, "×")
    assert "×".encode() == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_folders_are_made(tmp_path: Path) -> None:
    """A folder that is not there yet is made."""
    path = tmp_path / "new" / "a.txt"

    assert path == replace_file(path, "text")
    assert "text" == path.read_text()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file where a folder should be gives a message with the path."""
    (tmp_path / "taken").write_text("")
    path = tmp_path / "taken" / "a.txt"
    with pytest.raises(FusemaxError) as caught:
        replace_file(path, "text")

    assert str(path) in str(caught.value)


def test_failed_move_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the last step fails the old content stands, and the draft is gone."""
    path = tmp_path / "a.txt"
    replace_file(path, "old")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(FusemaxError):
        replace_file(path, "new")
    assert "old" == path.read_text(encoding="utf-8")
    assert [path] == list(tmp_path.iterdir())


def test_pipes_and_folders_are_not_replaced(tmp_path: Path):
    """What is no file stays what it is: a file moved onto a device would take its place for everybody."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    for place in (pipe, tmp_path):
        with pytest.raises(FusemaxError, match="not a file, but a folder, a pipe or a device"):
            replace_file(place, "text")
    assert pipe.is_fifo()
