"""Messages on a graph of links, round by round: the witness of the closed forms of collectives."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

from fusemax.model.collectives import Round

if TYPE_CHECKING:
    import networkx

SWITCH = "switch"


def switched(n: int, bandwidth_Bps: float) -> networkx.DiGraph:
    """Return *n* chips around one switch: each has a link to it and one from it."""
    import networkx

    graph = networkx.DiGraph()
    for chip in range(n):
        graph.add_edge(chip, SWITCH, bandwidth_Bps=bandwidth_Bps)
        graph.add_edge(SWITCH, chip, bandwidth_Bps=bandwidth_Bps)
    return graph


def ring(n: int, bandwidth_Bps: float) -> networkx.DiGraph:
    """Return *n* chips in a ring of links in one direction."""
    import networkx

    graph = networkx.DiGraph()
    for chip in range(n):
        graph.add_edge(chip, (chip + 1) % n, bandwidth_Bps=bandwidth_Bps)
    return graph


def simulated_s(graph: networkx.DiGraph, rounds: Iterable[Round], round_s: float) -> float:
    """Return the time of *rounds* on *graph*, one after another.

    In a round every message takes its shortest way, a link carries the messages over it one behind another, and the round ends
    when the busiest link is through; *round_s* is what each round takes beside.
    """
    import networkx

    ways = dict(networkx.all_pairs_shortest_path(graph))
    time_s = 0.0
    for messages in rounds:
        carried: dict[tuple[object, object], float] = {}
        for source, target, size_B in messages:
            way = ways[source][target]
            for link in pairwise(way):
                carried[link] = carried.get(link, 0.0) + size_B
        busiest = max(
            (size_B / graph.edges[link]["bandwidth_Bps"] for link, size_B in carried.items()), default=0.0
        )
        time_s += round_s + busiest
    return time_s
