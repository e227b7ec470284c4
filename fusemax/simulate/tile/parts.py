"""Tensors whose ranks are the parts of one rank (``CG[i1,i0]`` of T = I1*I0), read by other variables (``CG[i1,j0]``)."""

from __future__ import annotations

from fusemax.language.syntax import Access
from fusemax.mapping.nest import Mapped, Nest, Root
from fusemax.simulate.tile.geometry import Geometry


def cut_roots(mapped: Mapped, geometry: Geometry, access: Access) -> tuple[str, ...]:
    """Return the parts of ranks that end inside of their last part, where *access* names them by other variables.

    Some of what it means is not there then, and how much depends on where the loops stand.
    """
    return tuple(
        digit.size_name
        for root in parted(mapped, geometry.nest, access)
        if geometry.sizes[root.name] % geometry.unit(root.digits[0].name)
        for digit in root.digits
    )


def parted(mapped: Mapped, nest: Nest, access: Access) -> tuple[Root, ...]:
    """Return the roots whose parts are ranks of the tensor of *access*, which it names by other variables than theirs."""
    tensor = mapped.cascade.tensors[access.tensor]
    found: list[Root] = []
    for root in nest.roots.values():
        parts = {digit.size_name: digit.name for digit in root.digits}
        if len(parts) > 1 and tensor.generation not in parts and set(parts) <= set(tensor.ranks):
            pairs = zip(tensor.ranks, access.indices, strict=True)
            if any(rank in parts and str(index) != parts[rank] for rank, index in pairs):
                found.append(root)
    return tuple(found)
