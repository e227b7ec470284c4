"""Tiles of different nodes that take turns in one place: those of a serial nest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from fusemax.cascade.build import cascade_from_text
from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.machine import Machine, machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import mapping_file_of
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of

CASCADE = """
title: t
source: s
inputs: {X: [R], V: [R]}
outputs: [A, B]
einsums: |
  A[r] = exp(X[r])
  B[r] = exp(V[r])
"""
NODES = [{"keep": {"L3": ["X"]}, "do": ["A"]}, {"keep": {"L3": ["V"]}, "do": ["B"]}]


def machine(size: str = "1 KiB") -> Machine:
    """Return a unit that takes 3 cycles for an element, and a DRAM that moves a word each cycle."""
    data = {
        "title": "t", "source": "s", "clock": "1 GHz", "word": "2 B",
        "levels": {"DRAM": {"bandwidth": "2 GB/s"}, "L3": {"size": size, "line": "2 B"}},
        "units": {"1d": {"shape": {"lanes": 1}, "operations": {"exp": 3}}},
    }  # fmt: skip
    return machine_of(document_of(json.dumps(data)))


def siblings(
    described: Machine, nodes: Sequence[Mapping[str, Any]] = NODES, schedule: str = "serial"
) -> Mapped:
    """Return A and B in tiles of two elements, each in a node of its own that keeps what it reads."""
    data = {
        "title": "t", "source": "s", "cascade": "none", "tiles": {"R0": 2},
        "nests": [{"for": ["r1"], "do": list(nodes)}], "bind": {"1d": ["A", "B"]}, "schedule": schedule,
    }  # fmt: skip
    document = document_of(json.dumps(data))
    return map_onto(cascade_from_text(CASCADE), described, mapping_file_of(document), document)


def test_a_tile_comes_when_the_one_before_it_is_gone() -> None:
    """By hand: X (2 cycles), A (2*3; its words leave meanwhile), V (2), B (6), four times: nothing is loaded ahead."""
    described = machine("4 B")
    mapped = siblings(described)

    assert cost(mapped, derive(mapped, described), {"R": 8})  # two words have room, X and V by turns
    assert 4 * (2 + 6 + 2 + 6) == simulate(mapped, described, {"R": 8}).cycles


def test_a_second_buffer_is_filled_while_its_node_runs() -> None:
    """By hand: with two tiles of X in a node, the second comes while A does the first: 2 + 6 + 6, and B alike, twice."""
    nodes = [
        {"for": ["r1"], "keep": {"L3": [{"tensor": tensor, "buffers": 2}]}, "do": [name]}
        for tensor, name in (("X", "A"), ("V", "B"))
    ]
    data = {
        "title": "t", "source": "s", "cascade": "none", "tiles": {"R0": 2, "R1": 2},
        "nests": [{"for": ["r2"], "do": nodes}], "bind": {"1d": ["A", "B"]}, "schedule": "serial",
    }  # fmt: skip
    document = document_of(json.dumps(data))
    described = machine("8 B")
    mapped = map_onto(cascade_from_text(CASCADE), described, mapping_file_of(document), document)

    assert 2 * 2 * (2 + 6 + 6) == simulate(mapped, described, {"R": 8}).cycles


def test_other_schedules_load_ahead() -> None:
    """By hand: both tiles have room at all times, and all loads but the first two are behind the work: 2 + 16*3."""
    described = machine("8 B")
    run = simulate(siblings(described, schedule="overlapped"), described, {"R": 8})

    assert 2 + 16 * 3 == run.cycles


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 40])
def test_taking_turns_can_be_skipped(rows: int) -> None:
    """Steady states are the same with turns: each run equals the one without jumps."""
    described = machine("4 B")
    fast, slow = (
        simulate(siblings(described), described, {"R": rows}, fast_forward=f) for f in (True, False)
    )

    assert fast.cycles == slow.cycles == 8 * rows
