"""What circuits of dependences cost: the longest of all circuits, listed one by one, and many running values at once."""

from __future__ import annotations

from time import process_time

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.cascade.build import cascade_from_text
from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.cost.ratio import cycle_ratio
from fusemax.machine import machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.spec import mapping_file_of
from fusemax.source import document_of

MACHINE = """
title: t
source: s
clock: 1 Hz
word: 1 B
levels: {DRAM: {}, L1: {}}
units:
  u: {shape: {lanes: 1}, operations: {add: 1, mul: 1}}
  v: {shape: {lanes: 1}, operations: {add: 2, mul: 1}}
"""


def listed(lengths: list[int], edges: list[tuple[int, int, int]]) -> float:
    """The largest ratio, from its definition: every elementary circuit, with the shortest span between neighbours."""
    graph = networkx.DiGraph()
    for writer, reader, span in edges:
        known = graph.get_edge_data(writer, reader)
        graph.add_edge(writer, reader, span=span if known is None else min(span, known["span"]))
    worst = 0.0
    for nodes in networkx.simple_cycles(graph):
        span = sum(graph.edges[a, b]["span"] for a, b in zip(nodes, [*nodes[1:], nodes[0]], strict=True))
        worst = max(worst, sum(lengths[n] for n in nodes) / span)
    return worst


@given(
    st.lists(st.integers(0, 9), min_size=6, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2)), max_size=14),
)
def test_the_longest_circuit(lengths: list[int], drawn: list[tuple[int, int, int]]) -> None:
    """Values of an iteration come before those that need them; all others are of an iteration before."""
    edges = [(writer, reader, span if writer < reader else max(1, span)) for writer, reader, span in drawn]
    numbers = [len(lengths), len(edges), *lengths, *(value for edge in edges for value in edge)]

    assert cycle_ratio([float(n) for n in numbers]) == pytest.approx(listed(lengths, edges), rel=1e-12)


@pytest.mark.parametrize("count", [2, 12])
def test_running_values_that_all_need_each_other(count: int) -> None:
    """Each needs all of the iteration before: twelve of them have millions of circuits, and none waits longer than itself.

    Each adds *count* + 1 values in each of four iterations, all on one unit, which is busy all the time; then Y adds them up.
    """
    values = [f"R{k}" for k in range(count)]
    rows = [f"  {r}[0] = 0" for r in values]
    rows += ["  loop m:", *(f"    {r}[m+1] = {' + '.join(f'{o}[m]' for o in values)} + X[m]" for r in values)]
    rows += [f"  Y[] = {' + '.join(f'{r}[M]' for r in values)}"]
    text = "title: t\nsource: s\ninputs: {X: [M]}\noutputs: [Y]\neinsums: |\n" + "\n".join(rows) + "\n"
    names = ", ".join(values)
    document = document_of(
        f"title: t\nsource: s\ncascade: none\nnests:\n- keep: {{L1: [{names}]}}\n  do:\n"
        f"  - {{for: [m], do: [{names}]}}\n  - {{do: [Y]}}\nbind: {{u: [{names}, Y]}}\nschedule: auto\n"
    )
    machine = machine_of(document_of(MACHINE))
    begun = process_time()
    mapped = map_onto(cascade_from_text(text), machine, mapping_file_of(document), document)
    answer = cost(mapped, derive(mapped, machine), {"M": 4})

    assert answer.latency_s == 4 * count * count + count - 1
    assert process_time() - begun < 2
