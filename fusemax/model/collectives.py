"""What it takes that chips exchange or add up their numbers: algorithms as rounds of messages, and their closed forms.

An algorithm is said twice: as a formula of latency, bandwidth and size, and as rounds of messages that a graph of links
carries. Both give the same time (a test holds them together); predictions use the formula. The formulas are those of Thakur,
Rabenseifner and Gropp, Optimization of collective communication operations in MPICH (2005), with one latency for each round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, log2

SWITCH = "switch"  #: the node in the middle of chips around one switch
Chip = int | str
Message = tuple[Chip, Chip, float]  #: from, to, bytes
Round = list[Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """*n* chips around a switch; each sends and receives ``bandwidth_Bps`` at once, a round takes ``round_s`` beside."""

    n: int
    bandwidth_Bps: float
    round_s: float


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to do a collective of S bytes: its closed form, and its messages round by round."""

    operation: str
    time_s: Callable[[Group, float], float]
    rounds: Callable[[int, float], Iterator[Round]]


def _ring(times: int) -> Algorithm:
    def time_s(group: Group, size_B: float) -> float:
        return times * (group.n - 1) * (group.round_s + size_B / group.n / group.bandwidth_Bps)

    def rounds(n: int, size_B: float) -> Iterator[Round]:
        for _ in range(times * (n - 1)):
            yield [(chip, (chip + 1) % n, size_B / n) for chip in range(n)]

    return Algorithm("all-reduce" if times == 2 else "all-gather", time_s, rounds)


def _direct(times: int) -> Algorithm:
    """Everybody sends each other its part: of a whole buffer once, or of sums and then of the result."""

    def time_s(group: Group, size_B: float) -> float:
        return times * (group.round_s + (group.n - 1) / group.n * size_B / group.bandwidth_Bps)

    def rounds(n: int, size_B: float) -> Iterator[Round]:
        for _ in range(times):
            yield [(a, b, size_B / n) for a in range(n) for b in range(n) if a != b]

    return Algorithm("all-reduce" if times == 2 else "all-to-all", time_s, rounds)


def _pairwise() -> Algorithm:
    """Round by round, everybody sends another one its part."""

    def time_s(group: Group, size_B: float) -> float:
        return (group.n - 1) * (group.round_s + size_B / group.n / group.bandwidth_Bps)

    def rounds(n: int, size_B: float) -> Iterator[Round]:
        for step in range(1, n):
            yield [(chip, (chip + step) % n, size_B / n) for chip in range(n)]

    return Algorithm("all-to-all", time_s, rounds)


def _one_shot() -> Algorithm:
    def time_s(group: Group, size_B: float) -> float:
        return group.round_s + (group.n - 1) * size_B / group.bandwidth_Bps

    def rounds(n: int, size_B: float) -> Iterator[Round]:
        yield [(a, b, size_B) for a in range(n) for b in range(n) if a != b]

    return Algorithm("all-reduce", time_s, rounds)


def _tree() -> Algorithm:
    """Sums go up a binomial tree, the result comes down."""

    def time_s(group: Group, size_B: float) -> float:
        return 2 * ceil(log2(group.n)) * (group.round_s + size_B / group.bandwidth_Bps)

    def rounds(n: int, size_B: float) -> Iterator[Round]:
        steps = [2**step for step in range(ceil(log2(n)))]
        for step in steps:
            yield [(chip + step, chip, size_B) for chip in range(0, n, 2 * step) if chip + step < n]
        for step in reversed(steps):
            yield [(chip, chip + step, size_B) for chip in range(0, n, 2 * step) if chip + step < n]

    return Algorithm("all-reduce", time_s, rounds)


def _in_network() -> Algorithm:
    """The switch adds up and sends everybody the sum (NVLink SHARP): a link carries the buffer once each way."""

    def time_s(group: Group, size_B: float) -> float:
        return group.round_s + size_B / group.bandwidth_Bps

    def rounds(n: int, size_B: float) -> Iterator[Round]:
        up: Round = [(chip, SWITCH, size_B) for chip in range(n)]
        yield up + [(SWITCH, chip, size_B) for chip in range(n)]

    return Algorithm("all-reduce", time_s, rounds)


def _send() -> Algorithm:
    """Everybody sends its buffer to the next one."""

    def time_s(group: Group, size_B: float) -> float:
        return group.round_s + size_B / group.bandwidth_Bps

    def rounds(n: int, size_B: float) -> Iterator[Round]:
        yield [(chip, (chip + 1) % n, size_B) for chip in range(n)]

    return Algorithm("send", time_s, rounds)


#: Ways to add up a buffer of S bytes that every chip has, so that every chip has the sum.
ALL_REDUCE: Mapping[str, Algorithm] = {
    "ring": _ring(2), "tree": _tree(), "one-shot": _one_shot(), "two-shot": _direct(2),
    "in-network": _in_network(),
}  # fmt: skip
#: Ways to give every chip the S bytes of which each has a part; sums of parts take the same, backwards.
ALL_GATHER: Mapping[str, Algorithm] = {"ring": _ring(1), "direct": _direct(1)}
#: Ways to give every chip its part of what each other one has, S bytes on every chip.
ALL_TO_ALL: Mapping[str, Algorithm] = {"pairwise": _pairwise(), "direct": _direct(1)}
#: One message to a neighbour, which needs no algorithm of a library.
SEND: Mapping[str, Algorithm] = {"one message": _send()}
OPERATIONS: Mapping[str, Mapping[str, Algorithm]] = {
    "all-reduce": ALL_REDUCE, "all-gather": ALL_GATHER, "reduce-scatter": ALL_GATHER, "all-to-all": ALL_TO_ALL,
    "send": SEND,
}  # fmt: skip
