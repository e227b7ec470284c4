"""The mapper end to end: its files are ordinary mappings, better than those written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusemax.cascade.build import load_cascade
from fusemax.cli import build
from fusemax.cost.point import cost_of
from fusemax.machine import load_machine
from fusemax.search.answer import best_mapping

BERT = {"B": 64, "H": 12, "E": 64, "F": 64}


@pytest.mark.parametrize(("length", "faster"), [(1024, 1.12), (4096, 1.03)])
def test_faster_than_the_hand_made_mapping(length: int, faster: float) -> None:
    """1-pass attention on FuseMax's chip: a score more per element of the array hides what the steps of the epoch wait for."""
    sizes = {**BERT, "M": length, "P": length}
    machine, _ = load_machine("fusemax")
    answer = best_mapping(load_cascade("attention/1-pass"), machine, sizes)
    by_hand = cost_of("attention/1-pass", "fusemax", "fusemax", sizes)

    assert by_hand.latency_s >= faster * answer.cost.latency_s
    assert answer.gap >= 0.99


def test_the_file_is_priced_as_the_search_says(tmp_path: Path) -> None:
    """What -o writes is accepted by check and priced by cost with the same latency, to the last bit."""
    sizes = ["B=2", "H=2", "M=300", "P=200", "E=16", "F=24"]
    out = tmp_path / "best.yaml"
    runner = CliRunner()
    pairs = [part for size in sizes for part in ("--set", size)]
    found = runner.invoke(
        build(), ["map", "attention/3-pass", "--machine", "fusemax", *pairs, "-o", str(out), "--json"]
    )
    assert found.exit_code == 0, found.output
    answer = json.loads(found.stdout)
    arguments = ["cost", "attention/3-pass", "--machine", "fusemax", "--mapping", str(out), *pairs, "--json"]
    again = runner.invoke(build(), arguments)

    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["latency_s"] == answer["cost"]["latency_s"]
    assert answer["bound_over_best"] <= 1
    assert runner.invoke(build(), ["check", str(out)]).exit_code == 0
