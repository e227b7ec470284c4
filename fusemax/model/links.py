"""Messages on a graph of links, round by round: the witness of the closed forms of collectives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise, product
from math import ceil
from typing import TYPE_CHECKING, Any

from fusemax.model.collectives import SWITCH
from fusemax.model.torus import Side

if TYPE_CHECKING:
    import networkx


def switched(n: int, bandwidth_Bps: float) -> networkx.DiGraph:
    """Return *n* chips around one switch: each has a link to it and one from it."""
    import networkx

    graph = networkx.DiGraph(links_of_a_hop=2)
    for chip in range(n):
        graph.add_edge(chip, SWITCH, bandwidth_Bps=bandwidth_Bps)
        graph.add_edge(SWITCH, chip, bandwidth_Bps=bandwidth_Bps)
    return graph


def complete(n: int, bandwidth_Bps: float) -> networkx.DiGraph:
    """Return *n* chips, each with a link to every other; all links of one have *bandwidth_Bps* together."""
    import networkx

    graph = networkx.DiGraph()
    for source in range(n):
        for target in range(n):
            if source != target:
                graph.add_edge(source, target, bandwidth_Bps=bandwidth_Bps / (n - 1))
    return graph


def noded(nodes: int, inner: int, inside_Bps: float, between_Bps: float) -> networkx.DiGraph:
    """Return *nodes* of *inner* chips around a switch each, whose chips have a card each to one switch between all nodes.

    A message between nodes takes four links, so that none inside a node goes over cards.
    """
    import networkx

    graph = networkx.DiGraph(links_of_a_hop=4)
    for chip in ((node, place) for node in range(nodes) for place in range(inner)):
        for far, card, bandwidth_Bps in (
            (("switch", chip[0]), None, inside_Bps),
            ("network", ("card", *chip), between_Bps),
        ):
            for way in ((chip, card, far), (far, card, chip)):
                for link in pairwise(stop for stop in way if stop is not None):
                    graph.add_edge(*link, bandwidth_Bps=bandwidth_Bps)
    return graph


def ring(n: int, bandwidth_Bps: float) -> networkx.DiGraph:
    """Return *n* chips in a ring of links in one direction."""
    import networkx

    graph = networkx.DiGraph()
    for chip in range(n):
        graph.add_edge(chip, (chip + 1) % n, bandwidth_Bps=bandwidth_Bps)
    return graph


def torus(sides: Sequence[Side]) -> networkx.DiGraph:
    """Return a block of chips with links to their neighbours; both links of a closed side of two go to the same one."""
    import networkx

    graph = networkx.DiGraph(links_of_a_hop=1, sides=tuple(sides))
    for place in product(*(range(side.length) for side in sides)):
        for axis, side in enumerate(sides):
            for step in (1, -1):
                to = place[axis] + step
                if not side.closed and not 0 <= to < side.length:
                    continue
                target = (*place[:axis], to % side.length, *place[axis + 1 :])
                wide = 2 if side.closed and side.length == 2 else 1
                graph.add_edge(place, target, bandwidth_Bps=wide * side.link_Bps)
    return graph


def simulated_s(graph: networkx.DiGraph, rounds: Iterable[Sequence[Any]], round_s: float) -> float:
    """Return the time of *rounds* on *graph*, one after another.

    In a round every message takes its shortest way, a link carries the messages over it one behind another, and the round ends
    when the busiest link is through; *round_s* is what each hop takes beside. On a torus a message goes along one side after
    the other; of two ways around that are as short it takes both, half each.
    """
    ways = _ways_on_torus(graph.graph["sides"]) if "sides" in graph.graph else _shortest(graph)
    time_s = 0.0
    for messages in rounds:
        carried: dict[tuple[object, object], float] = {}
        hops = 1
        for source, target, size_B in messages:
            for share, way in ways(source, target):
                hops = max(hops, ceil((len(way) - 1) / graph.graph.get("links_of_a_hop", 1)))
                for link in pairwise(way):
                    carried[link] = carried.get(link, 0.0) + share * size_B
        busiest = max(
            (size_B / graph.edges[link]["bandwidth_Bps"] for link, size_B in carried.items()), default=0.0
        )
        time_s += hops * round_s + busiest
    return time_s


Ways = Callable[[Any, Any], list[tuple[float, list[Any]]]]  #: the ways of a message, each with its share


def _shortest(graph: networkx.DiGraph) -> Ways:
    import networkx

    found = dict(networkx.all_pairs_shortest_path(graph))
    return lambda source, target: [(1.0, found[source][target])]


def _ways_on_torus(sides: Sequence[Side]) -> Ways:
    def ways(source: Any, target: Any) -> list[tuple[float, list[Any]]]:
        found: list[tuple[float, list[Any]]] = [(1.0, [source])]
        for axis, side in enumerate(sides):
            found = [
                (share * part, [*way, *_along(way[-1], axis, steps, side.length)])
                for share, way in found
                for part, steps in _turns(target[axis] - source[axis], side)
            ]
        return found

    return ways


def _turns(far: int, side: Side) -> list[tuple[float, int]]:
    """Return the steps that lead *far* along *side*, backwards below zero, with the share of a message that takes them."""
    if not side.closed or not far:
        return [(1.0, far)]
    ahead = far % side.length
    if 2 * ahead == side.length:
        return [(0.5, ahead), (0.5, ahead - side.length)]
    return [(1.0, ahead if 2 * ahead < side.length else ahead - side.length)]


def _along(place: tuple[int, ...], axis: int, steps: int, length: int) -> list[tuple[int, ...]]:
    step = 1 if steps > 0 else -1
    return [
        (*place[:axis], (place[axis] + step * number) % length, *place[axis + 1 :])
        for number in range(1, abs(steps) + 1)
    ]
