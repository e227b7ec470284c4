"""A run writes a folder of its own: none that holds what no run wrote, unless it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

import fusemax as fm
from fusemax.errors import FusemaxError
from fusemax.study.target import refuse_strange

STUDY = """
kind: sweep
title: t
source: s
parts:
- name: p
  sizes: {B: 1, H: 1, E: 64, F: 64, M: 128, P: M}
  configurations: {c: {machine: fusemax, mapping: fusemax}}
"""


def test_what_no_run_wrote_is_not_written_beside(tmp_path: Path) -> None:
    """Fresh writes beside it and leaves it; from then on the folder is a run's."""
    study, out = tmp_path / "mine.yaml", tmp_path / "out"
    study.write_text(STUDY)
    out.mkdir()
    (out / "results.csv").write_text("my own numbers")
    with pytest.raises(FusemaxError, match=r"holds results\.csv, which no run wrote\n  hint: --fresh"):
        fm.run(study, out)
    assert [path.name for path in out.iterdir()] == ["results.csv"]
    (out / "results.csv").rename(out / "kept.csv")
    fm.run(study, out, fresh=True)
    assert (out / "kept.csv").read_text() == "my own numbers"
    fm.run(study, out)


@pytest.mark.parametrize("fresh", [False, True])
def test_the_root_and_the_home_are_nobodys_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: bool
) -> None:
    """Under any of their names, and with --fresh too."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for folder in (Path("/"), Path("/tmp/.."), home, home / ".." / "home"):
        with pytest.raises(FusemaxError, match="no folder for results"):
            refuse_strange(folder, fresh)


def test_hidden_files_and_empty_folders_are_in_nobodys_way(tmp_path: Path) -> None:
    """A lock that a killed run left, and no folder at all."""
    refuse_strange(tmp_path / "none")
    (tmp_path / ".fusemax.lock").write_text("")
    refuse_strange(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FusemaxError, match="a file is in its place"):
        refuse_strange(tmp_path / "file")
