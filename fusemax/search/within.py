"""A part of the space: what a user leaves open, and what not (``--within SPACE.yaml``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from fusemax.cascade.ir import Cascade
from fusemax.errors import Problem, raise_if_any
from fusemax.machine import Machine
from fusemax.mapping.space import Block
from fusemax.source import Document
from fusemax.typed import typed

ANY = "any"
Names = str | list[str]


class SpaceFile(BaseModel):
    """What a file of a space holds: sizes of tiles, tensors kept at levels, units of Einsums; ``any`` leaves open."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    tiles: dict[str, int | str | list[int]] = {}
    keep: dict[str, Names] = {}
    bind: dict[str, Names] | str = ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """What the members of the space have in common.

    Attributes
    ----------
    tiles
        The sizes that a tile may have, by name.
    kept
        By level, the tensors that have to be kept there where a phase uses them.
    alone
        The levels at which nothing else may be kept.
    units
        By Einsum, the units that may do it.
    """

    tiles: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: {})
    kept: Mapping[str, frozenset[str]] = field(default_factory=lambda: {})
    alone: frozenset[str] = frozenset()
    units: Mapping[str, frozenset[str]] = field(default_factory=lambda: {})

    def allows(self, block: Block, used: frozenset[str]) -> bool:
        """Return whether a phase with the loops of *block*, which uses the tensors *used*, is a member."""
        found = frozenset(_keeps(block))
        wanted = {(level, name) for level, names in self.kept.items() for name in names & used}
        others = {
            (level, name) for level, name in found if level in self.alone and name not in self.kept[level]
        }
        return wanted <= found and not others

    def may_do(self, einsum: str, unit: str) -> bool:
        """Return whether *unit* may do *einsum*."""
        return einsum not in self.units or unit in self.units[einsum]


def within_of(document: Document, cascade: Cascade, machine: Machine) -> Within:
    """Return the space that *document* describes.

    Raises
    ------
    ProblemsError
        For unknown keys, levels, tensors, units and Einsums, and sizes below one: all of them, with their places.
    """
    read = typed(document, SpaceFile)
    raise_if_any(list(_problems(document, read, cascade, machine)))
    keep = {level: _listed(names) for level, names in read.keep.items()}
    bind = {} if isinstance(read.bind, str) else {unit: _listed(names) for unit, names in read.bind.items()}
    units: dict[str, set[str]] = {}
    for unit, names in bind.items():
        for name in names:
            if name != ANY:
                units.setdefault(name, set()).add(unit)
    return Within(
        tiles={name: _sizes(value) for name, value in read.tiles.items() if value != ANY},
        kept={level: frozenset(names) - {ANY} for level, names in keep.items()},
        alone=frozenset(level for level, names in keep.items() if ANY not in names),
        units={name: frozenset(some) for name, some in units.items()},
    )


def _problems(document: Document, read: SpaceFile, cascade: Cascade, machine: Machine) -> Iterator[Problem]:
    for name, value in read.tiles.items():
        if value != ANY and (isinstance(value, str) or not _sizes(value) or min(_sizes(value)) < 1):
            yield document.problem(
                ("tiles", name), f"expected 'any', a size or a list of sizes, got {value!r}"
            )
    bind: Mapping[str, Any] = {} if isinstance(read.bind, str) else read.bind
    if isinstance(read.bind, str) and read.bind != ANY:
        yield document.problem(("bind",), f"expected 'any' or Einsums by unit, got {read.bind!r}")
    einsums = [einsum.name for einsum in cascade.computed]
    checks = (
        ("keep", read.keep, machine.level_names, "level", tuple(cascade.tensors), "tensor"),
        ("bind", bind, tuple(machine.units), "unit", einsums, "Einsum"),
    )
    for key, found, places, place, members, member in checks:
        for name, listed in found.items():
            if name not in places:
                yield document.problem(
                    (key, name), f"no such {place}", f"there are: {', '.join(places)}", key=True
                )
            for one in _listed(listed):
                if one != ANY and one not in members:
                    yield document.problem(
                        (key, name), f"no {member} {one!r}", f"there are: {', '.join(members)}"
                    )


def _listed(names: Names) -> list[str]:
    return [names] if isinstance(names, str) else names


def _sizes(value: int | str | list[int]) -> tuple[int, ...]:
    if isinstance(value, str):
        return ()
    return (value,) if isinstance(value, int) else tuple(sorted(set(value)))


def _keeps(block: Block) -> Iterator[tuple[str, str]]:
    yield from ((keep.level, keep.tensor) for keep in block.keep)
    for one in block.do:
        if isinstance(one, Block):
            yield from _keeps(one)
