"""Our Triton kernels, interpreted on the CPU, against attention in float64."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

GRID = """\
title: Our kernels
blocks:
- name: one length
  backends: [1-pass, 2-pass, 3-pass]
  dtype: fp32
  batch: 1
  heads: [1]
  head_dim: 16
  seqlen: 96
"""
#: Largest errors that rounding explains: of values near 1, in float32 and float16.
TOLERANCE = {"float32": 2e-6, "float16": 4e-3}


@pytest.mark.slow
@pytest.mark.skipif(not (find_spec("torch") and find_spec("triton")), reason="needs torch and triton")
def test_kernels_compute_attention(tmp_path: Path) -> None:
    """Three kernels, three shapes and two formats agree with float64, and pass the check of the harness."""
    grid, out = tmp_path / "grid.yaml", tmp_path / "rows.csv"
    grid.write_text(GRID, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("interpreted.py")), str(grid), str(out)],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    errors = json.loads(done.stdout)
    assert len(errors) == 3 * 3 * 2
    assert [] == [name for name, error in errors.items() if not error < TOLERANCE[name.split()[1]]]
    rows = csv.DictReader(out.read_text(encoding="utf-8").splitlines())
    assert [("1-pass", "ok"), ("2-pass", "ok"), ("3-pass", "ok")] == [
        (row["backend"], row["status"]) for row in rows if row["kind"] == "attention"
    ]
