"""Systems of chips: which chip, how many, and the links between them, described in YAML in ``arch/systems``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fusemax.errors import FusemaxError, ProblemsError
from fusemax.model.collectives import OPERATIONS, SEND, Group
from fusemax.model.torus import Side, block, exchange_s, gather_s
from fusemax.nearest import meant
from fusemax.quantity import QuantityError, quantity
from fusemax.shipped import find, find_machine, shipped
from fusemax.source import Document, KeyPath, read_yaml
from fusemax.typed import typed

SHELF = "systems/"


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


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Links(_Part):
    """The links of one chip.

    Attributes
    ----------
    topology
        ``switch``: every chip reaches every other at its full bandwidth; ``ring`` and ``torus``: its neighbours.
    bandwidth
        What a chip sends, and receives at the same time, over all of its links.
    sides
        Chips along each side of a torus.
    closed
        Of a torus, whether the ends of each side have a link; all of them if not given.
    energy
        Of a byte that a chip sends.
    """

    topology: Literal["switch", "ring", "torus"]
    bandwidth: Bandwidth
    sides: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list)
    closed: list[bool] = Field(default_factory=list)
    energy: Joules | None = None


class Library(_Part):
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


class System(_Part):
    """Equal chips with links between them."""

    title: str
    source: str
    doc: str = ""
    chip: str
    chips: int = Field(ge=1)
    links: Links
    libraries: dict[str, Library] = Field(min_length=1)

    def collective(
        self, operation: str, size_B: float, n: int | None = None, library: str | None = None, stride: int = 1
    ) -> tuple[float, str]:
        """Return the time of a collective and the algorithm that is quickest, over *n* chips (all of them if not given).

        Parameters
        ----------
        operation
            ``all-reduce``, ``all-gather``, ``reduce-scatter``, ``all-to-all``, or ``send`` (to the next chip).
        size_B
            Bytes of the whole buffer: what every chip has in the end, or has and gives away.
        library
            One of the system's; if not given, the quickest of all that do this operation.
        stride
            How far the numbers of the chips are apart; all other chips do the same in groups of their own.
        """
        n = self.chips if n is None else n
        if n == 1:
            return 0.0, "nothing to do"
        found = [
            called
            for name, entry in self.libraries.items() if library in (None, name) and size_B <= entry.most
            for called in self._called(operation, name, size_B, n, stride)
        ]  # fmt: skip
        if not found:
            raise FusemaxError(f"{library or self.title}: no algorithm for {operation}")
        return min(found)

    def group(self, n: int, stride: int) -> tuple[Side, ...]:
        """Return the sides of the block that *n* chips, *stride* apart, are on a ring or torus."""
        sides = self.links.sides or [self.chips]
        closed = self.links.closed or [True] * len(sides)
        return block(sides, closed, self.links.bandwidth / 2 / len(sides), n, stride)

    def _called(
        self, operation: str, library: str, size_B: float, n: int, stride: int
    ) -> Iterator[tuple[float, str]]:
        entry = self.libraries[library]
        for name in entry.algorithms if operation != "send" else SEND:
            if self.links.topology == "switch" and name in OPERATIONS[operation]:
                time_s = self._around_switch(operation, entry, name, size_B, n)
            elif self.links.topology != "switch" and (operation, name) in NEIGHBOURS:
                sides = self.group(n, stride)
                reached = size_B / entry.reached
                time_s = entry.start + NEIGHBOURS[operation, name](sides, reached, entry.round)
            else:
                continue
            yield time_s, f"{library} {name}"

    def _around_switch(self, operation: str, entry: Library, name: str, size_B: float, n: int) -> float:
        bandwidth = self.links.bandwidth * entry.reached
        algorithm = OPERATIONS[operation][name]
        time_s = entry.start + algorithm.time_s(
            Group(n=n, bandwidth_Bps=bandwidth, round_s=entry.round), size_B
        )
        still = Group(n=n, bandwidth_Bps=bandwidth, round_s=0.0)
        return time_s + algorithm.time_s(still, min(size_B, entry.fill))


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


def systems() -> Mapping[str, Path]:
    """Return the shipped systems by name."""
    return {
        name.removeprefix(SHELF): path for name, path in shipped("arch").items() if name.startswith(SHELF)
    }


def load_system(name: str) -> System:
    """Return the system called *name*, or that of the user's own file.

    Raises
    ------
    FusemaxError
        With every mistake and its place; for algorithms that no collective has.
    """
    known = systems()
    path = known.get(name) or (Path(name) if name.endswith((".yaml", ".yml")) else None)
    if path is None:
        raise FusemaxError(f"no system called {name!r}; {meant(name, known)}")
    return system_of(read_yaml(find("arch", str(path))))


def system_of(document: Document) -> System:
    """Return the system that *document* describes; raise FusemaxError with every mistake and its place."""
    system = typed(document, System)
    problems = [
        document.problem(*mistake)
        for mistake in (*_chip_mistakes(system), *_links_mistakes(system), *_library_mistakes(system))
    ]
    if problems:
        raise ProblemsError(problems)
    return system


def _chip_mistakes(system: System) -> Iterator[tuple[KeyPath, str, str | None]]:
    try:
        find_machine(system.chip)
    except FusemaxError as error:
        said, _, hint = str(error).partition("\n  hint: ")
        yield ("chip",), said, hint or None


def _links_mistakes(system: System) -> Iterator[tuple[KeyPath, str, str | None]]:
    links = system.links
    if links.topology == "torus" and not links.sides:
        yield ("links",), "a torus needs its 'sides'", "such as sides: [4, 4]"
    if links.topology != "torus":
        for key in ("sides", "closed"):
            if getattr(links, key):
                yield ("links", key), f"a {links.topology} has none", "only a torus has"
    elif links.sides and prod(links.sides) != system.chips:
        yield ("links", "sides"), f"they hold {prod(links.sides)} chips, but 'chips' is {system.chips}", None
    if links.closed and links.sides and len(links.closed) != len(links.sides):
        yield ("links", "closed"), f"expected {len(links.sides)} words, one for each side", None
    if not links.bandwidth:
        yield ("links", "bandwidth"), "expected more than zero", None


def _library_mistakes(system: System) -> Iterator[tuple[KeyPath, str, str | None]]:
    switched = system.links.topology == "switch"
    every = {name for algorithms in OPERATIONS.values() for name in algorithms} - set(SEND)
    every = every if switched else {name for _, name in NEIGHBOURS} - set(SEND)
    for library, entry in system.libraries.items():
        if entry.fill and not switched:
            yield ("libraries", library, "fill"), f"is not used on a {system.links.topology}", None
        for number, name in enumerate(entry.algorithms):
            if name not in every:
                said = f"no algorithm {name!r}" + ("" if switched else f" on a {system.links.topology}")
                yield ("libraries", library, "algorithms", number), said, meant(name, sorted(every))
