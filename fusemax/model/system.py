"""Systems of chips: which chip, how many, and the links between them, described in YAML in ``arch/systems``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from math import nan, prod
from pathlib import Path

from pydantic import Field

from fusemax.errors import FusemaxError, ProblemsError
from fusemax.machine import machine_of
from fusemax.model.network import Call, Library, Links, Network, sent_B
from fusemax.model.nodes import BETWEEN, INSIDE, Phase, phases, rings
from fusemax.model.torus import Side
from fusemax.nearest import meant
from fusemax.shipped import find, find_machine, from_beside, shipped
from fusemax.source import Document, KeyPath, read_yaml
from fusemax.typed import FilePart, typed

SHELF = "systems/"


class Between(FilePart):
    """The links between nodes: how many nodes, what each chip sends to others over its own card, and the libraries there."""

    nodes: int = Field(ge=2)
    links: Links
    libraries: dict[str, Library] = Field(min_length=1)


class System(FilePart):
    """Equal chips with links between them; in several nodes, ``links`` are those inside a node."""

    title: str
    source: str
    doc: str = ""
    chip: str
    chips: int = Field(ge=1)
    links: Links
    libraries: dict[str, Library] = Field(min_length=1)
    between: Between | None = None

    @property
    def node(self) -> int:
        """Chips of one node."""
        return self.chips if self.between is None else self.chips // self.between.nodes

    @cached_property
    def networks(self) -> Mapping[str, Network]:
        """The links inside a node, and those between nodes if there are several."""
        found = {INSIDE: Network(chips=self.node, links=self.links, libraries=self.libraries)}
        if self.between is not None:
            found[BETWEEN] = Network(
                chips=self.between.nodes, links=self.between.links, libraries=self.between.libraries
            )
        return found

    def collective(
        self, operation: str, size_B: float, n: int | None = None, library: str | None = None, stride: int = 1
    ) -> tuple[float, str]:
        """Return the time of a collective and the algorithm that is quickest, over *n* chips (all of them if not given).

        Over several nodes it has phases inside nodes and between them, each by the quickest algorithm, of one call that starts
        once; or it goes around rings through all chips (:mod:`fusemax.model.nodes`).

        Parameters
        ----------
        operation
            ``all-reduce``, ``all-gather``, ``reduce-scatter``, ``all-to-all``, or ``send`` (to the next chip).
        size_B
            Bytes of the whole buffer: what every chip has in the end, or has and gives away.
        library
            One of the system's, for whatever it does; if not given, the quickest of all that do this operation.
        stride
            How far the numbers of the chips are apart; all other chips do the same in groups of their own.
        """
        n = self.chips if n is None else n
        if n == 1:
            return 0.0, "nothing to do"
        parts = list(self._phases(operation, size_B, n, stride))
        calls = [self._quickest(part, library) for part in parts]
        start_s = max(call.start_s for call in calls)
        time_s = start_s + sum(call.time_s - call.start_s for call in calls)
        found = [(time_s, ", ".join(dict.fromkeys(call.name for call in calls)))]
        if any(part.where == BETWEEN for part in parts):
            inner = max(1, self.node // stride)
            through = rings(self.networks, operation, size_B, n // inner, inner, library)
            found += [(call.time_s, call.name) for call in through]
        return min(found)

    def energy_J(self, operation: str, size_B: float, n: int, stride: int = 1) -> float:  # noqa: N802 - the unit is a joule
        """Return what a chip's bytes in a collective take over links; NaN where the system does not say."""
        found = 0.0
        for part in self._phases(operation, size_B, n, stride):
            energy = self.networks[part.where].links.energy
            found += sent_B(part.operation, part.size_B, part.n) * (nan if energy is None else energy)
        return found

    @property
    def known_libraries(self) -> tuple[str, ...]:
        """Names of all libraries of collectives, inside nodes and between them."""
        return tuple(dict.fromkeys(name for network in self.networks.values() for name in network.libraries))

    def group(self, n: int, stride: int) -> tuple[Side, ...]:
        """Return the sides of the block that *n* chips, *stride* apart, are on a ring or torus."""
        return self.networks[INSIDE].group(n, stride)

    def _quickest(self, part: Phase, library: str | None) -> Call:
        network = self.networks[part.where]
        calls = network.calls(part.operation, part.size_B, part.n, part.stride, library)
        if not calls and library is not None:
            return self._quickest(part, None)
        if not calls:
            place = f" {part.where} nodes" if self.between is not None else ""
            raise FusemaxError(f"{self.title}: no algorithm for {part.operation}{place}")
        return min(calls)

    def _phases(self, operation: str, size_B: float, n: int, stride: int) -> Iterator[Phase]:
        """Yield what *n* chips, *stride* apart, do one after another: one phase where they are in one node."""
        if n * stride <= self.node:
            yield Phase(where=INSIDE, operation=operation, size_B=size_B, n=n, stride=stride)
            return
        inner = max(1, self.node // stride)
        if n % inner or max(stride, self.node) % min(stride, self.node):
            raise FusemaxError(
                f"a group of {n} chips, {stride} apart, does not divide over nodes of {self.node} chips"
            )
        yield from phases(operation, size_B, n // inner, inner, stride, max(1, stride // self.node))


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
    system = system.model_copy(update={"chip": from_beside(system.chip, Path(document.file).parent)})
    problems = [
        document.problem(*mistake)
        for mistake in (*_chip_mistakes(system), *_node_mistakes(system), *_network_mistakes(system))
    ]
    if problems:
        raise ProblemsError(problems)
    return system


def _chip_mistakes(system: System) -> Iterator[tuple[KeyPath, str, str | None]]:
    try:
        file = find_machine(system.chip)
        if system.chip.endswith((".yaml", ".yml")):
            machine_of(read_yaml(file))
    except ProblemsError as error:
        yield (
            ("chip",),
            "the chip is not right",
            f"fusemax check {system.chip} says what is wrong: {error.problems[0].text}",
        )
    except FusemaxError as error:
        said, _, hint = str(error).partition("\n  hint: ")
        yield ("chip",), said, hint or None


def _node_mistakes(system: System) -> Iterator[tuple[KeyPath, str, str | None]]:
    if system.between is None:
        return
    if system.chips % system.between.nodes:
        yield (
            ("between", "nodes"),
            f"{system.between.nodes} nodes do not divide the {system.chips} chips",
            None,
        )
    if system.links.topology == "torus":
        yield (
            ("between",),
            "nodes whose chips are a torus are not modelled",
            "a torus holds all chips at once",
        )
    if system.between.links.topology != "switch":
        said = f"{system.between.links.topology} between nodes is not modelled"
        yield ("between", "links", "topology"), said, "such as topology: switch"


def _network_mistakes(system: System) -> Iterator[tuple[KeyPath, str, str | None]]:
    for where, network in system.networks.items():
        at: KeyPath = ("between",) if where == BETWEEN else ()
        yield from _links_mistakes(at, network)
        yield from _library_mistakes(at, network)


def _links_mistakes(at: KeyPath, network: Network) -> Iterator[tuple[KeyPath, str, str | None]]:
    links = network.links
    if links.topology == "torus" and not links.sides:
        yield (*at, "links"), "a torus needs its 'sides'", "such as sides: [4, 4]"
    if links.topology == "complete" and network.chips == 1:
        yield (*at, "links", "topology"), "a chip alone has no links to others", "such as topology: switch"
    if links.topology != "torus":
        for key in ("sides", "closed"):
            if getattr(links, key):
                yield (*at, "links", key), f"a {links.topology} has none", "only a torus has"
    elif links.sides and prod(links.sides) != network.chips:
        said = f"they hold {prod(links.sides)} chips, but 'chips' is {network.chips}"
        yield (*at, "links", "sides"), said, None
    if links.closed and links.sides and len(links.closed) != len(links.sides):
        yield (*at, "links", "closed"), f"expected {len(links.sides)} words, one for each side", None
    if not links.bandwidth:
        yield (*at, "links", "bandwidth"), "expected more than zero", None


def _library_mistakes(at: KeyPath, network: Network) -> Iterator[tuple[KeyPath, str, str | None]]:
    topology, known = network.links.topology, network.algorithms()
    for library, entry in network.libraries.items():
        if entry.fill and topology in ("ring", "torus"):
            yield (*at, "libraries", library, "fill"), f"is not used on a {topology}", None
        for number, name in enumerate(entry.algorithms):
            if name not in known:
                said = f"no algorithm {name!r}" + ("" if topology == "switch" else f" on a {topology}")
                yield (*at, "libraries", library, "algorithms", number), said, meant(name, sorted(known))
