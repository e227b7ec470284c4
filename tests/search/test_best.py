"""``best`` stands for the mapping that a search finds, and the same question is not searched twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fusemax.cascade.build import load_cascade
from fusemax.cli import build
from fusemax.errors import FusemaxError
from fusemax.machine import load_machine
from fusemax.search import best
from fusemax.search.answer import Answer, best_mapping
from fusemax.search.best import best_found, best_text
from fusemax.search.candidate import Tally
from fusemax.search.facts import facts_of
from fusemax.search.words import refuse_no_room

SIZES = {"B": 1, "H": 2, "M": 256, "P": 192, "E": 16, "F": 16}
PAIRS = [part for name, size in SIZES.items() for part in ("--set", f"{name}={size}")]


def test_cost_without_a_mapping_takes_the_best(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without a mapping for this cascade has a price all the same."""
    monkeypatch.setenv("FUSEMAX_CACHE", str(tmp_path))
    for extra in ([], ["--mapping", "best"]):
        found = CliRunner().invoke(
            build(), ["cost", "attention/2-pass", "--machine", "h100", *PAIRS, "--json", *extra]
        )
        assert found.exit_code == 0, found.output
        answer = json.loads(found.stdout)
        assert answer["latency_s"] >= answer["bound_s"] > 0


@pytest.mark.parametrize(
    ("near", "more"), [(0.0, "--mapping best"), (1.0, "--seconds 48")], ids=["near", "far"]
)
def test_a_mapping_that_nobody_names_is_searched_for_briefly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, near: float, more: str
) -> None:
    """3 s of counted work where that is near the bound; else, and where ``best`` is asked for, 12 s; or what --seconds says.

    What is left and how to go on is told.
    """
    monkeypatch.setenv("FUSEMAX_CACHE", str(tmp_path))
    asked: list[tuple[float, bool]] = []

    def watched(*given: Any, seconds: float, by_work: bool, **more: Any) -> Answer:
        asked.append((seconds, by_work))
        return best_mapping(*given, seconds=min(seconds, 0.1), by_work=by_work, **more)

    monkeypatch.setattr(best, "best_mapping", watched)
    monkeypatch.setattr(best, "NEAR", near)
    told: list[str] = []
    for extra in ([], ["--mapping", "best"], ["--seconds", "0.5"], []):
        found = CliRunner().invoke(build(), ["cost", "attention/2-pass", "--machine", "h100", *PAIRS, *extra])
        assert found.exit_code == 0, found.output
        told.append(found.stderr)

    assert asked == [(3.0, True), (12.0, True), (0.5, True)]  # what was searched for before is kept
    assert told[0] == told[3]
    for text, how in zip(told, (more, "--seconds 48", "--mapping best"), strict=False):
        assert "times the least" in text
        assert how in text


def test_a_file_is_not_searched_for() -> None:
    """--seconds beside a mapping that is there would be ignored."""
    given = ["cost", "attention/1-pass", "--machine", "fusemax", "--mapping", "fusemax", "--seconds", "1"]
    with pytest.raises(FusemaxError, match="--seconds is for a mapping that is searched for"):
        CliRunner().invoke(build(), given, catch_exceptions=False)


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


def test_inputs_without_room_are_refused_before_the_search() -> None:
    """Q of 8 heads of 64 times 4096 two-byte words is 4 MiB, which a smaller outermost level cannot hold."""
    cascade, machine = load_cascade("attention/3-pass"), load_machine("h100")[0]
    sizes = {"B": 1, "H": 8, "E": 64, "F": 64, "M": 4096, "P": 4096}
    tally = Tally()
    with pytest.raises(FusemaxError, match=r"DRAM is too small .* 4 MiB \(4,194,304 B\) needed \(Q 4 MiB"):
        best_mapping(cascade, machine, sizes, {"DRAM.size": 2.0**22 - 1}, tally=tally)
    assert tally.structures == 0
    refuse_no_room(facts_of(cascade, machine, sizes, {"DRAM.size": 2.0**22}))


def test_whoever_waits_is_told_of_better_plans(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of a new search every better plan is told; of an answer that is kept there is nothing to tell."""
    monkeypatch.setenv("FUSEMAX_CACHE", str(tmp_path))
    cascade, machine = load_cascade("softmax/stable"), load_machine("h100")[0]
    told: list[float] = []
    for _ in range(2):
        before = len(told)
        best_found(
            cascade, machine, {"M": 64, "P": 64}, watch=lambda _, plan: told.append(plan.measure("latency"))
        )
    assert told == sorted(told, reverse=True)
    assert before == len(told) > 0
