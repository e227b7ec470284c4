"""Any cascade on any machine that knows its operations: a file that check, cost and simulate accept, without being helped."""

from __future__ import annotations

import pytest

from benchmarks.mapper import mapped
from fusemax.machine import load_machine

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
