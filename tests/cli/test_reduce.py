"""``fusemax reduce`` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusemax.analysis.rewrite.search import NotReducibleError
from fusemax.cascade.build import load_cascade
from fusemax.cli import build


def run(*words: str) -> str:
    """Return what the command prints; its errors are raised."""
    return CliRunner().invoke(build(), ["reduce", *words], catch_exceptions=False).output


def test_prints_the_derivation_and_writes_a_cascade(tmp_path: Path) -> None:
    """The best form is printed with its derivation and written as a cascade that loads."""
    target = tmp_path / "reduced.yaml"
    text = run("attention/3-pass", "--rank", "M", "-o", str(target))
    for word in ("barrier:", "condition: g is separable", "correction of", "safety:", "3 -> 1 passes over M"):
        assert word in text
    assert "RGM" in load_cascade(str(target)).tensors


def test_split_form_only() -> None:
    """With --form split no loop is written."""
    assert "loop m1" not in run("softmax/log-sum-exp", "--form", "split")


def test_refusal_names_the_floor() -> None:
    """Softmax alone is refused below two passes."""
    with pytest.raises(NotReducibleError, match="semantic floor of 2: output A"):
        run("softmax/stable")
    assert "3 -> 2 passes" in run("softmax/stable", "--to", "2")
