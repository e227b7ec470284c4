"""Epochs found by modulo scheduling: they keep every promise, and are no shorter than their bounds."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
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
