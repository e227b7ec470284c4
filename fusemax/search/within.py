"""A part of the space: what a user leaves open, and what not (``--within SPACE.yaml``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from pydantic import BaseModel, ConfigDict

from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError, Problem, raise_if_any
from fusemax.machine import Machine
from fusemax.mapping.space import Block, parts_of, prepared, whole_ranks
from fusemax.source import Document
from fusemax.typed import typed

ANY = "any"


class SpaceFile(BaseModel):
    """What a file of a space holds: sizes of tiles, tensors kept at levels, units of Einsums, ranks of loops that are dealt to
    cores; ``any`` leaves open."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    tiles: dict[str, object] = {}
    keep: dict[str, object] = {}
    bind: object = ANY
    spread: object = ANY


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
    spread
        The rank variables whose loops may be dealt to cores; None: all.
    """

    tiles: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: {})
    kept: Mapping[str, frozenset[str]] = field(default_factory=lambda: {})
    alone: frozenset[str] = frozenset()
    units: Mapping[str, frozenset[str]] = field(default_factory=lambda: {})
    spread: frozenset[str] | None = None

    def allows(self, block: Block, used: frozenset[str]) -> bool:
        """Return whether a phase with the loops of *block*, which uses the tensors *used*, is a member."""
        return not any(self.against(block, used))

    def against(self, block: Block, used: frozenset[str]) -> tuple[list[str], list[str]]:
        """Return what a phase with the loops of *block*, which uses the tensors *used*, lacks and has too much.

        ``K at L3`` among the first is not kept there and should be, among the second it is and should not.
        """
        found = frozenset(_keeps(block))
        wanted = {(level, name) for level, names in self.kept.items() for name in names & used}
        others = {
            (level, name) for level, name in found if level in self.alone and name not in self.kept[level]
        }
        lacking, more = (
            sorted(f"{name} at {level}" for level, name in some) for some in (wanted - found, others)
        )
        return lacking, more

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
    units: dict[str, set[str]] = {}
    for unit, names in _by_name(read.bind).items():
        for name in _listed(names):
            if name != ANY:
                units.setdefault(name, set()).add(unit)
    return Within(
        tiles={name: sizes for name, value in read.tiles.items() if (sizes := _sizes(value))},
        kept={level: frozenset(names) - {ANY} for level, names in keep.items()},
        alone=frozenset(level for level, names in keep.items() if ANY not in names),
        units={name: frozenset(some) for name, some in units.items()},
        spread=None if ANY in _listed(read.spread) else frozenset(_listed(read.spread)),
    )


def spread_over(names: str, within: Within, cascade: Cascade) -> Within:
    """Return *within* with the loops that may be dealt to cores narrowed to those of *names*, such as ``b,h``.

    Raises
    ------
    FusemaxError
        For a name that is no rank variable, and where *within* settles the same.
    """
    if within.spread is not None:
        raise FusemaxError(
            "--spread: the file of --within settles 'spread' too\n  hint: leave one of them out"
        )
    wanted = [name.strip() for name in names.split(",")]
    known = dealt_names(prepared(cascade))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise FusemaxError(
            f"--spread: no rank variable {', '.join(map(repr, unknown))}\n  hint: there are {', '.join(known)}"
        )
    return replace(within, spread=frozenset(wanted))


def dealt_names(cascade: Cascade) -> tuple[str, ...]:
    """Return the rank variables whose loops, or loops over tiles of them, may be dealt to cores."""
    return tuple(rank.lower() for rank in whole_ranks(cascade) if not parts_of(cascade, rank))


def _problems(document: Document, read: SpaceFile, cascade: Cascade, machine: Machine) -> Iterator[Problem]:
    tiles, by_unit = tile_names(prepared(cascade)), _by_name(read.bind)
    for name, value in read.tiles.items():
        if name not in tiles:
            yield document.problem(
                ("tiles", name), f"no tile {name!r} in this space", f"there are: {', '.join(tiles)}", key=True
            )
        if value != ANY and not _sizes(value):
            yield document.problem(
                ("tiles", name), f"expected 'any', a size or a list of sizes, got {value!r}"
            )
    if read.bind != ANY and not isinstance(read.bind, dict):
        yield document.problem(("bind",), f"expected 'any' or Einsums by unit, got {read.bind!r}")
    yield from _unknown_loops(document, read.spread, dealt_names(prepared(cascade)))
    einsums = [einsum.name for einsum in cascade.computed]
    levels = tuple(name for name in machine.level_names if not machine.of_groups(name))
    checks = (
        ("keep", read.keep, levels, "level", tuple(cascade.tensors), "tensor"),
        ("bind", by_unit, tuple(machine.units), "unit", einsums, "Einsum"),
    )
    for key, found, places, place, members, member in checks:
        for name, listed in found.items():
            if name not in places:
                yield document.problem(
                    (key, name), f"no such {place}", f"there are: {', '.join(places)}", key=True
                )
            if not _is_listed(listed):
                yield document.problem(
                    (key, name), f"expected 'any', the name of one {member} or a list of them, got {listed!r}"
                )
                continue
            for one in _listed(listed):
                if one != ANY and one not in members:
                    yield document.problem(
                        (key, name), f"no {member} {one!r}", f"there are: {', '.join(members)}"
                    )


def _unknown_loops(document: Document, spread: object, known: Sequence[str]) -> Iterator[Problem]:
    if not _is_listed(spread) or not spread:
        yield document.problem(
            ("spread",), f"expected 'any', a rank variable or a list of them, got {spread!r}"
        )
        return
    for name in _listed(spread):
        if name != ANY and name not in known:
            yield document.problem(
                ("spread",), f"no rank variable {name!r}", f"there are: {', '.join(known)}"
            )


def tile_names(cascade: Cascade) -> tuple[str, ...]:
    """Return the names of the tiles that a mapping of the space may have: two of each whole rank, and parts of ranks."""
    names: list[str] = []
    for rank in whole_ranks(cascade):
        names += parts_of(cascade, rank)[1:] or (f"{rank}0", f"{rank}1")
    return tuple(names)


def _by_name(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _is_listed(names: object) -> bool:
    return isinstance(names, str) or (
        isinstance(names, list) and all(isinstance(one, str) for one in cast("list[object]", names))
    )


def _listed(names: object) -> list[str]:
    return [names] if isinstance(names, str) else cast("list[str]", names)


def _sizes(value: object) -> tuple[int, ...]:
    """Return the sizes that *value* lists, in order; none if one of them is no whole number from one."""
    some = cast("list[object]", value) if isinstance(value, list) else [value]
    whole = [one for one in some if isinstance(one, int) and not isinstance(one, bool) and one >= 1]
    return tuple(sorted(set(whole))) if len(whole) == len(some) else ()


def _keeps(block: Block) -> Iterator[tuple[str, str]]:
    yield from ((keep.level, keep.tensor) for keep in block.keep)
    for one in block.do:
        if isinstance(one, Block):
            yield from _keeps(one)
