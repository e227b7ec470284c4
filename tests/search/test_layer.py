"""A layer of a transformer, 28 Einsums: norm, projections with a rotary embedding, grouped attention, output, norm, SwiGLU."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemax.cascade.build import load_cascade
from fusemax.library.load import Library
from fusemax.machine import load_machine
from fusemax.search.answer import best_mapping

SIZES = {"D": 4096, "S": 2048, "G": 8, "R": 4, "A": 64, "F": 128, "N": 14336}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("machine", "covered", "fused"),
    [("h100", 0.6, {"QK", "GM", "SN"}), ("fusemax", 0.9, {"QK", "GM", "SN", "SD"})],
)
def test_a_layer_is_divided_and_fused(machine: str, covered: float, fused: set[str]) -> None:
    """Attention is found to be worth fusing, as are the norms; the products of the projections run near the peak.

    On an H100 the second sweep is apart: 64 rows, an instruction's, of 2,048 scores are 256 KiB, shared memory is 227 KiB.
    """
    cascade = load_cascade(str(Path(__file__).parent / "cascades" / "llama-layer.yaml"))
    answer = best_mapping(cascade, load_machine(machine)[0], SIZES, seconds=60)
    together = [set(one.phase.block.einsums) for one in answer.plan.phases]

    assert any(fused <= some for some in together)
    assert answer.gap >= covered


def test_a_batch_of_one_element_keeps_what_no_batch_would() -> None:
    """A product of 14336 x 4096 by 4096 x 2048 runs near the peak, whether or not its operands carry a rank of one element.

    Neither operand fits L2 as a whole: what is kept there has to be a tile of it.
    """
    alone = "WG: [I, O], ZN: [O, P]}\noutputs: [G]\neinsums: |\n  G[i,p] = WG[i,o]*ZN[o,p] :: sum[o]\n"
    head = "title: product\nsource: our own\n"
    texts = (f"{head}inputs: {{{alone}", f"{head}batch: [B]\ninputs: {{{alone}")
    machine, sizes = load_machine("h100")[0], {"I": 14336, "O": 4096, "P": 2048}
    one, other = (
        best_mapping(Library().cascade(text), machine, {**sizes, **more}, by_work=True)
        for text, more in zip(texts, ({}, {"B": 1}), strict=True)
    )

    assert min(one.gap, other.gap) > 0.95
    assert other.cost.latency_s < 1.02 * one.cost.latency_s
