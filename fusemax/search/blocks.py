"""The loops of a skeleton with what is kept around them: which tensor waits at which level, and which bodies share a loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from fusemax.cascade.ir import is_variable
from fusemax.language.syntax import Access, names
from fusemax.mapping.space import Block, Keep
from fusemax.search.facts import Facts
from fusemax.search.shapes import Part, Places, Skeleton, fusable, variable_of, variables_of


def block_of(facts: Facts, skeleton: Skeleton, places: Places) -> Block:
    """Return the loops of *skeleton* with tensors kept as *places* says; what runs over lanes is still open."""
    outer: list[Keep] = []
    batch: list[Keep] = []
    streams: dict[int, list[Keep]] = {}
    for tensor in _tensors(facts, skeleton):
        if _passes(facts, skeleton, tensor):
            level = places.state or _needed(facts, skeleton, tensor)
            if places.outside and _crosses(facts, skeleton, tensor) and _streams_by(facts, skeleton, tensor):
                level = facts.machine.outermost
            if places.handed and facts.cascade.tensors[tensor].generation is None:
                level = places.inputs if _crosses(facts, skeleton, tensor) else level
            if level is None and _crosses(facts, skeleton, tensor):
                level = facts.machine.outermost
            if level is not None:
                outer.append(Keep(level, tensor))
        elif not _made(facts, skeleton, tensor):
            needed = _needed(facts, skeleton, tensor)
            level = places.inputs or needed
            if level is not None:
                _input(facts, skeleton, replace(places, inputs=level), tensor, needed, batch, outer, streams)
    parts = tuple(
        _part_block(facts, skeleton, n, tuple(streams.get(n, ())), places) for n in range(len(skeleton.parts))
    )
    inside = Block(loops=skeleton.outer, do=parts, keep=tuple(outer))
    if len(parts) == 1 and not parts[0].keep and not parts[0].loops:
        inside = replace(inside, do=parts[0].do)
    if not batch or not skeleton.batch:
        return replace(inside, loops=(*skeleton.batch, *skeleton.outer), keep=(*batch, *outer))
    return Block(loops=skeleton.batch, do=(inside,), keep=tuple(batch))


def _part_block(
    facts: Facts, skeleton: Skeleton, number: int, keep: tuple[Keep, ...], places: Places
) -> Block:
    part = skeleton.parts[number]
    groups = skeleton.groups[number] if skeleton.groups else ()
    if len(groups) > 1:
        between = tuple(
            Keep(places.state or _needed(facts, skeleton, name) or facts.machine.outermost, name)
            for name in _between(facts, skeleton, groups)
        )
        bodies = tuple(Block(loops=(), do=names) for names in groups)
        return Block(loops=part.stream, keep=keep, do=(Block(loops=part.inner, keep=between, do=bodies),))
    if keep and part.inner:
        return Block(loops=part.stream, keep=keep, do=(Block(loops=part.inner, do=part.einsums),))
    return Block(loops=part.loops, keep=keep, do=part.einsums)


def _between(facts: Facts, skeleton: Skeleton, groups: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield what one of *groups* makes for another and nothing around them keeps."""
    for names_ in groups:
        others = [name for other in groups if other != names_ for name in other]
        for name in names_:
            for output in facts.einsum(name).outputs:
                if output.tensor in _read(facts, others) and not _passes(facts, skeleton, output.tensor):
                    yield output.tensor


def forms_of(facts: Facts, skeleton: Skeleton) -> list[Skeleton]:
    """Return *skeleton* as it is; cut where a whole tile would wait for its reader; in as many bodies as can be.

    A running value and whoever reads its last generation share a body; bodies stand in an order of their needs.
    """
    least = tuple(_groups(facts, part.einsums) for part in skeleton.parts)
    waiting = tuple(
        _joined_while_passing(facts, skeleton, part, groups)
        for part, groups in zip(skeleton.parts, least, strict=True)
    )
    forms = [skeleton]
    for groups in (waiting, least):
        several = None if all(len(some) == 1 for some in groups) else replace(skeleton, groups=groups)
        if several is not None and several not in forms and _may_stand(facts, several):
            forms.append(several)
    return forms


def _may_stand(facts: Facts, skeleton: Skeleton) -> bool:
    around = (*skeleton.batch, *skeleton.outer)
    return all(
        fusable(facts, body.einsums, variables_of(facts, (*around, *body.loops))) for body in skeleton.bodies
    )


def _joined_while_passing(
    facts: Facts, skeleton: Skeleton, part: Part, groups: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    """Return *groups* with neighbours in one body as long as values pass from Einsum to Einsum element by element."""
    loops = (*skeleton.batch, *skeleton.outer, *part.loops)
    found: list[tuple[str, ...]] = []
    for group in groups:
        if found and not any(_waits(facts, skeleton, loops, found[-1], reader) for reader in group):
            found[-1] = (*found[-1], *group)
        else:
            found.append(group)
    return tuple(found)


def _waits(
    facts: Facts, skeleton: Skeleton, loops: Sequence[str], makers: Sequence[str], reader: str
) -> bool:
    """Return whether a tile that *makers* make would have to wait whole for *reader* in one body.

    It does when an element of it is read more than once, and when *reader* also needs a sum or maximum over it.
    """
    made = {o.tensor: name for name in makers for o in facts.einsum(name).outputs}
    reads = [access for access in facts.einsum(reader).reads if access.tensor in made]
    inside = _inside(facts, skeleton, reader, loops)
    summed = {v for access in reads for v in facts.einsum(made[access.tensor]).reduced}
    return any(inside - _variables(access) or summed & _variables(access) for access in reads)


def _groups(facts: Facts, einsums: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    import networkx

    graph = cast(Any, networkx).DiGraph()
    graph.add_nodes_from(einsums)
    for reader in einsums:
        for access in facts.einsum(reader).reads:
            for maker in (m.name for m in facts.cascade.producers(access.tensor) if m.name in einsums):
                graph.add_edge(maker, reader)
                if previous_generation_of(facts, access, maker):
                    graph.add_edge(reader, maker)
    place = {name: number for number, name in enumerate(einsums)}
    whole = cast(Any, networkx).condensation(graph)
    members = {n: sorted(whole.nodes[n]["members"], key=lambda name: place[name]) for n in whole}
    order = cast(Any, networkx).lexicographical_topological_sort(
        whole,
        key=lambda n: place[members[n][0]],  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    )
    return tuple(tuple(members[n]) for n in order)


def _input(
    facts: Facts, skeleton: Skeleton, places: Places, tensor: str, needed: str | None, batch: list[Keep],
    outer: list[Keep], streams: dict[int, list[Keep]],
) -> None:  # fmt: skip
    level = places.inputs
    assert level is not None
    users = [n for n, part in enumerate(skeleton.parts) if tensor in _read(facts, part.einsums)]
    mine = _indexed(facts, skeleton.einsums, tensor)
    streamed = [n for n in users if any(variable_of(facts, d) in mine for d in skeleton.parts[n].stream)]
    again = any(variable_of(facts, d) not in mine for d in skeleton.outer)
    if not needed and not streamed and not any(_again_inside(facts, skeleton.parts[n], mine) for n in users):
        return  # every element is read once: nothing is gained by keeping it
    if places.cache is not None and again and streamed:
        several = any(facts.sizes.get(loop.upper(), 2) > 1 for loop in skeleton.batch)
        (batch if several and not places.near else outer).append(Keep(places.cache, tensor))
    if not streamed:
        outer.append(Keep(level, tensor))
    elif places.far:
        (batch if again and skeleton.batch else outer).append(Keep(level, tensor))
    else:
        for number in streamed:
            streams.setdefault(number, []).append(Keep(level, tensor, places.buffers))
        if len(streamed) < len(users):
            for number in set(users) - set(streamed):
                streams.setdefault(number, []).append(Keep(level, tensor))


def _needed(facts: Facts, skeleton: Skeleton, tensor: str) -> str | None:
    """Return the innermost level where a body uses an element of *tensor* more than once an iteration; else None.

    Such a tensor is always kept: nothing brings it again and again for nothing.
    """
    if not facts.inner_levels:
        return None
    for part in skeleton.bodies:
        loops = (*skeleton.batch, *skeleton.outer, *part.loops)
        for name in part.einsums:
            for access in facts.einsum(name).reads:
                if access.tensor == tensor and _inside(facts, skeleton, name, loops) - _variables(access):
                    return facts.inner_levels[-1]
    return None


def _inside(facts: Facts, skeleton: Skeleton, name: str, loops: Sequence[str]) -> set[str]:
    """Return the rank variables of Einsum *name* of which a digit runs inside its body."""
    return {
        variable
        for rank in facts.ranks
        for digit in facts.digits(rank, skeleton.cuts.get(rank, 0))
        if digit not in loops and facts.sizes.get(rank, 2) > 1
        if (variable := variable_of(facts, digit)) in facts.carried[name]
    }


def _variables(access: Access) -> set[str]:
    return {v for index in access.indices for v in names(index) if is_variable(v)}


def _again_inside(facts: Facts, part: Part, mine: set[str]) -> bool:
    """Return whether a loop of *part* brings the same tile of a tensor with variables *mine* again."""
    return any(variable_of(facts, digit) not in mine for digit in part.loops)


def _tensors(facts: Facts, skeleton: Skeleton) -> tuple[str, ...]:
    found = [
        a.tensor
        for name in skeleton.einsums
        for a in (*facts.einsum(name).reads, *facts.einsum(name).outputs)
    ]
    return tuple(dict.fromkeys(found))


def _read(facts: Facts, einsums: Sequence[str]) -> set[str]:
    return {access.tensor for name in einsums for access in facts.einsum(name).reads}


def _indexed(facts: Facts, einsums: Sequence[str], tensor: str) -> set[str]:
    found: list[Access] = [
        access
        for name in einsums
        for access in (*facts.einsum(name).reads, *facts.einsum(name).outputs)
        if access.tensor == tensor
    ]
    return {v for access in found for v in _variables(access)}


def _made(facts: Facts, skeleton: Skeleton, tensor: str) -> bool:
    return any(o.tensor == tensor for name in skeleton.einsums for o in facts.einsum(name).outputs)


def _crosses(facts: Facts, skeleton: Skeleton, tensor: str) -> bool:
    """Return whether *tensor* is made in one part of the phase and read in another."""
    makers = {n for n, part in enumerate(skeleton.parts) if _made_in(facts, part, tensor)}
    readers = {n for n, part in enumerate(skeleton.parts) if tensor in _read(facts, part.einsums)}
    return bool(makers) and bool(readers - makers)


def _streams_by(facts: Facts, skeleton: Skeleton, tensor: str) -> bool:
    """Return whether *tensor* is as long as the stream of one of the parts."""
    mine = _indexed(facts, skeleton.einsums, tensor)
    return any(variable_of(facts, digit) in mine for part in skeleton.parts for digit in part.stream)


def _made_in(facts: Facts, part: Part, tensor: str) -> bool:
    return any(o.tensor == tensor for name in part.einsums for o in facts.einsum(name).outputs)


def _passes(facts: Facts, skeleton: Skeleton, tensor: str) -> bool:
    """Return whether *tensor* waits between bodies: between parts, generations, or partial sums."""
    if _crosses(facts, skeleton, tensor):
        return True
    for part in skeleton.parts:
        loops = {variable_of(facts, digit) for digit in part.loops}
        for name in part.einsums:
            einsum = facts.einsum(name)
            if any(o.tensor == tensor for o in einsum.outputs) and loops & set(einsum.reduced):
                return True
            for access in einsum.reads:
                if access.tensor == tensor and any(
                    previous_generation_of(facts, access, maker) for maker in part.einsums
                ):
                    return True
    return False


def previous_generation_of(facts: Facts, access: Access, maker: str) -> bool:
    """Return whether *access* reads what Einsum *maker* wrote in an earlier iteration of its loop."""
    einsum = facts.einsum(maker)
    if all(o.tensor != access.tensor for o in einsum.outputs):
        return False
    return einsum.loop is not None and facts.cascade.tensors[access.tensor].is_earlier(access)
