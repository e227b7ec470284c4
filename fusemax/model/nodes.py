"""Collectives over several nodes, whose chips have quick links inside a node and a network card each to other nodes.

Two ways: phases inside nodes and between them, one after another, in which chips at the same place in their nodes work side by
side (Cho et al., BlueConnect, MLSys 2019); and rings through all chips, as many as a node has chips, each of which leaves the
node over another card (what NCCL builds). Both are said twice, as a closed form and as messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fusemax.model.network import Call, Library, Network

INSIDE, BETWEEN = "inside", "between"
#: What the phases do: on which links, what, and on all of the buffer or on the part of one chip of a node.
PHASES: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    "all-reduce": (
        (INSIDE, "reduce-scatter", True), (BETWEEN, "all-reduce", False), (INSIDE, "all-gather", True),
    ),
    "all-gather": ((BETWEEN, "all-gather", False), (INSIDE, "all-gather", True)),
    "reduce-scatter": ((INSIDE, "reduce-scatter", True), (BETWEEN, "reduce-scatter", False)),
    "all-to-all": ((INSIDE, "all-to-all", True), (BETWEEN, "all-to-all", True)),
    "send": ((BETWEEN, "send", True),),
}  # fmt: skip
#: How often a buffer goes around rings through all chips.
AROUND: Mapping[str, int] = {"all-reduce": 2, "all-gather": 1, "reduce-scatter": 1}
Message = tuple[tuple[int, int], tuple[int, int], float]  #: from, to (node and place in it), bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One part of a collective: ``operation`` on ``size_B`` over ``n`` chips, ``stride`` apart, on the links ``where``."""

    where: str
    operation: str
    size_B: float
    n: int
    stride: int


def phases(operation: str, size_B: float, nodes: int, inner: int, stride: int, apart: int) -> Iterator[Phase]:
    """Yield the phases over *nodes*, *apart* from each other, with *inner* chips of the group in each, *stride* apart."""
    for where, called, whole in PHASES[operation]:
        if where == BETWEEN:
            part_B = size_B if whole else size_B / inner
            yield Phase(where=where, operation=called, size_B=part_B, n=nodes, stride=apart)
        elif inner > 1:
            yield Phase(where=where, operation=called, size_B=size_B, n=inner, stride=stride)


def rings(
    networks: Mapping[str, Network], operation: str, size_B: float, nodes: int, inner: int,
    library: str | None = None,
) -> Iterator[Call]:  # fmt: skip
    """Yield the call of each library between nodes (or of that one) that has rings, with each of that kind inside them."""
    times = AROUND.get(operation, 0)
    for name, outside in networks[BETWEEN].libraries.items():
        for entry in networks[INSIDE].libraries.values():
            if (
                times
                and library in (None, name)
                and "ring" in outside.algorithms
                and "ring" in entry.algorithms
            ):
                yield _around(networks, name, outside, entry, times, size_B, nodes, inner)


def _around(
    networks: Mapping[str, Network], name: str, outside: Library, inside: Library, times: int, size_B: float,
    nodes: int, inner: int,
) -> Call:  # fmt: skip
    inside_Bps = networks[INSIDE].links.bandwidth * inside.reached
    between_Bps = networks[BETWEEN].links.bandwidth * outside.reached
    moved_s = ring_s(times, size_B, nodes, inner, inside_Bps, between_Bps, max(inside.round, outside.round))
    fill_B = min(size_B, max(inside.fill, outside.fill))
    filled_s = ring_s(times, fill_B, nodes, inner, inside_Bps, between_Bps, 0.0)
    start_s = max(inside.start, outside.start)
    return Call(time_s=start_s + moved_s + filled_s, start_s=start_s, name=f"{name} ring through nodes")


def ring_s(
    times: int, size_B: float, nodes: int, inner: int, inside_Bps: float, between_Bps: float, round_s: float
) -> float:
    """Return the time of *inner* rings side by side, each with its part of the buffer: *times* around all chips but one."""
    n = nodes * inner
    inside_s = size_B / n * (inner - 1) / inner / inside_Bps
    return times * (n - 1) * (round_s + max(inside_s, size_B / n / inner / between_Bps))


def ring_rounds(times: int, size_B: float, nodes: int, inner: int) -> Iterator[list[Message]]:
    """Yield the messages of :func:`ring_s` round by round: ring *k* enters a node at place *k*."""
    n = nodes * inner
    for _ in range(times * (n - 1)):
        yield [
            message for start in range(inner) for message in _round(nodes, inner, start, size_B / n / inner)
        ]


def _round(nodes: int, inner: int, start: int, part_B: float) -> Iterator[Message]:
    for node in range(nodes):
        for step in range(inner):
            place = (start + step) % inner
            leaves = step == inner - 1
            to = ((node + 1) % nodes, start) if leaves else (node, (place + 1) % inner)
            yield (node, place), to, part_B
