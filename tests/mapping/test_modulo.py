"""Epochs found by modulo scheduling: they keep every promise, and are no shorter than their bounds."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from time import perf_counter

import networkx
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.mapping.modulo import Edge, Task, modulo_schedule, recurrence_bound


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Task], list[Edge]]:
    """Draw tasks on two units and dependences, forward within an iteration and any way between iterations."""
    count = draw(st.integers(1, 6))
    tasks = [
        Task(
            f"t{n}", draw(st.sampled_from(["a", "b"])), Fraction(draw(st.integers(1, 9))),
            Fraction(draw(st.integers(0, 3))),
        )
        for n in range(count)
    ]  # fmt: skip
    edges = []
    for reader in range(count):
        for writer in range(count):
            distance = draw(st.sampled_from([None, None, 0, 1, 2]))
            if distance is not None and (distance > 0 or writer < reader):
                edges.append(Edge(writer, reader, distance))
    return tasks, edges


@given(problem=problems())
def test_found_epochs_are_right(problem: tuple[list[Task], list[Edge]]) -> None:
    """Tasks of a unit do not overlap, values are there in time, and the interval is within its bounds."""
    tasks, edges = problem
    kernel = modulo_schedule(tasks, edges)
    begin = [s + k * kernel.interval for s, k in zip(kernel.starts, kernel.stages, strict=True)]
    end = [b + task.cycles for b, task in zip(begin, tasks, strict=True)]
    for edge in edges:
        ready = end[edge.writer] + tasks[edge.writer].latency - edge.distance * kernel.interval
        assert ready <= begin[edge.reader]
    for unit in ("a", "b"):
        order = kernel.order(unit)
        assert all(kernel.starts[x] + tasks[x].cycles <= kernel.starts[y] for x, y in pairwise(order))
        if order:
            assert kernel.starts[order[-1]] + tasks[order[-1]].cycles <= kernel.interval

    assert kernel.interval >= kernel.bound
    assert kernel.reached == (kernel.interval == kernel.bound)


def test_a_circuit_bounds_the_epoch() -> None:
    """By hand: two tasks of 3 and 4 cycles on two units that wait for each other every second iteration: (3 + 4) / 2."""
    tasks = [Task("x", "a", Fraction(3)), Task("y", "b", Fraction(4))]
    edges = [Edge(0, 1, 0), Edge(1, 0, 2)]

    assert Fraction(7, 2) == recurrence_bound(tasks, edges)
    assert modulo_schedule(tasks, edges).interval == 4


def test_a_circuit_over_one_iteration_makes_it_serial() -> None:
    """By hand: the same two tasks waiting for each other every iteration take 7 cycles, the bound."""
    tasks = [Task("x", "a", Fraction(3)), Task("y", "b", Fraction(4))]
    kernel = modulo_schedule(tasks, [Edge(0, 1, 0), Edge(1, 0, 1)])

    assert kernel.interval == 7
    assert kernel.reached


def _by_listing(tasks: list[Task], edges: list[Edge]) -> Fraction:
    """Return the bound from its definition: every elementary circuit, with the shortest distance between neighbours."""
    graph = networkx.DiGraph()
    for edge in edges:
        known = graph.get_edge_data(edge.writer, edge.reader)
        distance = edge.distance if known is None else min(edge.distance, known["distance"])
        graph.add_edge(edge.writer, edge.reader, distance=distance)
    worst = Fraction(0)
    for nodes in networkx.simple_cycles(graph):
        length = sum((tasks[n].cycles + tasks[n].latency for n in nodes), Fraction(0))
        span = sum(graph.edges[a, b]["distance"] for a, b in zip(nodes, [*nodes[1:], nodes[0]], strict=True))
        worst = max(worst, Fraction(length, span))
    return worst


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_recurrence_bound_is_that_of_the_longest_circuit(data: st.DataObject) -> None:
    """The maximum cycle ratio equals the largest over all listed circuits; later tasks are read back a distance later."""
    count = data.draw(st.integers(1, 6))
    tasks = [
        Task(str(n), None, Fraction(data.draw(st.integers(0, 9))), Fraction(data.draw(st.integers(0, 3))))
        for n in range(count)
    ]
    pairs = data.draw(
        st.lists(
            st.tuples(st.integers(0, count - 1), st.integers(0, count - 1), st.integers(0, 2)), max_size=14
        )
    )
    edges = [Edge(w, r, d if w < r else max(1, d)) for w, r, d in pairs]

    assert _by_listing(tasks, edges) == recurrence_bound(tasks, edges)


def test_many_values_that_need_each_other_take_no_time() -> None:
    """Fourteen running values that all read each other have two million circuits; the bound needs none of them."""
    tasks = [Task(str(n), "unit", Fraction(n + 1)) for n in range(14)]
    edges = [Edge(w, r, 0 if w < r else 1) for w in range(14) for r in range(14)]
    begun = perf_counter()

    assert recurrence_bound(tasks, edges) == sum(range(1, 15))
    assert perf_counter() - begun < 5
