"""What a machine is but for its numbers: two machines alike in it have the same formulas of every cost."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from fusemax.language.syntax import Binary, Call, Expression, Name, Negative, Number
from fusemax.machine.figures import Described
from fusemax.typed import FilePart

#: Keys of a machine that no formula depends on.
SAID = ("title", "source", "doc", "mappings")
EXPRESSIONS = (Number, Name, Negative, Binary, Call)


@dataclass(frozen=True, slots=True)
class Structure:
    """What a machine is but for its numbers.

    ``figures`` are its figures by name, each with its formula, or None where it is a number; ``rest`` is all else.
    """

    figures: tuple[tuple[str, Expression | None], ...]
    rest: tuple[Hashable, ...]
    number: int = field(init=False, repr=False, compare=False)  #: the hash, worked out once

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", hash((self.figures, self.rest)))

    def __hash__(self) -> int:
        return self.number

    @property
    def outline(self) -> Hashable:
        """What it is but for the formulas of figures too: which figures there are, and all else."""
        return tuple(name for name, _ in self.figures), self.rest


def structure_of(machine: Described) -> Structure:
    """Return all that formulas of *machine* depend on: everything but the numbers of figures, and what only people read.

    >>> from fusemax.machine import load_machine
    >>> machine, _ = load_machine("fusemax")
    >>> structure_of(machine) == structure_of(machine.with_("L3.size", "32 MiB"))
    True
    >>> structure_of(machine) == structure_of(machine.with_("DRAM.bandwidth", "L3.size * 1 GB/s"))
    False
    """
    figures = tuple((name, None if isinstance(value, Number) else value) for _, name, value in machine.walked)
    places = {tuple(map(str, path)) for path, _, _ in machine.walked}
    places |= {(*place, "cycles") for place in places if place[2:3] == ("operations",)}
    places |= {
        (*place[:4], "widths", place[4]) for place in places if place[2:3] == ("operations",) and place[4:]
    }
    return Structure(figures, tuple(_leaves(machine, (), places)))


def _leaves(
    node: Any, place: tuple[str, ...], figures: set[tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], Hashable]]:
    """Yield what stands below *node* and is no figure, each with its place; a figure without its value."""
    if place in figures and not isinstance(node, Mapping | FilePart):
        yield place, None
    elif isinstance(node, Mapping):
        inside = cast("Mapping[str, Any]", node)
        for key, value in inside.items():
            yield from _leaves(value, (*place, key), figures)
    elif isinstance(node, FilePart):
        for key in type(node).model_fields:
            if place or key not in SAID:
                yield from _leaves(getattr(node, key), (*place, key), figures)
    else:
        yield place, node if isinstance(node, (*EXPRESSIONS, str, bool, float, int)) else repr(node)
