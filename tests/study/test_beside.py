"""A study of any kind names files of its own folder, and is run from anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fusemax.errors import FusemaxError
from fusemax.shipped import ROOT
from fusemax.study.load import read_study
from fusemax.study.run import check_study, run_study

GPU = """
kind: gpu
title: t
source: s
published: rows.csv
machines: {H200: own, A100: a100}
forward: {all: own/attention.yaml, causal: grouped/causal, window: grouped/window}
backward: {all: grouped/backward, causal: grouped/backward-causal, window: grouped/backward-window}
decode: grouped/split-k
kernels:
- {kernel: flash2, machines: [own], forward: own/flash.yaml}
"""
MODELS = """
kind: models
title: t
source: s
models: {BERT: own}
systems: {chip: {machine: own}, node: {system: own/node.yaml, chips: 2}}
phases: [{phase: prefill, B: [1], length: [128]}]
"""
PASSES = """
kind: gpu-passes
title: t
source: s
machine: own
dtype: fp16
tokens: 512
heads: 1
head_dim: 64
rows_of_a_task: 128
lengths: [512]
kernels: [{backend: one, cascade: own/attention.yaml, mapping: own/flash.yaml, analysed: own/attention.yaml}]
"""
TAXONOMY = """
kind: taxonomy
title: t
source: s
sizes: {B: 1, H: 1, E: 64, F: 64, R: 1}
lengths: [4Ki]
buffers: [1 MiB]
word: 2 B
traffic: [own/attention.yaml]
kernels: []
mechanisms: [{name: own, rank: M, written: own/attention.yaml}]
"""


#: Tables without rows where nothing is amiss: the studies compare no kernel, and leave out no row.
EMPTY = ("left-out", "kernels")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a machine, a system, a mapping, a cascade, a model and rows; the user stands elsewhere."""
    own = tmp_path / "study" / "own"
    shutil.copytree(ROOT / "studies/models/bert-base", own)
    shutil.copy(ROOT / "arch/h200/machine.yaml", own / "machine.yaml")
    system = (ROOT / "arch/systems/8xh100.yaml").read_text()
    assert "\nchip: h100" in system
    (own / "node.yaml").write_text(system.replace("\nchip: h100", "\nchip: machine.yaml"))
    shutil.copy(ROOT / "einsums/attention.yaml", own / "attention.yaml")
    shutil.copy(ROOT / "arch/gpu/one-pass.yaml", own / "flash.yaml")
    rows = (ROOT / "studies/gpu/published.csv").read_text().splitlines()
    kept = [
        row
        for row in rows[1:]
        if row.startswith("H200,flash2,") and ",bf16,fwd,0," in row and ",test," in row
    ]
    (own.parent / "rows.csv").write_text("\n".join([rows[0], *kept[:2]]) + "\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return own.parent


@pytest.mark.parametrize(
    "text", [GPU, MODELS, PASSES, TAXONOMY], ids=["gpu", "models", "gpu-passes", "taxonomy"]
)
def test_files_beside_the_study(folder: Path, text: str) -> None:
    """Every name that may be a path is looked up beside the study, wherever it is run from."""
    path = folder / "mine.yaml"
    path.write_text(text)
    assert check_study(read_study(path))[0] == text.split("\n")[1].removeprefix("kind: ")
    finished = run_study(path, folder / "out", "fusemax run mine.yaml", {})
    assert all(table.frame.height for name, table in finished.outcome.tables.items() if name not in EMPTY)


def test_a_call_without_room_leaves_a_row_that_says_so(folder: Path, tmp_path: Path) -> None:
    """A width that no core has room for stops no study of passes; entries that stand twice are refused before it runs."""
    path = folder / "wide.yaml"
    path.write_text(PASSES.replace("head_dim: 64", "head_dim: 65536"))
    finished = run_study(path, tmp_path / "out", "fusemax run wide.yaml", {})

    (row,) = finished.outcome.tables["passes"].frame.to_dicts()
    assert row["predicted_s"] is None
    assert row["bound_B"] > 0
    assert "too small" in row["reason"]
    path.write_text(PASSES.replace("lengths: [512]", "lengths: [512, 512]"))
    with pytest.raises(FusemaxError, match=r"lengths\.1: 512 stands here twice"):
        check_study(read_study(path))
