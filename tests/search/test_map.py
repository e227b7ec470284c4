"""The mapper end to end: its files are ordinary mappings, better than those written by hand."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from time import process_time

import pytest
from typer.testing import CliRunner

from fusemax.cascade.build import load_cascade
from fusemax.cli import build
from fusemax.cost.point import cost_of
from fusemax.machine import load_machine
from fusemax.search.answer import best_mapping
from fusemax.search.plan import Plan, Search

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


SMALL = ["B=1", "H=2", "M=512", "P=384", "E=32", "F=32"]
PAIRS = [part for size in SMALL for part in ("--set", size)]


def test_forms_with_fewer_passes_are_tried_and_the_best_one_wins(tmp_path: Path) -> None:
    """On FuseMax's chip three passes wait for the vector unit's divisions; a derived form of one pass does not."""
    out = tmp_path / "best.yaml"
    arguments = ["map", "attention/3-pass", "--machine", "fusemax", *PAIRS, "--rewrite", "-o", str(out)]
    found = CliRunner().invoke(build(), arguments)
    priced = [
        [
            "cost",
            str(tmp_path / "best-cascade.yaml"),
            "--machine",
            "fusemax",
            "--mapping",
            str(out),
            *PAIRS,
            "--json",
        ]
    ]
    plain = CliRunner().invoke(build(), ["map", "attention/3-pass", "--machine", "fusemax", *PAIRS, "--json"])

    assert found.exit_code == 0, found.output
    assert "as written" in found.output
    assert "nests:" in found.output
    again = CliRunner().invoke(build(), priced[0])
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["latency_s"] < 0.75 * json.loads(plain.stdout)["cost"]["latency_s"]


def test_a_front_is_a_table_a_figure_and_files(tmp_path: Path) -> None:
    """No mapping of it is better in both objectives than another."""
    arguments = [
        "map",
        "normalisation/rms-norm-linear",
        "--machine",
        str(tmp_path / "machine.yaml"),
        "--json",
    ]
    (tmp_path / "machine.yaml").write_text(WEIGHED)
    sizes = [
        "--set",
        "D=64",
        "--set",
        "P=96",
        "--set",
        "O=48",
        "--front",
        "latency,energy",
        "-o",
        str(tmp_path / "front"),
    ]
    found = CliRunner().invoke(build(), [*arguments, *sizes])
    assert found.exit_code == 0, found.output
    points = [(point["latency_s"], point["energy_J"]) for point in json.loads(found.stdout)]

    assert len(points) >= 2
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in pairwise(points))
    assert (tmp_path / "front" / "front.svg").exists()
    assert (tmp_path / "front" / f"{len(points)}.yaml").exists()
    wrong = CliRunner().invoke(build(), [*arguments, "--front", "latency"])
    assert wrong.exit_code != 0


WEIGHED = """
title: a quick unit that is dear, a slow one that is cheap
source: our own
clock: 1 GHz
word: 2 B
levels:
  DRAM: {bandwidth: 100 GB/s, line: 2 B, energy: {read: 9 pJ, write: 9 pJ}}
  buffer: {size: 64 KiB, line: 2 B, energy: {read: 1 pJ, write: 1 pJ}}
units:
  quick:
    shape: {lanes: 64}
    operations: {mac: 1, mul: 1, add: 1, div: 1, rsqrt: 1}
    energy: {mac: 9 pJ, mul: 9 pJ, add: 9 pJ, div: 9 pJ, rsqrt: 9 pJ}
  cheap:
    shape: {lanes: 8}
    operations: {mac: 1, mul: 1, add: 1, div: 1, rsqrt: 1}
    energy: {mac: 1 pJ, mul: 1 pJ, add: 1 pJ, div: 1 pJ, rsqrt: 1 pJ}
"""


def test_an_interrupt_gives_the_best_so_far_and_its_gap() -> None:
    """Ctrl-C after the first plan: that plan is the answer, and says so."""

    def stop(search: Search, plan: Plan) -> None:
        raise KeyboardInterrupt

    machine, _ = load_machine("h100")
    sizes = {"B": 1, "H": 2, "M": 512, "P": 384, "E": 64, "F": 64}
    answer = best_mapping(load_cascade("attention/3-pass"), machine, sizes, watch=stop)

    assert answer.stopped == "asked"
    assert 0 < answer.gap <= 1
    assert answer.cost.latency_s > 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-o", "{folder}"], "-o {folder}: this is a folder"),
        (["--certificate", "{folder}"], "--certificate {folder}: this is a folder"),
        (["--front", "latency,energy", "-o", "{file}"], "-o {file}: this is a file"),
        (["-o", "{file}", "--certificate", "{file}"], "both name {file}"),
    ],
)
def test_places_that_cannot_be_written_are_told_before_a_search(
    options: list[str], told: str, tmp_path: Path
) -> None:
    """A folder for a file, a file for a folder, one file for two things; nothing is written."""
    file = tmp_path / "file.yaml"
    file.write_text("mine\n")
    named = {"folder": str(tmp_path), "file": str(file)}
    sizes = [
        part for size in ("B=64", "H=12", "M=4096", "P=4096", "E=64", "F=64") for part in ("--set", size)
    ]
    arguments = [
        "map",
        "attention/1-pass",
        "--machine",
        "fusemax",
        *sizes,
        *(one.format(**named) for one in options),
    ]
    found = CliRunner().invoke(build(), arguments)

    assert found.exit_code == 1
    assert told.format(**named) in str(found.exception or found.output)
    assert file.read_text() == "mine\n"


def test_seconds_are_kept_once_something_is_known() -> None:
    """A search under a mask of three ranks ends soon after its time, and its answer says why; the bound says something."""
    cascade, (machine, _) = load_cascade("variants/stick-breaking"), load_machine("fusemax")
    begun = process_time()
    answer = best_mapping(cascade, machine, {"B": 2, "H": 2, "E": 32, "F": 32, "M": 192}, seconds=1)

    assert answer.stopped in ("time", "bound")
    assert process_time() - begun < 8  # without pieces a single grid took as long
    assert 0 < answer.bound.latency_s <= answer.cost.latency_s
