"""Shipped mappings at small odd sizes: walk, cost model and simulator count the same."""

from __future__ import annotations

from random import Random

import pytest

from fusemax.errors import FusemaxError
from fusemax.machine import load_machine
from tests.mappings import load_mapping
from tests.simulate.test_shipped_sizes import CHIPS, mappings, small_sizes
from tests.walk.compare import witnessed


@pytest.mark.slow
@pytest.mark.parametrize("name", [chip for chip in CHIPS if chip != "a100"])  # as h100
def test_shipped_mappings_agree_with_the_walk(name: str) -> None:
    """Words, cycles, useful work and room; times in order unless constants were fitted."""
    machine, path = load_machine(name)
    random = Random(f"walk {name}")
    found: list[str] = []
    compared = 0
    for mapping in mappings(name):
        try:
            mapped = load_mapping(mapping, machine, path)
            sizes = small_sizes(mapped, random)
            outcome = witnessed(mapped, machine, sizes)
        except FusemaxError:  # a cascade file, or one for another machine
            continue
        compared += outcome.refused is None
        found += [f"{mapping} {sizes}: {difference}" for difference in outcome.differences]

    assert not found, "\n".join(found)
    assert compared
