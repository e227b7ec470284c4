"""A layer of a transformer, 28 Einsums: norm, projections with a rotary embedding, grouped attention, output, norm, SwiGLU."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemax.cascade.build import load_cascade
from fusemax.library.load import Library
from fusemax.machine import Machine
from fusemax.search.answer import best_mapping
from fusemax.shipped import find_machine

SIZES = {"D": 4096, "S": 2048, "G": 8, "R": 4, "A": 64, "F": 128, "N": 14336}
#: What a machine needs for norms and SwiGLU beside what its file says, as text after a line of its file.
MORE = {
    "h100": ("      div: 1 ", "      sqrt: 2\n      sigmoid: 4\n"),
    "fusemax": (
        "      div: 1 ",
        "      sqrt: {mac: 6, add: 1}\n      sigmoid: {mac: 6, add: 2}\n      exp: {mac: 6}\n",
    ),
}


def _machine(name: str) -> Machine:
    """Return a shipped machine that knows square roots and sigmoids as well."""
    start, more = MORE[name]
    lines = find_machine(name).read_text(encoding="utf-8").splitlines(keepends=True)
    known = [
        line
        for line in more.splitlines(keepends=True)
        if not any(line.split(":")[0] + ":" in one for one in lines)
    ]
    return Library().machine("".join(line + "".join(known) * line.startswith(start) for line in lines))


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "covered"), [("h100", 0.6), ("fusemax", 0.9)])
def test_a_layer_is_divided_and_fused(machine: str, covered: float) -> None:
    """Attention is found to be worth fusing, as are the norms; the products of the projections run near the peak."""
    cascade = load_cascade(str(Path(__file__).parent / "cascades" / "llama-layer.yaml"))
    answer = best_mapping(cascade, _machine(machine), SIZES, seconds=60)
    together = [set(one.phase.block.einsums) for one in answer.plan.phases]

    assert any({"QK", "GM", "SN", "SD"} <= some for some in together)
    assert answer.gap >= covered
