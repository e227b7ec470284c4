"""Structures: groups of Einsums that stay together, and every form of a phase for a run of them, tensors kept or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from fusemax.mapping.space import Block
from fusemax.search.blocks import block_of, forms_of, previous_generation_of
from fusemax.search.facts import Facts
from fusemax.search.shapes import Places, Skeleton, dealt, skeletons

LOOKED_AT = 48  #: skeletons among which the nearest to a space without members is looked for


def atoms_of(facts: Facts) -> list[tuple[str, ...]]:
    """Return the runs of Einsums that have to stay in one phase: those between a running value and who reads it before."""
    names = facts.names
    position = {name: number for number, name in enumerate(names)}
    tied = [False] * len(names)  # whether an Einsum is tied to the one after it
    for reader in names:
        for access in facts.einsum(reader).reads:
            for maker in facts.cascade.producers(access.tensor):
                if maker.initial or not previous_generation_of(facts, access, maker.name):
                    continue
                low, high = sorted((position[reader], position[maker.name]))
                for number in range(low, high):
                    tied[number] = True
    atoms: list[tuple[str, ...]] = []
    run: list[str] = []
    for number, name in enumerate(names):
        run.append(name)
        if not tied[number]:
            atoms.append(tuple(run))
            run = []
    return atoms


def places_of(facts: Facts) -> list[Places]:
    """Return the levels to try for running values, inputs and what is cached, likely ones first."""
    levels = facts.inner_levels
    if not levels:
        return [Places(None, None)]
    if len(levels) == 1:
        only = levels[0]
        return [
            Places(only, only),
            Places(only, only, far=True),
            Places(only, only, outside=True),
            Places(only, None),
            Places(None, only, buffers=1),
            Places(None, None),
        ]
    found: list[Places] = []
    pairs = [(s, i) for s in reversed(range(len(levels))) for i in reversed(range(s + 1))]
    pairs.sort(key=lambda pair: (len(levels) - 1 - pair[0], abs(pair[1] - (len(levels) - 2))))
    for state, inputs in pairs:
        for cache in ([levels[0]] if inputs else []) + [None]:
            found.append(Places(levels[state], levels[inputs], cache))
    apart = [replace(one, handed=True) for one in found[:2] if one.state != one.inputs]
    found = [*found[:2], *apart, *found[2:]]
    found += [replace(one, near=True) for one in found if one.cache is not None]
    found.append(Places(levels[-1], levels[-1], outside=True))
    return [*found, Places(levels[-1], None), Places(None, levels[0], buffers=1), Places(None, None)]


def is_member(facts: Facts, skeleton: Skeleton, block: Block) -> bool:
    """Return whether a structure is in the part of the space that the user leaves."""
    return not any(_against(facts, skeleton, block))


def _against(
    facts: Facts, skeleton: Skeleton, block: Block
) -> tuple[list[str], list[str], list[str], list[str]]:
    """Return in what a structure is not as the user wants it: tiles that it lacks, tensors not kept, too many kept, and an
    outermost loop, which always is dealt to cores, that may not be."""
    first = (*skeleton.batch, *skeleton.outer)[:1]
    outermost = [] if facts.within.spread is None or dealt(facts, skeleton) else list(first)
    carried = {variable.upper() for name in skeleton.einsums for variable in facts.carried[name]}
    uncut: list[str] = []
    for rank in facts.ranks if facts.within.tiles else ():
        if rank in carried:
            cut = {d.upper() for d in facts.digits(rank, skeleton.cuts.get(rank, 0))[1:]}
            uncut += [
                tile for tile in facts.within.tiles if tile.rstrip("0123456789") == rank and tile not in cut
            ]
    if not facts.within.kept and not facts.within.alone:
        return uncut, [], [], outermost
    used = {
        access.tensor
        for name in skeleton.einsums
        for access in (*facts.einsum(name).reads, *facts.einsum(name).outputs)
    }
    return uncut, *facts.within.against(block, frozenset(used)), outermost


def nearest_member(facts: Facts, segment: Sequence[str]) -> str:
    """Return in words what the structure for *segment* that is nearest to what the user wants has otherwise."""
    found = [
        _against(facts, form, block_of(facts, form, places))
        for skeleton in islice(skeletons(facts, segment), LOOKED_AT)
        for form in forms_of(facts, skeleton)
        for places in places_of(facts)
    ]
    if not found:
        return "no loops suit it"
    uncut, lacking, more, outermost = min(found, key=lambda one: (sum(map(len, one)), one))
    told = [
        *([f"has no tile {', '.join(uncut)}"] if uncut else []),
        *([f"does not keep {', '.join(lacking)}"] if lacking else []),
        *([f"also keeps {', '.join(more)}"] if more else []),
        *([f"deals {', '.join(outermost)} to cores"] if outermost else []),
    ]
    return f"the nearest {' and '.join(told)}"


def structures_of(facts: Facts, segment: Sequence[str]) -> Iterator[tuple[Skeleton, Block]]:
    """Yield every structure of a phase that does *segment*, each once: its skeleton, and its loops with what they keep."""
    seen: set[str] = set()
    for skeleton in skeletons(facts, segment):
        for form in forms_of(facts, skeleton):
            for places in places_of(facts):
                block = block_of(facts, form, places)
                key = f"{block}{form.cuts}{[part.einsums for part in form.bodies]}"
                if key not in seen and is_member(facts, form, block):
                    seen.add(key)
                    yield form, block
