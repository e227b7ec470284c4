"""Every number is explained down to sizes and figures, each with its source."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import fusemax as fm
from fusemax.cli import build
from fusemax.cost.explain import shown
from fusemax.library.sources import sources_of
from fusemax.machine import figures
from fusemax.shipped import ROOT, machines

SIZES = {"B": 1, "H": 2, "E": 64, "F": 64, "M": 2048, "P": 2048}
MACHINE = """\
title: t
source: s
clock: 1 GHz
word: 2 B   # a half
levels:
  # from a data sheet,
  # page 3
  DRAM: {bandwidth: 2 GB/s}
units:
  alu:
    shape: {lanes: 4}     # our own
    operations: {mul: 2}
"""
CASCADE = {"title": "t", "source": "s", "inputs": {"X": ["M"]}, "einsums": "Y[m] = X[m] * X[m]", "ranks": {}}
MAPPING = {
    "title": "t", "source": "s", "cascade": "attention", "tiles": {"M0": "alu.lanes"},
    "nests": [{"for": ["m1"], "spatial": {"alu": {"m0": "lanes"}}, "do": ["Y"]}], "bind": {"alu": ["Y"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def answer() -> fm.CostAnswer:
    """The published design at one point, with a figure of our own."""
    return fm.Design(None, "fusemax", "fusemax").cost(SIZES, {"L3.size": "1 MiB"})


def test_a_small_machine_by_hand(tmp_path: Path) -> None:
    """16 words in 4 lanes, 2 cycles each: 8 cycles at 1 GHz; 64 bytes at 2 GB/s: 32 ns, which is the larger."""
    (tmp_path / "machine.yaml").write_text(MACHINE)
    design = fm.Design(CASCADE, tmp_path / "machine.yaml", MAPPING)
    found = design.cost(M=16).explain("latency")
    steps = {step.name: step for step in found.steps}

    assert ("latency_s", "32 ns") == (found.steps[0].name, found.steps[0].shown)
    assert "32 ns" == steps["time_s[Y,DRAM]"].shown
    assert "time_s[Y,DRAM]" == steps["phase_s[Y]"].chosen
    assert "8" == steps["cycles[alu,Y]"].shown
    line = {match[1]: match[0] for match in re.finditer(r"^(\S+)  .*$", found.text, re.MULTILINE)}
    assert line["DRAM.bandwidth"].endswith("machine.yaml:8: from a data sheet, page 3")
    assert line["alu.lanes"].endswith("machine.yaml:11: our own")
    assert line["word"].endswith("machine.yaml:4: a half")
    assert found.text.endswith("sizes: M=16")


@pytest.mark.parametrize(
    "number", ["latency_s", "bound_s", "traffic_B", "energy_J", "area_m2", "utilization_2d", "P1"]
)
def test_every_step_is_reached_and_explained(answer: fm.CostAnswer, number: str) -> None:
    """Each name in a formula is a step of its own, deeper than the first that needs it; values are those of the cost."""
    steps = answer.explain(number).steps
    names = [step.name for step in steps]
    known = {**answer.parameters, **answer.values}
    whole = {line.name: line for line in answer.program.lines}

    assert len(set(names)) == len(names)
    assert 0 == steps[0].depth
    for step in steps:
        assert known[step.name] == step.value
        if step.name in whole:
            assert whole[step.name].needs() <= set(names)
        else:
            assert "" == step.formula
    assert "L3.size" not in names or "1 MiB" in answer.explain(number).text
    assert "L3.size" not in names or re.search(r"L3\.size +1 MiB +as you set it", answer.explain(number).text)


def test_words_are_added_up(answer: fm.CostAnswer) -> None:
    """L3.read is the sum over tensors of what the table of words says."""
    rows = [row for row in answer.of("words").rows() if (row["level"], row["action"]) == ("L3", "read")]
    first = answer.explain("L3.read").steps[0]

    assert sum(row["value"] for row in rows) == first.value
    assert len(rows) == first.formula.count("words[") > 1


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("latncy", "did you mean 'latency'"),
        ("L3", "L3 may mean several numbers\n  hint: say which: "),
        ("wxyz", "there are: latency_s, bound_s"),
        ("DRAM.bandwith", "did you mean 'DRAM.bandwidth'"),
    ],
)
def test_numbers_that_there_are_not(answer: fm.CostAnswer, number: str, said: str) -> None:
    """What is near, or what may be meant."""
    with pytest.raises(fm.FusemaxError) as caught:
        answer.explain(number)

    assert said in str(caught.value)


def test_a_total_that_the_machine_lacks(tmp_path: Path) -> None:
    """Its figures are named."""
    design = fm.Design(CASCADE, MACHINE, MAPPING)
    with pytest.raises(fm.FusemaxError, match=r"energy_J is not known: the machine lacks .*alu\.energy\.mul"):
        design.cost(M=16).explain("energy_J")
    assert "as you set it" not in design.cost(M=16).explain("latency").text


@pytest.mark.parametrize("name", machines())
def test_sources_of_shipped_machines(name: str) -> None:
    """Each figure stands in the line that its source names: its last key, or that of the figure that it is taken from."""
    machine = fm.load_machine(name)
    sources = sources_of(machine)

    assert set(figures(machine)) == set(sources)
    for figure, source in sources.items():
        if source.comment == "not given there":
            continue
        place, _, line = source.place.rpartition(":")
        text = (ROOT / place).read_text().split("\n")[int(line) - 1]
        last = re.sub(r"^(\d+)bit$", r"\1 bit", figure.rpartition(".")[2])
        other = re.match(r"as (write|read)\b", source.comment)
        wanted = {other[1] if other else last} | ({"shape"} if last == "lanes" else set())
        assert any(f"{key}:" in text for key in wanted), (figure, text)


def test_values_are_shown_in_their_units() -> None:
    """Quantities by the unit in the name, shares in per cent, counts with commas."""
    assert "1.5 us" == shown("phase_s[AV]", 1.5e-6)
    assert "50.00%" == shown("utilization[2d]", 0.5)
    assert "940 MHz" == shown("clock", 9.4e8)
    assert "1,000" == shown("words[AV,L3,read,Q]", 1000.0)
    assert "0.333333" == shown("1d.operations.exp", 1 / 3)


def test_on_the_command_line() -> None:
    """Text and JSON; a depth leaves out what lies below."""
    command = ["explain", "latency", "attention/1-pass", "--machine", "fusemax", "--mapping", "fusemax"]
    for name, size in SIZES.items():
        command += ["--set", f"{name}={size}"]
    whole = CliRunner().invoke(build(), command, catch_exceptions=False).output
    short = CliRunner().invoke(build(), [*command, "--depth", "1", "--json"], catch_exceptions=False).output
    entries = json.loads(short)

    assert whole.startswith("latency_s = ")
    assert "arch/fusemax/machine.yaml:8: paper, section VI: the clock of a TPU" in whole
    assert ["latency_s", "launch", "phase_s[AV]"] == [entry["name"] for entry in entries]
    assert math.isclose(entries[0]["value"], entries[1]["value"] + entries[2]["value"])


DESIGNS = {
    "FuseMax": (None, "fusemax", "fusemax", SIZES),
    "unfused": (None, "flat", "unfused", SIZES),
    "H100": (None, "h100", "flash3", {"B": 1, "H": 2, "E": 128, "F": 128, "M": 2048, "P": 2048}),
    "decode": (None, "b200", "decode", {"B": 4, "H": 8, "R": 4, "E": 128, "F": 128, "M": 16384, "P": 1}),
}


@pytest.mark.parametrize("name", list(DESIGNS))
def test_every_number_of_an_answer_is_explained(name: str) -> None:
    """All lines, totals, figures and rooflines, on chips and GPUs: the first step has the value that the answer has."""
    *given, sizes = DESIGNS[name]
    answer = fm.Design(*given).cost(sizes)
    roofline = {
        f"{kind}[{row['unit']}]": row[kind]
        for row in answer.roofline.rows()
        for kind in ("speed", "peak", "intensity")
    }
    known = {**answer.parameters, **answer.values, **roofline}
    for number in [*list(known)[:: max(1, len(known) // 60)], *roofline]:
        step = answer.explain(number).steps[0]
        assert step.name == number
        assert step.value == pytest.approx(known[number])


def test_columns_of_studies_are_explained() -> None:
    """Sums over nests, areas and energies of one place, and products of totals."""
    answer = fm.Design(None, "flat", "unfused").cost(SIZES)
    for number, expected in (
        ("energy_delay", answer.energy_J * answer.latency_s),
        ("power", answer.energy_J / answer.latency_s),
        ("time_DRAM_s", sum(row["value"] for row in answer.of("time").rows() if row["level"] == "DRAM")),
        (
            "energy_registers_J",
            sum(row["value"] for row in answer.of("component_energy").rows() if row["action"] == "registers"),
        ),
    ):
        assert answer.explain(number).steps[0].value == pytest.approx(expected)
    assert "energy_J*latency_s" in str(answer.explain("energy_delay"))


def test_without_a_mapping_the_best_one_is_explained() -> None:
    """As ``cost`` does: the number is that of the mapping that a search finds."""
    words = [
        "attention/1-pass",
        "--machine",
        "fusemax",
        "--set",
        "B=1",
        "--set",
        "H=1",
        "--set",
        "E=64",
        "--set",
        "F=64",
    ]
    words += ["--set", "M=1024", "--set", "P=1024", "--json"]
    explained = json.loads(CliRunner().invoke(build(), ["explain", "latency_s", *words]).stdout)
    cost = json.loads(CliRunner().invoke(build(), ["cost", *words]).stdout)
    assert explained[0]["value"] == pytest.approx(cost["latency_s"])
