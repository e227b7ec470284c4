"""A layer of a transformer, 28 Einsums: norm, projections with a rotary embedding, grouped attention, output, norm, SwiGLU."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemax.cascade.build import load_cascade
from fusemax.machine import load_machine
from fusemax.search.answer import best_mapping

SIZES = {"D": 4096, "S": 2048, "G": 8, "R": 4, "A": 64, "F": 128, "N": 14336}


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "covered"), [("h100", 0.6), ("fusemax", 0.9)])
def test_a_layer_is_divided_and_fused(machine: str, covered: float) -> None:
    """Attention is found to be worth fusing, as are the norms; the products of the projections run near the peak."""
    cascade = load_cascade(str(Path(__file__).parent / "cascades" / "llama-layer.yaml"))
    answer = best_mapping(cascade, load_machine(machine)[0], SIZES, seconds=60)
    together = [set(one.phase.block.einsums) for one in answer.plan.phases]

    assert any({"QK", "GM", "SN", "SD"} <= some for some in together)
    assert answer.gap >= covered
