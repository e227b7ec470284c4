"""``fusemax reduce`` as a user meets it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusemax.analysis.rewrite.same import same_up_to_names
from fusemax.analysis.rewrite.search import NotReducibleError
from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.cli import build
from fusemax.errors import FusemaxError


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


def test_json_for_programs() -> None:
    """Every form with its footprints as formulas: the scores cross in three passes, and nothing does in one."""
    found = json.loads(run("attention/3-pass", "--rank", "M", "--json"))
    assert found["original"]["keeps"] == {"QK": "M*P", "SN": "M*P"}
    best = found["forms"][0]
    assert (best["passes"], best["keeps"]) == (1, {})
    sizes = {one["tensor"]: (one["kind"], one["words"]) for one in best["footprint"]}
    assert sizes["RAVN"] == ("state", "F*P")
    split = next(form for form in found["forms"] if "split and merge GM, SD, AVN" in form["title"])
    assert split["keeps"] == {"LGM": "M1*P", "LSD": "M1*P", "LAVN": "F*M1*P"}
    assert same_up_to_names(cascade_from_text(best["cascade"], "best"), load_cascade("attention/1-pass"))


def test_footprints_in_the_table() -> None:
    """The table says how many words each form keeps; several ranks taken as one as well."""
    assert "QK (M*P), SN (M*P)" in run("attention/3-pass")
    assert "QK (J*M0*P)" in run("sparse/block-sparse", "--rank", "J,M0")


def test_a_pipe_is_no_place_for_a_form(tmp_path: Path) -> None:
    """Nobody may ever read it: the command says so instead of waiting."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(FusemaxError, match="cannot be written"):
        run("attention/3-pass", "--rank", "M", "-o", str(pipe))
    assert pipe.is_fifo()
