"""Links of one kind between chips, and what libraries of collectives take on them: one call, by its algorithm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from fusemax.model.collectives import OPERATIONS, SEND, Group
from fusemax.model.torus import Side, block, exchange_s, gather_s
from fusemax.quantity import QuantityError, quantity
from fusemax.typed import FilePart


def _read(unit: str, least: float = 0.0) -> BeforeValidator:
    def read(value: Any) -> float:
        if isinstance(value, int | float) and value != 0:
            raise ValueError(f"expected a quantity in {unit}, got {value!r} without a unit")
        try:
            number = quantity(value, unit)
        except QuantityError as error:
            raise ValueError(str(error)) from None
        if number < least:
            raise ValueError(
                f"expected nothing below {f'{least:g} {unit}' if least else 'zero'}, got {value!r}"
            )
        return number

    return BeforeValidator(read)


Seconds = Annotated[float, _read("s")]
Bandwidth = Annotated[float, _read("B/s", 1.0)]
Bytes = Annotated[float, _read("B")]
Joules = Annotated[float, _read("J")]


class Links(FilePart):
    """The links of one chip.

    Attributes
    ----------
    topology
        ``switch``: every chip reaches every other at its full bandwidth; ``complete``: over a link to each of the others,
        which share that bandwidth evenly; ``ring`` and ``torus``: its neighbours.
    bandwidth
        What a chip sends, and receives at the same time, over all of its links.
    sides
        Chips along each side of a torus.
    closed
        Of a torus, whether the ends of each side have a link; all of them if not given.
    energy
        Of a byte that a chip sends.
    """

    topology: Literal["switch", "complete", "ring", "torus"]
    bandwidth: Bandwidth
    sides: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list)
    closed: list[bool] = Field(default_factory=list)
    energy: Joules | None = None


class Library(FilePart):
    """How a library of collectives runs on these links: what a call takes beside its bytes.

    ``start`` is the time of any call, ``round`` that of each round, ``reached`` the part of the bandwidth that large messages
    get, ``fill`` how many bytes pass at half of that, while a pipeline of chunks fills; ``algorithms`` are those that it
    chooses from, the quickest by its own time, for buffers up to ``most``.
    """

    start: Seconds
    round: Seconds
    fill: Bytes = 0.0
    most: Bytes = float("inf")
    reached: float = Field(default=1.0, ge=1e-6, le=1)
    algorithms: list[str] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Call:
    """A call of a library: its time, the part of it before any byte moves, and library and algorithm by name."""

    time_s: float
    start_s: float
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """*chips* that have the same *links*, and the libraries that run on these."""

    chips: int
    links: Links
    libraries: Mapping[str, Library]

    def calls(
        self, operation: str, size_B: float, n: int, stride: int = 1, library: str | None = None
    ) -> list[Call]:
        """Return all ways to do *operation* on buffers of *size_B* over *n* chips, *stride* apart."""
        return [
            call
            for name, entry in self.libraries.items() if library in (None, name) and size_B <= entry.most
            for call in self._called(operation, name, size_B, n, stride)
        ]  # fmt: skip

    def group(self, n: int, stride: int) -> tuple[Side, ...]:
        """Return the sides of the block that *n* chips, *stride* apart, are on a ring or torus."""
        sides = self.links.sides or [self.chips]
        closed = self.links.closed or [True] * len(sides)
        return block(sides, closed, self.links.bandwidth / 2 / len(sides), n, stride)

    def _called(self, operation: str, library: str, size_B: float, n: int, stride: int) -> Iterator[Call]:
        entry = self.libraries[library]
        topology = self.links.topology
        for name in entry.algorithms if operation != "send" else SEND:
            if topology in DIRECT and name in OPERATIONS[operation]:
                time_s = self._at_once(operation, entry, name, size_B, n)
            elif topology not in DIRECT and (operation, name) in NEIGHBOURS:
                sides = self.group(n, stride)
                reached = size_B / entry.reached
                time_s = NEIGHBOURS[operation, name](sides, reached, entry.round)
            else:
                continue
            yield Call(time_s=entry.start + time_s, start_s=entry.start, name=f"{library} {name}")

    def _at_once(self, operation: str, entry: Library, name: str, size_B: float, n: int) -> float:
        bandwidth = self.links.bandwidth * entry.reached
        if self.links.topology == "complete":  # only the links among these chips, of a message one
            bandwidth *= (1 if operation == "send" else n - 1) / (self.chips - 1)
        algorithm = OPERATIONS[operation][name]
        group = Group(n=n, bandwidth_Bps=bandwidth, round_s=entry.round)
        still = Group(n=n, bandwidth_Bps=bandwidth, round_s=0.0)
        return algorithm.time_s(group, size_B) + algorithm.time_s(still, min(size_B, entry.fill))

    def algorithms(self) -> set[str]:
        """Return the names of all algorithms that these links carry."""
        topology = self.links.topology
        if topology not in DIRECT:
            return {name for _, name in NEIGHBOURS} - set(SEND)
        every = {name for algorithms in OPERATIONS.values() for name in algorithms} - set(SEND)
        return every if topology == "switch" else every & ALL_AT_ONCE


DIRECT = ("switch", "complete")  #: topologies in which every chip reaches every other without a third
#: Algorithms in which every chip sends to all others at once: those that fill the links of a complete graph.
ALL_AT_ONCE = frozenset({"one-shot", "two-shot", "direct"})


def sent_B(operation: str, size_B: float, n: int) -> float:  # noqa: N802 - the unit is a byte
    """Return the bytes that a chip sends in a collective of *size_B* over *n* chips, at the least without help of a switch."""
    return {"send": 1.0, "all-reduce": 2 * (n - 1) / n}.get(operation, (n - 1) / n) * size_B


def _torus_reduce_s(sides: Sequence[Side], size_B: float, round_s: float) -> float:
    return 2 * gather_s(sides, size_B, round_s)


def _neighbour_s(sides: Sequence[Side], size_B: float, round_s: float) -> float:
    return round_s + size_B / min(side.link_Bps for side in sides)


#: What chips with links to their neighbours do, by operation and name of the algorithm.
NEIGHBOURS: Mapping[tuple[str, str], Callable[[Sequence[Side], float, float], float]] = {
    ("all-reduce", "ring"): _torus_reduce_s, ("all-gather", "ring"): gather_s, ("reduce-scatter", "ring"): gather_s,
    ("all-to-all", "direct"): exchange_s, ("send", "one message"): _neighbour_s,
}  # fmt: skip
