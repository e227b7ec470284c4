"""``fusemax simulate``: what it prints and writes, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusemax.cli import build
from fusemax.cli.arguments import gathered
from fusemax.errors import FusemaxError

COMMAND = "simulate attention/1-pass --machine fusemax --mapping auto --set B=1 H=1 E=64 F=64 M=1Ki P=512"


def run(line: str) -> str:
    """Return what ``fusemax`` prints for *line*."""
    result = CliRunner().invoke(build(), gathered(line.split()), catch_exceptions=False)

    assert 0 == result.exit_code
    return result.stdout


def test_json_has_everything() -> None:
    """Cycles, words, waits, buffers and the epoch that was found, as data."""
    record = json.loads(run(f"{COMMAND} --json"))

    assert record["cycles"] > 0
    assert {"nest", "level", "tensor", "kind", "words"} == set(record["words"][0])
    assert record["phases"][0]["epoch"]["reached"] is True
    assert record["phases"][0]["epoch"]["interval_cycles"] == 138
    assert record["buffers"]
    assert record["waits"]


def test_trace_is_a_trace(tmp_path: Path) -> None:
    """The trace has a complete event for each task, inside the run, and names its threads."""
    run(f"{COMMAND} --trace {tmp_path / 'out.json'} --epochs 3")
    events = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["traceEvents"]
    tasks = [event for event in events if event["ph"] == "X"]

    assert {"BQK", "SLNV", "RNV", "load Q"} <= {event["name"] for event in tasks}
    assert all(event["dur"] >= 0 for event in tasks)
    assert {"2d", "1d", "L3 moves"} <= {
        event["args"]["name"] for event in events if event["name"] == "thread_name"
    }


def test_gantt_is_the_same_each_time(tmp_path: Path) -> None:
    """The picture is written as SVG and PNG, with the same bytes each time, and shows the rows of the waterfall."""
    for name in ("one", "two"):
        run(f"{COMMAND} --gantt {tmp_path / name}.svg --epochs 3")

    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.png").is_file()
    assert ">SLNV<" in (tmp_path / "one.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("--gantt out.pdf", "expected a path that ends in .svg"),
        ("--level pe --trace out.json", "leave them out with --level pe"),
        ("--formats", "give --level pe with it"),
        ("--epochs 3", "give one of them with it"),
        ("--trace out.json --epochs 100001", "100000"),
        ("--set L3.ports=2", "no such figure of the machine: L3.ports"),
        ("--set Z=2", "Z is no rank or size"),
        ("--set L3.size=64KiB", "L3 is too small"),
    ],
)
def test_mistakes_are_named(extra: str, message: str) -> None:
    """A mistake of the user's ends in one of our errors, which says what is wrong."""
    with pytest.raises(FusemaxError) as error:
        run(f"{COMMAND} {extra}")

    assert message in str(error.value)


def test_the_ending_of_a_picture_is_refused_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a run whose picture cannot be written."""
    monkeypatch.setattr("fusemax.simulate.tiles.simulate", lambda *_, **__: pytest.fail("it ran"))
    with pytest.raises(FusemaxError, match=r"ends in \.svg"):
        run(f"{COMMAND} --gantt out.pdf")


def test_what_is_held_is_what_has_room() -> None:
    """What a level keeps without room is said so; values that pass element by element are held nowhere.

    Of FuseMax's body BQK, SLN and SPNV wait as whole tiles, or for a maximum or a sum of them; LM passes on at once.
    """
    command = "simulate attention/3-pass --machine flat --mapping output-stationary --set B=1 H=1 E=64 F=64 M=512 P=512"
    assert "no room counted" in run(command)
    held = {(b["level"], b["tensor"]) for b in json.loads(run(f"{COMMAND} --json"))["buffers"]}

    assert ("2d registers", "BQK") in held
    assert ("2d registers", "LM") not in held
