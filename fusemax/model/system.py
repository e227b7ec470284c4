"""Systems of chips: which chip, how many, and the links between them, described in YAML in ``arch/systems``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fusemax.errors import FusemaxError, ProblemsError
from fusemax.model.collectives import OPERATIONS, Group, torus_all_reduce_s
from fusemax.nearest import meant
from fusemax.quantity import QuantityError, quantity
from fusemax.shipped import find, shipped
from fusemax.source import Document, read_yaml
from fusemax.typed import typed

SHELF = "systems/"


def _read(unit: str) -> BeforeValidator:
    def read(value: Any) -> float:
        if isinstance(value, int | float) and value != 0:
            raise ValueError(f"expected a quantity in {unit}, got {value!r} without a unit")
        try:
            number = quantity(value, unit)
        except QuantityError as error:
            raise ValueError(str(error)) from None
        if number < 0:
            raise ValueError(f"expected nothing below zero, got {value!r}")
        return number

    return BeforeValidator(read)


Seconds = Annotated[float, _read("s")]
Bandwidth = Annotated[float, _read("B/s")]
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
        What a chip sends, and receives at the same time.
    sides
        Of a torus.
    energy
        Of a byte that a chip sends.
    """

    topology: Literal["switch", "ring", "torus"]
    bandwidth: Bandwidth
    sides: list[int] = Field(default_factory=list)
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
    reached: float = Field(default=1.0, gt=0, le=1)
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
        self, operation: str, size_B: float, n: int | None = None, library: str | None = None
    ) -> tuple[float, str]:
        """Return the time of a collective and the algorithm that is quickest, over *n* chips (all of them if not given).

        Parameters
        ----------
        operation
            ``all-reduce``, ``all-gather``, ``reduce-scatter`` or ``all-to-all``.
        size_B
            Bytes of the whole buffer: what every chip has in the end, or has and gives away.
        library
            One of the system's; if not given, the quickest of all that do this operation.
        """
        n = self.chips if n is None else n
        if n == 1:
            return 0.0, "nothing to do"
        found = [
            self._called(operation, name, algorithm, size_B, n)
            for name, entry in self.libraries.items() if library in (None, name) and size_B <= entry.most
            for algorithm in entry.algorithms if algorithm in OPERATIONS[operation]
        ]  # fmt: skip
        if not found:
            raise FusemaxError(f"{library or self.title}: no algorithm for {operation}")
        return min(found)

    def _called(self, operation: str, library: str, name: str, size_B: float, n: int) -> tuple[float, str]:
        entry = self.libraries[library]
        bandwidth = self.links.bandwidth * entry.reached
        sides = tuple(self.links.sides) if n == self.chips else ()
        group = Group(n=n, bandwidth_Bps=bandwidth, round_s=entry.round, sides=sides)
        if self.links.topology == "torus" and operation == "all-reduce" and name == "ring" and len(sides) > 1:
            return entry.start + torus_all_reduce_s(group, size_B), f"{library} rings of a torus"
        algorithm = OPERATIONS[operation][name]
        time_s = entry.start + algorithm.time_s(group, size_B)
        still = algorithm.time_s(Group(n=n, bandwidth_Bps=bandwidth, round_s=0.0), min(size_B, entry.fill))
        return time_s + still, f"{library} {name}"


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
    every = {algorithm for operation in OPERATIONS.values() for algorithm in operation}
    problems = [
        document.problem(
            ("libraries", library, "algorithms", number), f"no algorithm {name!r}", meant(name, sorted(every))
        )
        for library, entry in system.libraries.items()
        for number, name in enumerate(entry.algorithms)
        if name not in every
    ]
    if problems:
        raise ProblemsError(problems)
    return system
