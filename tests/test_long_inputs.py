"""Inputs much longer than anybody writes: a short message, soon."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusemax.cli import build
from fusemax.language.formula import formula
from fusemax.quantity import QuantityError

STUDY = """kind: sweep
title: t
source: s
parts:
- name: p
  sizes: {B: 1, H: 1, E: 64, F: 64, P: M}
  grid:
    M: [64, 128]
  where: ["WHERE"]
  outputs: [latency_s]
  configurations:
"""
ONE = "    c: {machine: fusemax, mapping: fusemax}\n"


def said(folder: Path, text: str, *command: str) -> str:
    """Return what a command says of a study that it refuses; it has five seconds of processor time."""
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    start_s = time.process_time()
    done = CliRunner().invoke(build(), [*(command or ("check",)), str(path)])
    assert time.process_time() - start_s < 5
    assert done.exit_code != 0
    return done.output or str(done.exception)


def test_a_word_of_a_hundred_thousand_letters(tmp_path: Path):
    """It took half a minute to see that no dot follows it, and was repeated as a whole."""
    text = STUDY.replace("WHERE", f"{'M' * 100_000} <= 3") + ONE
    assert len(said(tmp_path, text)) < 3000
    with pytest.raises(QuantityError):
        formula("M" * 100_000, "1")


def test_a_machine_with_a_name_of_fifty_thousand_letters(tmp_path: Path):
    """``check`` cuts long lines as all commands do."""
    text = STUDY.replace("WHERE", "M >= 1") + ONE.replace("machine: fusemax", f"machine: {'x' * 50_000}")
    assert len(said(tmp_path, text)) < 3000


def test_a_name_that_is_wrong_two_thousand_times(tmp_path: Path):
    """The shelf of machines is looked through once."""
    wrong = "".join(f"    c{n}: {{machine: nope, mapping: fusemax}}\n" for n in range(2000))
    assert "more problems" in said(tmp_path, STUDY.replace("WHERE", "M >= 1") + wrong)


def test_more_processes_than_a_machine_has_room_for(tmp_path: Path):
    """``--workers 100000`` would begin as many processes."""
    text = STUDY.replace("WHERE", "M >= 1") + ONE
    told = said(tmp_path, text, "run", "--out", str(tmp_path / "out"), "--workers", "100000")
    assert "for each core" in told
