"""Constants of GPU mappings: which rows fit them, and that a fit finds what made the times."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean

import pytest
from typer.testing import CliRunner

from fusemax.cli import build
from fusemax.gpu.asked import GpuStudy, study_file
from fusemax.gpu.calibrate import STEP, Constants, Group, fit_of, groups
from fusemax.gpu.compare import compare
from fusemax.gpu.published import Published, published
from fusemax.shipped import ROOT


@pytest.fixture(scope="module")
def study() -> GpuStudy:
    """The shipped study."""
    return study_file(ROOT / "studies" / "gpu.yaml")


@pytest.fixture(scope="module")
def rows() -> tuple[Published, ...]:
    """The shipped table."""
    return published()


@pytest.fixture(scope="module")
def found(study: GpuStudy, rows: tuple[Published, ...]) -> dict[str, Group]:
    """The groups of rows by mapping."""
    return {group.label: group for group in groups(study, rows)}


def test_only_calibration_rows_of_known_cards_fit_a_constant(found: dict[str, Group]) -> None:
    """No test row, no card without a stated form, no source with time of the host in it, nothing set apart."""
    assert {"gpu/flash2", "hopper/flash3", "hopper/cudnn", "hopper/cudnn-backward"} <= set(found)
    for group in found.values():
        assert group.rows
        for resolved in group.rows:
            assert resolved.row.split == "calibration"
            assert resolved.row.gpu not in ("A100", "H100")
            assert "artifacts" not in resolved.row.source
            assert not resolved.apart


def test_the_error_is_that_of_the_comparison(
    study: GpuStudy, rows: tuple[Published, ...], found: dict[str, Group]
) -> None:
    """The mean |log| at the stated constants is that of the study's own predictions."""
    group = found["hopper/flash3"]
    lines = {resolved.row.line for resolved in group.rows}
    compared, _ = compare(study, [row for row in rows if row.line in lines])
    wanted = fmean(abs(math.log(entry.prediction.time_s / entry.row.time_s)) for entry in compared)
    assert group.error(group.stated) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("wait_cycles", [600, 450])
def test_a_fit_finds_the_constants_that_made_the_times(found: dict[str, Group], wait_cycles: int) -> None:
    """Times that the model itself makes with other constants give those constants back, on the grid and half a step beside."""
    group, true = found["hopper/flash4"], Constants(wait_cycles, 2.5e-6)
    made = []
    for resolved in group.rows:
        alone = replace(group, rows=(resolved,))
        ratio = math.exp(alone.error(true))  # of one row: |log(time / published)|
        candidates = [resolved.row.time_s * ratio, resolved.row.time_s / ratio]
        times = [
            replace(resolved, row=replace(resolved.row, printed_time_s=time * 1.0)) for time in candidates
        ]
        made.append(min(times, key=lambda entry: replace(group, rows=(entry,)).error(true)))
    fit = fit_of(replace(group, rows=tuple(made)), [0.0, 1e-6, 2.5e-6, 4e-6])
    assert fit.best == true
    assert fit.best_error == pytest.approx(0, abs=1e-9)


def test_every_stated_constant_is_near_its_fit(found: dict[str, Group]) -> None:
    """What the files state is no worse than a step of the grid to either side."""
    for group in found.values():
        stated = group.stated
        sides = [max(0.0, stated.wait_cycles - STEP), stated.wait_cycles + STEP]
        here = group.error(stated)
        assert all(here <= group.error(Constants(side, stated.start_s)) + 1e-12 for side in sides), (
            group.label
        )


def test_the_command_prints_stated_and_fitted() -> None:
    """``fusemax gpu calibrate`` for one mapping; a filter that fits nothing is refused."""
    runner = CliRunner()
    result = runner.invoke(build(), ["gpu", "calibrate", "--only", "hopper/flash3-backward"])
    assert result.exit_code == 0
    assert "hopper/flash3-backward" in result.output
    assert "gpu/flash2" not in result.output
    refused = runner.invoke(build(), ["gpu", "calibrate", "--only", "nothing"])
    assert "no mapping with calibration rows has nothing in its path" in str(refused.exception)
