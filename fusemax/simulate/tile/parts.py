"""Tensors whose ranks are the parts of one rank (``CG[i1,i0]`` of T = I1*I0), read by other variables (``CG[i1,j0]``)."""

from __future__ import annotations

from collections.abc import Iterator

from fusemax.cascade.ir import Einsum
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Access
from fusemax.mapping.nest import Mapped, Root
from fusemax.simulate.tile.geometry import Geometry


def refuse_cut_parts(mapped: Mapped, geometry: Geometry) -> None:
    """Raise FusemaxError for reads by other variables where the rank ends inside of a part: some elements are not there."""
    mistakes = [
        f"{einsum.name} reads {access}, of which {root.size_name} = {geometry.sizes[root.name]} leaves a part of the last"
        f" {root.digits[-1].size_name}"
        for root in geometry.nest.roots.values()
        if len(root.digits) > 1 and geometry.sizes[root.name] % geometry.unit(root.digits[0].name)
        for body in geometry.nest.bodies
        for einsum in map(mapped.einsum, body.einsums)
        for access in _by_others(mapped, einsum, root)
    ]
    if mistakes:
        raise FusemaxError(
            f"mapping {mapped.name} cannot be simulated tile by tile:\n  "
            + "\n  ".join(dict.fromkeys(mistakes))
            + "\n"
            "  hint: take sizes that are whole multiples of their tiles, or use 'fusemax cost', which counts what is there"
        )


def _by_others(mapped: Mapped, einsum: Einsum, root: Root) -> Iterator[Access]:
    """Yield the accesses of *einsum* to tensors over all parts of *root* by other variables than those of the parts."""
    parts = {digit.size_name: digit.name for digit in root.digits}
    for access in (*einsum.reads, *einsum.outputs):
        tensor = mapped.cascade.tensors[access.tensor]
        if tensor.generation not in parts and set(parts) <= set(tensor.ranks):
            pairs = zip(tensor.ranks, access.indices, strict=True)
            if any(rank in parts and str(index) != parts[rank] for rank, index in pairs):
                yield access
