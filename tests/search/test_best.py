"""``best`` stands for the mapping that a search finds, and the same question is not searched twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusemax.cascade.build import load_cascade
from fusemax.cli import build
from fusemax.errors import FusemaxError
from fusemax.machine import load_machine
from fusemax.search import best
from fusemax.search.best import best_text

SIZES = {"B": 1, "H": 2, "M": 256, "P": 192, "E": 16, "F": 16}


def test_cost_without_a_mapping_takes_the_best(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without a mapping for this cascade has a price all the same."""
    monkeypatch.setenv("FUSEMAX_CACHE", str(tmp_path))
    pairs = [part for name, size in SIZES.items() for part in ("--set", f"{name}={size}")]
    for extra in ([], ["--mapping", "best"]):
        found = CliRunner().invoke(
            build(), ["cost", "attention/2-pass", "--machine", "h100", *pairs, "--json", *extra]
        )
        assert found.exit_code == 0, found.output
        answer = json.loads(found.stdout)
        assert answer["latency_s"] >= answer["bound_s"] > 0


def test_the_same_question_is_searched_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The second time the text comes from the folder of kept things; another size is another question."""
    monkeypatch.setenv("FUSEMAX_CACHE", str(tmp_path))
    cascade, (machine, _) = load_cascade("attention/3-pass"), load_machine("fusemax")
    first = best_text(cascade, machine, SIZES)
    searches: list[object] = []
    monkeypatch.setattr(best, "best_mapping", lambda *args, **_: searches.append(args))

    assert best_text(cascade, machine, SIZES) == first
    assert not searches
    with pytest.raises(AttributeError):  # the search, which is no more, was asked
        best_text(cascade, machine, {**SIZES, "M": 257})
    assert len(searches) == 1


def test_a_kept_file_that_is_damaged_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is kept is set against cascade and machine again before it is used."""
    monkeypatch.setenv("FUSEMAX_CACHE", str(tmp_path))
    cascade, (machine, _) = load_cascade("attention/3-pass"), load_machine("fusemax")
    first = best_text(cascade, machine, SIZES)
    (kept,) = tmp_path.rglob("best_*.json")
    whole = kept.read_text()
    for damaged in ("{", '{"mapping": "title: nothing"}', whole.replace("nests", "nest"), "[]", whole[:-9]):
        kept.write_text(damaged)

        assert best_text(cascade, machine, SIZES) == first


def test_what_is_absorbed_has_to_be_there() -> None:
    """A name that is no Einsum is told, with those that there are."""
    cascade, (machine, _) = load_cascade("attention/3-pass"), load_machine("fusemax")
    with pytest.raises(FusemaxError, match="has no Einsum ZZ\n  hint: there are SQ, QK"):
        best_text(cascade, machine, SIZES, absorb=["ZZ"])
