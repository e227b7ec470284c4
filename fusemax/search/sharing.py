"""Which kept tensors may share one place: what is made from another element by element, when nobody wants that one any more.

Room is all that a shared place changes, so that every structure takes as few places as it can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fusemax.cascade.ir import Einsum
from fusemax.mapping.space import Block
from fusemax.search.facts import Facts
from fusemax.search.shapes import Skeleton


def shared_places(facts: Facts, skeleton: Skeleton, block: Block) -> tuple[tuple[str, ...], ...]:
    """Return groups of tensors that *block* keeps at one level inside the same loops, each made from the one before it."""
    before: dict[str, str] = {}
    for name in skeleton.einsums:
        made = facts.einsum(name).output.tensor
        taken = _place_of(facts, skeleton, facts.einsum(name))
        if taken is not None and taken not in before.values() and _together(block, taken, made):
            before[made] = taken
    return tuple(_chains(before))


def _place_of(facts: Facts, skeleton: Skeleton, maker: Einsum) -> str | None:
    """Return the tensor whose place what *maker* makes may take: read index by index, and wanted by nobody after it."""
    if maker.loop is not None or maker.action is not None or len(maker.outputs) != 1:
        return None
    output = maker.output
    position = {name: number for number, name in enumerate(skeleton.einsums)}
    for access in maker.reads:
        tensor = access.tensor
        makers = facts.cascade.producers(tensor)
        readers = [reader.name for reader in facts.cascade.readers(tensor)]
        if (
            len(makers) == 1
            and makers[0].name in position
            and makers[0].loop is None
            and tensor not in facts.cascade.outputs
            and all(reader in position and position[reader] <= position[maker.name] for reader in readers)
            and access.indices == output.indices == makers[0].output.indices
            and sum(other.tensor == tensor for other in maker.reads) == 1
        ):
            return tensor
    return None


def _together(block: Block, tensor: str, made: str) -> bool:
    """Return whether *block*, or one inside it, keeps *tensor* and *made* at the same level, in one buffer each."""
    mine: dict[str, set[tuple[str, int]]] = {}
    for keep in block.keep:
        mine.setdefault(keep.tensor, set()).add((keep.level, keep.buffers))
    kept = mine.get(tensor, set()) & mine.get(made, set())
    inner = [one for one in block.do if isinstance(one, Block)]
    return any(buffers == 1 for _, buffers in kept) or any(_together(one, tensor, made) for one in inner)


def _chains(before: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Yield each chain of tensors of which every one takes the place of the one before it."""
    after = {first: second for second, first in before.items()}
    for first in after:
        if first in before:
            continue
        chain = [first]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        yield tuple(chain)
