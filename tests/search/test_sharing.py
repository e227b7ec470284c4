"""Kept tensors in one place: only where the first one is wanted by nobody after the second is made."""

from __future__ import annotations

import pytest

from fusemax.library.load import Library
from fusemax.search.answer import best_mapping
from fusemax.search.blocks import block_of
from fusemax.search.facts import facts_of
from fusemax.search.shapes import skeletons
from fusemax.search.sharing import shared_places
from fusemax.search.structures import places_of

SOFTMAX = """
title: rows of a softmax
source: our own
inputs: {X: [I, J]}
outputs: [OUT]
einsums: |
  S[i,j] = X[i,j]*X[i,j]
  M[i]   = S[i,j] :: max[j]
  N[i,j] = exp(S[i,j] - M[i])
  D[i]   = N[i,j] :: sum[j]
  Y[i,j] = LAST
"""
MACHINE = """
title: one buffer
source: our own
clock: 1 GHz
word: 2 B
levels:
  DRAM: {bandwidth: 1 GB/s}
  buffer: {size: SIZE B}
units:
  row: {shape: {lanes: 4}, operations: {mul: 1, add: 1, max: 1, sub: 1, exp: 1, div: 1}}
"""


@pytest.mark.parametrize(
    ("last", "outputs", "shared"),
    [
        ("N[i,j]/D[i]", "[Y]", True),
        ("N[i,j]/D[i] + S[i,j]", "[Y]", False),
        ("N[i,j]/D[i]", "[Y, S]", False),
    ],
)
def test_a_place_is_taken_when_it_is_free(last: str, outputs: str, shared: bool) -> None:
    """The exponentials take the place of the scores, unless these are read again or leave."""
    cascade = Library().cascade(SOFTMAX.replace("LAST", last).replace("[OUT]", outputs))
    facts = facts_of(cascade, Library().machine(MACHINE.replace("SIZE", "4096")), {"I": 64, "J": 256})
    found = {
        group
        for skeleton in skeletons(facts, facts.names)
        for places in places_of(facts)
        for group in shared_places(facts, skeleton, block_of(facts, skeleton, places))
    }

    assert any({"S", "N"} <= set(group) for group in found) == shared


def test_one_place_saves_room() -> None:
    """A row of 256 scores with its exponentials needs 1,024 B, in one place 512 B beside two sums and the next inputs."""
    cascade = Library().cascade(SOFTMAX.replace("LAST", "N[i,j]/D[i]").replace("OUT", "Y"))
    machine = Library().machine(MACHINE.replace("SIZE", "900"))
    best = best_mapping(cascade, machine, {"I": 64, "J": 256}, objective="traffic")

    assert best.cost.traffic_B == 2 * 2 * 64 * 256  # X in, Y out, each once
