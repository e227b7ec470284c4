"""Sizes that a mapping wants to be given, and those that it says itself: a tile, what is as long as one, what is left."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from fusemax.cascade.sizes import MissingSizeError, SizeError, resolve_sizes
from fusemax.language.syntax import Expression, Name, names
from fusemax.mapping.names import Names, check_names, names_together
from fusemax.mapping.nest import Digit, Mapped


@dataclass(frozen=True)
class Said:
    """What *mapped* says of sizes, found once for any number of points."""

    mapped: Mapped

    @cached_property
    def tiles(self) -> frozenset[str]:
        """See :func:`tiles_cut`."""
        return tiles_cut(self.mapped)

    @cached_property
    def as_long(self) -> frozenset[str]:
        """See :func:`as_long_as_tiles`."""
        return _as_long_as(self.mapped, self.tiles)

    @cached_property
    def together(self) -> tuple[Names, ...]:
        """See :func:`~fusemax.mapping.names.names_together`."""
        return names_together(self.mapped)


def tiles_cut(mapped: Mapped) -> frozenset[str]:
    """Return the parts of ranks that *mapped* cuts; one that it leaves open (``P1: P1``) is a size like others."""
    return frozenset(digit.size_name for digit in _cut(mapped))


def as_long_as_tiles(mapped: Mapped) -> frozenset[str]:
    """Return the ranks of the cascade that are as long as a tile which *mapped* cuts (``J0: I0`` where it cuts I by I0).

    Not one that is as long as the whole of a rank that is cut (``P: M1*M0`` beside M).
    """
    return _as_long_as(mapped, tiles_cut(mapped))


def _as_long_as(mapped: Mapped, tiles: Collection[str]) -> frozenset[str]:
    cut = {name for name in tiles if name in mapped.cascade.ranks}
    roots = {root.size_name: root for nest in mapped.nests for root in nest.roots.values()}
    sizes = {name: mapped.cascade.ranks[name].size for name in roots if name in mapped.cascade.ranks}
    used = {name: set(() if size is None else names(size)) for name, size in sizes.items()}
    whole = sizes_of_wholes(mapped)
    return frozenset(name for name in used if used[name] & cut and sizes[name] not in whole)


def sizes_of_wholes(mapped: Mapped) -> frozenset[Expression]:
    """Return the sizes, as the cascade writes them, of the ranks whose digits it names itself (``M1*M0``)."""
    found: set[Expression] = set()
    for nest in mapped.nests:
        for root in nest.roots.values():
            rank = mapped.cascade.ranks.get(root.size_name)
            if rank is not None and rank.size is not None:
                digits = {digit.size_name for digit in root.digits}
                found |= {rank.size} if digits.intersection(names(rank.size)) else set()
    return frozenset(found)


def check_not_given(mapped: Mapped, given: Collection[str], left_open: Collection[str] = ()) -> None:
    """Raise SizeError where a size is *given* that the mapping says itself.

    That is a tile, what is as long as one, or how many tiles a rank has that is given too. Tiles *left_open* are chosen by
    somebody else, in place of the mapping's.
    """
    _refuse_given(Said(mapped), given, left_open)


def _refuse_given(said: Said, given: Collection[str], left_open: Collection[str]) -> None:
    mapped, cut = said.mapped, said.tiles.difference(left_open)
    where = f"mapping {mapped.name} cuts"
    mistakes = [
        f"{name} cannot be set: {where} it under 'tiles:'" for name in sorted(cut.intersection(given))
    ]
    mistakes += [
        f"{name} cannot be set: it is as long as a tile that {where} under 'tiles:'"
        for name in sorted(said.as_long.intersection(given))
    ]
    mistakes += [
        f"{name} cannot be set: it follows from {whole} and what {where} under 'tiles:'"
        for name, whole in sorted(dict(_left(mapped, cut)).items())
        if name in given and whole in given
    ]
    if mistakes:
        raise SizeError("\n".join(mistakes))


def sizes_given(
    mapped: Mapped, needed: Iterable[str], given: Mapping[str, int], left_open: Collection[str] = (),
    said: Said | None = None,
) -> dict[str, int]:  # fmt: skip
    """Return every size that is *needed*, from the *given* ones; tiles *left_open* are chosen by somebody else.

    *said* is what the mapping says, for who asks often.

    Raises
    ------
    SizeError
        Naming what is missing, what cannot be set, and what would follow from a tile.
    """
    said = said or Said(mapped)
    _refuse_given(said, given, left_open)
    needed = list(needed)
    cascade = mapped.cascade
    cut = said.tiles.difference(left_open)
    extra = [name for name in cut if name in cascade.size_symbols() and name not in given]
    known = resolve_sizes(cascade, {**dict.fromkeys(extra, 1), **given}, extra)
    other = resolve_sizes(cascade, {**dict.fromkeys(extra, 2), **given}, extra) if extra else known
    loose = sorted(name for name in needed if known.get(name) != other.get(name))
    if loose:
        raise SizeError(
            f"{', '.join(loose)} would follow from a tile that mapping {mapped.name} cuts under 'tiles:'\n"
            f"  hint: give {', '.join(loose)} instead of its parts"
        )
    missing = [name for name in needed if name not in known]
    if missing:
        raise MissingSizeError(f"mapping {mapped.name}", sorted(missing))
    check_names(
        mapped, said.together, {name: size for name, size in known.items() if other.get(name) == size}
    )
    return {name: known[name] for name in needed}


def _cut(mapped: Mapped) -> Iterator[Digit]:
    for nest in mapped.nests:
        for root in nest.roots.values():
            for digit in root.digits:
                own = isinstance(digit.rule, Name) and digit.rule.name == digit.size_name
                if digit.rule is not None and not own:
                    yield digit


def _left(mapped: Mapped, cut: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the size of each outermost part that the mapping leaves as it comes, all inside it *cut*, and the whole's."""
    for nest in mapped.nests:
        for root in nest.roots.values():
            first, *inner = root.digits
            if first.rule is None and inner and all(digit.size_name in cut for digit in inner):
                yield first.size_name, root.size_name
