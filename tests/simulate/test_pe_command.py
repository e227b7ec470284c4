"""What ``fusemax simulate --level pe`` prints."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from fusemax.errors import FusemaxError
from fusemax.machine import load_machine
from fusemax.simulate import array
from fusemax.simulate.array import command
from fusemax.simulate.pe import watch
from tests.mappings import load_mapping

SIZES = {"B": 1, "H": 2, "E": 4, "F": 4, "M": 20, "P": 12}
FIGURES = {"2d.rows": 4.0, "2d.columns": 4.0, "1d.lanes": 4.0}


def _command(sizes: dict[str, int], as_json: bool, mapping: str = "fusemax", formats: bool = False) -> None:
    machine, path = load_machine("fusemax")
    command(load_mapping(mapping, machine, path), machine, sizes, FIGURES, as_json, formats)


def test_json_is_the_same_each_time(capsys: pytest.CaptureFixture[str]):
    """Two runs print the same bytes, with every number format's error and cycles that add up."""
    texts = []
    for _ in range(2):
        _command(SIZES, True, formats=True)
        texts.append(capsys.readouterr().out)
    record = json.loads(texts[0])

    assert texts[0] == texts[1]
    assert record["cycles"] == sum(record["cycles_by_cause"].values())
    assert record["largest_error"]["float64"] < 1e-12
    assert 5 == len(record["largest_error"])


def test_the_table_names_what_cycles_are_made_of(capsys: pytest.CaptureFixture[str]):
    """The table has the cycles by cause, utilization, the rate, errors and words."""
    _command(SIZES, False, formats=True)
    text = capsys.readouterr().out

    for words in (
        "epochs to fill and drain",
        "utilization 2d",
        "/s on one core",
        "fp16 throughout",
        "Words moved",
    ):
        assert words in text


def test_one_answer_takes_one_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Without --formats the arrays run once, after a warm-up on one tile."""
    runs: list[int] = []
    whole = array.run_attention

    def counted(mapped, machine, sizes, *rest, **options):
        runs.append(sizes["M"])
        return whole(mapped, machine, sizes, *rest, **options)

    monkeypatch.setattr(array, "run_attention", counted)
    _command(SIZES, True)

    assert [1, SIZES["M"]] == runs
    assert ["float64"] == list(json.loads(capsys.readouterr().out)["largest_error"])


def test_a_long_run_says_how_far_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """After a while one line: all element-cycles, the part that is done, the rate and the time left."""
    monkeypatch.setattr(watch, "SILENT_S", 0.05)
    done = np.zeros(1, np.int64)

    def work() -> str:
        done[0] = 25
        time.sleep(0.5)
        return "answer"

    assert "answer" == watch.watched(work, done, 100, 4)
    said = capsys.readouterr().err
    assert "4e+02 element-cycles, 25% done" in said
    assert "s left" in said


def test_hours_are_refused():
    """A problem that would run for hours is refused with a way out."""
    with pytest.raises(FusemaxError, match="would take hours, register by register"):
        _command({"B": 64, "H": 16, "E": 64, "F": 64, "M": 2**20, "P": 2**20}, False)
