"""Machines beside GPUs: their peaks are the published ones, and their mappings take what can be counted by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fusemax.cost.evaluate import check_tiles, cost
from fusemax.cost.model import derive
from fusemax.library.load import design_of
from fusemax.simulate.tiles import simulate

SIZES = {"B": 1, "H": 2, "R": 1, "P": 2048, "M": 2048, "E": 128, "F": 128}
MAPPINGS = [
    ("tpu-v4", "splash"), ("tpu-v5e", "splash"), ("tpu-v5p", "splash"), ("tpu-v6e", "splash"), ("tpu-v7x", "splash"),
    ("tpu-v5e", "flash-128"), ("ascend-910b2", "flash"), ("neuron-v2", "flash"), ("fsa", "systolic"),
    ("flatattention", "flat"), ("tpu-v3", "splash"), ("neuron-v3", "flash"), ("gaudi2", "flash"), ("gaudi3", "flash"),
]  # fmt: skip


def figures(machine: str, mapping: str, **sizes: int) -> tuple[Any, Any]:
    """Return the mapped cascade with its machine, and its cost."""
    design = design_of(machine, mapping, "attention")
    answer = cost(design.mapped, derive(design.mapped, design.machine), {**SIZES, **sizes})
    check_tiles(design.mapped, answer)
    return design, answer


@pytest.mark.parametrize(
    ("machine", "mapping", "unit", "peak"),
    [
        ("tpu-v4", "splash", "mxu", 275e12), ("tpu-v5e", "splash", "mxu", 197e12), ("tpu-v5p", "splash", "mxu", 459e12),
        ("tpu-v6e", "splash", "mxu", 918e12), ("tpu-v7x", "splash", "mxu", 2307e12),
        ("ascend-910b2", "flash", "cube", 24 * 2 * 4096 * 1.8e9), ("flatattention", "flat", "matrix", 1012e12),
        ("tpu-v3", "splash", "mxu", 123e12), ("gaudi2", "flash", "mme", 432e12), ("gaudi3", "flash", "mme", 1677e12),
    ],
)  # fmt: skip
def test_peaks(machine: str, mapping: str, unit: str, peak: float) -> None:
    """Lanes, cores and clock give the rate of the data sheet."""
    design, answer = figures(machine, mapping)
    known = answer.parameters
    lanes = math.prod(known[f"{unit}.{side}"] for side in design.machine.units[unit].shape)
    each = answer.values.get(f"{unit}.operations.mac", known.get(f"{unit}.operations.mac"))
    assert 2 * lanes * known["clock"] * known["replicas"] / each == pytest.approx(peak, rel=0.005)


@pytest.mark.parametrize(("machine", "mapping"), MAPPINGS)
def test_both_witnesses(machine: str, mapping: str) -> None:
    """The bound is below the schedule, and the simulator agrees within the fill of a few blocks.

    Groups that meet at units wait for each other, as their times vary; the simulator's do not: a tenth quicker.
    """
    design, answer = figures(machine, mapping)
    assert answer.bound_s <= answer.latency_s
    found = simulate(design.mapped, design.machine, SIZES)
    assert answer.bound_s <= found.latency_s * (1 + 1e-9)
    least = 0.9 if machine == "ascend-910b2" else 0.95
    assert least * answer.latency_s < found.latency_s < 1.6 * answer.latency_s


def test_a_tile_of_fsa() -> None:
    """SystolicAttention: 5 N + 10 cycles for N queries and N keys."""
    _, answer = figures("fsa", "systolic")
    assert answer.latency_s * 1.5e9 == pytest.approx(2 * 16 * 16 * (5 * 128 + 10))


@pytest.mark.parametrize(
    ("cascade", "window", "tiles"),
    [("grouped/causal", {}, 16 * 17 // 2), ("grouped/window", {"W": 257}, 1 + 2 + 14 * 3)],
)
def test_masked_tiles_of_fsa(cascade: str, window: dict[str, int], tiles: int) -> None:
    """Tiles of 128 that a mask leaves are done in full: of 257 keys a tile of queries sees three tiles."""
    design = design_of("fsa", "systolic", cascade)
    answer = cost(design.mapped, derive(design.mapped, design.machine), {**SIZES, **window})

    assert answer.latency_s * 1.5e9 == pytest.approx(2 * tiles * (5 * 128 + 10))


def test_a_block_of_a_tpu() -> None:
    """128 rows pass for each product; 3 and 2 operations of 4 x 1024 lanes; exponentials take two cycles."""
    _, answer = figures("tpu-v5e", "flash-128")
    scores, values, row = 128 * 128 / 4096, 128 * 128 / 4096, 1
    vector = 2 * scores + row + 3 * row  # LM, SLN and SLD, RM; PRM, SPD, RD: of rows they take a step each
    exponentials = 2 * (128 * 128 / 1024 + 1)
    step = (
        128
        + (scores + row)
        + max(scores + row, exponentials)
        + (scores + 2 * row)
        + max(128, values)
        + values
    )
    assert vector < step
    blocks = 2 * 16 * 16
    divisions = 2 * 16 * 2 * values
    expected = blocks * (step + 0.35e-6 * 1.503e9) + divisions
    assert answer.latency_s * 1.503e9 == pytest.approx(expected + 1e-6 * 1.503e9)


@pytest.mark.parametrize(("cascade", "blocks"), [("grouped/backward", 8), ("grouped/backward-causal", 6)])
def test_the_backward_pass_of_a_tpu(cascade: str, blocks: int) -> None:
    """Five products of 2,048 cycles a block of 1024 x 1024, 2,048 of exponentials, 512 on the lanes; a mask skips one in four.

    Two heads of 2,048 tokens have four blocks each; the rest of a block is the grid's step.
    """
    design = design_of("tpu-v5e", "splash-backward", cascade)
    answer = cost(design.mapped, derive(design.mapped, design.machine), SIZES)
    check_tiles(design.mapped, answer)
    phases = {label.nest: value for label, value in answer.table("phase").items()}

    assert phases["tiles"] * 1.503e9 == pytest.approx(blocks * (5 * 2048 + 2048 + 512 + 0.35e-6 * 1.503e9))


def test_the_backward_pass_of_a_tpu_by_both_witnesses() -> None:
    """The bound is below the schedule, and the simulator agrees within the fill of a few blocks."""
    design = design_of("tpu-v6e", "splash-backward", "grouped/backward")
    answer = cost(design.mapped, derive(design.mapped, design.machine), SIZES)
    found = simulate(design.mapped, design.machine, SIZES)

    assert answer.bound_s <= min(answer.latency_s, found.latency_s)
    assert 0.95 * answer.latency_s < found.latency_s < 1.6 * answer.latency_s
