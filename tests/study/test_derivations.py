"""The study of derivations on a few cascades."""

from __future__ import annotations

from pathlib import Path

import polars
import pytest

from fusemax.errors import ProblemsError
from fusemax.shipped import find
from fusemax.source import read_yaml
from tests.study.engine import run_file

STUDY = """
kind: derivations
title: A few derivations
cascades: [paper/cascade-1, softmax/log-sum-exp, softmax/stable]
known:
  paper/cascade-1: {rank: K, passes: 1, source: "FuseMax (MICRO 2024), Cascade 2"}
  softmax/stable: {rank: M, passes: 2, source: "Milakov and Gimelshein (arXiv 1805.02867)"}
"""


def test_table_forms_text_and_figure(tmp_path: Path) -> None:
    """The study leaves a table that agrees with what is known, all forms, the derivations, and the figure."""
    study = tmp_path / "few.yaml"
    study.write_text(STUDY, encoding="utf-8")
    files = {path.name for path in run_file(study, tmp_path / "out").iterdir()}
    assert files >= {"derivations.csv", "forms.csv", "derivations.txt", "derivations.svg", "derivations.png"}
    table = polars.read_csv(tmp_path / "out" / "derivations.csv")
    assert table["passes_before"].to_list() == [2, 2, 3]
    assert table["passes_safe"].to_list() == [1, 1, 2]
    assert table["agrees"].to_list() == [True, None, True]
    assert "semantic floor of 2" in table["remark"].to_list()[2]


def test_misspelt_key_is_named(tmp_path: Path) -> None:
    """A key that the study does not know is an error with its place."""
    study = tmp_path / "bad.yaml"
    study.write_text(STUDY.replace("known:", "knwon:"), encoding="utf-8")
    with pytest.raises(ProblemsError, match="did you mean 'known'"):
        run_file(study, tmp_path / "out")


def test_shipped_study_names_cascades_that_exist() -> None:
    """Every cascade that the shipped study knows of is in the library."""
    data = read_yaml(find("studies", "derivations")).data
    for name in data["known"]:
        assert find("einsums", name).is_file()
