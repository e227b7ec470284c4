"""Any cascade on any machine that knows its operations: a file that check, cost and simulate accept, without being helped."""

from __future__ import annotations

import random

import pytest

from benchmarks.mapper import mapped
from fusemax.cascade.build import load_cascade
from fusemax.machine import load_machine
from fusemax.search.answer import best_mapping
from fusemax.shipped import machines, shipped
from fusemax.simulate.tiles import simulate

#: Attention, a recurrence, a backward pass, a softmax, products; benchmarks/mapper.py has them all.
DESIGNS = (
    ("attention/3-pass-deferred", "fusemax"), ("state-space/titans", "fusemax"), ("backward/saved", "fusemax"),
    ("softmax/stable", "h100"), ("transformer/grouped-linear", "h100"),
)  # fmt: skip


@pytest.mark.parametrize(("cascade", "machine"), DESIGNS)
def test_a_cascade_without_a_mapping_gets_one(cascade: str, machine: str) -> None:
    """It is searched, written, read again, priced and executed; what is simulated is not below the bound of its cost."""
    described, _ = load_machine(machine)
    row = mapped(cascade, machine, described, "latency", seconds=3)

    assert row.verdict == "mapped"
    assert row.answer is not None
    assert 0 < row.answer.gap <= 1
    assert float(row.simulated.split()[0]) * row.answer.cost.latency_s >= 0.999 * row.answer.cost.bound_s


def _sample(seed: int, part: int) -> list[tuple[str, str]]:
    """Return one pair in *part* of all shipped cascades and machines, drawn by *seed*."""
    pairs = [(cascade, machine) for cascade in shipped("einsums") for machine in machines()]
    random.Random(seed).shuffle(pairs)
    return pairs[::part]


@pytest.mark.slow
@pytest.mark.parametrize(("cascade", "machine"), _sample(7, 400))
def test_a_sample_of_all_cascades_on_all_machines(cascade: str, machine: str) -> None:
    """Each has a mapping that is read, priced and executed as any file, or the operation is told that no unit does.

    Three seconds are the median; some need more before anything fits. No mapping runs a loop inside a loop, which is told.
    """
    described = load_machine(machine)[0]
    row = mapped(cascade, machine, described, "latency", seconds=3)
    if "before the time was up" in row.verdict:
        row = mapped(cascade, machine, described, "latency", seconds=20)

    assert row.verdict in ("mapped", "lacks") or "a loop inside a loop" in row.verdict
    if row.answer is not None:
        assert float(row.simulated.split()[0]) * row.answer.cost.latency_s >= 0.99 * row.answer.cost.bound_s
        assert 0 < row.answer.gap <= 1


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["fusemax", "h100", "tpu-v5e", "ascend-910b2"])
def test_a_whole_decoder_block(machine: str) -> None:
    """28 Einsums: norms, projections, rotary pairs, grouped causal attention, its output, a gated layer, residuals."""
    sizes = {"B": 1, "H": 2, "R": 4, "P": 256, "D": 512, "A": 32, "F": 64, "I": 1024}
    described, _ = load_machine(machine)
    answer = best_mapping(load_cascade("transformer/decoder-block"), described, sizes, seconds=6)
    found = simulate(answer.mapped, described, answer.facts.sizes, {})

    assert len(answer.facts.names) == 28
    assert found.latency_s >= 0.99 * answer.cost.bound_s
