"""A mapping never moves less than the passes of its cascade make it move."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.analysis.passes import analyse
from fusemax.analysis.traffic import traffic_bound
from fusemax.cascade.build import load_cascade
from fusemax.cost.evaluate import CapacityError, cost
from fusemax.cost.model import derive
from fusemax.machine import load_machine
from tests.mappings import load_mapping

CASES = [
    ("fusemax", "fusemax", "attention/1-pass"),
    ("flat", "fused-1-pass", "attention/1-pass"),
    ("flat", "output-stationary", "attention/3-pass"),
    ("flat", "weight-stationary", "attention/3-pass"),
    ("flat", "unfused", "attention/3-pass"),
]


@lru_cache
def derived(machine: str, mapping: str):
    """Return the mapped cascade and its program."""
    described, path = load_machine(machine)
    mapped = load_mapping(mapping, described, path)
    return mapped, derive(mapped, described)


@lru_cache
def bound(cascade: str):
    """Return the compulsory words and the cuts of one head, with queries in blocks of PT."""
    found = traffic_bound(analyse(load_cascade(cascade)), "M", {"P": "PT"})
    return found.compulsory, found.cuts


def least_words(cascade: str, sizes: dict[str, int], block: int, room: float) -> float:
    """Return the bound: inputs and outputs once, and for each block of queries what does not fit between passes."""
    compulsory, cuts = bound(cascade)
    numbers = {**sizes, "PT": block}

    def value(expression) -> float:
        return float(expression.subs({s: numbers[str(s)] for s in expression.free_symbols}))

    again = sum(max(0.0, value(cut) - room) for cut in cuts)
    return sizes["B"] * sizes["H"] * (value(compulsory) + (sizes["P"] // block) * again)


@pytest.mark.parametrize(("machine", "mapping", "cascade"), CASES)
@given(
    sizes=st.fixed_dictionaries({
        "B": st.integers(1, 3), "H": st.integers(1, 3), "M": st.integers(1, 9000), "P": st.integers(1, 9000),
        "E": st.integers(1, 200), "F": st.integers(1, 200),
    }),
    room=st.sampled_from([2.0**17, 2.0**19, 2.0**21, 2.0**24]),
)  # fmt: skip
def test_traffic_is_not_below_its_bound(
    machine: str, mapping: str, cascade: str, sizes: dict[str, int], room: float
):
    """At any size of workload and buffer; registers count as room as well."""
    mapped, program = derived(machine, mapping)
    try:
        answer = cost(mapped, program, sizes, {"L3.size": room})
    except CapacityError:
        return
    tiles = ceil(sizes["P"] / 256)
    per_block = {
        "fusemax": 1,
        "fused-1-pass": 1,
        "output-stationary": tiles,
        "weight-stationary": 4,
        "unfused": tiles,
    }
    block = min(sizes["P"], per_block[mapping] * 256)
    registers = 256 * 256 * 12 + 256 * 32

    assert answer.traffic_B / 2 >= least_words(cascade, sizes, block, room / 2 + registers) * (1 - 1e-12)
