"""A loop that an Einsum does not have: outside of its sum it begins anew, inside it would add the same values again."""

from __future__ import annotations

import pytest

from fusemax.cascade.build import cascade_from_text
from fusemax.errors import ProblemsError
from fusemax.machine import machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.spec import mapping_file_of
from fusemax.source import document_of

CASCADE = """
title: t
source: s
inputs: {X: [K], Z: [N]}
outputs: [S, Y]
einsums: |
  S[] = X[k] :: sum[k]
  Y[n,k] = X[k]*Z[n]
"""
MACHINE = """
title: t
source: s
clock: 1 Hz
word: 1 B
levels: {DRAM: {}}
units: {u: {shape: {lanes: 1}, operations: {add: 1, mul: 1}}}
"""
MAPPING = """
title: t
source: s
cascade: none
tiles: {K0: 2}
nests: [{for: LOOPS, do: [S, Y]}]
bind: {u: [S, Y]}
"""


def mapped(loops: str) -> None:
    """Map both Einsums in one body inside *loops*."""
    document = document_of(MAPPING.replace("LOOPS", loops))
    map_onto(
        cascade_from_text(CASCADE), machine_of(document_of(MACHINE)), mapping_file_of(document), document
    )


@pytest.mark.parametrize("loops", ["[k1, n]", "[k1, k0, n]", "[k1, n, k0]"])
def test_inside_of_the_sum_it_is_refused(loops: str) -> None:
    """Each of N iterations would add the same elements of X to S."""
    with pytest.raises(ProblemsError, match="S does not have n, a loop inside of k1, over which it reduces"):
        mapped(loops)


@pytest.mark.parametrize("loops", ["[n]", "[n, k1]", "[n, k1, k0]", "[k1, k0]"])
def test_outside_of_the_sum_it_begins_anew(loops: str) -> None:
    """S is summed up N times, each time from nothing."""
    mapped(loops)
