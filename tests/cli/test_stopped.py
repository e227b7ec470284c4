"""Ctrl-C ends a command in a word, even before its libraries are there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("library", ["typer", "yaml", "pydantic", "polars"])
def test_who_stops_a_command_while_it_imports_sees_no_traceback(tmp_path: Path, library: str) -> None:
    """A library in the place of the real one is stopped in the middle of its import."""
    (tmp_path / f"{library}.py").write_text("raise KeyboardInterrupt\n")
    (tmp_path / "s.yaml").write_text(
        "kind: sweep\ntitle: t\nsource: s\nparts:\n- name: p\n  sizes: {B: 1, H: 1, E: 64, F: 64, M: 128, P: M}\n"
        "  configurations: {c: {machine: fusemax, mapping: fusemax}}\n"
    )
    command = (sys.executable, "-c", "from fusemax.cli import main; main()", "run", "s.yaml")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr.strip() in ("", "stopped", "Aborted.")
